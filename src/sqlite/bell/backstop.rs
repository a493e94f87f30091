//! Whether somebody committed, as the database itself tells it: for whom nobody rings. And whether what was committed goes
//! on from what was there, which it does not where a backup was restored in place.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Mutex, TryLockError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension};

use super::lock;
use crate::chain::Hash;
use crate::error::{Error, Result};
use crate::os::fork::Own;
use crate::sqlite::connection::{self, Durability, Role};
use crate::sqlite::pool::Pool;
use crate::sqlite::wait::Patience;
use crate::sqlite::{rows, sql};

/// How often what cannot be asked counts as a change.
const AGAIN: Duration = Duration::from_millis(250);

/// On a connection of its own, which is open while a store that somebody waited in is.
#[derive(Default)]
pub struct Backstop {
    path: Option<PathBuf>,
    seen: Mutex<Seen>,
    /// How often another history was found in the place of the one before.
    histories: AtomicU32,
}

#[derive(Default)]
struct Seen {
    /// Stores that are open, and in which somebody waited.
    stores: usize,
    conn: Option<Own<Connection>>,
    version: Option<i64>,
    /// When it could not be asked.
    failed: Option<Instant>,
    /// The newest entry.
    newest: Option<(i64, Hash)>,
}

impl Backstop {
    pub fn of(database: &Path) -> Self {
        Self { path: Some(database.to_owned()), ..Self::default() }
    }

    /// Another number after another state was put in the place of the one before.
    pub fn history(&self) -> u32 {
        self.histories.load(SeqCst)
    }

    /// Somebody is going to wait in this store: what is committed from now on is a change. True where something was, since
    /// others who wait had the database looked at.
    pub fn join(&self, pool: &Pool) -> Result<bool> {
        let mut seen = lock(&self.seen);
        // After `leave` nobody would close the connection.
        pool.check_open()?;
        if !pool.waited_in.swap(true, SeqCst) {
            seen.stores += 1;
        }
        Ok(self.look(&mut seen))
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
            Ok(version) if seen.version.replace(version) == Some(version) => false,
            Ok(_) => {
                if !goes_on(seen) {
                    self.histories.fetch_add(1, SeqCst);
                }
                true
            }
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

/// False where the entry that was newest is there no more. What cannot be asked now, whoever reads finds out.
fn goes_on(seen: &mut Seen) -> bool {
    let Some(conn) = &seen.conn else { return true };
    let known = seen.newest;
    let asked = connection::snapshot(conn, || {
        let still = match known {
            Some((position, hash)) => {
                let found = conn.prepare_cached(sql::HASH_AT)?.query_row([position], |row| Ok(rows::hash(row, 0)));
                found.optional()?.flatten() == Some(hash)
            }
            None => true,
        };
        let newest = conn.prepare_cached(sql::NEWEST)?.query_row((), |row| Ok((row.get(0)?, rows::hash(row, 1))));
        Ok((still, newest.optional()?.and_then(|(position, hash)| Some((position, hash?)))))
    });
    let Ok((still, newest)) = asked else { return true };
    seen.newest = newest;
    still
}
