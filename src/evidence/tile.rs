//! The tree as it is stored (C2SP tlog-tiles, of height 8): tile `number` of level 0 has the hashes of 256 leaves, one of
//! level `l + 1` the roots of 256 full tiles of level `l`. The last tile of a level is partial, and grows.

use super::tree::{self, LARGEST, Range, Subtree, join, node};
use crate::chain::Hash;
use crate::error::{Error, Result};

/// Hashes in a full tile.
pub const FULL: usize = 256;
const HEIGHT: u32 = 8;

/// Some tile, and how many of its hashes are wanted or there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub level: u32,
    pub number: u64,
    pub width: usize,
}

/// A tile that is to be written.
#[derive(Debug, PartialEq, Eq)]
pub struct Tile {
    pub level: u32,
    pub number: u64,
    pub hashes: Vec<Hash>,
}

/// Hashes of a level in a tree of that size.
fn level_size(size: u64, level: u32) -> u64 {
    size.checked_shr(level * HEIGHT).unwrap_or(0)
}

/// Tile `number` of a level as it is in a tree of that size.
fn place(size: u64, level: u32, number: u64) -> Place {
    let left = level_size(size, level).saturating_sub(number << HEIGHT);
    Place { level, number, width: usize::try_from(left).map_or(FULL, |left| left.min(FULL)) }
}

fn levels(size: u64) -> impl Iterator<Item = u32> {
    (0..).take_while(move |&level| level_size(size, level) > 0)
}

/// The last tile of each level, the lowest level first: the partial one, or an empty one after a full one.
pub fn edge(size: u64) -> Vec<Place> {
    levels(size).map(|level| place(size, level, level_size(size, level) >> HEIGHT)).collect()
}

/// The tiles that are new or longer when these leaves come to a tree of `size`, given its `edge`.
pub fn grow(size: u64, edge: &[&[Hash]], leaves: &[Hash]) -> Result<Vec<Tile>> {
    let places = self::edge(size);
    let edge = cut(&places, edge)?;
    if size.checked_add(leaves.len() as u64).is_none_or(|grown| grown > LARGEST) {
        return Err(Error::Overflow("the size of the tree would pass 2^63 - 1".to_owned()));
    }
    let mut grown = Vec::new();
    let mut added = leaves.to_vec();
    for level in 0.. {
        if added.is_empty() {
            break;
        }
        let present = usize::try_from(level).ok().and_then(|level| edge.get(level)).copied().unwrap_or_default();
        let hashes = [present, &added].concat();
        let first = level_size(size, level) >> HEIGHT;
        added = Vec::with_capacity(hashes.len() / FULL);
        for (number, hashes) in (first..).zip(hashes.chunks(FULL)) {
            if let Ok(full) = hashes.try_into() {
                added.push(root(full));
            }
            grown.push(Tile { level, number, hashes: hashes.to_vec() });
        }
    }
    Ok(grown)
}

/// The root of a full tile.
pub fn root(hashes: &[Hash; FULL]) -> Hash {
    complete(hashes)
}

/// The root of a tree, given its `edge`.
pub fn root_of(size: u64, tiles: &[&[Hash]]) -> Result<Hash> {
    let places = edge(size);
    let tiles = cut(&places, tiles)?;
    resolve(Range::of(size), &places, &tiles)
}

/// The tiles from which the nodes of a proof are made, each once.
pub fn needs(nodes: &[Range], size: u64) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for (level, number, _) in nodes.iter().flat_map(|range| range.subtrees()).map(position) {
        if !places.iter().any(|place| (place.level, place.number) == (level, number)) {
            places.push(place(size, level, number));
        }
    }
    places
}

/// The nodes of a proof, given the tiles that it `needs`.
pub fn proof(nodes: &[Range], size: u64, tiles: &[&[Hash]]) -> Result<Vec<Hash>> {
    let places = needs(nodes, size);
    let tiles = cut(&places, tiles)?;
    nodes.iter().map(|range| resolve(*range, &places, &tiles)).collect()
}

fn resolve(range: Range, places: &[Place], tiles: &[&[Hash]]) -> Result<Hash> {
    let subtree = |subtree: Subtree| {
        let (level, number, hashes) = position(subtree);
        let tile = places.iter().position(|place| (place.level, place.number) == (level, number));
        let hashes = tile.and_then(|tile| tiles.get(tile)?.get(hashes)).ok_or_else(|| missing(level, number))?;
        Ok(complete(hashes))
    };
    Ok(join(&range.subtrees().map(subtree).collect::<Result<Vec<Hash>>>()?))
}

/// Level and number of the tile that has a subtree, and which of its hashes are it.
fn position(subtree: Subtree) -> (u32, u64, std::ops::Range<usize>) {
    let (level, height) = (subtree.height / HEIGHT, subtree.height % HEIGHT);
    let first = subtree.number << height;
    let start = usize::from(first.to_le_bytes()[0]);
    (level, first >> HEIGHT, start..start + (1 << height))
}

/// The root of a complete subtree, of 1 to 256 hashes.
fn complete(hashes: &[Hash]) -> Hash {
    let mut nodes = [[0; 32]; FULL / 2];
    let mut width = hashes.len() / 2;
    for (parent, [left, right]) in nodes.iter_mut().zip(hashes.as_chunks().0) {
        *parent = node(left, right);
    }
    while width > 1 {
        width /= 2;
        for number in 0..width {
            nodes[number] = node(&nodes[2 * number], &nodes[2 * number + 1]);
        }
    }
    match hashes {
        [] => tree::empty_root(),
        [hash] => *hash,
        _ => nodes[0],
    }
}

