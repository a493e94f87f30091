//! Leaves compared with the stored tiles, tile by tile.
//!
//! A leaf that differs is the entry's place, names, hashes or length, which are not what was sealed. What follows from
//! another damage is not told again: a leaf holds the hash of the entry before, so those after one that differs, in the
//! same log and one after the other, differ too; and where only a payload was exchanged, its hash says so already.

use std::collections::HashMap;

use super::Leaf;
use super::above::Above;
use super::breaks::Breaks;
use crate::chain::{Hash, hex};
use crate::error::{Error, Result};
use crate::evidence::tile::{self, FULL, Place};
use crate::findings::{Break, Kind};

/// Differences of one tile that are reported.
const OF_ONE_TILE: usize = 10;

/// A tile as it is stored.
pub enum Stored {
    Hashes(Vec<u8>),
    Missing,
    /// Why it cannot be read, where nobody reports that.
    Unread(Option<String>),
}

/// Looks for a stored tile; `None` where nobody can say yet.
pub type Look<'a> = &'a mut dyn FnMut(&Place) -> Result<Option<Stored>>;

/// Of a range of positions that begins with a tile.
pub struct Compare {
    size: u64,
    /// The tile of level 0 that comes next, and the first one.
    next: u64,
    first: u64,
    /// Of each log with an entry that differs, the seq of the last one.
    differing: HashMap<i64, i64>,
    /// Of the tiles so far, as long as there is each: as they are stored, so that they can be held against what was signed.
    roots: Vec<Hash>,
    /// Of the partial one.
    last: Vec<Hash>,
    whole: bool,
    pub breaks: Breaks,
}

/// The position of a leaf, counted from 0.
fn index(position: i64) -> u64 {
    position.unsigned_abs().saturating_sub(1)
}

fn position(index: u64) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX).saturating_add(1)
}

impl Compare {
    /// `first` is the position that begins a tile.
    pub fn new(first: i64, size: u64) -> Self {
        let first = index(first) / FULL as u64;
        Self {
            size,
            next: first,
            first,
            differing: HashMap::new(),
            roots: Vec::new(),
            last: Vec::new(),
            whole: true,
            breaks: Breaks::default(),
        }
    }

    /// The tile of level 0 that has a leaf, and the position of its last one.
    pub fn place(&self, leaf: &Leaf) -> (Place, i64) {
        let number = index(leaf.position) / FULL as u64;
        let left = self.size.saturating_sub(number * FULL as u64);
        let width = usize::try_from(left).map_or(FULL, |left| left.min(FULL));
        (Place { level: 0, number, width }, position(number * FULL as u64 + width as u64 - 1))
    }

    /// The leaves of one tile; none is there where the row is missing, or not such that it has one. `otherwise` are those
    /// that entries would have whose stored hash is another than the recomputed one.
    pub fn tile(&mut self, place: &Place, leaves: &[Leaf], otherwise: &HashMap<i64, Hash>, stored: &Stored) {
        if place.number < self.next {
            return; // Its leaf comes after those of later positions, which no database gives.
        }
        // Of tiles without any leaf the rows are missing, and that is reported.
        self.whole &= place.number == self.next;
        self.next = place.number + 1;
        let hashes = match self.hashes(place, stored) {
            None if leaves.len() < place.width => {
                self.whole = false;
                return;
            }
            None => leaves.iter().map(|leaf| leaf.hash).collect(),
            Some(hashes) => {
                let mut differences = 0;
                for leaf in leaves {
                    let at = usize::try_from(index(leaf.position) % FULL as u64).unwrap_or(0);
                    if let Some(sealed) = hashes.get(at).filter(|sealed| **sealed != leaf.hash)
                        && differences < OF_ONE_TILE
                        && self.differs(leaf, otherwise.get(&leaf.position), sealed)
                    {
                        differences += 1;
                    }
                }
                hashes
            }
        };
        if !self.whole {
            self.roots = Vec::new();
        } else if let Ok(full) = <&[Hash; FULL]>::try_from(&hashes[..]) {
            self.roots.push(tile::root(full));
        } else {
            self.last = hashes;
        }
    }

