//! The one verification: rows go in, in commit order or in the order of one log, findings come out.
//!
//! Each row is judged against the row with the next smaller seq of its log, wherever that stands, so that one damage
//! is reported once and what follows goes on from the stored hash. Which database the rows come from is the feeder's
//! affair; it also answers, by `Lookup`, what is not in the bounded cache of chain states.

use std::collections::HashMap;

use hashlink::LruCache;

use crate::chain::Hash;
use crate::error::Result;
use crate::findings::{Break, Findings, Kind};
use crate::held::{Answers, Held, Later, Waiting};
use crate::judge::Judge;
use crate::row::{Lookup, Row, State};
use crate::sealed::{Gathered, Leaves, Look, Named};

/// Chain states kept, about 2 MB for each range that is looked through, however many logs there are.
const STATES: usize = 1 << 14;
/// Breaks found before they are put in order and reported, and about the bytes of each.
const UNREPORTED: usize = 1 << 10;
const FOUND: usize = 256;
/// Entries that leaves are to be made of, before they are.
const GATHERED: usize = 1 << 12;

pub struct Checker {
    states: LruCache<i64, State>,
    /// The position that must come next, where every position is looked at.
    next: Option<i64>,
    judge: Judge,
    /// Rows whose predecessor is not known.
    held: Held,
    /// True where it is in the range before.
    after_another: bool,
    /// So many breaks are put in order and reported.
    report_at: usize,
    leaves: Option<Box<Leaves>>,
}

impl Checker {
    /// `next`: the position that must come first, or `None` where rows are not in position order.
    #[must_use]
    pub fn new(next: Option<i64>) -> Self {
        Self {
            states: LruCache::new(STATES),
            next,
            judge: Judge::new(),
            held: Held::default(),
            after_another: false,
            report_at: UNREPORTED,
            leaves: None,
        }
    }

    /// With leaves made of the entries up to position `upto`.
    #[must_use]
    pub fn with(mut self, leaves: Leaves, upto: i64) -> Self {
        self.judge.gathered = Some(Gathered::new(upto));
        self.leaves = Some(Box::new(leaves));
        self
    }

    /// For a range that goes on after another, which is looked through at the same time.
    #[must_use]
    pub fn after_another(next: i64) -> Self {
        Self { after_another: true, ..Self::new(Some(next)) }
    }

    /// Take in the range that comes next.
    pub fn join(&mut self, later: Self, lookup: &dyn Lookup) -> Result<()> {
        let Self { states, mut judge, held, after_another, leaves, .. } = later;
        if let (Some(mine), Some(leaves)) = (&mut self.leaves, leaves) {
            mine.join(*leaves);
        }
        if after_another {
            for Waiting { number, place, row } in held.rows() {
                self.judge.number = number;
                self.judge.row(&row, place, hash(&row).as_ref(), self.states.get(&place.0), lookup)?;
            }
            judge.settle();
            // Its own place among the others: which of them are kept depends on their order.
            let found = self.judge.take_found();
            judge.findings.insert(found.into_iter().map(|(_, found)| found).collect());
        }
        if states.len() == STATES {
            self.states = states; // It would push out all others.
        } else {
            self.states.extend(states);
        }
        self.judge.findings.merge(judge.into_findings());
        Ok(())
    }

    /// Recompute what still waits for its hash, and report what was found since the last time in the order of the rows.
    /// What was found after a row that `answer` must judge waits with it.
    pub fn settle(&mut self) {
        self.judge.settle_before(if self.after_another { None } else { self.held.first() });
        let Self { judge, held, next, leaves, .. } = self;
        if let (Some(leaves), Some(gathered)) = (leaves, &mut judge.gathered) {
            let waits = held.rows().next().map(|waiting| waiting.row.position);
            let reached = next.iter().copied().chain(waits).min();
            leaves.take(gathered, reached.unwrap_or(i64::MAX));
        }
    }

    /// Logs whose names are wanted for the leaves.
    #[must_use]
    pub fn nameless(&self) -> Vec<i64> {
        self.leaves.as_ref().map_or_else(Vec::new, |leaves| leaves.nameless())
    }

    /// The names of some of these.
    pub fn name(&mut self, names: &HashMap<i64, Named>) {
        if let Some(leaves) = &mut self.leaves {
            leaves.name(names);
        }
    }

