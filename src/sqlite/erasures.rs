//! Payloads that were erased: their records, looked up where rows are read, and looked through by a verification.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row as SqlRow};

use super::rows::{Name, Row, malformed};
use super::sql;
use super::via::Via;
use crate::erasure::Record;
use crate::error::Result;
use crate::findings::Findings;

/// Records of one read.
const RECORDS: i64 = 4_096;

/// How many bytes the payload at a position had, where an erasure of it is recorded; -1 where the record does not say. To be
/// asked of empty payloads only: others then pay nothing.
pub fn length(conn: &Connection, position: i64) -> Result<Option<i64>> {
    let length = |row: &SqlRow<'_>| Ok(row.get_ref(0)?.as_i64().unwrap_or(-1));
    Ok(conn.prepare_cached(sql::ERASED)?.query_row([position], length).optional()?)
}

/// The same of an entry as it is read.
pub fn marked(conn: &Connection, name: &Name, row: Row) -> Result<Row> {
    if !row.payload.is_empty() {
        return Ok(row);
    }
    match length(conn, row.position)? {
        Some(length) if length < 0 => {
            Err(malformed(name, Some(row.seq), "payload_len of its erasure is not a number of bytes"))
        }
        erased => Ok(Row { erased, ..row }),
    }
}

/// Each record of an erasure, with the entry that it is of.
pub fn audit(via: &Via<'_>, findings: &mut Findings, step: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    let mut last = i64::MIN;
    loop {
        step()?;
        let read = via.snapshot(|conn| {
            let mut statement = conn.sqlite.prepare_cached(sql::AUDIT_ERASURES)?;
            let mut rows = statement.query([last, RECORDS])?;
            let mut read = 0;
            while let Some(row) = rows.next()? {
                let number = |column| row.get_ref(column).ok().and_then(|value| value.as_i64().ok());
                let note = row.get_ref(2)?.as_str().ok();
                last = row.get(0)?;
                let is_there = row.get_ref(3)? != ValueRef::Null;
                let entry = is_there.then(|| (number(3), number(4), number(5)));
                Record { position: last, payload_len: number(1), note, entry }.report(findings);
                read += 1;
            }
            Ok(read)
        })?;
        if read < RECORDS {
            return Ok(());
        }
    }
}
