//! The heads that a writing connection remembers, so that an append need not look them up.
//!
//! What is remembered holds while nobody else commits: `refresh`, in every write transaction, asks SQLite whether
//! somebody did and forgets all if so. A rollback, and any SQL of the caller's, forgets all too.

use std::collections::HashSet;

use hashlink::LruCache;
use rusqlite::{Connection, OptionalExtension};

use super::sql;
use crate::chain::Hash;
use crate::error::{Error, Head, Result};

/// Logs remembered: at most about 2 MB with long names.
const LOGS: usize = 8_192;
/// Heads that OutcomeUnknown names.
const NAMED: usize = 1_000;

#[derive(Clone, Copy, Debug)]
pub struct LogHead {
    pub log: i64,
    /// 0: empty.
    pub seq: i64,
    pub content_hash: Hash,
    /// The transaction that moved it last.
    moved_in: u64,
}

pub struct Heads {
    data_version: Option<u32>,
    position: i64,
    known: LruCache<Vec<u8>, LogHead>,
    transaction: u64,
    /// The newest position before the transaction.
    began_after: i64,
    /// Logs that the transaction had moved when it was looked at anew.
    unsure: HashSet<Vec<u8>>,
    key: Vec<u8>,
}

impl Default for Heads {
    fn default() -> Self {
        Self {
            data_version: None,
            position: 0,
            known: LruCache::new(LOGS),
            transaction: 0,
            began_after: 0,
            unsure: HashSet::new(),
            key: Vec::new(),
        }
    }
}

impl LogHead {
    #[must_use]
    pub fn last(&self) -> Option<(i64, Hash)> {
        (self.seq > 0).then_some((self.seq, self.content_hash))
    }
}

impl Heads {
    /// To be called as a write transaction begins.
    pub fn refresh(&mut self, conn: &Connection) -> Result<()> {
        self.transaction += 1;
        let version = data_version(conn)?;
        if self.data_version != Some(version) {
            self.forget();
            self.data_version = Some(version);
            self.position = last_position(conn)?;
        }
        self.began_after = self.position;
        self.unsure.clear();
        Ok(())
    }

    /// To be called before the transaction is committed: afterwards nobody can say which logs it moved.
    pub fn before_commit(&mut self, conn: &Connection) -> Result<()> {
        for key in std::mem::take(&mut self.unsure) {
            let Some((stream, writer)) = names(&key) else { continue };
            if self.known.get(&key).is_some_and(|head| head.moved_in == self.transaction) {
                continue;
            }
            let found = conn.prepare_cached(sql::FIND_LOG)?.query_row((stream, writer), |row| row.get(0)).optional()?;
            let Some(log) = found else { continue };
            let (head, position) = stored(conn, log, stream, writer)?;
            if position > self.began_after {
                self.known.insert(key, LogHead { moved_in: self.transaction, ..head });
            }
        }
        Ok(())
    }

    /// To be called when the transaction is committed: our own commit moves the version too.
    pub fn committed(&mut self, conn: &Connection) {
        self.data_version = data_version(conn).ok();
    }

    pub fn forget(&mut self) {
        self.known.clear();
        self.data_version = None;
    }

    /// SQL of the caller's may have appended through the view, which `data_version` does not tell on this connection; it
    /// may have ended the transaction too.
    pub fn after_foreign_sql(&mut self, conn: &Connection) -> Result<()> {
        if conn.is_autocommit() {
            self.forget();
            return Ok(());
        }
        self.reload(conn)
    }

    /// Look again, in a transaction that goes on.
    pub fn reload(&mut self, conn: &Connection) -> Result<()> {
        let moved = self.known.iter().filter(|(_, head)| head.moved_in == self.transaction);
        self.unsure.extend(moved.map(|(key, _)| key.clone()));
        self.known.clear();
        self.position = last_position(conn)?;
        Ok(())
    }

    pub fn position(&self) -> i64 {
        self.position
    }

