//! One SQLite connection, opened and set up: every pragma here, each with its reason.

use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::wait::Patience;
use super::wal;
use crate::error::{Error, Result};
use crate::os::fork::Own;
use crate::os::locks;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// On disk when a commit returns.
    Full,
    /// Safe against crashes of programs; a power cut may take the newest commits, whole.
    Normal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Writer,
    Reader,
    /// The file is not to be changed by anybody in this store.
    ReadOnly,
    /// As `ReadOnly`, where the directory lets nobody make the WAL's index and there is no WAL.
    Immutable,
}

/// What a store is opened with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Absolute; `None` is in memory.
    pub path: Option<PathBuf>,
    pub durability: Durability,
    pub read_only: bool,
}

const STATEMENTS: usize = 64;
/// KiB. The default of 2,000 thrashes when a thousand logs are written in turn.
const WRITER_CACHE: i64 = 32_000;
/// KiB, for each reading connection.
const READER_CACHE: i64 = 4_000;

pub fn in_memory() -> Result<Own<Connection>> {
    locks::install();
    let conn =
        Connection::open_in_memory_with_flags(OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    harden(&conn, Role::Writer)?;
    Ok(Own::new(conn))
}

/// `path` is absolute: SQLite then reads no URI into it, and a later chdir changes nothing.
pub fn open(path: &Path, role: Role, durability: Durability, patience: &Patience<'_>) -> Result<Own<Connection>> {
    locks::install();
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX
        | match role {
            Role::Writer => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
            Role::Reader => OpenFlags::SQLITE_OPEN_READ_WRITE,
            Role::ReadOnly => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Role::Immutable => OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI,
        };
    let conn = if role == Role::Immutable {
        Connection::open_with_flags(immutable_uri(path), flags)?
    } else {
        Connection::open_with_flags(path, flags)?
    };
    let conn = Own::new(conn);
    // The first of its pragmas that reads the file finds it locked while another process recovers the WAL.
    patience.retry("the first look into the file", || harden(&conn, role))?;
    if role == Role::Writer {
        if conn.is_readonly(rusqlite::MAIN_DB)? {
            return Err(Error::ReadOnly(format!("{} cannot be written to", path.display())));
        }
        write_ahead(&conn, path, durability, patience)?;
    }
    Ok(conn)
}

fn harden(conn: &Connection, role: Role) -> rusqlite::Result<()> {
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    // A file may be hostile: its schema may not call functions with side effects, nor SQL alter the schema tables.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // A plan never depends on the values bound: with STAT4 compiled in, each new value would compile the statement anew.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // As in every SQLite but the bundled build: a host's DROP or DELETE must not cascade because we are there.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
    // We wait ourselves: SQLite's own sleep is deaf to signals.
    conn.busy_timeout(std::time::Duration::ZERO)?;
    // Damaged cells are found when a page is read and not when memory has been overrun.
    conn.pragma_update(None, "cell_size_check", true)?;
    // Without it INSERT OR REPLACE removes a row and fires no DELETE guard.
    conn.pragma_update(None, "recursive_triggers", true)?;
    let cache = if role == Role::Writer { WRITER_CACHE } else { READER_CACHE };
    conn.pragma_update(None, "cache_size", -cache)?;
    if role != Role::Writer {
        // The writer knows whether the WAL may be carried into the file.
        wal::keep(conn, true)?;
    }
    if role == Role::Reader {
        // The roles below it have no write access to the file, and make temporary tables to read the crate's layout.
        conn.pragma_update(None, "query_only", true)?;
    }
    Ok(())
}

fn write_ahead(conn: &Connection, path: &Path, durability: Durability, patience: &Patience<'_>) -> Result<()> {
    // Two processes that make the file at the same moment: one of them is told busy here.
    let mode = patience.retry("the switch to write-ahead logging", || {
        let mut switch = conn.prepare("PRAGMA main.journal_mode = wal")?;
        let mut rows = switch.query(())?;
        let mode = rows.next()?.map_or(Ok(String::new()), |row| row.get(0))?;
        // It says what will be, and commits that only when there is nothing more to say.
        while rows.next()?.is_some() {}
        Ok(mode)
    })?;
    if mode != "wal" {
        return Err(Error::Backend(format!(
            "{} stayed in journal mode {mode:?}: its file system cannot keep a write-ahead log; use a local disk",
            path.display()
        )));
    }
    synchronous(conn, durability).map_err(Into::into)
}

fn synchronous(conn: &Connection, durability: Durability) -> rusqlite::Result<()> {
    let synchronous = match durability {
        Durability::Full => "full",
        Durability::Normal => "normal",
    };
    conn.pragma_update(None, "synchronous", synchronous)?;
    if cfg!(target_os = "macos") {
        // fsync there does not reach the platter.
        let full = durability == Durability::Full;
        conn.pragma_update(None, "fullfsync", full)?;
        conn.pragma_update(None, "checkpoint_fullfsync", full)?;
    }
    Ok(())
}

/// For the transactions to come: on disk when they are committed, and what is removed in them written over; or as the
/// store is.
pub fn sync(conn: &Connection, durability: Durability, synced: bool) -> rusqlite::Result<()> {
    synchronous(conn, if synced { Durability::Full } else { durability })?;
    conn.pragma_update(None, "secure_delete", synced)
}

/// Several statements on one state of the database. What `read` puts into temporary tables stays.
pub fn snapshot<T>(conn: &Connection, read: impl FnOnce() -> Result<T>) -> Result<T> {
    if !conn.is_autocommit() {
        return read();
    }
    conn.prepare_cached("BEGIN")?.execute(())?;
    let result = read();
    conn.prepare_cached("COMMIT")?.execute(())?;
    result
}

/// `file:///path?immutable=1`, with what a URI would read otherwise written as %XX.
fn immutable_uri(path: &Path) -> String {
    use std::fmt::Write;
    let mut uri = String::from("file://");
    for &byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri + "?immutable=1"
}
