//! Breaks that are found later than the rows are judged: kept, bounded in number, until all is over.

use crate::findings::{Break, Findings, KEPT};

#[derive(Default)]
pub struct Breaks {
    kept: Vec<Break>,
    unkept: u64,
}

impl Breaks {
    pub fn report(&mut self, found: Break) {
        if self.kept.len() < KEPT {
            self.kept.push(found);
        } else {
            self.unkept += 1;
        }
    }

    pub fn kept(&self) -> &[Break] {
        &self.kept
    }

    pub fn retain(&mut self, keep: impl FnMut(&Break) -> bool) {
        self.kept.retain(keep);
    }

    /// Those of a later range.
    pub fn join(&mut self, later: Self) {
        for found in later.kept {
            self.report(found);
        }
        self.unkept += later.unkept;
    }

    /// In order of position with what was found besides.
    pub fn settle(self, findings: &mut Findings) {
        findings.insert(self.kept);
        findings.breaks_total += self.unkept;
    }
}
