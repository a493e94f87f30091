//! The crate's layout, read as if it were ours.
//!
//! Temporary tables of the names of our own give each row of the crate's table its log and its position; a temporary
//! view joins them to that table. SQLite looks into the temporary schema first, so every statement of ours reads the
//! crate's file without knowing it. Nothing of this touches the file.
//!
//! Positions are 1 … n in rowid order. Where a chain's rows stand out of seq order, they take the places that this
//! chain has, in seq order: within a log, seq and position then rise together.

use rusqlite::Connection;

use super::wait::Patience;
use crate::error::{Error, Result};

const INSTALL: &str = "
CREATE TEMP TABLE _agent_store_logs (id INTEGER PRIMARY KEY, stream TEXT NOT NULL, writer TEXT NOT NULL, UNIQUE (stream, writer));
CREATE TEMP TABLE _agent_store_places (position INTEGER PRIMARY KEY, log INTEGER NOT NULL, seq NOT NULL, source INTEGER NOT NULL);
CREATE TEMP TABLE _agent_store_tiles (level, number, hashes);
CREATE TEMP TABLE _agent_store_notes (kind, name, number, note);
CREATE TEMP TABLE _agent_store_erasures (position, payload_len, note);
CREATE TEMP TABLE _agent_store_seen (source INTEGER NOT NULL, schema_version INTEGER NOT NULL);
";
/// Made when the first rows are in: sorted at once is several times faster than row by row.
const INDEX: &str =
    "CREATE UNIQUE INDEX IF NOT EXISTS temp._agent_store_places_by_seq ON _agent_store_places (log, seq)";
const VIEW: &str = "
CREATE TEMP VIEW _agent_store_entries (position, log, seq, content_hash, payload, prev_hash) AS
SELECT places.position, places.log, places.seq, source.content_hash, source.payload, source.prev_hash
FROM temp._agent_store_places AS places JOIN main._agent_store_log AS source ON source.rowid = places.source;
";
/// The crate makes its two tables apart from each other: a file of counters only has no entries.
const EMPTY_VIEW: &str = "
CREATE TEMP VIEW _agent_store_entries (position, log, seq, content_hash, payload, prev_hash) AS
SELECT 0, 0, 0, NULL, NULL, NULL WHERE 0;
";
const NO_COUNTERS: &str = "CREATE TEMP VIEW _agent_store_meta (key, ival) AS SELECT NULL, NULL WHERE 0;";
const REMOVE: &str = "
DROP VIEW IF EXISTS temp._agent_store_entries;
DROP TABLE IF EXISTS temp._agent_store_places;
DROP TABLE IF EXISTS temp._agent_store_seen;
DROP TABLE IF EXISTS temp._agent_store_logs;
DROP TABLE IF EXISTS temp._agent_store_tiles;
DROP TABLE IF EXISTS temp._agent_store_notes;
DROP TABLE IF EXISTS temp._agent_store_erasures;
DROP VIEW IF EXISTS temp._agent_store_meta;
";
/// Rows that are placed by one statement: between two of them the caller may be told to stop.
const STEP: i64 = 100_000;
const NEW_LOGS: &str = "
INSERT OR IGNORE INTO temp._agent_store_logs (stream, writer)
SELECT stream, writer FROM main._agent_store_log WHERE rowid BETWEEN ?1 AND ?2 ORDER BY rowid";
/// Each at the next position.
const NEW_PLACES: &str = "
INSERT INTO temp._agent_store_places (log, seq, source)
SELECT logs.id, source.seq, source.rowid
FROM main._agent_store_log AS source JOIN temp._agent_store_logs AS logs USING (stream, writer)
WHERE source.rowid BETWEEN ?1 AND ?2 ORDER BY source.rowid";
/// The last rowid of the step that begins after ?1.
const STEP_END: &str = "
SELECT max(rowid) FROM (SELECT rowid FROM main._agent_store_log WHERE rowid > ?1 ORDER BY rowid LIMIT ?2)";
/// Logs in which a row placed after ?1 stands behind the next one by seq. Those placed before are in order.
const OUT_OF_ORDER: &str = "
SELECT DISTINCT log FROM temp._agent_store_places AS placed WHERE position > ?1 AND position > (
    SELECT position FROM temp._agent_store_places AS next
    WHERE next.log = placed.log AND next.seq > placed.seq ORDER BY next.seq LIMIT 1
)";
const REORDER: &str = "
CREATE TEMP TABLE _agent_store_reordered AS
SELECT by_place.position, by_seq.log, by_seq.seq, by_seq.source
FROM (SELECT position, row_number() OVER (ORDER BY position) AS nth FROM temp._agent_store_places WHERE log = ?1) AS by_place
JOIN (SELECT log, seq, source, row_number() OVER (ORDER BY seq) AS nth FROM temp._agent_store_places WHERE log = ?1) AS by_seq
USING (nth)";

