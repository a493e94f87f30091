//! The one verification: rows go in, in commit order or in the order of one log, findings come out.
//!
//! Each row is judged against the row with the next smaller seq of its log, wherever that stands, so that one damage
//! is reported once and what follows goes on from the stored hash. Which database the rows come from is the feeder's
//! affair; it also answers, by `Lookup`, what is not in the bounded cache of chain states.

use hashlink::LruCache;

use crate::chain::{self, Hash};
use crate::error::{Error, Result};
use crate::findings::{Break, Findings, Gap, Kind};
use crate::many::Many;

/// Chain states kept: about 6 MB, however many logs there are.
const STATES: usize = 1 << 16;

/// One stored row as found; `None` where a column has the wrong type.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub position: i64,
    pub log: Option<i64>,
    pub seq: Option<i64>,
    pub content_hash: Option<&'a [u8]>,
    pub payload: Option<&'a [u8]>,
    pub prev: StoredPrev<'a>,
}

/// What the row itself says of the entry before it.
#[derive(Clone, Copy, Debug)]
pub enum StoredPrev<'a> {
    /// The layout does not repeat it.
    Implied,
    /// The crate's layout does.
    Column(Option<&'a [u8]>),
}

/// An entry that others are judged against.
#[derive(Clone, Copy, Debug)]
pub struct State {
    pub seq: i64,
    pub position: i64,
    /// `None`: its stored hash is not 32 bytes.
    pub content_hash: Option<Hash>,
}

/// Answers from the database that the rows come from.
pub trait Lookup {
    /// The entry of `log` with the greatest seq below `seq`.
    fn before(&self, log: i64, seq: i64) -> Result<Option<State>>;
}

pub struct Checker {
    states: LruCache<i64, State>,
    /// The position that must come next, where every position is looked at.
    next: Option<i64>,
    judge: Judge,
}

struct Judge {
    findings: Findings,
    /// Entries that are still to be hashed.
    hashes: Many<Stored>,
    /// Breaks since the last `settle`, each with the number of its row.
    found: Vec<(u64, Break)>,
}

/// An entry whose hash is being recomputed.
struct Stored {
    number: u64,
    log: i64,
    seq: i64,
    position: i64,
    content_hash: Hash,
    /// Something else was found wrong with it.
    broken: bool,
}

impl Checker {
    /// `next`: the position that must come first, or `None` where rows are not in position order.
    #[must_use]
    pub fn new(next: Option<i64>) -> Self {
        let judge = Judge { findings: Findings::default(), hashes: Many::new(), found: Vec::new() };
        Self { states: LruCache::new(STATES), next, judge }
    }

    /// Recompute what still waits for its hash, and report what was found since the last time in the order of the rows.
    pub fn settle(&mut self) {
        self.judge.settle();
    }

    /// All that was found in the rows so far.
    pub fn findings(&mut self) -> &mut Findings {
        self.settle();
        &mut self.judge.findings
    }

    #[must_use]
    pub fn into_findings(mut self) -> Findings {
        self.settle();
        self.judge.findings
    }

    /// Rows taken in so far.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.judge.findings.entries
    }

    /// Positions `from..=to` could not be read.
    pub fn unreadable(&mut self, from: i64, to: i64, detail: &str) {
        self.findings().report(Break {
            kind: Kind::Corrupt,
            log: None,
            name: None,
            seq: None,
            position: Some(from),
            detail: format!("positions {from} to {to} could not be read: {detail}"),
        });
        self.skip(to);
    }

    /// Positions up to `to` are dealt with.
    pub fn skip(&mut self, to: i64) {
        if let Some(next) = self.next {
            self.next = to.checked_add(1).map(|after| after.max(next));
        }
    }

    /// The first position of a range from `from` on that was not fed yet.
    #[must_use]
    pub fn reached(&self, from: i64) -> i64 {
        self.next.map_or(from, |next| next.max(from))
    }

    /// The range is over and its last position was to be `last`.
    pub fn finish(&mut self, last: i64) {
        if let Some(next) = self.next
            && next <= last
        {
            self.judge.findings.hole(next, last);
        }
        self.next = None;
    }

    pub fn row(&mut self, row: &Row<'_>, lookup: &dyn Lookup) -> Result<()> {
        let Self { states, next, judge } = self;
        judge.findings.entries += 1;
        if let Some(next) = next.as_mut().filter(|next| **next != row.position) {
            if row.position > *next {
                judge.findings.hole(*next, row.position - 1);
            }
            *next = row.position;
        }
        *next = next.and_then(|next| next.checked_add(1));
        let stored = row.content_hash.and_then(|hash| Hash::try_from(hash).ok());
        let (Some(log), Some(seq)) = (row.log, row.seq) else {
            judge.report(Kind::Malformed, row, row.seq, "log or seq is not an integer".to_owned());
            return Ok(());
        };
        let state = State { seq, position: row.position, content_hash: stored };
        if let Some(known) = states.get_mut(&log) {
            judge.row(row, (log, seq), stored, Some(*known), lookup)?;
            *known = state;
        } else {
            judge.row(row, (log, seq), stored, None, lookup)?;
            states.insert(log, state);
        }
        Ok(())
    }
}

