//! The tree of RFC 6962: what its proofs consist of, and what they prove.
//!
//! Sizes are at most `LARGEST`, so that nothing here overflows.

use super::sha::{self, BLOCK};
use crate::chain::Hash;

/// Entries that a tree may have: a position is a signed 64-bit integer.
pub const LARGEST: u64 = i64::MAX.unsigned_abs();

const PREFIX: u8 = 1;
const NODE: usize = 1 + 32 + 32;

/// SHA-256 of nothing.
pub fn empty_root() -> Hash {
    sha::padded(&mut [[0; BLOCK]; sha::blocks(0)], 0)
}

pub fn node(left: &Hash, right: &Hash) -> Hash {
    let mut input = [[0; BLOCK]; sha::blocks(NODE)];
    let bytes = input.as_flattened_mut();
    bytes[0] = PREFIX;
    bytes[1..33].copy_from_slice(left);
    bytes[33..NODE].copy_from_slice(right);
    sha::padded(&mut input, NODE)
}

/// A complete subtree: the leaves from `number << height` up to, not including, `(number + 1) << height`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subtree {
    pub height: u32,
    pub number: u64,
}

/// Leaves `first..end` that are one node of some tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub first: u64,
    pub end: u64,
}

impl Range {
    /// The whole tree.
    pub fn of(size: u64) -> Self {
        Self { first: 0, end: size }
    }

    /// The complete subtrees that it consists of, from left to right; each is smaller than the one before.
    pub fn subtrees(self) -> impl Iterator<Item = Subtree> {
        let mut first = self.first;
        std::iter::from_fn(move || {
            let height = (self.end - first).checked_ilog2()?;
            let number = first >> height;
            first += 1 << height;
            Some(Subtree { height, number })
        })
    }

    /// Where it divides into its two children: the left one is complete, and no smaller than the right one.
    fn middle(self) -> Option<u64> {
        let last = (self.end - self.first).checked_sub(1)?;
        last.checked_ilog2().map(|height| self.first + (1 << height))
    }
}

/// The root of a node, given the hashes of its `subtrees`.
pub fn join(subtrees: &[Hash]) -> Hash {
    subtrees.iter().copied().rev().reduce(|right, left| node(&left, &right)).unwrap_or_else(empty_root)
}

/// The siblings of leaf `index` on its way to the root: RFC 6962, 2.1.1. `None` where the tree has no such leaf.
pub fn inclusion(index: u64, size: u64) -> Option<Vec<Range>> {
    if index >= size {
        return None;
    }
    let mut siblings = Vec::new();
    let mut range = Range::of(size);
    while let Some(middle) = range.middle() {
        let (left, right) = (Range { end: middle, ..range }, Range { first: middle, ..range });
        let (own, sibling) = if index < middle { (left, right) } else { (right, left) };
        siblings.push(sibling);
        range = own;
    }
    siblings.reverse();
    Some(siblings)
}

/// What proves that the tree of size `new` began as the one of size `old`: RFC 6962, 2.1.2. `None` where `old` is larger.
pub fn consistency(old: u64, new: u64) -> Option<Vec<Range>> {
    if old > new {
        return None;
    }
    let mut nodes = Vec::new();
    if old == 0 {
        return Some(nodes); // Any tree began so.
    }
    let mut range = Range::of(new);
    while range.end != old {
        // One leaf ends at old: the ranges in which old lies, and which do not end there, have two at least.
        let middle = range.middle()?;
        let (left, right) = (Range { end: middle, ..range }, Range { first: middle, ..range });
        let (own, sibling) = if old <= middle { (left, right) } else { (right, left) };
        nodes.push(sibling);
        range = own;
    }
    if range.first > 0 {
        nodes.push(range); // Else it is the old tree itself, whose root the verifier has.
    }
    nodes.reverse();
    Some(nodes)
}

/// The root that a proof leads to: RFC 9162, 2.1.3.2. `None` where it has not the number of hashes that it must have.
pub fn root_from_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash]) -> Option<Hash> {
    let siblings = inclusion(index, size)?;
    if siblings.len() != proof.len() {
        return None;
    }
    Some(
        siblings.iter().zip(proof).fold(
            *leaf,
            |own, (sibling, hash)| {
                if sibling.first > index { node(&own, hash) } else { node(hash, &own) }
            },
        ),
    )
}

