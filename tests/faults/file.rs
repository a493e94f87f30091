//! A file as programs see it, and as it stands on the disk.
//!
//! A write changes what programs see, a page of 4096 bytes at a time, and marks the page; a sync brings the marked pages
//! to the disk. When the power goes before that, each sector of 512 bytes of a marked page is there as it was at the last
//! sync or as it was after any write since, whatever became of its neighbours, or it is torn: the first bytes of it
//! new and the rest old, or the other way about. The length of the file is one that it had since, whatever became of what
//! was written; where nothing of that is there, it is zeros. Bytes that nobody wrote are never damaged: that is what
//! SQLite calls a powersafe overwrite, which its own driver for Unix takes for granted too.
//!
//! A sync that fails takes the marks off all the same, as Linux does: some of the sectors are on the disk, the others
//! are not, programs see them nevertheless, and the next sync has nothing to write. It may also have given up pages that
//! were new, as ext4 does: these never come to the disk, however often they are written, until the file is truncated.

use std::collections::{BTreeMap, BTreeSet};

use super::chance::Chance;

const PAGE: usize = 4096;
const SECTOR: usize = 512;
/// In a thousand sectors that are still to be written.
const TORN: usize = 30;

#[derive(Default)]
pub struct File {
    /// What programs see.
    seen: Vec<u8>,
    /// What is on the disk.
    kept: Vec<u8>,
    /// The marked pages, each as it was after every change since it was marked.
    marked: BTreeMap<usize, Vec<Vec<u8>>>,
    /// The lengths since the last sync.
    lengths: Vec<usize>,
    /// New pages that a failed sync gave up.
    given_up: BTreeSet<usize>,
}

/// What of the marked pages comes to the disk.
#[derive(Clone, Copy, Debug)]
pub struct Luck {
    /// Sectors in a thousand.
    pub sectors: usize,
    /// True where a sector that made it is as after the last write, false where it may be as after an earlier one.
    pub newest: bool,
}

impl File {
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// The bytes that are there, of as many as asked for.
    pub fn read(&self, from: usize, into: &mut [u8]) -> usize {
        let there = self.seen.len().saturating_sub(from).min(into.len());
        if there > 0 {
            into[..there].copy_from_slice(&self.seen[from..from + there]);
        }
        into[there..].fill(0);
        there
    }

    pub fn write(&mut self, from: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = from + bytes.len();
        if end > self.seen.len() {
            resize(&mut self.seen, end);
            self.lengths.push(end);
        }
        self.seen[from..end].copy_from_slice(bytes);
        self.mark(from, end);
    }

    pub fn truncate(&mut self, to: usize) {
        resize(&mut self.seen, to);
        self.lengths.push(to);
        // What is cut off is gone or as it was: nobody writes zeros there.
        self.marked.retain(|page, _| page * PAGE < to);
        self.given_up.retain(|page| page * PAGE < to);
    }

    fn mark(&mut self, from: usize, end: usize) {
        for page in from / PAGE..end.div_ceil(PAGE) {
            let mut now = vec![0; PAGE];
            self.read(page * PAGE, &mut now);
            self.marked.entry(page).or_default().push(now);
        }
    }

    pub fn sync(&mut self) {
        if let Some(&shortest) = self.lengths.iter().min() {
            self.kept.truncate(shortest);
        }
        for (page, versions) in std::mem::take(&mut self.marked) {
            if let Some(newest) = versions.last()
                && !self.given_up.contains(&page)
            {
                put(&mut self.kept, page * PAGE, newest);
            }
        }
        self.lengths.clear();
        resize(&mut self.kept, self.seen.len());
    }

    pub fn fail_to_sync(&mut self, luck: Luck, gives_up: bool, chance: &mut Chance) {
        if gives_up {
            self.given_up.extend(self.marked.keys().filter(|page| *page * PAGE >= self.kept.len()));
        }
        self.settle(luck, chance);
    }

    /// Programs see from now on what is on the disk.
    pub fn lose_power(&mut self, luck: Luck, chance: &mut Chance) {
        self.settle(luck, chance);
        self.seen = self.kept.clone();
        self.given_up.clear();
    }

    fn settle(&mut self, luck: Luck, chance: &mut Chance) {
        let mut length = self.kept.len();
        if let Some(&last) = self.lengths.last()
            && chance.in_thousand(luck.sectors)
        {
            length = if luck.newest { last } else { chance.pick(&self.lengths) };
        }
        self.lengths.clear();
        for (page, versions) in std::mem::take(&mut self.marked) {
            if self.given_up.contains(&page) {
                continue;
            }
            for at in (page * PAGE..(page + 1) * PAGE).step_by(SECTOR) {
                let part = at % PAGE..at % PAGE + SECTOR;
                let (mut there, mut came) = (None, 0);
                if chance.in_thousand(luck.sectors) {
                    came = if luck.newest { versions.len() } else { 1 + chance.below(versions.len()) };
                    there = Some(&versions[came - 1][part.clone()]);
                }
                if let Some(there) = there {
                    put(&mut self.kept, at, there);
                }
                if let Some(next) = versions.get(came)
                    && chance.in_thousand(TORN)
                {
                    let tear = chance.below(SECTOR);
                    let range = if chance.in_thousand(500) { 0..tear } else { tear..SECTOR };
                    put(&mut self.kept, at + range.start, &next[part][range]);
                }
            }
        }
        resize(&mut self.kept, length);
    }
}

fn put(into: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if into.len() < at + bytes.len() {
        resize(into, at + bytes.len());
    }
    into[at..at + bytes.len()].copy_from_slice(bytes);
}

/// As Vec's own, which is slow where it is not optimised.
fn resize(into: &mut Vec<u8>, to: usize) {
    into.extend_from_slice(&vec![0; to.saturating_sub(into.len())]);
    into.truncate(to);
}