    pub fn next_position(&mut self) -> Result<i64> {
        self.position = self.position.checked_add(1).ok_or_else(|| {
            Error::Overflow("the store has reached position 2^63 - 1 and takes no more entries".into())
        })?;
        Ok(self.position)
    }

    /// The head of a log, which is added to the store if it is new.
    pub fn of(&mut self, conn: &Connection, stream: &str, writer: &str) -> Result<LogHead> {
        key(&mut self.key, stream, writer);
        if let Some(head) = self.known.get(&self.key) {
            return Ok(*head);
        }
        let found = conn.prepare_cached(sql::FIND_LOG)?.query_row((stream, writer), |row| row.get(0)).optional()?;
        let head = match found {
            Some(log) => stored(conn, log, stream, writer)?.0,
            None => LogHead { log: 0, seq: 0, content_hash: [0; 32], moved_in: 0 },
        };
        Ok(head)
    }

    pub fn moved(&mut self, stream: &str, writer: &str, mut head: LogHead) {
        key(&mut self.key, stream, writer);
        head.moved_in = self.transaction;
        match self.known.get_mut(&self.key) {
            Some(known) => *known = head,
            None => {
                self.known.insert(self.key.clone(), head);
            }
        }
    }

    /// The logs that the running transaction moved, as far as they are remembered, and how many.
    pub fn moved_now(&self) -> (Vec<Head>, u64) {
        let moved = || self.known.iter().filter(|(_, head)| head.moved_in == self.transaction);
        let named = moved().take(NAMED).filter_map(|(key, head)| {
            let (stream, writer) = names(key)?;
            Some(Head {
                stream: stream.to_owned(),
                writer: writer.to_owned(),
                seq: head.seq,
                content_hash: head.content_hash,
            })
        });
        (named.collect(), moved().count() as u64)
    }
}

/// No UTF-8 text contains it.
const SEPARATOR: u8 = 0xff;

fn key(key: &mut Vec<u8>, stream: &str, writer: &str) {
    key.clear();
    key.extend_from_slice(stream.as_bytes());
    key.push(SEPARATOR);
    key.extend_from_slice(writer.as_bytes());
}

fn names(key: &[u8]) -> Option<(&str, &str)> {
    let at = key.iter().position(|byte| *byte == SEPARATOR)?;
    Some((std::str::from_utf8(&key[..at]).ok()?, std::str::from_utf8(&key[at + 1..]).ok()?))
}

/// Changes with every commit that this connection made, or has noticed as it began a transaction.
fn data_version(conn: &Connection) -> Result<u32> {
    let mut version = 0;
    conn.file_control(Some(rusqlite::MAIN_DB), rusqlite::FileControl::DataVersion(&mut version))?;
    Ok(version)
}

pub fn last_position(conn: &Connection) -> Result<i64> {
    Ok(conn.prepare_cached(sql::LAST_POSITION)?.query_row((), |row| row.get(0))?)
}

/// The head of a log, and its position.
fn stored(conn: &Connection, log: i64, stream: &str, writer: &str) -> Result<(LogHead, i64)> {
    let mut statement = conn.prepare_cached(sql::HEAD)?;
    let mut rows = statement.query([log])?;
    let Some(row) = rows.next()? else {
        return Ok((LogHead { log, seq: 0, content_hash: [0; 32], moved_in: 0 }, 0));
    };
    let hash = row.get_ref(1)?.as_blob().ok().and_then(|hash| Hash::try_from(hash).ok());
    let (Ok(seq), Some(content_hash)) = (row.get(0), hash) else {
        return Err(Error::Malformed {
            stream: Some(stream.to_owned()),
            writer: Some(writer.to_owned()),
            seq: row.get(0).ok(),
            detail: "the head of the log has no hash of 32 bytes to link to; verify the store".into(),
        });
    };
    Ok((LogHead { log, seq, content_hash, moved_in: 0 }, row.get(2)?))
}