fn has_table(conn: &Connection, name: &str) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?1")?.exists([name])
}

/// Make the temporary tables and fill them; the caller holds a read transaction.
pub fn install(conn: &Connection, patience: &Patience<'_>) -> Result<()> {
    remove(conn)?;
    conn.execute_batch(INSTALL)?;
    conn.execute("INSERT INTO temp._agent_store_seen VALUES (?1, ?2)", [i64::MIN, schema_version(conn)?])?;
    if !has_table(conn, "_agent_store_meta")? {
        conn.execute_batch(NO_COUNTERS)?;
    }
    if has_table(conn, "_agent_store_log")? {
        check_columns(conn)?;
        conn.execute_batch(VIEW)?;
        place(conn, i64::MIN, patience)?;
    } else {
        conn.execute_batch(EMPTY_VIEW)?;
    }
    Ok(())
}

pub fn remove(conn: &Connection) -> Result<()> {
    Ok(conn.execute_batch(REMOVE)?)
}

/// Take in the rows that came since; true where rows that were placed before may have moved.
pub fn refresh(conn: &Connection, patience: &Patience<'_>) -> Result<bool> {
    if is_stale(conn)? {
        install(conn, patience)?;
        return Ok(true);
    }
    let source = conn.query_row("SELECT source FROM temp._agent_store_seen", (), |row| row.get(0))?;
    if has_table(conn, "_agent_store_log")? { place(conn, source, patience) } else { Ok(false) }
}

/// True where the crate made a table that was not there, or the host wrote the rows anew and they may have other rowids.
pub fn is_stale(conn: &Connection) -> Result<bool> {
    let seen: i64 = conn.query_row("SELECT schema_version FROM temp._agent_store_seen", (), |row| row.get(0))?;
    Ok(seen != schema_version(conn)?)
}

/// Changes with every change of the schema, and with VACUUM.
fn schema_version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.pragma_query_value(Some("main"), "schema_version", |row| row.get(0))
}

/// Place the rows after rowid `seen`; true where rows that were placed before had to move.
fn place(conn: &Connection, mut seen: i64, patience: &Patience<'_>) -> Result<bool> {
    let placed: i64 =
        conn.query_row("SELECT coalesce(max(position), 0) FROM temp._agent_store_places", (), |row| row.get(0))?;
    while let Some(end) = conn.prepare_cached(STEP_END)?.query_row([seen, STEP], |row| row.get::<_, Option<i64>>(0))? {
        patience.ask()?;
        let from = seen.saturating_add(1);
        conn.prepare_cached(NEW_LOGS)?.execute([from, end])?;
        conn.prepare_cached(NEW_PLACES)?.execute([from, end])?;
        seen = end;
    }
    conn.execute("UPDATE temp._agent_store_seen SET source = ?1", [seen])?;
    conn.execute_batch(INDEX)?;
    let logs =
        conn.prepare(OUT_OF_ORDER)?.query_map([placed], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    for log in &logs {
        conn.execute(REORDER, [log])?;
        conn.execute("DELETE FROM temp._agent_store_places WHERE log = ?1", [log])?;
        conn.execute_batch(
            "INSERT INTO temp._agent_store_places (position, log, seq, source) SELECT position, log, seq, source FROM temp._agent_store_reordered;
             DROP TABLE temp._agent_store_reordered",
        )?;
    }
    Ok(!logs.is_empty())
}

fn check_columns(conn: &Connection) -> Result<()> {
    let mut statement = conn.prepare("SELECT name FROM pragma_table_info('_agent_store_log', 'main') ORDER BY cid")?;
    let columns = statement.query_map((), |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    if columns == ["stream", "writer", "seq", "prev_hash", "content_hash", "payload"] {
        return Ok(());
    }
    Err(Error::Unsupported(format!(
        "the table _agent_store_log has the columns {}, which neither the crate 0.1 nor agent-store made",
        columns.join(", ")
    )))
}
