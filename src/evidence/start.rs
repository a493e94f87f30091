//! What all leaves of a log begin with, hashed once: its names are half of most leaves.

use super::leaf::{MAGIC, Names, PREFIX};
use super::sha::{self, BLOCK, State};
use crate::chain::Hash;

/// After the names: seq, whether there is a prev_hash, it and the content_hash, the payload's length.
const REST: usize = 8 + 1 + 32 + 32 + 8;
/// Blocks of what is not hashed yet, at most.
const BLOCKS: usize = sha::blocks(BLOCK - 1 + REST);

/// The beginning of a log's leaves.
#[derive(Clone, Debug)]
pub struct Start {
    state: State,
    /// Bytes that led to it, whole blocks.
    hashed: usize,
    /// What does not fill another block.
    open: [u8; BLOCK],
    length: usize,
}

impl Start {
    pub fn of(names: &Names<'_>) -> Self {
        let bytes = [
            &[PREFIX],
            &MAGIC[..],
            &names.stream_length.to_be_bytes(),
            names.stream,
            &names.writer_length.to_be_bytes(),
            names.writer,
        ]
        .concat();
        let (blocks, rest) = bytes.as_chunks();
        let mut open = [0; BLOCK];
        open[..rest.len()].copy_from_slice(rest);
        Self { state: sha::state_after(blocks), hashed: bytes.len() - rest.len(), open, length: rest.len() }
    }

    /// The hash of a whole leaf, as `Leaf::hash` gives it.
    pub fn leaf(&self, seq: u64, prev_hash: Option<&Hash>, content_hash: &Hash, payload_len: u64) -> Hash {
        let mut rest = [0; REST];
        rest[..8].copy_from_slice(&seq.to_be_bytes());
        rest[8] = u8::from(prev_hash.is_some());
        rest[9..41].copy_from_slice(prev_hash.unwrap_or(&[0; 32]));
        rest[41..73].copy_from_slice(content_hash);
        rest[73..].copy_from_slice(&payload_len.to_be_bytes());
        let mut input = [[0; BLOCK]; BLOCKS];
        input[0] = self.open;
        let length = self.length + REST;
        input.as_flattened_mut()[self.length..length].copy_from_slice(&rest);
        sha::padded_after(self.state, self.hashed, &mut input[..sha::blocks(length)], length)
    }
}

#[cfg(test)]
mod tests {
    use super::Start;
    use crate::evidence::leaf::{LONGEST_NAMES, Leaf, Names};

    #[test]
    fn a_leaf_has_the_hash_that_it_has_by_itself() {
        for (stream, writer) in (0..300).map(|n| (n, 1)).chain([(1, 300), (LONGEST_NAMES, 0), (1, LONGEST_NAMES - 1)]) {
            let (stream, writer) = ("s".repeat(stream), "w".repeat(writer));
            let names = Names::new(stream.as_bytes(), writer.as_bytes()).unwrap();
            let start = Start::of(&names);
            for prev_hash in [None, Some(&[1; 32])] {
                let leaf = Leaf { names, seq: 1 << 40, prev_hash, content_hash: &[2; 32], payload_len: 3 };
                assert_eq!(start.leaf(1 << 40, prev_hash, &[2; 32], 3), leaf.hash(), "{} bytes", stream.len());
            }
        }
    }
}
