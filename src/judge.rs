//! One row judged against the one before it, and its hash recomputed with others'.

use crate::chain::{self, Hash};
use crate::error::{Error, Result};
use crate::findings::{Break, Findings, Gap, Kind};
use crate::many::Many;
use crate::row::{Before, Lookup, Row, State, StoredPrev};
use crate::sealed::{Facts, Gathered};

pub struct Judge {
    pub findings: Findings,
    /// Of the row that is being judged: breaks are reported in the order of these.
    pub number: u64,
    /// Entries that are still to be hashed.
    hashes: Many<Stored>,
    /// Breaks since the last `settle`, each with the number of its row.
    found: Vec<(u64, Break)>,
    /// Where leaves are wanted of the entries.
    pub gathered: Option<Gathered>,
}

/// What is known of a row after a look at it.
enum Outcome {
    /// Whether it holds, its hash will tell, or, where the payload was erased, has been told.
    Hashed,
    /// It does not, whatever its hash.
    Unheld,
    /// Nothing yet.
    Waits,
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

impl Judge {
    pub fn new() -> Self {
        Self { findings: Findings::default(), number: 0, hashes: Many::new(), found: Vec::new(), gathered: None }
    }

    /// `known` is the row of the log that came last. False where the row must wait for what goes before it.
    pub fn row(
        &mut self,
        row: &Row<'_>,
        (log, seq): (i64, i64),
        stored: Option<&Hash>,
        known: Option<&State>,
        lookup: &dyn Lookup,
    ) -> Result<bool> {
        match self.outcome(row, (log, seq), stored, known, lookup)? {
            Outcome::Hashed => {}
            Outcome::Unheld => self.findings.unheld(log),
            Outcome::Waits => return Ok(false),
        }
        Ok(true)
    }

    fn outcome(
        &mut self,
        row: &Row<'_>,
        (log, seq): (i64, i64),
        stored: Option<&Hash>,
        known: Option<&State>,
        lookup: &dyn Lookup,
    ) -> Result<Outcome> {
        let (Some(&content_hash), Some(payload), true) = (stored, row.payload, seq > 0 && row.position > 0) else {
            self.report(Kind::Malformed, row, row.seq, shape(row, seq, stored));
            return Ok(Outcome::Unheld);
        };
        let looked_up;
        let before = match known {
            // Whatever else there is below it is malformed, and nothing that it could follow.
            _ if seq == 1 => None,
            Some(state) if state.seq == seq - 1 => Some(state),
            _ => {
                looked_up = match lookup.before(log, seq) {
                    // What it must be judged against is reported there.
                    Err(Error::Corrupt(_)) => return Ok(Outcome::Unheld),
                    Err(error) => return Err(error),
                    Ok(Before::Later) => return Ok(Outcome::Waits),
                    Ok(Before::Known(state)) => state.filter(|state| state.seq > 0),
                };
                looked_up.as_ref()
            }
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
            return Ok(Outcome::Unheld);
        }
        let mut broken = false;
        if let Some(before) = before.filter(|state| state.position >= row.position) {
            let detail =
                format!("it stands at position {}, before entry {} at {}", row.position, before.seq, before.position);
            self.report(Kind::Order, row, row.seq, detail);
            broken = true;
        }
        let prev = match before.map(|state| &state.content_hash) {
            None => None,
            Some(Some(hash)) => Some(hash),
            Some(None) => {
                let detail = "the entry before it has no hash of 32 bytes to link to".to_owned();
                self.report(Kind::Link, row, row.seq, detail);
                return Ok(Outcome::Unheld);
            }
        };
        if let StoredPrev::Column(column) = row.prev
            && column != prev.map(|hash| &hash[..])
        {
            let detail = "prev_hash is not the content_hash of the entry before".to_owned();
            self.report(Kind::Link, row, row.seq, detail);
            broken = true;
        }
        let erased = row.erased.filter(|_| payload.is_empty());
        let position = row.position;
        let Self { findings, hashes, found, gathered, .. } = self;
        // Where its record does not say how long it was, an erased payload leaves no leaf, and that is reported there.
        let payload_len = erased.map_or(Ok(payload.len() as u64), u64::try_from);
        if let (Some(gathered), Ok(payload_len)) = (gathered.as_mut(), payload_len)
            && position <= gathered.upto
        {
            gathered.facts.push(Facts { position, log, seq, prev_hash: prev.copied(), content_hash, payload_len });
        }
        if erased.is_some() {
            findings.erased += 1;
            if broken {
                return Ok(Outcome::Unheld);
            }
            findings.entries_hold += 1;
            return Ok(Outcome::Hashed);
        }
        let stored = Stored { number: self.number, log, seq, position, content_hash, broken };
        hashes
            .push(prev, payload, stored, &mut |stored, computed| stored.compare(&computed, findings, found, gathered));
        Ok(Outcome::Hashed)
    }

    pub fn into_findings(mut self) -> Findings {
        self.settle();
        self.findings
    }

    pub fn settle(&mut self) {
        self.settle_before(None);
    }

    /// Report what was found in the rows before `number`; the others may find something in between.
    pub fn settle_before(&mut self, number: Option<u64>) {
        let mut found = self.take_found();
        let later = number.map(|number| found.split_off(found.partition_point(|(of, _)| *of < number)));
        for (_, found) in found {
            self.findings.report(found);
        }
        self.found = later.unwrap_or_default();
    }

    /// Breaks that are not reported yet.
    pub fn unreported(&self) -> usize {
        self.found.len()
    }

    /// What `settle` would report, each with the number of its row.
    pub fn take_found(&mut self) -> Vec<(u64, Break)> {
        let Self { findings, hashes, found, gathered, .. } = self;
        hashes.flush(&mut |stored, computed| stored.compare(&computed, findings, found, gathered));
        found.sort_by_key(|(number, _)| *number);
        std::mem::take(found)
    }

    pub fn report(&mut self, kind: Kind, row: &Row<'_>, seq: Option<i64>, detail: String) {
        let found = Break { kind, log: row.log, name: None, seq, position: Some(row.position), detail };
        self.found.push((self.number, found));
    }
}

impl Stored {
    fn compare(
        &self,
        computed: &Hash,
        findings: &mut Findings,
        found: &mut Vec<(u64, Break)>,
        gathered: &mut Option<Gathered>,
    ) {
        let same = *computed == self.content_hash;
        if same && !self.broken {
            findings.entries_hold += 1;
        } else {
            findings.unheld(self.log);
        }
        if same {
            return;
        }
        if let Some(gathered) = gathered.as_mut().filter(|gathered| self.position <= gathered.upto) {
            gathered.wrong.push((self.position, *computed));
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

fn shape(row: &Row<'_>, seq: i64, stored: Option<&Hash>) -> String {
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
