//! The tree beside the chains: leaves of the rows that are judged, given out or compared with the tiles.
//!
//! - `facts`: what a leaf is made of, taken from each row as it is judged; `making`: leaves of these;
//! - `compare`: the leaves with the stored tiles; `above`: the tiles of the other levels, and the root;
//! - `breaks`: what was found, kept until it can be put in order with the rest.
//!
//! A leaf has the names of its log, which the rows do not have. As with what goes before a row, they are asked for and
//! told afterwards, and leaves wait until then; so that the database may be any.

mod above;
mod breaks;
mod compare;
mod facts;
mod making;

use std::collections::HashMap;

use above::Above;
use breaks::Breaks;
use compare::Compare;
pub use compare::{Look, Stored};
pub use facts::{Facts, Gathered};
use making::Making;

use crate::chain::Hash;
use crate::error::Result;
use crate::evidence::tile::Place;
use crate::findings::{Break, Findings, Kind};

/// Stream and writer of a log that is listed, and `None` of one that is not.
pub type Named = Option<(String, String)>;

/// Where nothing was found, there must be a leaf of each position.
pub fn check_given(bytes: &[u8], (first, last): (i64, i64), findings: &mut Findings) {
    let there = (bytes.len() / 32) as u64;
    if findings.breaks_total == 0 && there != first.abs_diff(last.saturating_add(1)) {
        findings.report(Break {
            kind: Kind::Corrupt,
            log: None,
            name: None,
            seq: None,
            position: Some(first.saturating_add_unsigned(there)),
            detail: "not all can be read that its leaf is made of".to_owned(),
        });
    }
}

/// The leaf of an entry.
#[derive(Debug)]
pub struct Leaf {
    pub position: i64,
    pub log: i64,
    pub seq: i64,
    pub hash: Hash,
}

pub struct Leaves {
    making: Making,
    /// All rows below are judged.
    reached: i64,
    purpose: Purpose,
}

enum Purpose {
    Give(Given),
    /// `Above` where it is not done for several ranges at once.
    Compare(Box<Compare>, Option<Tree>),
}

/// Leaf hashes of positions from `first` on, one after the other.
struct Given {
    first: i64,
    bytes: Vec<u8>,
    breaks: Breaks,
}

struct Tree {
    above: Above,
    /// No more rows come.
    ended: bool,
    root: Option<Hash>,
}

impl Given {
    fn next(&self) -> i64 {
        self.first.saturating_add(i64::try_from(self.bytes.len() / 32).unwrap_or(i64::MAX))
    }
}

impl Leaves {
    fn new(first: i64, purpose: Purpose) -> Self {
        Self { making: Making::default(), reached: first, purpose }
    }

    /// To be given out, from position `first` on.
    pub fn to_give(first: i64) -> Self {
        Self::new(first, Purpose::Give(Given { first, bytes: Vec::new(), breaks: Breaks::default() }))
    }

    /// To be compared with the tiles of a tree of `size`; all of them, or the part from `first` on, where a tile begins.
    pub fn to_compare(first: i64, size: u64) -> Self {
        Self::new(first, Purpose::Compare(Box::new(Compare::new(first, size)), None))
    }

    /// The same of a whole tree, or of parts of it that are joined.
    pub fn of_tree(size: u64) -> Self {
        let tree = Tree { above: Above::new(size), ended: false, root: None };
        Self::new(1, Purpose::Compare(Box::new(Compare::new(1, size)), Some(tree)))
    }

    /// About how many bytes wait for names or tiles.
    pub fn waiting(&self) -> usize {
        let made = if matches!(self.purpose, Purpose::Give(_)) { 0 } else { self.making.made.len() };
        self.making.waiting() + made * size_of::<Leaf>()
    }

    /// The rows that were judged, all hashes of them recomputed. All those below `reached` are.
    pub fn take(&mut self, gathered: &mut Gathered, reached: i64) {
        self.making.take(gathered);
        self.reached = reached;
        self.give();
    }

    /// Logs whose names are wanted.
    pub fn nameless(&self) -> Vec<i64> {
        self.making.nameless()
    }

    /// The names of some of these.
    pub fn name(&mut self, told: &HashMap<i64, Named>) {
        let (breaks, giving) = match &mut self.purpose {
            Purpose::Give(given) => (&mut given.breaks, true),
            Purpose::Compare(compare, _) => (&mut compare.breaks, false),
        };
        self.making.name(told, &mut |facts, kind, detail| {
            // Who looks through the whole store finds a log that is not listed otherwise.
            if giving || kind != Kind::Orphan {
                let (log, seq, position) = (Some(facts.log), Some(facts.seq), Some(facts.position));
                breaks.report(Break { kind, log, name: None, seq, position, detail });
            }
        });
        self.give();
    }

