//! A file of the crate's becomes one of ours, in one transaction.
//!
//! Its chains are checked first, without the write lock, and under it only what came since. Whoever opens the file
//! meanwhile waits for its turn.

use std::path::Path;

use rusqlite::Connection;

use super::conn::Conn;
use super::connection::snapshot;
use super::feed::{Order, feed};
use super::layout::{self, Layout};
use super::refuse::refuse;
use super::turn::Turn;
use super::wait::Patience;
use super::work::CHUNK;
use super::{crate_layout, sql};
use crate::checker::Checker;
use crate::error::{Error, Result};
use crate::findings::Findings;

const COPY_LOGS: &str = "INSERT INTO main._agent_store_logs (id, stream, writer) SELECT id, stream, writer FROM temp._agent_store_logs ORDER BY id";
const COPY_ENTRIES: &str = "INSERT INTO main._agent_store_entries (position, log, seq, content_hash, payload)
SELECT position, log, seq, content_hash, payload FROM temp._agent_store_entries WHERE position BETWEEN ?1 AND ?2 ORDER BY position";
/// Told how many of how many steps are done; an error ends the upgrade, and the file is as it was.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> Result<()>;

pub fn run(conn: &Conn, path: &Path, patience: &mut Patience<'_>, progress: Progress<'_>) -> Result<()> {
    let _turn = Turn::take(path, patience)?;
    let result = attempt(conn, patience, progress);
    if matches!(result, Err(Error::Forked)) {
        return result; // In the child, where the connection is the parent's.
    }
    if !conn.sqlite.is_autocommit() {
        conn.sqlite.execute_batch("ROLLBACK")?;
    }
    crate_layout::remove(&conn.sqlite)?;
    result
}

fn attempt(lent: &Conn, patience: &mut Patience<'_>, progress: Progress<'_>) -> Result<()> {
    let conn = &lent.sqlite;
    patience.restart();
    let checked = patience.repeat(|| {
        snapshot(conn, || {
            if layout::detect(conn, patience)? == Layout::Compact {
                return Ok(None);
            }
            crate_layout::install(conn, patience)?;
            refuse(conn)?;
            Ok(Some(last(conn)?))
        })
    })?;
    let Some(checked) = checked else { return Ok(()) };
    check(lent, 1, checked, patience, &mut |done| progress(done, checked.unsigned_abs() * 2))?;
    patience.restart();
    patience.retry("the write lock of the file, held by a program of the crate's", || {
        conn.execute_batch("BEGIN IMMEDIATE")
    })?;
    lent.wal.before_write(conn)?;
    if layout::detect(conn, patience)? == Layout::Compact {
        return Ok(());
    }
    let moved = crate_layout::refresh(conn, patience)?;
    refuse(conn)?;
    let all = last(conn)?;
    let total = checked.unsigned_abs() + all.unsigned_abs();
    check(lent, if moved { 1 } else { checked + 1 }, all, patience, &mut |_| Ok(()))?;
    conn.execute_batch("DROP VIEW IF EXISTS temp._agent_store_meta")?;
    conn.execute_batch(sql::TABLES)?;
    conn.execute(COPY_LOGS, ())?;
    let (mut from, mut copied) = (1, 0);
    while from <= all {
        let to = from.saturating_add(CHUNK - 1).min(all);
        copied += conn.prepare_cached(COPY_ENTRIES)?.execute([from, to])?;
        progress(checked.unsigned_abs() + to.unsigned_abs(), total)?;
        from = to + 1;
    }
    whole(conn, copied as u64, all.unsigned_abs())?;
    // A trigger on a name that temporary tables bear too would be made on those.
    crate_layout::remove(conn)?;
    conn.execute_batch("DROP TABLE IF EXISTS main._agent_store_log")?;
    conn.execute_batch(sql::GUARDS)?;
    conn.execute_batch("COMMIT")?;
    Ok(())
}

fn last(conn: &Connection) -> Result<i64> {
    Ok(conn.query_row("SELECT coalesce(max(position), 0) FROM temp._agent_store_entries", (), |row| row.get(0))?)
}

/// Check the chains at positions `from..=to`; the first break is the error.
fn check(
    conn: &Conn,
    from: i64,
    to: i64,
    patience: &mut Patience<'_>,
    progress: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<()> {
    let mut checker = Checker::new(None);
    let mut at = from;
    while at <= to {
        patience.restart();
        patience.ask()?;
        // Busy is what begins a read; once it has begun, the checker has every row once.
        let next = patience.repeat(|| {
            snapshot(&conn.sqlite, || {
                // Rows that were written anew meanwhile are placed anew under the write lock, and all checked there.
                if crate_layout::is_stale(&conn.sqlite)? {
                    return Ok(None);
                }
                feed(conn, &mut checker, Order::Position, (at, to), &mut |_| ())
            })
        })?;
        let end = next.map_or(to, |next| next - 1);
        let findings = checker.findings();
        if findings.breaks_total > 0 {
            return Err(broken(&conn.sqlite, findings));
        }
        progress(end.unsigned_abs())?;
        at = end + 1;
    }
    Ok(())
}

fn broken(conn: &Connection, findings: &Findings) -> Error {
    let Some(found) = findings.breaks.first() else { return Error::malformed("the log is damaged") };
    let sql = "SELECT stream, writer FROM temp._agent_store_logs WHERE id = ?1";
    let name = conn.query_row(sql, [found.log], |row| Ok((row.get(0)?, row.get(1)?)));
    let (stream, writer) = name.unwrap_or_default();
    Error::ChainBroken {
        stream,
        writer,
        seq: found.seq.unwrap_or(0),
        detail: format!(
            "{} ({}); the file was left as it is: read_only=True opens it",
            found.detail,
            found.kind.name()
        ),
    }
}

/// Every row of the crate's table must have come along.
fn whole(conn: &Connection, copied: u64, placed: u64) -> Result<()> {
    let has = "SELECT count(*) FROM main.sqlite_schema WHERE type = 'table' AND name = '_agent_store_log'";
    if conn.query_row(has, (), |row| row.get::<_, i64>(0))? == 0 {
        return Ok(());
    }
    let rows: i64 = conn.query_row("SELECT count(*) FROM main._agent_store_log", (), |row| row.get(0))?;
    if (copied, placed) == (rows.unsigned_abs(), rows.unsigned_abs()) {
        return Ok(());
    }
    Err(Error::Corrupt(format!(
        "_agent_store_log has {rows} rows, of which {placed} have a place in a chain and {copied} were found there: \
         verify the file with read_only=True"
    )))
}
