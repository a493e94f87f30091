//! Stored rows, checked for their shape as they are read.

use rusqlite::{Connection, OptionalExtension, Row as SqlRow};

use super::connection::snapshot;
use super::sql;
use crate::chain::Hash;
use crate::error::{Error, Head, Result};
use crate::row::State;

/// Stream and writer.
pub type Name = (String, String);

/// An entry as read, its payload in the page that it came with.
#[derive(Clone, Debug)]
pub struct Row {
    pub position: i64,
    /// Index into the page's names.
    pub name: usize,
    pub seq: i64,
    pub prev_hash: Option<Hash>,
    pub content_hash: Hash,
    pub payload: std::ops::Range<usize>,
    /// How many bytes it had, where it was erased.
    pub erased: Option<i64>,
}

/// Some entries, their payloads in one buffer.
#[derive(Debug, Default)]
pub struct Page {
    pub names: Vec<Name>,
    pub rows: Vec<Row>,
    pub payloads: Vec<u8>,
}

/// A page ends when it has this many bytes of payload: memory stays flat with large ones too.
const PAGE_BYTES: usize = 4 << 20;

impl Page {
    pub fn is_full(&self, limit: usize) -> bool {
        self.rows.len() >= limit || self.payloads.len() >= PAGE_BYTES
    }

    pub fn keep(&mut self, payload: &[u8]) -> std::ops::Range<usize> {
        let start = self.payloads.len();
        self.payloads.extend_from_slice(payload);
        start..self.payloads.len()
    }
}

/// What reading found wrong with entry `seq` of a log.
pub fn malformed(name: &Name, seq: Option<i64>, detail: &str) -> Error {
    Error::Malformed { stream: Some(name.0.clone()), writer: Some(name.1.clone()), seq, detail: detail.to_owned() }
}

/// Entry `seq` is not there, and a later one is.
pub fn missing(name: &Name, seq: i64) -> Error {
    Error::ChainBroken {
        stream: name.0.clone(),
        writer: name.1.clone(),
        seq,
        detail: format!("entry {seq} is missing"),
    }
}

pub fn hash(row: &SqlRow<'_>, column: usize) -> Option<Hash> {
    row.get_ref(column).ok()?.as_blob().ok()?.try_into().ok()
}

pub fn blob<'a>(row: &'a SqlRow<'_>, column: usize) -> Option<&'a [u8]> {
    row.get_ref(column).ok()?.as_blob().ok()
}

/// Of a statement that gives seq, content_hash and position.
fn state(row: &SqlRow<'_>) -> rusqlite::Result<State> {
    Ok(State { seq: row.get(0)?, content_hash: hash(row, 1), position: row.get(2)? })
}

/// The newest entry of a log.
pub fn head(conn: &Connection, log: i64) -> Result<Option<State>> {
    Ok(conn.prepare_cached(sql::HEAD)?.query_row([log], state).optional()?)
}

/// The entry with the greatest seq below `seq`.
pub fn before(conn: &Connection, log: i64, seq: i64) -> Result<Option<State>> {
    Ok(conn.prepare_cached(sql::BEFORE)?.query_row([log, seq], state).optional()?)
}

/// The entry with the smallest seq from `seq` on.
pub fn from_seq(conn: &Connection, log: i64, seq: i64) -> Result<Option<State>> {
    Ok(conn.prepare_cached(sql::FROM_SEQ)?.query_row([log, seq], state).optional()?)
}

/// How many entries the index has.
pub fn count(conn: &Connection, log: i64, from: i64, to: i64) -> Result<u64> {
    let sql = "SELECT count(*) FROM _agent_store_entries WHERE log = ?1 AND seq BETWEEN ?2 AND ?3";
    let count: i64 = conn.prepare_cached(sql)?.query_row([log, from, to], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// The hash that entry `seq` of a log links to; `None` for the first.
pub fn prev_hash(conn: &Connection, log: i64, name: &Name, seq: i64) -> Result<Option<Hash>> {
    if seq == 1 {
        return Ok(None);
    }
    match before(conn, log, seq)? {
        Some(before) if before.seq == seq - 1 => match before.content_hash {
            Some(hash) => Ok(Some(hash)),
            None => Err(malformed(name, Some(before.seq), "content_hash is not a blob of 32 bytes")),
        },
        before => Err(missing(name, before.map_or(1, |before| before.seq + 1))),
    }
}

/// The first seq of a log whose position is above `position`; one past the head if there is none. Within a log seq and
/// position rise together, so this is a binary search, from the head backwards in steps that double: who asks for what
/// is new pays for what is new.
pub fn first_after(conn: &Connection, log: i64, position: i64, head: &State) -> Result<i64> {
    if position <= 0 {
        return Ok(1);
    }
    if head.position <= position {
        return Ok(head.seq.saturating_add(1));
    }
    // What is looked for lies from `low` to `high`, which is above `position`.
    let (mut low, mut high) = (1, head.seq);
    let mut step = Some(1);
    while low < high {
        let probe = step.map_or(low + (high - low) / 2, |step| high.saturating_sub(step).max(low));
        match from_seq(conn, log, probe)? {
            Some(found) if found.position <= position => {
                low = found.seq.saturating_add(1);
                step = None;
            }
            _ => {
                high = probe;
                step = step.map(|step: i64| step.saturating_mul(2));
            }
        }
    }
    Ok(high)
}

/// The id of a log, `None` where nothing was ever appended to it.
pub fn find_log(conn: &Connection, stream: &str, writer: &str) -> Result<Option<i64>> {
    Ok(conn.prepare_cached(sql::FIND_LOG)?.query_row((stream, writer), |row| row.get(0)).optional()?)
}

pub fn log_name(conn: &Connection, log: i64) -> Result<Option<Name>> {
    let mut statement = conn.prepare_cached(sql::LOG_NAME)?;
    Ok(statement.query_row([log], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// The logs of a stream, of a writer, or all, by name; without those of the writer `excluded`.
pub fn logs(
    conn: &Connection,
    stream: Option<&str>,
    writer: Option<&str>,
    excluded: Option<&str>,
) -> Result<Vec<(i64, Name)>> {
    let (sql, params) = match (stream, writer) {
        (Some(stream), Some(writer)) => {
            let found = find_log(conn, stream, writer)?;
            return Ok(found.map(|log| (log, (stream.to_owned(), writer.to_owned()))).into_iter().collect());
        }
        (Some(stream), None) => (sql::LOGS_OF_STREAM, vec![Some(stream), excluded]),
        (None, Some(writer)) => (sql::LOGS_OF_WRITER, vec![Some(writer)]),
        (None, None) => (sql::LOGS, vec![excluded]),
    };
    let mut statement = conn.prepare_cached(sql)?;
    let rows =
        statement.query_map(rusqlite::params_from_iter(params), |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The newest entry of every log, or of those of one stream, by stream and writer.
pub fn heads(conn: &Connection, stream: Option<&str>) -> Result<Vec<Head>> {
    snapshot(conn, || {
        let mut heads = Vec::new();
        for (log, name) in logs(conn, stream, None, None)? {
            let Some(head) = head(conn, log)? else { continue };
            let content_hash = head
                .content_hash
                .ok_or_else(|| malformed(&name, Some(head.seq), "content_hash is not a blob of 32 bytes"))?;
            heads.push(Head { stream: name.0, writer: name.1, seq: head.seq, content_hash });
        }
        Ok(heads)
    })
}