    /// The wanted hashes of a stored tile; `None`, and reported, where they are not there.
    fn hashes(&mut self, place: &Place, stored: &Stored) -> Option<Vec<Hash>> {
        let detail = match stored {
            Stored::Hashes(bytes) => match bytes.as_chunks() {
                (hashes, []) if (place.width..=FULL).contains(&hashes.len()) => {
                    return Some(hashes[..place.width].to_vec());
                }
                (hashes, []) if hashes.len() < place.width => {
                    format!("has {} hashes, where {} were sealed", hashes.len(), place.width)
                }
                _ => format!("has {} bytes, which is no number of hashes from 1 to 256", bytes.len()),
            },
            Stored::Missing => "is missing".to_owned(),
            Stored::Unread(None) => return None,
            Stored::Unread(Some(detail)) => format!("cannot be read: {detail}"),
        };
        let kind = if matches!(stored, Stored::Unread(_)) { Kind::Corrupt } else { Kind::Seal };
        self.report(kind, None, starts_at(place, 0), format!("{} {detail}", named(place)));
        None
    }

    /// False where it follows from what was found before.
    fn differs(&mut self, leaf: &Leaf, otherwise: Option<&Hash>, sealed: &Hash) -> bool {
        let follows = self.differing.get(&leaf.log).is_some_and(|last| last.checked_add(1) == Some(leaf.seq));
        // Where it would be the sealed one with the recomputed hash, the stored hash is what was exchanged.
        if !follows && otherwise.is_some_and(|otherwise| otherwise != sealed) {
            return false;
        }
        self.differing.insert(leaf.log, leaf.seq);
        if !follows {
            let detail = format!(
                "its leaf is {}…, and the one that was sealed {}…: the entry, or those before it, were exchanged",
                hex(&leaf.hash[..4]),
                hex(&sealed[..4])
            );
            self.report(Kind::Seal, Some((leaf.log, leaf.seq)), leaf.position, detail);
        }
        !follows
    }

    fn report(&mut self, kind: Kind, place: Option<(i64, i64)>, position: i64, detail: String) {
        let (log, seq) = place.unzip();
        self.breaks.report(Break { kind, log, name: None, seq, position: Some(position), detail });
    }

    /// A tile of a level above, whose hashes are the roots of those below it.
    pub fn above(&mut self, place: &Place, roots: &[Hash], stored: &Stored) {
        let Some(hashes) = self.hashes(place, stored) else { return };
        let differing = (0..).zip(hashes.iter().zip(roots)).filter(|(_, (stored, root))| stored != root);
        for (at, (stored, root)) in differing.take(OF_ONE_TILE) {
            let detail = format!(
                "hash {at} of {} is {}…, and the root of the tile below it {}…",
                named(place),
                hex(&stored[..4]),
                hex(&root[..4])
            );
            self.report(Kind::Seal, None, starts_at(place, at), detail);
        }
    }

    /// Hand the roots of the full tiles so far up.
    pub fn raise(&mut self, above: &mut Above) {
        for root in self.roots.drain(..) {
            above.push(root);
        }
    }

    /// Whether each tile was there, when all were looked at; then the hashes of the partial one.
    pub fn last(&self) -> Option<&[Hash]> {
        let all = self.next == self.size.div_ceil(FULL as u64);
        (self.whole && all).then_some(&self.last)
    }

    /// What was found in the range after it.
    pub fn join(&mut self, mut later: Self) {
        self.whole &= later.whole && later.first == self.next;
        self.next = later.next;
        self.roots = if self.whole { later.roots } else { Vec::new() };
        self.last = later.last;
        let differing = &self.differing;
        later.breaks.retain(|found| match (found.kind, found.log, found.seq) {
            (Kind::Seal, Some(log), Some(seq)) => {
                differing.get(&log).is_none_or(|last| last.checked_add(1) != Some(seq))
            }
            _ => true,
        });
        self.breaks.join(later.breaks);
        self.differing.extend(later.differing);
    }
}

fn named(place: &Place) -> String {
    format!("tile {} of level {}", place.number, place.level)
}

/// The first position below a hash of a tile.
fn starts_at(place: &Place, hash: u64) -> i64 {
    let index = place.number.saturating_mul(FULL as u64).saturating_add(hash);
    position(index.saturating_mul(1u64.checked_shl(8 * place.level).unwrap_or(u64::MAX)))
}

/// What `look` finds, where it cannot be read too.
pub fn look(at: &Place, look: Look<'_>) -> Result<Option<Stored>> {
    match look(at) {
        Err(Error::Corrupt(detail)) => Ok(Some(Stored::Unread(Some(detail)))),
        other => other,
    }
}
