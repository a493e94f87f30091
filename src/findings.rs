//! What a verification found: counts, and the breaks, bounded in number however much is broken.

use std::collections::{BinaryHeap, HashMap};

pub use crate::kind::Kind;

/// Breaks kept in all, and of one log.
pub const KEPT: usize = 1_000;
const KEPT_OF_ONE_LOG: u32 = 10;

#[derive(Clone, Debug)]
pub struct Break {
    pub kind: Kind,
    pub log: Option<i64>,
    /// Stream and writer, filled in from `log` when the verification is over.
    pub name: Option<(String, String)>,
    pub seq: Option<i64>,
    pub position: Option<i64>,
    pub detail: String,
}

/// Missing entries of one log: they stood between these positions.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    pub after: i64,
    pub before: i64,
    pub missing: u64,
}

#[derive(Debug, Default)]
pub struct Findings {
    pub entries: u64,
    pub entries_hold: u64,
    /// Entries whose payload was erased, which is recorded: their hashes are taken as they are stored.
    pub erased: u64,
    pub logs: u64,
    pub breaks: Vec<Break>,
    pub breaks_total: u64,
    /// Breaks of each log that has any.
    pub broken: HashMap<i64, u32>,
    /// The newest entry looked at, where one log was.
    pub head: Option<(i64, crate::chain::Hash)>,
    /// Of the tree that the rows were compared with, as its stored leaves make it.
    pub root: Option<crate::chain::Hash>,
    /// Entries of each log that is not listed, whatever their hashes.
    orphaned: HashMap<i64, u64>,
    /// Entries of each log that do not hold, where there are any.
    pub(crate) unheld: HashMap<i64, u64>,
    /// Why the positions below 1, of which there must be none, could not be read.
    pub(crate) unread_below: Option<String>,
    holes: Vec<(i64, i64)>,
    holes_total: u64,
    gaps: Vec<Gap>,
    missing_total: u64,
}

impl Findings {
    pub fn report(&mut self, found: Break) {
        self.breaks_total += 1;
        let of_log = found.log.map_or(1, |log| {
            let count = self.broken.entry(log).or_insert(0);
            *count = count.saturating_add(1);
            *count
        });
        if of_log <= KEPT_OF_ONE_LOG && self.breaks.len() < KEPT {
            self.breaks.push(found);
        }
    }

    /// A log that is listed and has no entries: they were removed, nobody can say how many.
    pub(crate) fn report_empty(&mut self, log: i64) {
        self.report(Break {
            kind: Kind::Gap,
            log: Some(log),
            name: None,
            seq: Some(1),
            position: None,
            detail: "the log is listed and none of its entries is there".into(),
        });
        self.gap(Gap { after: 0, before: i64::MAX, missing: u64::MAX });
    }

    /// Entries of a log that is not listed, of which the first is at `seq` and `position`; `orphans` takes those that are counted
    /// later.
    pub(crate) fn report_orphans(&mut self, log: i64, seq: i64, position: i64, entries: u64) {
        self.report(Break {
            kind: Kind::Orphan,
            log: Some(log),
            name: None,
            seq: Some(seq),
            position: Some(position),
            detail: format!("entries of log {log}, which is not in _agent_store_logs: nobody can say whose they are"),
        });
        self.orphans(log, entries);
    }

    pub(crate) fn orphans(&mut self, log: i64, entries: u64) {
        *self.orphaned.entry(log).or_default() += entries;
    }

    pub(crate) fn unheld(&mut self, log: i64) {
        *self.unheld.entry(log).or_default() += 1;
    }

    pub(crate) fn hole(&mut self, from: i64, to: i64) {
        self.holes_total = self.holes_total.saturating_add(from.abs_diff(to).saturating_add(1));
        self.keep_hole(from, to);
    }

    /// Two workers see the halves of a hole that lies between their ranges.
    fn keep_hole(&mut self, from: i64, to: i64) {
        if let Some(last) = self.holes.last_mut()
            && last.1.checked_add(1) == Some(from)
        {
            last.1 = to;
        } else if self.holes.len() < KEPT {
            self.holes.push((from, to));
        }
    }

    pub(crate) fn gap(&mut self, gap: Gap) {
        self.missing_total = self.missing_total.saturating_add(gap.missing);
        if self.gaps.len() < KEPT {
            self.gaps.push(gap);
        }
    }

