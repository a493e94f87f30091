//! Leaves made of facts, once the names of their logs are told.

use std::collections::HashMap;

use super::facts::{Facts, Gathered};
use super::{Leaf, Named};
use crate::chain::Hash;
use crate::evidence::leaf::{LONGEST_NAMES, Names};
use crate::evidence::start::Start;
use crate::findings::Kind;

/// Logs whose names are remembered, about 2 MB of them.
const NAMES: usize = 1 << 14;

#[derive(Default)]
pub struct Making {
    /// What leaves of a log begin with; `None` where it cannot have any.
    starts: HashMap<i64, Option<Start>>,
    /// Of logs whose names are not told yet.
    nameless: Vec<Facts>,
    /// Positions of these whose stored content hash is wrong, and the recomputed one.
    wrong: HashMap<i64, Hash>,
    /// Leaves that nobody took yet.
    pub made: Vec<Leaf>,
    /// Those that entries with a wrong hash would have with the recomputed one, by position.
    pub otherwise: HashMap<i64, Hash>,
}

impl Making {
    pub fn take(&mut self, gathered: &mut Gathered) {
        self.wrong.extend(gathered.wrong.drain(..));
        let mut last = None;
        for facts in gathered.facts.drain(..) {
            let start = match last {
                Some((log, start)) if log == facts.log => Some(start),
                _ => self.starts.get(&facts.log).map(Option::as_ref),
            };
            let Some(start) = start else {
                self.nameless.push(facts);
                continue;
            };
            last = Some((facts.log, start));
            self.made.extend(made(start, &facts, &mut self.wrong, &mut self.otherwise));
        }
    }

    /// Logs whose names are wanted.
    pub fn nameless(&self) -> Vec<i64> {
        let mut logs: Vec<_> = self.nameless.iter().map(|facts| facts.log).collect();
        logs.sort_unstable();
        logs.dedup();
        logs
    }

    /// The position of the first that waits for a name.
    pub fn waits(&self) -> Option<i64> {
        self.nameless.iter().map(|facts| facts.position).min()
    }

    /// Bytes of those that do.
    pub fn waiting(&self) -> usize {
        self.nameless.len() * size_of::<Facts>()
    }

    /// The names of some logs; `lost` is told of the first entry of each whose leaves cannot be made, and why.
    pub fn name(&mut self, told: &HashMap<i64, Named>, lost: &mut dyn FnMut(&Facts, Kind, String)) {
        if self.starts.len() + told.len() > NAMES {
            self.starts.clear();
        }
        let Self { starts, nameless, wrong, made: leaves, otherwise } = self;
        nameless.sort_by_key(|facts| facts.position);
        nameless.retain(|facts| {
            let Some(named) = told.get(&facts.log) else { return true };
            let start = starts.entry(facts.log).or_insert_with(|| match start(facts.log, named.as_ref()) {
                Ok(start) => Some(start),
                Err((kind, detail)) => {
                    lost(facts, kind, detail);
                    None
                }
            });
            leaves.extend(made(start.as_ref(), facts, wrong, otherwise));
            false
        });
        if starts.len() > NAMES {
            *starts = HashMap::new();
        }
    }

    pub fn sort(&mut self) {
        if !self.made.is_sorted_by_key(|leaf| leaf.position) {
            self.made.sort_by_key(|leaf| leaf.position);
        }
    }
}

fn start(log: i64, named: Option<&(String, String)>) -> Result<Start, (Kind, String)> {
    let Some((stream, writer)) = named else {
        return Err((Kind::Orphan, format!("entries of log {log}, which is not listed by names that can be read")));
    };
    Names::new(stream.as_bytes(), writer.as_bytes()).map(|names| Start::of(&names)).ok_or_else(|| {
        let bytes = stream.len() + writer.len();
        (Kind::Malformed, format!("stream and writer have {bytes} bytes, more than the {LONGEST_NAMES} of a leaf"))
    })
}

fn made(
    start: Option<&Start>,
    facts: &Facts,
    wrong: &mut HashMap<i64, Hash>,
    otherwise: &mut HashMap<i64, Hash>,
) -> Option<Leaf> {
    let recomputed = if wrong.is_empty() { None } else { wrong.remove(&facts.position) };
    let start = start?;
    let leaf = |hash: &Hash| start.leaf(facts.seq.unsigned_abs(), facts.prev_hash.as_ref(), hash, facts.payload_len);
    if let Some(hash) = recomputed {
        otherwise.insert(facts.position, leaf(&hash));
    }
    Some(Leaf { position: facts.position, log: facts.log, seq: facts.seq, hash: leaf(&facts.content_hash) })
}
