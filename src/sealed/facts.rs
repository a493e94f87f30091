//! What leaves are made of, taken from the rows as they are judged.

use crate::chain::Hash;

/// An entry as it is in its leaf, but for the names of its log.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    pub position: i64,
    pub log: i64,
    pub seq: i64,
    /// The stored hash of the entry before it, `None` for the first of a log.
    pub prev_hash: Option<Hash>,
    /// As it is stored.
    pub content_hash: Hash,
    /// Of an erased payload as it is recorded.
    pub payload_len: u64,
}

/// Since they were taken last.
#[derive(Debug)]
pub struct Gathered {
    /// No leaf is wanted of later positions.
    pub upto: i64,
    pub facts: Vec<Facts>,
    /// Positions with another content hash than the stored one, and the recomputed one.
    pub wrong: Vec<(i64, Hash)>,
}

impl Gathered {
    pub fn new(upto: i64) -> Self {
        Self { upto, facts: Vec::new(), wrong: Vec::new() }
    }
}
