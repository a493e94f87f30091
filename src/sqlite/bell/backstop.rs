//! Whether somebody committed, as the database itself tells it: for whom nobody rings.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Mutex, TryLockError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::lock;
use crate::error::{Error, Result};
use crate::os::fork::Own;
use crate::sqlite::connection::{self, Durability, Role};
use crate::sqlite::pool::Pool;
use crate::sqlite::wait::Patience;

/// How often what cannot be asked counts as a change.
const AGAIN: Duration = Duration::from_millis(250);

/// On a connection of its own, which is open while a store that somebody waited in is.
#[derive(Default)]
pub struct Backstop {
    path: Option<PathBuf>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Stores that are open, and in which somebody waited.
    stores: usize,
    conn: Option<Own<Connection>>,
    version: Option<i64>,
    /// When it could not be asked.
    failed: Option<Instant>,
}

impl Backstop {
    pub fn of(database: &Path) -> Self {
        Self { path: Some(database.to_owned()), ..Self::default() }
    }

    /// Somebody is going to wait in this store: what is committed from now on is a change.
    pub fn join(&self, pool: &Pool) -> Result<()> {
        let mut seen = lock(&self.seen);
        // After `leave` nobody would close the connection.
        pool.check_open()?;
        if !pool.waited_in.swap(true, SeqCst) {
            seen.stores += 1;
            // Where others wait already, what this look would find is theirs to be told.
            if seen.stores == 1 {
                self.look(&mut seen);
            }
        }
        Ok(())
    }

    pub fn leave(&self, pool: &Pool) {
        let mut seen = lock(&self.seen);
        if pool.waited_in.swap(false, SeqCst) {
            seen.stores -= 1;
            if seen.stores == 0 {
                *seen = Seen::default();
            }
        }
    }

    /// True where something was committed since the last look, or nobody can say.
    pub fn has_changed(&self) -> bool {
        match self.seen.try_lock() {
            Ok(mut seen) => self.look(&mut seen),
            Err(TryLockError::Poisoned(seen)) => self.look(&mut seen.into_inner()),
            Err(TryLockError::WouldBlock) => false,
        }
    }

    fn look(&self, seen: &mut Seen) -> bool {
        let Some(path) = self.path.as_deref().filter(|_| seen.stores > 0) else { return false };
        match version(path, &mut seen.conn) {
            Ok(version) => seen.version.replace(version) != Some(version),
            // Another process opens the file first, closes it last, or recovers it: it is asked again.
            Err(Error::Busy { .. }) => false,
            // Those who wait are to meet the error themselves, but not each time that somebody looks.
            Err(_) => {
                seen.conn = None;
                let now = Instant::now();
                let is_new = seen.failed.is_none_or(|failed| now - failed >= AGAIN);
                if is_new {
                    seen.failed = Some(now);
                }
                is_new
            }
        }
    }
}

/// Another one after each commit of anybody else.
fn version(path: &Path, conn: &mut Option<Own<Connection>>) -> Result<i64> {
    if conn.is_none() {
        let at_once = Patience::new(Duration::ZERO, &|| Ok(()));
        *conn = Some(connection::open(path, Role::ReadOnly, Durability::Full, &at_once)?);
    }
    let conn = conn.as_ref().ok_or(Error::Closed)?;
    Ok(conn.prepare_cached("PRAGMA main.data_version")?.query_row((), |row| row.get(0))?)
}
