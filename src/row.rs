//! What a verification is fed with: stored rows as they are, and what goes before them.

use crate::chain::Hash;
use crate::error::Result;

/// One stored row as found; `None` where a column has the wrong type.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub position: i64,
    pub log: Option<i64>,
    pub seq: Option<i64>,
    pub content_hash: Option<&'a [u8]>,
    pub payload: Option<&'a [u8]>,
    pub prev: StoredPrev<'a>,
    /// How many bytes the payload had, where an erasure of it is recorded. Nobody asks unless the payload is empty.
    pub erased: Option<i64>,
}

/// What the row itself says of the entry before it.
#[derive(Clone, Copy, Debug)]
pub enum StoredPrev<'a> {
    /// The layout does not repeat it.
    Implied,
    /// The crate's layout does.
    Column(Option<&'a [u8]>),
}

/// An entry that others are judged against.
#[derive(Clone, Copy, Debug)]
pub struct State {
    pub seq: i64,
    pub position: i64,
    /// `None`: its stored hash is not 32 bytes.
    pub content_hash: Option<Hash>,
}

/// What goes before an entry.
#[derive(Clone, Copy, Debug)]
pub enum Before {
    /// The entry of its log with the greatest seq below its own, if there is one.
    Known(Option<State>),
    /// Nobody can say yet.
    Later,
}

/// Answers from the database that the rows come from.
pub trait Lookup {
    /// What goes before entry `seq` of `log`.
    fn before(&self, log: i64, seq: i64) -> Result<Before>;
}
