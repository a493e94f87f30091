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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names<'a> {
    pub(super) stream: &'a [u8],
    pub(super) stream_length: u16,
    pub(super) writer: &'a [u8],
    pub(super) writer_length: u16,
}

impl<'a> Names<'a> {
    pub fn stream(&self) -> &'a [u8] {
        self.stream
    }

    pub fn writer(&self) -> &'a [u8] {
        self.writer
    }

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf<'a> {
    pub names: Names<'a>,
    pub seq: u64,
    pub prev_hash: Option<&'a Hash>,
    pub content_hash: &'a Hash,
    /// Bytes.
    pub payload_len: u64,
}

impl<'a> Leaf<'a> {
    /// `None` for what `bytes` would not have made.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(MAGIC)?;
        let stream = named(&mut rest)?;
        let writer = named(&mut rest)?;
        let seq = u64::from_be_bytes(*taken(&mut rest)?);
        let [has_prev] = *taken(&mut rest)?;
        let prev_hash: &Hash = taken(&mut rest)?;
        let content_hash = taken(&mut rest)?;
        let payload_len = u64::from_be_bytes(*taken(&mut rest)?);
        let prev_hash = match has_prev {
            0 if *prev_hash == [0; 32] => None,
            1 => Some(prev_hash),
            _ => return None,
        };
        let names = Names::new(stream, writer)?;
        rest.is_empty().then_some(Self { names, seq, prev_hash, content_hash, payload_len })
    }

    /// What is hashed, without the prefix.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length()];
        self.write(&mut bytes);
        bytes
    }

    pub fn hash(&self) -> Hash {
        prefixed(self.length(), |leaf| self.write(leaf))
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

/// The hash of a leaf as it stands in a bundle.
pub fn hash(leaf: &[u8]) -> Hash {
    prefixed(leaf.len(), |room| room.iter_mut().zip(leaf).for_each(|(to, from)| *to = *from))
}

fn prefixed(leaf: usize, write: impl FnOnce(&mut [u8])) -> Hash {
    let length = 1 + leaf;
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
        write(leaf);
    }
    sha::padded(input, length)
}

fn taken<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    bytes.split_off(..N)?.try_into().ok()
}

/// What stands after its length.
fn named<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u16::from_be_bytes(*taken(bytes)?);
    bytes.split_off(..length.into())
}

/// The entries of a bundle (C2SP tlog-tiles), each after its length; `None` where it is cut off.
pub fn bundled(mut bundle: &[u8]) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while !bundle.is_empty() {
        entries.push(named(&mut bundle)?);
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::{LONGEST_NAMES, Leaf, Names, bundled, hash};

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
            let bytes = leaf.bytes();
            let expected = Sha256::digest([&[0], &bytes[..]].concat());
            assert_eq!(leaf.hash()[..], expected[..], "{} bytes", bytes.len());
            assert_eq!(hash(&bytes)[..], expected[..], "{} bytes", bytes.len());
            assert_eq!(Leaf::parse(&bytes), Some(leaf));
        }
    }

    #[test]
    fn names_that_no_leaf_holds_make_none() {
        let name = vec![b'n'; LONGEST_NAMES];
        assert!(Names::new(&name, b"n").is_none());
        assert!(Names::new(b"n", &name).is_none());
    }

    #[test]
    fn what_is_no_leaf_is_none() {
        for prev_hash in [None, Some(&[1; 32])] {
            let names = Names::new(b"stream", b"writer").unwrap();
            let leaf = Leaf { names, seq: 2, prev_hash, content_hash: &[2; 32], payload_len: 3 };
            let bytes = leaf.bytes();
            for cut in 0..bytes.len() {
                assert_eq!(Leaf::parse(&bytes[..cut]), None);
            }
            assert_eq!(Leaf::parse(&[&bytes[..], &[0]].concat()), None);
            for number in 0..bytes.len() {
                let mut altered = bytes.clone();
                altered[number] ^= 2;
                assert!(Leaf::parse(&altered).is_none_or(|leaf| leaf.bytes() == altered), "byte {number}");
            }
        }
    }

    #[test]
    fn a_bundle_is_taken_apart_unless_it_is_cut_off() {
        let bundle = b"\x00\x01a\x00\x00\x00\x02bc";
        assert_eq!(bundled(bundle), Some(vec![&b"a"[..], b"", b"bc"]));
        assert_eq!(bundled(b""), Some(vec![]));
        assert_eq!(bundled(&bundle[..8]), None);
        assert_eq!(bundled(&bundle[..6]), None);
    }
}