impl Judge {
    /// `known` is the row of the log that came last.
    fn row(
        &mut self,
        row: &Row<'_>,
        (log, seq): (i64, i64),
        stored: Option<Hash>,
        known: Option<State>,
        lookup: &dyn Lookup,
    ) -> Result<()> {
        let (Some(content_hash), Some(payload), true) = (stored, row.payload, seq > 0 && row.position > 0) else {
            self.report(Kind::Malformed, row, row.seq, shape(row, seq, stored));
            return Ok(());
        };
        let before = match known {
            Some(state) if state.seq == seq - 1 => Some(state),
            _ if seq == 1 => None,
            _ => match lookup.before(log, seq) {
                Err(Error::Corrupt(_)) => return Ok(()), // What it must be judged against is reported there.
                other => other?,
            },
        };
        let reached = before.map_or(0, |state| state.seq);
        if reached != seq - 1 {
            let first = reached + 1;
            let detail = match seq - 1 {
                last if last == first => format!("entry {first} is missing"),
                last => format!("entries {first} to {last} are missing"),
            };
            self.report(Kind::Gap, row, Some(first), detail);
            self.findings.gap(Gap {
                after: before.map_or(0, |state| state.position),
                before: row.position,
                missing: seq.abs_diff(first),
            });
            return Ok(());
        }
        let mut broken = false;
        if let Some(before) = before.filter(|state| state.position >= row.position) {
            let detail =
                format!("it stands at position {}, before entry {} at {}", row.position, before.seq, before.position);
            self.report(Kind::Order, row, row.seq, detail);
            broken = true;
        }
        let prev = match before.map(|state| state.content_hash) {
            None => None,
            Some(Some(hash)) => Some(hash),
            Some(None) => {
                let detail = "the entry before it has no hash of 32 bytes to link to".to_owned();
                self.report(Kind::Link, row, row.seq, detail);
                return Ok(());
            }
        };
        if let StoredPrev::Column(column) = row.prev
            && column != prev.as_ref().map(|hash| &hash[..])
        {
            let detail = "prev_hash is not the content_hash of the entry before".to_owned();
            self.report(Kind::Link, row, row.seq, detail);
            broken = true;
        }
        let number = self.findings.entries;
        let stored = Stored { number, log, seq, position: row.position, content_hash, broken };
        let Self { findings, hashes, found } = self;
        hashes.push(prev.as_ref(), payload, stored, &mut |stored, computed| stored.compare(&computed, findings, found));
        Ok(())
    }

    fn settle(&mut self) {
        let Self { findings, hashes, found } = self;
        hashes.flush(&mut |stored, computed| stored.compare(&computed, findings, found));
        found.sort_by_key(|(number, _)| *number);
        for (_, found) in found.drain(..) {
            findings.report(found);
        }
    }

    fn report(&mut self, kind: Kind, row: &Row<'_>, seq: Option<i64>, detail: String) {
        let found = Break { kind, log: row.log, name: None, seq, position: Some(row.position), detail };
        self.found.push((self.findings.entries, found));
    }
}

impl Stored {
    fn compare(&self, computed: &Hash, findings: &mut Findings, found: &mut Vec<(u64, Break)>) {
        if *computed == self.content_hash {
            findings.entries_hold += u64::from(!self.broken);
            return;
        }
        let detail = format!(
            "content_hash is {}…, recomputed from the payload and the entry before it is {}…",
            chain::hex(&self.content_hash[..4]),
            chain::hex(&computed[..4])
        );
        let (log, seq, position) = (Some(self.log), Some(self.seq), Some(self.position));
        found.push((self.number, Break { kind: Kind::Hash, log, name: None, seq, position, detail }));
    }
}

fn shape(row: &Row<'_>, seq: i64, stored: Option<Hash>) -> String {
    if stored.is_none() {
        match row.content_hash {
            Some(hash) => format!("content_hash has {} bytes instead of 32", hash.len()),
            None => "content_hash is not a blob".to_owned(),
        }
    } else if row.payload.is_none() {
        "payload is not a blob".to_owned()
    } else if seq <= 0 {
        format!("seq is {seq}, below 1")
    } else {
        format!("position is {}, below 1", row.position)
    }
}

#[cfg(test)]
mod tests {
    use super::{Checker, Kind, Lookup, Result, Row, State, StoredPrev};
    use crate::chain;

    struct Nothing;
    impl Lookup for Nothing {
        fn before(&self, _log: i64, _seq: i64) -> Result<Option<State>> {
            Ok(None)
        }
    }

    fn rows(payloads: &[&[u8]]) -> Vec<(i64, chain::Hash, Vec<u8>)> {
        let hashes = chain::extend(None, payloads.iter().copied());
        (1..).zip(hashes.zip(payloads)).map(|(seq, (hash, payload))| (seq, hash, payload.to_vec())).collect()
    }

    fn check(rows: &[(i64, chain::Hash, Vec<u8>)]) -> Vec<(Kind, Option<i64>)> {
        let mut checker = Checker::new(None);
        for (seq, hash, payload) in rows {
            let row = Row {
                position: *seq,
                log: Some(1),
                seq: Some(*seq),
                content_hash: Some(hash),
                payload: Some(payload),
                prev: StoredPrev::Implied,
            };
            assert!(checker.row(&row, &Nothing).is_ok());
        }
        checker.findings().breaks.iter().map(|b| (b.kind, b.seq)).collect()
    }

    #[test]
    fn a_whole_chain_has_no_findings() {
        assert_eq!(check(&rows(&[b"a", b"b", b"c"])), []);
    }

    #[test]
    fn an_altered_payload_is_one_break() {
        let mut damaged = rows(&[b"a", b"b", b"c"]);
        damaged[1].2 = b"B".to_vec();
        assert_eq!(check(&damaged), [(Kind::Hash, Some(2))]);
    }

    #[test]
    fn an_altered_hash_is_a_break_there_and_at_the_next() {
        let mut damaged = rows(&[b"a", b"b", b"c", b"d"]);
        damaged[1].1[0] ^= 1;
        assert_eq!(check(&damaged), [(Kind::Hash, Some(2)), (Kind::Hash, Some(3))]);
    }
}
