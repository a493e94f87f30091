//! The facts of a store.

use super::conn::Conn;
use super::connection::Durability;
use super::heads::last_position;
use super::layout::{FORMAT, Layout};
use super::pool::Pool;
use crate::error::Result;
use crate::os::locks;

/// The facts of a store, as `info()` tells them.
pub struct Info {
    pub path: Option<std::path::PathBuf>,
    pub format: i64,
    pub id: Option<i64>,
    pub layout: &'static str,
    pub entries: i64,
    pub logs: i64,
    pub position: i64,
    pub bytes: i64,
    pub durability: Durability,
    pub read_only: bool,
    /// `None` in memory.
    pub locks: Option<&'static str>,
    pub doorbell: &'static str,
}

pub fn of(conn: &Conn, pool: &Pool) -> Result<Info> {
    let settings = &pool.settings;
    let number = |sql: &str| conn.sqlite.query_row(sql, (), |row| row.get::<_, i64>(0));
    let compact = conn.layout == Layout::Compact;
    let id = "SELECT ival FROM _agent_store_meta WHERE key = '_agent_store.id'";
    Ok(Info {
        path: settings.path.clone(),
        format: if compact { FORMAT } else { 0 },
        id: if compact { number(id).ok() } else { None },
        layout: if compact { "compact" } else { "crate" },
        entries: number("SELECT count(*) FROM _agent_store_entries")?,
        logs: number("SELECT count(*) FROM _agent_store_logs")?,
        position: last_position(&conn.sqlite)?,
        bytes: number("PRAGMA main.page_count")? * number("PRAGMA main.page_size")?,
        durability: settings.durability,
        read_only: settings.read_only,
        locks: settings.path.as_deref().map(locks::of),
        doorbell: pool.bell.kind(settings),
    })
}
