//! Which layout a file has: ours, the crate's, or neither; and whether the tables and guards in it are the ones we made.

use std::sync::OnceLock;

use rusqlite::{Connection, OptionalExtension, types::Value};

use super::sql;
use super::wait::Patience;
use crate::error::{Error, Result};
use crate::findings::{Break, Findings, Kind};

/// The newest format that this version reads and writes.
pub const FORMAT: i64 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    Compact,
    /// `_agent_store_log` is a table; read-only stores see it through temporary tables (`crate_layout`).
    Crate,
    /// No store in this file.
    Nothing,
}

const OURS: [&str; 4] = ["_agent_store_meta", "_agent_store_logs", "_agent_store_entries", "_agent_store_log"];

pub fn detect(conn: &Connection, patience: &Patience<'_>) -> Result<Layout> {
    let (kinds, format) = patience.retry("the first look into the file", || {
        let kinds = kinds(conn)?;
        let format = if kinds[0].as_deref() == Some("table") { format(conn)? } else { None };
        Ok((kinds, format))
    })?;
    let format = match format {
        Some(Value::Integer(format)) => Some(format),
        Some(_) => return Err(Error::Corrupt("the format of the file is not a number".into())),
        None => None,
    };
    let [meta, logs, entries, view] = kinds.each_ref().map(|kind| kind.as_deref());
    match (format, logs.is_some() || entries.is_some()) {
        (Some(found), _) if found > FORMAT => Err(Error::Unsupported(format!(
            "the file has format {found} and this version knows up to {FORMAT}: install a newer agent-store"
        ))),
        (Some(found), _) if found < FORMAT => {
            Err(Error::Corrupt(format!("the file claims format {found}, which there never was")))
        }
        (Some(_), _) if logs == Some("table") && entries == Some("table") => Ok(Layout::Compact),
        (Some(_), _) => Err(Error::Corrupt(
            "the file says that it is a store, and its tables _agent_store_logs and _agent_store_entries are not both there".into(),
        )),
        (None, true) => Err(Error::Corrupt(
            "the tables of a store are there, and _agent_store_meta does not say their format".into(),
        )),
        (None, false) if view == Some("view") => Err(Error::Corrupt(
            "the view _agent_store_log is there without the tables that it reads".into(),
        )),
        (None, false) if view.is_some() || meta.is_some() => Ok(Layout::Crate),
        (None, false) => Ok(Layout::Nothing),
    }
}

/// Whether each of our names is a table or a view there.
fn kinds(conn: &Connection) -> rusqlite::Result<[Option<String>; 4]> {
    let mut statement =
        conn.prepare_cached("SELECT name, type FROM main.sqlite_schema WHERE type IN ('table', 'view')")?;
    let rows = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let found = rows.collect::<rusqlite::Result<Vec<(String, String)>>>()?;
    Ok(OURS.map(|ours| found.iter().find(|(name, _)| name.eq_ignore_ascii_case(ours)).map(|(_, kind)| kind.clone())))
}

fn format(conn: &Connection) -> rusqlite::Result<Option<Value>> {
    let sql = "SELECT ival FROM main._agent_store_meta WHERE key = '_agent_store.format'";
    conn.query_row(sql, (), |row| row.get(0)).optional()
}

/// Our tables, rows and guards in an empty file or one of the host's; to be called in a write transaction.
pub fn create(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(sql::TABLES)?;
    conn.execute_batch(sql::GUARDS)
}

type Object = (String, String, String, Option<String>);

/// Everything in the schema that belongs to our tables, whoever made it.
fn objects(conn: &Connection) -> rusqlite::Result<Vec<Object>> {
    let mut statement = conn.prepare(
        "SELECT type, name, tbl_name, sql FROM main.sqlite_schema
         WHERE lower(tbl_name) GLOB '_agent_store_*' OR lower(name) GLOB '_agent_store_*' ORDER BY type, name",
    )?;
    let rows = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    rows.collect()
}

/// As `create` makes them: found once.
fn ours() -> Result<&'static [Object]> {
    static OURS: OnceLock<Vec<Object>> = OnceLock::new();
    if let Some(ours) = OURS.get() {
        return Ok(ours);
    }
    let model = Connection::open_in_memory()?;
    create(&model)?;
    let made = objects(&model)?;
    Ok(OURS.get_or_init(|| made))
}

/// Compare the schema with the one that `create` makes, object by object, text by text.
pub fn check(conn: &Connection, findings: &mut Findings) -> Result<()> {
    let ours = ours()?;
    let found = objects(conn)?;
    let mut report = |detail: String| {
        findings.report(Break { kind: Kind::Schema, log: None, name: None, seq: None, position: None, detail });
    };
    for (kind, name, table, sql) in ours {
        match found.iter().find(|object| object.1 == *name) {
            None => report(format!("the {kind} {name} is missing")),
            Some(object) if object.0 != *kind => {
                report(format!("{name} is a {} and must be a {kind}", object.0));
            }
            Some(object) if object.2 != *table || object.3 != *sql => {
                report(format!("the {kind} {name} is not as agent-store made it"));
            }
            Some(_) => {}
        }
    }
    for (kind, name, table, _) in &found {
        if !ours.iter().any(|object| object.1 == *name) {
            report(format!("the {kind} {name} on {table} is not of agent-store"));
        }
    }
    let id = "SELECT count(*) FROM main._agent_store_meta WHERE key = '_agent_store.id' AND typeof(ival) = 'integer' AND ival >= 0";
    if conn.query_row(id, (), |row| row.get::<_, i64>(0))? != 1 {
        report("the store's id is missing from _agent_store_meta".into());
    }
    Ok(())
}