    /// Report `more` between what was found in the same positions.
    pub(crate) fn insert(&mut self, more: Vec<Break>) {
        let unkept = self.breaks_total - self.breaks.len() as u64;
        let mut all = std::mem::take(&mut self.breaks);
        all.extend(more);
        all.sort_by_key(|found| found.position);
        let broken = std::mem::take(&mut self.broken);
        self.breaks_total = unkept;
        for found in all {
            self.report(found);
        }
        for log in broken.into_keys() {
            self.broken.entry(log).or_insert(1);
        }
    }

    /// Join what another worker found in a later range.
    pub fn merge(&mut self, other: Self) {
        self.entries += other.entries;
        self.entries_hold += other.entries_hold;
        self.erased += other.erased;
        for (mine, others) in [(&mut self.orphaned, other.orphaned), (&mut self.unheld, other.unheld)] {
            for (log, entries) in others {
                *mine.entry(log).or_default() += entries;
            }
        }
        self.logs += other.logs;
        self.root = self.root.or(other.root);
        let kept = other.breaks.len() as u64;
        let unkept = other.breaks_total - kept;
        for found in other.breaks {
            self.report(found);
        }
        self.breaks_total += unkept;
        for log in other.broken.into_keys() {
            self.broken.entry(log).or_insert(1);
        }
        for (from, to) in other.holes {
            self.keep_hole(from, to);
        }
        self.unread_below = self.unread_below.take().or(other.unread_below);
        self.holes_total = self.holes_total.saturating_add(other.holes_total);
        self.gaps.extend(other.gaps);
        self.missing_total = self.missing_total.saturating_add(other.missing_total);
    }

    /// Positions run without a hole, so each hole must be an entry that some log misses. Where the logs miss fewer, the
    /// newest entries of a log were removed, which its own seqs cannot show.
    pub fn settle(&mut self) {
        for (log, entries) in &self.orphaned {
            let held = entries.saturating_sub(self.unheld.get(log).copied().unwrap_or(0));
            self.entries_hold = self.entries_hold.saturating_sub(held);
        }
        // The page is the one of the first positions too, mostly, which then are reported.
        if let Some(detail) = self.unread_below.take()
            && !self.breaks.iter().any(|found| found.kind == Kind::Corrupt)
        {
            let mut found = removed(None, format!("positions below 1 could not be read: {detail}"));
            found.kind = Kind::Corrupt;
            self.report(found);
        }
        if self.holes_total <= self.missing_total {
            return;
        }
        if self.holes.len() >= KEPT || self.gaps.len() >= KEPT {
            let (first, total) = (self.holes.first().map(|hole| hole.0), self.holes_total);
            let unexplained = total - self.missing_total;
            self.report(removed(first, format!(
                "of {total} missing positions {unexplained} are of no log that misses an entry: the newest entries of logs were removed"
            )));
            return;
        }
        for (from, to) in self.unexplained() {
            let which =
                if from == to { format!("position {from} is") } else { format!("positions {from} to {to} are") };
            self.report(removed(
                Some(from),
                format!("{which} missing, and no log misses an entry there: the newest entries of a log were removed"),
            ));
        }
    }

    /// The holes that no gap explains: each gap takes the first holes inside it, the gap that ends first before others.
    fn unexplained(&mut self) -> Vec<(i64, i64)> {
        self.gaps.sort_by_key(|gap| gap.after);
        let mut waiting = self.gaps.iter().peekable();
        let mut open: BinaryHeap<(std::cmp::Reverse<i64>, u64)> = BinaryHeap::new();
        let mut left = Vec::new();
        for &(from, to) in &self.holes {
            let mut at = from;
            while at <= to {
                while let Some(gap) = waiting.next_if(|gap| gap.after < at) {
                    open.push((std::cmp::Reverse(gap.before), gap.missing));
                }
                match open.pop() {
                    Some((std::cmp::Reverse(before), _)) if before <= at => {}
                    Some((before, missing)) => {
                        // A run of the hole goes at once: a forged position can make it as wide as 2^62.
                        let run = missing.min(at.abs_diff(to) + 1);
                        at = at.saturating_add_unsigned(run);
                        if missing > run {
                            open.push((before, missing - run));
                        }
                    }
                    None => {
                        left.push((at, to));
                        break;
                    }
                }
            }
        }
        left
    }
}

fn removed(position: Option<i64>, detail: String) -> Break {
    Break { kind: Kind::Gap, log: None, name: None, seq: None, position, detail }
}
