//! Content hashes of many entries at once.
//!
//! A verification hashes each payload after the *stored* hash of the entry before, so no hash waits for another, and the
//! SIMD lanes that BLAKE3 has for the chunks of one long input can hold many short ones. Inputs wait until enough with
//! the same number of blocks have come; then all their blocks but the last are compressed side by side, and the last,
//! whose length differs, one by one. An input of 132 bytes takes less than half the time so.
//!
//! `blake3::platform` is BLAKE3's own interface below its hasher and no promise of that crate's: its version is pinned,
//! and the tests hold every length against the plain hash.

use blake3::IncrementCounter;
use blake3::platform::{Platform, le_bytes_from_words_32, words_from_le_bytes_32};

use crate::chain::{self, Hash};

const BLOCK: usize = 64;
/// BLAKE3's chunk: one tree node, longer inputs are many.
const CHUNK: usize = 1_024;
/// The widest SIMD that BLAKE3 uses.
const LANES: usize = 16;
// BLAKE3, table 2 and 3: the initial value and the flags.
const IV: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
const CHUNK_START: u8 = 1;
const CHUNK_END: u8 = 2;
const ROOT: u8 = 8;

/// Inputs that wait for others; `T` is what the caller knows each by.
pub struct Many<T> {
    platform: Platform,
    /// By the number of blocks before the last, from one to fifteen.
    groups: [Group<T>; CHUNK / BLOCK - 1],
}

struct Group<T> {
    tags: Vec<T>,
    /// Of each last block.
    lengths: [u8; LANES],
    /// One after the other, each filled up with zeros to whole blocks; made when the first comes.
    inputs: Vec<u8>,
}

impl<T> Default for Group<T> {
    fn default() -> Self {
        Self { tags: Vec::new(), lengths: [0; LANES], inputs: Vec::new() }
    }
}

impl<T> Many<T> {
    pub fn new() -> Self {
        Self { platform: Platform::detect(), groups: std::array::from_fn(|_| Group::default()) }
    }

    /// Hash `payload` after `prev`, now or later; `done` is told the hashes that are ready.
    pub fn push(&mut self, prev: Option<&Hash>, payload: &[u8], tag: T, done: &mut impl FnMut(T, Hash)) {
        let start = prev.map_or(&[][..], |prev| prev);
        let length = start.len() + payload.len();
        if length <= BLOCK || length > CHUNK {
            return done(tag, chain::hash(prev, payload));
        }
        let before = (length - 1) / BLOCK;
        let size = (before + 1) * BLOCK;
        let group = &mut self.groups[before - 1];
        let lane = group.tags.len();
        if lane == 0 {
            group.inputs.resize(LANES * size, 0);
        }
        let (input, rest) = group.inputs[lane * size..][..size].split_at_mut(length);
        input[..start.len()].copy_from_slice(start);
        input[start.len()..].copy_from_slice(payload);
        rest.fill(0);
        // 1 to 64.
        group.lengths[lane] = u8::try_from(length - before * BLOCK).unwrap_or(0);
        group.tags.push(tag);
        if group.tags.len() == LANES {
            group.hash(self.platform, before, done);
        }
    }

    /// Hash what still waits.
    pub fn flush(&mut self, done: &mut impl FnMut(T, Hash)) {
        for (group, before) in self.groups.iter_mut().zip(1..) {
            group.hash(self.platform, before, done);
        }
    }
}

impl<T> Group<T> {
    fn hash(&mut self, platform: Platform, before: usize, done: &mut impl FnMut(T, Hash)) {
        if self.tags.is_empty() {
            return;
        }
        let mut values = [0; LANES * 32];
        macro_rules! compress_blocks {
            ($($blocks:literal)*) => {
                match before {
                    $($blocks => compress::<{ $blocks * BLOCK }>(platform, &self.inputs, self.tags.len(), &mut values),)*
                    _ => {}
                }
            };
        }
        compress_blocks!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        let (values, _) = values.as_chunks::<32>();
        let inputs = self.inputs.chunks_exact((before + 1) * BLOCK);
        for (((tag, length), value), input) in self.tags.drain(..).zip(self.lengths).zip(values).zip(inputs) {
            let mut value = words_from_le_bytes_32(value);
            if let Some(last) = input.last_chunk::<BLOCK>() {
                platform.compress_in_place(&mut value, last, length, 0, CHUNK_END | ROOT);
            }
            done(tag, le_bytes_from_words_32(&value));
        }
    }
}

/// The chaining value of each of `count` inputs after its first `BYTES`; inputs are a block longer.
fn compress<const BYTES: usize>(platform: Platform, inputs: &[u8], count: usize, values: &mut [u8; LANES * 32]) {
    let mut starts = [&[0; BYTES]; LANES];
    for (start, input) in starts.iter_mut().zip(inputs.chunks_exact(BYTES + BLOCK)) {
        if let Some(first) = input.first_chunk::<BYTES>() {
            *start = first;
        }
    }
    platform.hash_many(&starts[..count], &IV, 0, IncrementCounter::No, 0, CHUNK_START, 0, &mut values[..count * 32]);
}

#[cfg(test)]
mod tests {
    use super::Many;
    use crate::chain;

    #[test]
    fn each_length_has_the_hash_that_it_has_alone() {
        let bytes: Vec<u8> = (0..3_000u32).map(|n| ((n * n) >> 3).to_le_bytes()[0]).collect();
        let prev = chain::hash(None, b"before");
        let mut many = Many::new();
        let mut found = std::collections::HashMap::new();
        let mut done = |tag, hash| assert!(found.insert(tag, hash).is_none());
        for length in (0..1_200).chain([2_048, 3_000]) {
            for round in 0..5 {
                let payload = &bytes[round..length.max(round)];
                many.push(None, payload, (length, round, false), &mut done);
                many.push(Some(&prev), payload, (length, round, true), &mut done);
            }
        }
        many.flush(&mut done);
        assert_eq!(found.len(), 1_202 * 10);
        for ((length, round, linked), hash) in found {
            let payload = &bytes[round..length.max(round)];
            assert_eq!(hash, chain::hash(linked.then_some(&prev), payload), "{length} bytes");
        }
    }
}
