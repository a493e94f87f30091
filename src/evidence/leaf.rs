//! An entry as a leaf of the tree: its place, its hashes and the length of its payload, but not the payload.

use super::sha::{self, BLOCK};
use crate::chain::Hash;

pub(super) const MAGIC: &[u8; 21] = b"agent-store/entry/v1\n";
/// Stream and writer together, in bytes: a leaf is to fit into the 65,535 bytes of an entry in a bundle (C2SP tlog-tiles).
pub const LONGEST_NAMES: usize = 65_400;
/// Beside the names: the magic, two lengths, seq, whether there is a prev_hash, it and the content_hash, the payload's length.
const FIXED: usize = MAGIC.len() + 2 + 2 + 8 + 1 + 32 + 32 + 8;
/// Leaves of up to so many blocks are hashed on the stack: those with up to 140 bytes of names.
const SHORT: usize = 4;
/// Before each leaf that is hashed (RFC 6962, 2.1).
pub(super) const PREFIX: u8 = 0;

/// The names of a log that fit into a leaf.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    pub(super) stream: &'a [u8],
    pub(super) stream_length: u16,
    pub(super) writer: &'a [u8],
    pub(super) writer_length: u16,
}

impl<'a> Names<'a> {
    /// `None` where they are too long.
    pub fn new(stream: &'a [u8], writer: &'a [u8]) -> Option<Self> {
        if stream.len().saturating_add(writer.len()) > LONGEST_NAMES {
            return None;
        }
        let stream_length = u16::try_from(stream.len()).ok()?;
        let writer_length = u16::try_from(writer.len()).ok()?;
        Some(Self { stream, stream_length, writer, writer_length })
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Leaf<'a> {
    pub names: Names<'a>,
    pub seq: u64,
    pub prev_hash: Option<&'a Hash>,
    pub content_hash: &'a Hash,
    /// Bytes.
    pub payload_len: u64,
}

impl Leaf<'_> {
    /// What is hashed, without the prefix.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length()];
        self.write(&mut bytes);
        bytes
    }

    pub fn hash(&self) -> Hash {
        let length = 1 + self.length();
        let blocks = sha::blocks(length);
        let mut short = [[0; BLOCK]; SHORT];
        let mut long = Vec::new();
        let input = if let Some(input) = short.get_mut(..blocks) {
            input
        } else {
            long.resize(blocks, [0; BLOCK]);
            &mut long[..]
        };
        if let Some((prefix, leaf)) = input.as_flattened_mut().split_first_mut() {
            *prefix = PREFIX;
            self.write(leaf);
        }
        sha::padded(input, length)
    }

    fn length(&self) -> usize {
        FIXED + self.names.stream.len() + self.names.writer.len()
    }

    /// At the start of `bytes`, where there is room.
    fn write(&self, mut bytes: &mut [u8]) {
        let mut put = |part: &[u8]| {
            if let Some(room) = bytes.split_off_mut(..part.len()) {
                room.copy_from_slice(part);
            }
        };
        put(MAGIC);
        put(&self.names.stream_length.to_be_bytes());
        put(self.names.stream);
        put(&self.names.writer_length.to_be_bytes());
        put(self.names.writer);
        put(&self.seq.to_be_bytes());
        put(&[u8::from(self.prev_hash.is_some())]);
        put(self.prev_hash.unwrap_or(&[0; 32]));
        put(self.content_hash);
        put(&self.payload_len.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::{LONGEST_NAMES, Leaf, Names};

    #[test]
    fn a_leaf_of_any_length_is_hashed_after_a_zero() {
        for (stream, writer) in (0..300).map(|n| (n, 1)).chain([(1, 300), (LONGEST_NAMES, 0), (1, LONGEST_NAMES - 1)]) {
            let (stream, writer) = ("s".repeat(stream), "w".repeat(writer));
            let leaf = Leaf {
                names: Names::new(stream.as_bytes(), writer.as_bytes()).unwrap(),
                seq: 1 << 40,
                prev_hash: Some(&[1; 32]),
                content_hash: &[2; 32],
                payload_len: 3,
            };
            let bytes = [vec![0], leaf.bytes()].concat();
            assert_eq!(leaf.hash()[..], Sha256::digest(&bytes)[..], "{} bytes", bytes.len());
        }
    }

    #[test]
    fn names_that_no_leaf_holds_make_none() {
        let name = vec![b'n'; LONGEST_NAMES];
        assert!(Names::new(&name, b"n").is_none());
        assert!(Names::new(b"n", &name).is_none());
    }
}
