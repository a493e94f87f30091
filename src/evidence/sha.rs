//! SHA-256 of inputs so short that the usual hasher's buffer would cost as much as the hashing.

use sha2::block_api::compress256;

use crate::chain::Hash;

pub const BLOCK: usize = 64;
/// After the input: a one bit, and at the very end its length in bits.
const PADDING: usize = 1 + 8;

/// Between two blocks.
pub type State = [u32; 8];

/// FIPS 180-4, 5.3.3.
const START: State =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// Blocks that an input of so many bytes takes.
pub const fn blocks(length: usize) -> usize {
    (length + PADDING).div_ceil(BLOCK)
}

/// The hash of the first `length` bytes of `input`, which has `blocks(length)` blocks and zeros after them.
pub fn padded(input: &mut [[u8; BLOCK]], length: usize) -> Hash {
    padded_after(START, 0, input, length)
}

/// The same of what begins with so many bytes, whole blocks, that lead to `state`.
pub fn padded_after(mut state: State, before: usize, input: &mut [[u8; BLOCK]], length: usize) -> Hash {
    let bytes = input.as_flattened_mut();
    if let Some(after) = bytes.get_mut(length) {
        *after = 0x80;
    }
    if let Some(last) = bytes.last_chunk_mut() {
        *last = (8 * (before + length) as u64).to_be_bytes();
    }
    compress256(&mut state, input);
    let mut hash = [0; 32];
    for (bytes, word) in hash.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    hash
}

/// The state after whole blocks.
pub fn state_after(input: &[[u8; BLOCK]]) -> State {
    let mut state = START;
    compress256(&mut state, input);
    state
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::{blocks, padded};

    #[test]
    fn each_length_has_the_hash_of_the_usual_hasher() {
        let bytes: Vec<u8> = (0..400u32).map(|n| ((n * n) >> 3).to_le_bytes()[0]).collect();
        for length in 0..bytes.len() {
            let mut input = vec![[0; 64]; blocks(length)];
            input.as_flattened_mut()[..length].copy_from_slice(&bytes[..length]);
            assert_eq!(padded(&mut input, length)[..], Sha256::digest(&bytes[..length])[..], "{length} bytes");
        }
    }
}
