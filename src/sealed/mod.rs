//! The tree beside the chains: leaves of the rows that are judged, given out or compared with the tiles.
//!
//! - `facts`: what a leaf is made of, taken from each row as it is judged;
//! - `compare`: the leaves with the stored tiles; `above`: the tiles of the other levels, and the root;
//! - `breaks`: what was found, kept until it can be put in order with the rest.
//!
//! A leaf has the names of its log, which the rows do not have. As with what goes before a row, they are asked for and
//! told afterwards, and leaves wait until then; so that the database may be any.

mod above;
mod breaks;
mod compare;
mod facts;

use std::collections::HashMap;

use above::Above;
use breaks::Breaks;
use compare::Compare;
pub use compare::{Look, Stored};
pub use facts::{Facts, Gathered};

use crate::chain::Hash;
use crate::error::Result;
use crate::evidence::leaf::{LONGEST_NAMES, Names};
use crate::evidence::start::Start;
use crate::evidence::tile::Place;
use crate::findings::{Break, Findings, Kind};

/// Logs whose names are remembered, about 2 MB of them.
const NAMES: usize = 1 << 14;

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
    /// What leaves of a log begin with; `None` where it cannot have any.
    starts: HashMap<i64, Option<Start>>,
    /// Of logs whose names are not told yet.
    nameless: Vec<Facts>,
    /// Positions of these whose stored content hash is wrong, and the recomputed one.
    wrong: HashMap<i64, Hash>,
    /// In what order the rows were judged, of positions not dealt with.
    made: Vec<Leaf>,
    /// The leaves that entries with a wrong hash would have with the recomputed one.
    otherwise: HashMap<i64, Hash>,
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
        Self {
            starts: HashMap::new(),
            nameless: Vec::new(),
            wrong: HashMap::new(),
            made: Vec::new(),
            otherwise: HashMap::new(),
            reached: first,
            purpose,
        }
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
        match self.purpose {
            Purpose::Give(_) => self.nameless.len() * size_of::<Facts>(),
            Purpose::Compare(..) => self.nameless.len() * size_of::<Facts>() + self.made.len() * size_of::<Leaf>(),
        }
    }

    /// The rows that were judged, all hashes of them recomputed. All those below `reached` are.
    pub fn take(&mut self, gathered: &mut Gathered, reached: i64) {
        self.wrong.extend(gathered.wrong.drain(..));
        let mut last = None;
        for facts in gathered.facts.drain(..) {
            let start = match last {
                Some((log, start)) if log == facts.log => start,
                _ => match self.starts.get(&facts.log) {
                    Some(start) => start,
                    None => {
                        self.nameless.push(facts);
                        continue;
                    }
                },
            };
            last = Some((facts.log, start));
            self.made.extend(made(start, &facts, &mut self.wrong, &mut self.otherwise));
        }
        self.reached = reached;
        self.give();
    }

    /// Logs whose names are wanted.
    pub fn nameless(&self) -> Vec<i64> {
        let mut logs: Vec<_> = self.nameless.iter().map(|facts| facts.log).collect();
        logs.sort_unstable();
        logs.dedup();
        logs
    }

    /// The names of some of these.
    pub fn name(&mut self, names: &HashMap<i64, Named>) {
        if self.starts.len() + names.len() > NAMES {
            self.starts.clear();
        }
        let mut nameless = std::mem::take(&mut self.nameless);
        nameless.sort_by_key(|facts| facts.position);
        nameless.retain(|facts| {
            let Some(named) = names.get(&facts.log) else { return true };
            let start = match self.starts.get(&facts.log) {
                Some(start) => start,
                None => {
                    let start = self.start(facts, named.as_ref());
                    self.starts.entry(facts.log).or_insert(start)
                }
            };
            self.made.extend(made(start, facts, &mut self.wrong, &mut self.otherwise));
            false
        });
        self.nameless = nameless;
        if self.starts.len() > NAMES {
            self.starts = HashMap::new();
        }
        self.give();
    }

    fn start(&mut self, facts: &Facts, named: Option<&(String, String)>) -> Option<Start> {
        let (kind, detail) = match named {
            Some((stream, writer)) => {
                if let Some(names) = Names::new(stream.as_bytes(), writer.as_bytes()) {
                    return Some(Start::of(&names));
                }
                let bytes = stream.len() + writer.len();
                let detail = format!("stream and writer have {bytes} bytes, more than the {LONGEST_NAMES} of a leaf");
                (Kind::Malformed, detail)
            }
            // Who looks through the whole store finds that otherwise.
            None if matches!(self.purpose, Purpose::Compare(..)) => return None,
            None => {
                (Kind::Orphan, format!("entries of log {}, which is not listed by names that can be read", facts.log))
            }
        };
        let (log, seq, position) = (Some(facts.log), Some(facts.seq), Some(facts.position));
        self.breaks().report(Break { kind, log, name: None, seq, position, detail });
        None
    }

    fn breaks(&mut self) -> &mut Breaks {
        match &mut self.purpose {
            Purpose::Give(given) => &mut given.breaks,
            Purpose::Compare(compare, _) => &mut compare.breaks,
        }
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
        self.nameless.iter().map(|facts| facts.position).min().map_or(self.reached, |first| first.min(self.reached))
    }

    fn sort(&mut self) {
        if !self.made.is_sorted_by_key(|leaf| leaf.position) {
            self.made.sort_by_key(|leaf| leaf.position);
        }
    }

    fn give(&mut self) {
        let complete = self.complete();
        if matches!(self.purpose, Purpose::Give(_)) {
            self.sort();
            let count = self.made.partition_point(|leaf| leaf.position < complete);
            if let Purpose::Give(given) = &mut self.purpose {
                for leaf in self.made.drain(..count) {
                    // Where one is missing, what comes after it would stand in its place.
                    if leaf.position == given.next() {
                        given.bytes.extend_from_slice(&leaf.hash);
                    }
                }
            }
        }
    }

    /// Tiles that all leaves are there for, in the order in which they are to be compared.
    pub fn wanted(&mut self) -> Vec<Place> {
        self.sort();
        let complete = self.complete();
        let Purpose::Compare(compare, tree) = &mut self.purpose else { return Vec::new() };
        let mut wanted: Vec<Place> = Vec::new();
        let mut rest = &self.made[..];
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
            self.made.drain(..compared);
            if !said? {
                return Ok(());
            }
        }
    }

    /// False where nobody can say yet; `compared` leaves are done with.
    fn compare_some(&mut self, wanted: &[Place], compared: &mut usize, look: Look<'_>) -> Result<bool> {
        let Purpose::Compare(compare, tree) = &mut self.purpose else { return Ok(false) };
        for place in wanted {
            let Some(stored) = compare::look(place, look)? else { return Ok(false) };
            if place.level > 0 {
                if let Some(tree) = tree {
                    let (_, roots) = tree.above.grown.remove(0);
                    compare.above(place, &roots, &stored);
                }
                continue;
            }
            let rest = &self.made[*compared..];
            let Some(last) = rest.first().map(|leaf| compare.place(leaf).1) else { return Ok(false) };
            let count = rest.partition_point(|leaf| leaf.position <= last);
            compare.tile(place, &rest[..count], &self.otherwise, &stored);
            *compared += count;
            if !self.otherwise.is_empty() {
                self.otherwise.retain(|position, _| *position > last);
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

fn made(
    start: &Option<Start>,
    facts: &Facts,
    wrong: &mut HashMap<i64, Hash>,
    otherwise: &mut HashMap<i64, Hash>,
) -> Option<Leaf> {
    let recomputed = if wrong.is_empty() { None } else { wrong.remove(&facts.position) };
    let start = start.as_ref()?;
    let leaf = |hash: &Hash| start.leaf(facts.seq.unsigned_abs(), facts.prev_hash.as_ref(), hash, facts.payload_len);
    if let Some(hash) = recomputed {
        otherwise.insert(facts.position, leaf(&hash));
    }
    Some(Leaf { position: facts.position, log: facts.log, seq: facts.seq, hash: leaf(&facts.content_hash) })
}
