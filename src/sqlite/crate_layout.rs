//! The crate's layout, read as if it were ours.
//!
//! Temporary tables of the names of our own give each row of the crate's table its log and its position; a temporary
//! view joins them to that table. SQLite looks into the temporary schema first, so every statement of ours reads the
//! crate's file without knowing it. Nothing of this touches the file.
//!
//! Positions are 1 … n in rowid order. Where a chain's rows stand out of seq order, they take the places that this
//! chain has, in seq order: within a log, seq and position then rise together.

use rusqlite::Connection;

use crate::error::{Error, Result};

const INSTALL: &str = "
CREATE TEMP TABLE _agent_store_logs (id INTEGER PRIMARY KEY, stream TEXT NOT NULL, writer TEXT NOT NULL, UNIQUE (stream, writer));
CREATE TEMP TABLE _agent_store_places (position INTEGER PRIMARY KEY, log INTEGER NOT NULL, seq NOT NULL, source INTEGER NOT NULL UNIQUE, UNIQUE (log, seq));
";
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
DROP TABLE IF EXISTS temp._agent_store_logs;
DROP VIEW IF EXISTS temp._agent_store_meta;
";
const NEW_LOGS: &str = "
INSERT OR IGNORE INTO temp._agent_store_logs (stream, writer)
SELECT stream, writer FROM main._agent_store_log WHERE rowid > ?1 ORDER BY rowid";
const NEW_PLACES: &str = "
INSERT INTO temp._agent_store_places (position, log, seq, source)
SELECT (SELECT coalesce(max(position), 0) FROM temp._agent_store_places) + row_number() OVER (ORDER BY source.rowid),
    logs.id, source.seq, source.rowid
FROM main._agent_store_log AS source JOIN temp._agent_store_logs AS logs USING (stream, writer)
WHERE source.rowid > ?1 ORDER BY source.rowid";
const OUT_OF_ORDER: &str = "
SELECT DISTINCT log FROM (
    SELECT log, position, lag(position) OVER (PARTITION BY log ORDER BY seq) AS before FROM temp._agent_store_places
) WHERE before > position";
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
pub fn install(conn: &Connection) -> Result<()> {
    remove(conn)?;
    conn.execute_batch(INSTALL)?;
    if !has_table(conn, "_agent_store_meta")? {
        conn.execute_batch(NO_COUNTERS)?;
    }
    if has_table(conn, "_agent_store_log")? {
        check_columns(conn)?;
        conn.execute_batch(VIEW)?;
        refresh(conn)?;
    } else {
        conn.execute_batch(EMPTY_VIEW)?;
    }
    Ok(())
}

pub fn remove(conn: &Connection) -> Result<()> {
    Ok(conn.execute_batch(REMOVE)?)
}

/// Take in the rows that came since; true where rows that were placed before had to move.
pub fn refresh(conn: &Connection) -> Result<bool> {
    if !has_table(conn, "_agent_store_log")? {
        return Ok(false);
    }
    let newest = |sql: &str| conn.query_row(sql, (), |row| row.get::<_, i64>(0));
    let seen = newest("SELECT coalesce(max(source), -9223372036854775808) FROM temp._agent_store_places")?;
    if newest("SELECT coalesce(max(rowid), -9223372036854775808) FROM main._agent_store_log")? <= seen {
        return Ok(false);
    }
    conn.execute(NEW_LOGS, [seen])?;
    conn.execute(NEW_PLACES, [seen])?;
    let logs = conn.prepare(OUT_OF_ORDER)?.query_map((), |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
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
