//! Appending: the head is read under the write lock, the chain is extended from it, the rows go in.

use rusqlite::{CachedStatement, Connection};

use super::conn::Conn;
use super::heads::{Heads, LogHead};
use super::sql;
use crate::chain::{self, Hash};
use crate::error::{Error, HeadMoved, Result};

/// The last entry that a call appended.
#[derive(Clone, Copy, Debug)]
pub struct Appended {
    pub count: usize,
    pub seq: i64,
    pub prev_hash: Option<Hash>,
    pub content_hash: Hash,
    pub position: i64,
}

/// What must be the head before anything is appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    Anything,
    /// `None`: the log must be empty.
    Head(Option<(i64, Hash)>),
}

/// Append `payloads`, at least one, to one log.
pub fn append(conn: &mut Conn, stream: &str, writer: &str, payloads: &[&[u8]], expected: Expected) -> Result<Appended> {
    let Conn { sqlite, heads, .. } = conn;
    let mut head = heads.of(sqlite, stream, writer)?;
    if let Expected::Head(expected) = expected
        && expected != head.last()
    {
        return Err(Error::HeadMoved(Box::new(HeadMoved {
            stream: stream.to_owned(),
            writer: writer.to_owned(),
            expected,
            actual: head.last(),
        })));
    }
    let mut entries = Entries::new(sqlite)?;
    let mut prev_hash = None;
    for payload in payloads {
        prev_hash = head.last().map(|last| last.1);
        entries.add(heads, &mut head, stream, writer, payload)?;
    }
    heads.moved(stream, writer, head);
    Ok(Appended {
        count: payloads.len(),
        seq: head.seq,
        prev_hash,
        content_hash: head.content_hash,
        position: heads.position(),
    })
}

/// Append rows of (stream, writer, payload) in this order; the last position.
pub fn append_rows(conn: &mut Conn, rows: &[(&str, &str, &[u8])]) -> Result<i64> {
    let Conn { sqlite, heads, .. } = conn;
    let mut entries = Entries::new(sqlite)?;
    for (stream, writer, payload) in rows {
        let mut head = heads.of(sqlite, stream, writer)?;
        entries.add(heads, &mut head, stream, writer, payload)?;
        heads.moved(stream, writer, head);
    }
    Ok(heads.position())
}

/// The statement that adds an entry, looked up once for all of a call.
struct Entries<'a> {
    sqlite: &'a Connection,
    add: CachedStatement<'a>,
}

impl<'a> Entries<'a> {
    fn new(sqlite: &'a Connection) -> Result<Self> {
        Ok(Self { sqlite, add: sqlite.prepare_cached(sql::ADD_ENTRY)? })
    }

    fn add(&mut self, heads: &mut Heads, head: &mut LogHead, stream: &str, writer: &str, payload: &[u8]) -> Result<()> {
        if head.log == 0 {
            self.sqlite.prepare_cached(sql::ADD_LOG)?.execute((stream, writer))?;
            head.log = self.sqlite.last_insert_rowid();
        }
        let prev = head.last().map(|last| last.1);
        head.seq = head
            .seq
            .checked_add(1)
            .ok_or_else(|| Error::Overflow(format!("log {stream:?} of {writer:?} has reached seq 2^63 - 1")))?;
        head.content_hash = chain::hash(prev.as_ref(), payload);
        let position = heads.next_position()?;
        if self.add.execute((position, head.log, head.seq, &head.content_hash[..], payload))? == 1 {
            return Ok(());
        }
        Err(Error::Backend(
            "an entry was not written: something on _agent_store_entries that is not of agent-store, as a trigger, leaves \
             entries out; verify names it"
                .into(),
        ))
    }
}