    /// Compare the leaves with the tiles that are complete by now.
    pub fn compare(&mut self, look: Look<'_>) -> Result<()> {
        self.leaves.as_mut().map_or(Ok(()), |leaves| leaves.compare(look))
    }

    /// Where there are leaves.
    pub fn leaves(&mut self) -> Option<&mut Leaves> {
        self.leaves.as_deref_mut()
    }

    /// Log and seq of the rows that wait for `answer`, in the order in which they were fed.
    pub fn waiting(&self) -> impl Iterator<Item = (i64, i64)> {
        self.held.rows().map(|waiting| waiting.place)
    }

    /// About how many bytes they are, with what was found after the first of them.
    #[must_use]
    pub fn held(&self) -> usize {
        let held = if self.held.len() == 0 { 0 } else { self.held.size() + self.judge.unreported() * FOUND };
        held + self.leaves.as_ref().map_or(0, |leaves| leaves.waiting())
    }

    /// Judge the first `count` of `waiting`, each against the entry of its log with the greatest seq below its own;
    /// there is none where none is given, and `None` is what could not be read, which is reported by itself.
    pub fn answer(&mut self, count: usize, before: &HashMap<(i64, i64), Option<State>>) -> Result<()> {
        let Self { judge, held, .. } = self;
        for Waiting { number, place, row } in held.take(count).rows() {
            judge.number = number;
            judge.row(&row, place, hash(&row).as_ref(), None, &Answers(before))?;
        }
        self.settle();
        Ok(())
    }

    /// A row that waits for `answer` where its predecessor is not known.
    pub fn feed(&mut self, row: &Row<'_>) -> Result<()> {
        self.row(row, &Later)?;
        if self.judge.gathered.as_ref().is_some_and(|gathered| gathered.facts.len() >= GATHERED) {
            self.settle();
        }
        if self.judge.unreported() >= self.report_at {
            self.settle();
            self.report_at = self.judge.unreported() + UNREPORTED;
        }
        Ok(())
    }

    /// All that was found in the rows so far.
    pub fn findings(&mut self) -> &mut Findings {
        self.settle();
        &mut self.judge.findings
    }

    #[must_use]
    pub fn into_findings(self) -> Findings {
        self.into_leaves().0
    }

    /// And the leaves, where they were to be given.
    #[must_use]
    pub fn into_leaves(mut self) -> (Findings, Vec<u8>) {
        self.settle();
        let mut findings = self.judge.into_findings();
        let given = self.leaves.map_or_else(Vec::new, |leaves| leaves.finish(&mut findings));
        (findings, given)
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
        self.settle();
        if let Some(leaves) = &mut self.leaves {
            leaves.end();
        }
    }

    pub fn row(&mut self, row: &Row<'_>, lookup: &dyn Lookup) -> Result<()> {
        let Self { states, next, judge, held, after_another, .. } = self;
        judge.findings.entries += 1;
        judge.number = judge.findings.entries;
        if let Some(at) = *next
            && at <= row.position
        {
            if at < row.position {
                judge.findings.hole(at, row.position - 1);
            }
            *next = row.position.checked_add(1);
        }
        let (Some(log), Some(seq)) = (row.log, row.seq) else {
            judge.report(Kind::Malformed, row, row.seq, "log or seq is not an integer".to_owned());
            return Ok(());
        };
        let state = State { seq, position: row.position, content_hash: hash(row) };
        let (place, stored) = ((log, seq), state.content_hash.as_ref());
        if let Some(known) = states.get_mut(&log) {
            if !judge.row(row, place, stored, Some(known), lookup)? {
                held.add(row, place, judge.number);
            }
            *known = state;
        } else {
            let first_of_range = *after_another && seq > 1 && held.takes(row, place, judge.number);
            if !first_of_range && !judge.row(row, place, stored, None, lookup)? {
                held.add(row, place, judge.number);
            }
            states.insert(log, state);
        }
        Ok(())
    }
}

fn hash(row: &Row<'_>) -> Option<Hash> {
    row.content_hash.and_then(|hash| Hash::try_from(hash).ok())
}

#[cfg(test)]
mod tests;