/// The tiles, each as long as it is wanted.
fn cut<'a>(places: &[Place], tiles: &[&'a [Hash]]) -> Result<Vec<&'a [Hash]>> {
    if places.len() != tiles.len() {
        return Err(Error::Invalid(format!("{} tiles are needed, and {} are given", places.len(), tiles.len())));
    }
    let cut = |(place, tile): (&Place, &&'a [Hash])| tile.get(..place.width).ok_or_else(|| short(place, tile.len()));
    places.iter().zip(tiles).map(cut).collect()
}

fn short(place: &Place, width: usize) -> Error {
    let Place { level, number, width: wanted } = place;
    Error::Invalid(format!("tile {number} of level {level} has {width} hashes instead of {wanted}"))
}

fn missing(level: u32, number: u64) -> Error {
    Error::Invalid(format!("tile {number} of level {level} is missing"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{Error, FULL, LARGEST, edge, grow, needs, proof, root, root_of};
    use crate::chain::Hash;
    use crate::evidence::tree::{Range, consistency, inclusion, join, root_from_inclusion};

    fn leaves(count: u64) -> Vec<Hash> {
        let leaf = |number: u64| {
            let mut leaf = [0; 32];
            leaf[..8].copy_from_slice(&number.to_be_bytes());
            leaf
        };
        (0..count).map(leaf).collect()
    }

    /// What a database would hold of them.
    #[derive(Default)]
    struct Stored {
        size: u64,
        tiles: HashMap<(u32, u64), Vec<Hash>>,
    }

    impl Stored {
        fn tiles(&self, places: &[super::Place]) -> Vec<&[Hash]> {
            places
                .iter()
                .map(|place| self.tiles.get(&(place.level, place.number)).map_or(&[][..], |tile| tile))
                .collect()
        }

        fn add(&mut self, leaves: &[Hash]) {
            let grown = grow(self.size, &self.tiles(&edge(self.size)), leaves).unwrap();
            self.size += leaves.len() as u64;
            for tile in grown {
                let before = self.tiles.insert((tile.level, tile.number), tile.hashes.clone()).unwrap_or_default();
                assert!(before.len() < tile.hashes.len(), "it has grown");
                assert_eq!(tile.hashes[..before.len()], before);
            }
        }

        fn root(&self) -> Hash {
            root_of(self.size, &self.tiles(&edge(self.size))).unwrap()
        }
    }

    #[test]
    fn tiles_grown_in_any_steps_are_those_grown_at_once() {
        let all = leaves(70_000);
        let mut once = Stored::default();
        once.add(&all);
        let mut stepwise = Stored::default();
        let mut rest = &all[..];
        for step in [1, 2, 252, 1, 1, 255, 256, 257, 10_000, 0, 54_511, 1, 1].into_iter().cycle() {
            let (now, later) = rest.split_at(rest.len().min(step));
            stepwise.add(now);
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        assert_eq!(once.tiles, stepwise.tiles);
        assert_eq!(once.root(), stepwise.root());
        let mut levels = [0; 3];
        once.tiles.keys().for_each(|(level, _)| levels[usize::try_from(*level).unwrap()] += 1);
        assert_eq!(levels, [274, 2, 1]);
    }

    #[test]
    fn proofs_come_from_the_tiles_of_a_tree_that_has_grown_since() {
        let mut stored = Stored::default();
        stored.add(&leaves(66_000));
        for size in [1, 255, 256, 257, 512, 65_535, 65_536, 65_537, 66_000] {
            let places = edge(size);
            let own = root_of(size, &stored.tiles(&places)).unwrap();
            for index in [0, size / 3, size - 1] {
                let nodes = inclusion(index, size).unwrap();
                let path = proof(&nodes, size, &stored.tiles(&needs(&nodes, size))).unwrap();
                assert_eq!(
                    root_from_inclusion(&leaves(index + 1)[usize::try_from(index).unwrap()], index, size, &path),
                    Some(own)
                );
            }
            let nodes = consistency(size, 66_000).unwrap();
            assert!(proof(&nodes, 66_000, &stored.tiles(&needs(&nodes, 66_000))).is_ok());
        }
    }

    #[test]
    fn a_full_tile_is_one_node() {
        let hashes = leaves(256);
        assert_eq!(
            root(&hashes[..].try_into().unwrap()),
            root_of(256, &[&[], &[join(&[root(hashes[..].try_into().unwrap())])]]).unwrap()
        );
        let halves = Range::of(255).subtrees().count();
        assert_eq!((halves, FULL), (8, 256));
    }

    #[test]
    fn a_tile_that_is_cut_off_or_left_out_is_refused() {
        let mut stored = Stored::default();
        stored.add(&leaves(300));
        let tiles = stored.tiles(&edge(300));
        for tiles in [&[&tiles[0][..43], tiles[1]][..], &tiles[..1], &[&tiles[..], &tiles[..1]].concat()] {
            assert!(matches!(root_of(300, tiles), Err(Error::Invalid(_))));
            assert!(matches!(grow(300, tiles, &leaves(1)), Err(Error::Invalid(_))));
        }
        let nodes = inclusion(299, 300).unwrap();
        assert!(matches!(proof(&nodes, 300, &tiles[..1]), Err(Error::Invalid(_))));
    }

    #[test]
    fn the_largest_tree_has_eight_levels_and_grows_no_more() {
        let places = edge(LARGEST);
        assert_eq!(
            places.iter().map(|place| place.width).collect::<Vec<_>>(),
            [255, 255, 255, 255, 255, 255, 255, 127]
        );
        let full = [[0; 32]; 255];
        let tiles = [&full[..]; 8];
        assert!(root_of(LARGEST, &tiles).is_ok());
        assert!(matches!(grow(LARGEST, &tiles, &leaves(1)), Err(Error::Overflow(_))));
        assert!(grow(LARGEST - 1, &tiles, &leaves(1)).is_ok());
    }
}
