//! What keeps a file of the crate's from being upgraded: something would be lost, or stay behind that no store may have.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension};

use crate::error::{Error, Result};

/// Stream and writer of an evidence leaf, bytes.
const LONGEST_NAMES: usize = 65_400;
/// Bytes of a name that an error shows.
const SHOWN: usize = 40;
/// Whatever of the host's hangs on the crate's tables. DROP would take it along from the one, and on the other nothing
/// but our guards may be.
const HOSTS: &str = r#"
SELECT type || ' ' || name FROM main.sqlite_schema
WHERE (tbl_name IN ('_agent_store_log', '_agent_store_meta') AND type IN ('index', 'trigger') AND sql IS NOT NULL)
    OR (type = 'view' AND instr(lower(sql), '_agent_store_log') > 0)
UNION ALL
SELECT 'foreign key of table ' || tables.name FROM main.sqlite_schema AS tables, pragma_foreign_key_list(tables.name, 'main') AS keys
WHERE tables.type = 'table' AND lower(keys."table") = '_agent_store_log'"#;
/// Ours keep such rows out; the crate makes a negative one of a counter set past 2^63 - 1.
const UNFIT_GENERATIONS: &str = "
SELECT quote(key) || ' with ' || quote(ival) FROM _agent_store_meta
WHERE typeof(key) <> 'text' OR substr(key, 1, 13) = '_agent_store.' OR typeof(ival) <> 'integer' OR ival < 0";

/// An error that names what is in the way; the temporary tables of the crate's layout are there.
pub fn refuse(conn: &Connection) -> Result<()> {
    hosts(conn)?;
    generations(conn)?;
    names(conn)
}

fn hosts(conn: &Connection) -> Result<()> {
    let found = conn.prepare(HOSTS)?.query_map((), |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    if found.is_empty() {
        return Ok(());
    }
    Err(Error::Unsupported(format!(
        "the upgrade of the crate's tables cannot keep what hangs on them: {}; \
         drop it first, and make it anew on _agent_store_entries where that serves",
        found.join(", ")
    )))
}

fn generations(conn: &Connection) -> Result<()> {
    match conn.query_row(UNFIT_GENERATIONS, (), |row| row.get::<_, String>(0)).optional()? {
        None => Ok(()),
        Some(row) => Err(Error::Unsupported(format!(
            "_agent_store_meta holds {row}, and a generation is a key outside _agent_store. with an integer from 0 to \
             2^63 - 1: mend or remove that row, or open the file with read_only=True"
        ))),
    }
}

fn names(conn: &Connection) -> Result<()> {
    let mut statement = conn.prepare("SELECT stream, writer FROM temp._agent_store_logs")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let (stream, writer) = (row.get_ref(0)?, row.get_ref(1)?);
        let fits = matches!((stream.as_str(), writer.as_str()), (Ok(s), Ok(w)) if s.len() + w.len() <= LONGEST_NAMES);
        if !fits {
            return Err(Error::Unsupported(format!(
                "the names of a log must be UTF-8 text, together at most 65,400 bytes, to be upgraded, and one has the \
                 stream {} and the writer {}: open the file with read_only=True",
                shown(stream),
                shown(writer)
            )));
        }
    }
    Ok(())
}

fn shown(name: ValueRef<'_>) -> String {
    match name {
        ValueRef::Text(text) if text.len() > SHOWN => {
            format!("{:?}… of {} bytes", String::from_utf8_lossy(&text[..SHOWN]), text.len())
        }
        ValueRef::Text(text) => format!("{:?}", String::from_utf8_lossy(text)),
        other => format!("of type {}", other.data_type()),
    }
}
