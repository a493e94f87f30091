//! The tree above the leaves, grown from the roots of their tiles: the tiles of the levels above, and the root.

use crate::chain::Hash;
use crate::evidence::tile::{self, FULL, Place};

pub struct Above {
    size: u64,
    /// Of level 1 and those above it, the tile that is growing.
    levels: Vec<Level>,
    /// Tiles that no more comes to, to be compared with the stored ones.
    pub grown: Vec<(Place, Vec<Hash>)>,
}

#[derive(Default)]
struct Level {
    number: u64,
    hashes: Vec<Hash>,
}

impl Above {
    pub fn new(size: u64) -> Self {
        Self { size, levels: Vec::new(), grown: Vec::new() }
    }

    /// The root of the next full tile of level 0.
    pub fn push(&mut self, root: Hash) {
        let mut hash = root;
        for (level, at) in (1..).zip(0..) {
            if at == self.levels.len() {
                self.levels.push(Level::default());
            }
            let growing = &mut self.levels[at];
            growing.hashes.push(hash);
            let Ok(full) = <&[Hash; FULL]>::try_from(&growing.hashes[..]) else { return };
            hash = tile::root(full);
            let place = Place { level, number: growing.number, width: FULL };
            self.grown.push((place, std::mem::take(&mut growing.hashes)));
            growing.number += 1;
        }
    }

    /// All full tiles were pushed, and `last` has the hashes of the partial one: the root.
    pub fn end(&mut self, last: &[Hash]) -> Option<Hash> {
        let edge: Vec<&[Hash]> =
            std::iter::once(last).chain(self.levels.iter().map(|level| &level.hashes[..])).collect();
        let edge = if self.size == 0 { &[] } else { &edge[..] };
        let root = tile::root_of(self.size, edge).ok();
        for (level, growing) in (1..).zip(&mut self.levels) {
            let hashes = std::mem::take(&mut growing.hashes);
            if !hashes.is_empty() {
                self.grown.push((Place { level, number: growing.number, width: hashes.len() }, hashes));
            }
        }
        root
    }
}

#[cfg(test)]
mod tests {
    use super::{Above, FULL};
    use crate::chain::Hash;
    use crate::evidence::tile;

    #[test]
    fn it_grows_as_the_tiles_do() {
        let leaves: Vec<Hash> = (0..70_000u32).map(|n| *blake3::hash(&n.to_le_bytes()).as_bytes()).collect();
        for size in [0, 1, 255, 256, 257, 511, 65_535, 65_536, 65_537, 66_000, 70_000] {
            let leaves = &leaves[..size];
            let mut above = Above::new(size as u64);
            let (full, last) = leaves.as_chunks::<FULL>();
            for hashes in full {
                above.push(tile::root(hashes));
            }
            let root = above.end(last);
            let grown = tile::grow(0, &[], leaves).unwrap();
            let edge = tile::edge(size as u64);
            let of = |level, number| grown.iter().find(|tile| (tile.level, tile.number) == (level, number));
            let edge: Vec<&[Hash]> =
                edge.iter().map(|at| of(at.level, at.number).map_or(&[][..], |tile| &tile.hashes)).collect();
            assert_eq!(root, Some(tile::root_of(size as u64, &edge).unwrap()), "{size}");
            let expected = grown.iter().filter(|tile| tile.level > 0).count();
            assert_eq!(above.grown.len(), expected);
            for (place, hashes) in &above.grown {
                assert_eq!(of(place.level, place.number).map(|tile| &tile.hashes), Some(hashes));
                assert_eq!(place.width, hashes.len());
            }
        }
    }
}
