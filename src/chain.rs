//! The hash rule of a chain: `content_hash = BLAKE3(prev_hash? ‖ payload)`, where the first entry has no `prev_hash`.
//!
//! It is the rule of the Rust crate `agent-store` 0.1.x, whose files must stay readable and writable on both sides.

/// A BLAKE3 hash: 32 bytes.
pub type Hash = [u8; 32];

/// The content hash of one entry.
#[must_use]
pub fn hash(prev: Option<&Hash>, payload: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    if let Some(prev) = prev {
        hasher.update(prev);
    }
    hasher.update(payload);
    *hasher.finalize().as_bytes()
}

/// The content hashes of `payloads`, appended in this order after an entry whose hash is `prev`.
pub fn extend<'a>(prev: Option<Hash>, payloads: impl IntoIterator<Item = &'a [u8]>) -> impl Iterator<Item = Hash> {
    payloads.into_iter().scan(prev, |prev, payload| {
        let next = hash(prev.as_ref(), payload);
        *prev = Some(next);
        Some(next)
    })
}

/// Lower-case hex, for messages.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::{extend, hash, hex};

    #[test]
    fn a_chain_is_the_hash_of_the_hash_before_and_the_payload() {
        let first = *blake3::hash(b"hello").as_bytes();
        let second = *blake3::hash(&[&first[..], b"world"].concat()).as_bytes();
        assert_eq!(hash(None, b"hello"), first);
        assert_eq!(hash(Some(&first), b"world"), second);
        let chain: Vec<_> = extend(None, [&b"hello"[..], b"world"]).collect();
        assert_eq!(chain, [first, second]);
    }

    #[test]
    fn the_empty_payload_has_the_published_blake3_of_nothing() {
        assert_eq!(hex(&hash(None, b"")), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
    }
}