    /// The logs that breaks are of.
    pub fn broken(&self) -> impl Iterator<Item = i64> {
        let breaks = match &self.purpose {
            Purpose::Give(given) => &given.breaks,
            Purpose::Compare(compare, _) => &compare.breaks,
        };
        breaks.kept().iter().filter_map(|found| found.log)
    }

    /// All leaves below have been made, but where there are none.
    fn complete(&self) -> i64 {
        self.making.waits().map_or(self.reached, |first| first.min(self.reached))
    }

    fn give(&mut self) {
        let complete = self.complete();
        let Purpose::Give(given) = &mut self.purpose else { return };
        self.making.sort();
        let count = self.making.made.partition_point(|leaf| leaf.position < complete);
        for leaf in self.making.made.drain(..count) {
            // Where one is missing, what comes after it would stand in its place.
            if leaf.position == given.next() {
                given.bytes.extend_from_slice(&leaf.hash);
            }
        }
    }

    /// Tiles that all leaves are there for, in the order in which they are to be compared.
    pub fn wanted(&mut self) -> Vec<Place> {
        self.making.sort();
        let complete = self.complete();
        let Purpose::Compare(compare, tree) = &mut self.purpose else { return Vec::new() };
        let mut wanted: Vec<Place> = Vec::new();
        let mut rest = &self.making.made[..];
        while let Some(leaf) = rest.first() {
            let (place, last) = compare.place(leaf);
            if last >= complete {
                break;
            }
            rest = &rest[rest.partition_point(|leaf| leaf.position <= last)..];
            wanted.push(place);
        }
        if let Some(tree) = tree {
            if wanted.is_empty() && tree.ended && complete == i64::MAX {
                tree.ended = false;
                compare.raise(&mut tree.above);
                tree.root = compare.last().and_then(|last| tree.above.end(last));
            }
            wanted.extend(tree.above.grown.iter().map(|(place, _)| *place));
        }
        wanted
    }

    /// Compare what is wanted with what `look` finds, as far as that can say.
    pub fn compare(&mut self, look: Look<'_>) -> Result<()> {
        loop {
            let wanted = self.wanted();
            if wanted.is_empty() {
                return Ok(());
            }
            let mut compared = 0;
            let said = self.compare_some(&wanted, &mut compared, look);
            self.making.made.drain(..compared);
            if !said? {
                return Ok(());
            }
        }
    }

    /// False where nobody can say yet; `compared` leaves are done with.
    fn compare_some(&mut self, wanted: &[Place], compared: &mut usize, look: Look<'_>) -> Result<bool> {
        let Self { making: Making { made, otherwise, .. }, purpose, .. } = self;
        let Purpose::Compare(compare, tree) = purpose else { return Ok(false) };
        for place in wanted {
            let Some(stored) = compare::look(place, look)? else { return Ok(false) };
            if place.level > 0 {
                if let Some(tree) = tree {
                    let (_, roots) = tree.above.grown.remove(0);
                    compare.above(place, &roots, &stored);
                }
                continue;
            }
            let rest = &made[*compared..];
            let Some(last) = rest.first().map(|leaf| compare.place(leaf).1) else { return Ok(false) };
            let count = rest.partition_point(|leaf| leaf.position <= last);
            compare.tile(place, &rest[..count], otherwise, &stored);
            *compared += count;
            if !otherwise.is_empty() {
                otherwise.retain(|position, _| *position > last);
            }
            if let Some(tree) = tree {
                compare.raise(&mut tree.above);
            }
        }
        Ok(true)
    }

    /// No more rows come.
    pub fn end(&mut self) {
        if let Purpose::Compare(_, Some(tree)) = &mut self.purpose {
            tree.ended = true;
        }
        self.give();
    }

    /// The range after it.
    pub fn join(&mut self, later: Self) {
        match (&mut self.purpose, later.purpose) {
            (Purpose::Give(given), Purpose::Give(later)) => {
                if later.first == given.next() {
                    given.bytes.extend_from_slice(&later.bytes);
                }
                given.breaks.join(later.breaks);
            }
            (Purpose::Compare(compare, tree), Purpose::Compare(later, _)) => {
                compare.join(*later);
                if let Some(tree) = tree {
                    compare.raise(&mut tree.above);
                }
            }
            _ => {}
        }
    }

    /// What was found goes among the `findings`; the leaves, if they were to be given.
    pub fn finish(self, findings: &mut Findings) -> Vec<u8> {
        match self.purpose {
            Purpose::Give(given) => {
                given.breaks.settle(findings);
                given.bytes
            }
            Purpose::Compare(compare, tree) => {
                compare.breaks.settle(findings);
                findings.root = tree.and_then(|tree| tree.root);
                Vec::new()
            }
        }
    }
}