/// Whether a proof shows that the tree of size `new` and its root began as the one of size `old`: RFC 9162, 2.1.4.2.
pub fn is_consistent(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> bool {
    let ((old, old_root), (new, new_root)) = (old, new);
    let Some(nodes) = consistency(old, new) else {
        return false;
    };
    if nodes.len() != proof.len() {
        return false;
    }
    if old == 0 {
        return *old_root == empty_root() && (new > 0 || new_root == old_root);
    }
    let mut nodes = nodes.iter().zip(proof);
    let mut own = match proof.first() {
        // The first node is the one that ends where the old tree did.
        Some(hash) if starts_inside(old, new) => {
            nodes.next();
            *hash
        }
        _ => *old_root,
    };
    let mut own_old = own;
    for (sibling, hash) in nodes {
        if sibling.first >= old {
            own = node(&own, hash);
        } else {
            own = node(hash, &own);
            own_old = node(hash, &own_old);
        }
    }
    own_old == *old_root && own == *new_root
}

/// Whether the node of the new tree that ends at `old` is not the whole old tree.
fn starts_inside(old: u64, new: u64) -> bool {
    old < new && !old.is_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::{LARGEST, Range, consistency, empty_root, inclusion, is_consistent, join, node, root_from_inclusion};
    use crate::chain::{Hash, hex};

    fn leaves(count: u8) -> Vec<Hash> {
        (0..count).map(|number| [number; 32]).collect()
    }

    /// RFC 6962, 2.1, word by word.
    fn root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node(&root(left), &root(right))
            }
        }
    }

    fn prove(nodes: &[Range], leaves: &[Hash]) -> Vec<Hash> {
        let index = |number: u64| usize::try_from(number).unwrap();
        nodes.iter().map(|range| root(&leaves[index(range.first)..index(range.end)])).collect()
    }

    #[test]
    fn the_empty_tree_has_the_hash_of_nothing() {
        assert_eq!(hex(&empty_root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn a_range_is_joined_from_the_complete_subtrees_that_it_consists_of() {
        for size in 0..100 {
            let leaves = leaves(size);
            let subtrees: Vec<Hash> = Range::of(size.into())
                .subtrees()
                .map(|subtree| {
                    let first = usize::try_from(subtree.number << subtree.height).unwrap();
                    root(&leaves[first..first + (1 << subtree.height)])
                })
                .collect();
            assert_eq!(join(&subtrees), root(&leaves), "{size}");
        }
    }

    #[test]
    fn each_leaf_of_each_tree_is_proven_and_no_other_is() {
        for size in 1..40u8 {
            let leaves = leaves(size);
            for index in 0..size {
                let (leaf, index, size) = (leaves[usize::from(index)], u64::from(index), u64::from(size));
                let proof = prove(&inclusion(index, size).unwrap(), &leaves);
                assert_eq!(root_from_inclusion(&leaf, index, size, &proof), Some(root(&leaves)));
                for other in (0..size).filter(|other| *other != index) {
                    assert_ne!(root_from_inclusion(&leaf, other, size, &proof), Some(root(&leaves)));
                }
                let longer = [&proof[..], &[[0; 32]]].concat();
                assert_eq!(root_from_inclusion(&leaf, index, size, &longer), None);
            }
            assert_eq!(inclusion(size.into(), size.into()), None);
        }
    }

    #[test]
    fn each_beginning_of_each_tree_is_proven_and_no_other_is() {
        for new in 0..40u8 {
            let all = leaves(new);
            let new_root = root(&all);
            for old in 0..=new {
                let old_root = root(&all[..old.into()]);
                let proof = prove(&consistency(old.into(), new.into()).unwrap(), &all);
                let holds = |old: (u64, &Hash), proof: &[Hash]| is_consistent(old, (new.into(), &new_root), proof);
                assert!(holds((old.into(), &old_root), &proof), "{old} of {new}");
                assert!(!holds((old.into(), &[0xff; 32]), &proof), "{old} of {new}");
                assert!(!holds((old.into(), &old_root), &[&proof[..], &[[0; 32]]].concat()), "{old} of {new}");
                for number in 0..proof.len() {
                    let mut altered = proof.clone();
                    altered[number][0] ^= 1;
                    assert!(!holds((old.into(), &old_root), &altered), "{old} of {new}");
                }
                let other = (new.into(), &[0xff; 32]);
                assert_eq!(is_consistent((old.into(), &old_root), other, &proof), old == 0 && new > 0);
            }
            assert_eq!(consistency(u64::from(new) + 1, new.into()), None);
        }
    }

    #[test]
    fn the_largest_tree_has_proofs_too() {
        for index in [0, 1, LARGEST / 2, LARGEST - 1] {
            assert!(inclusion(index, LARGEST).is_some_and(|siblings| siblings.len() >= 62));
            assert!(consistency(index, LARGEST).is_some());
        }
        assert!(!is_consistent((LARGEST - 1, &[0; 32]), (LARGEST, &[0; 32]), &[[0; 32]; 63]));
    }
}
