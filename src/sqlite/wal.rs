//! The write-ahead log: what an earlier program left in it is brought to the disk before anything follows on it.
//!
//! What SQLite reads in the log may not be on the disk, if a sync of it failed and the program ended. A commit after it
//! would be synced, and gone all the same with the next power cut, as what stands before it in the log is missing; and a
//! carry from it that the power cut interrupts would leave a file that nothing can repair. So the first store to open a
//! file writes the log over itself and syncs it, then carries it into the file and begins a new one: a file system may
//! have given up the very blocks. Where others have the file open, who would all wait, the log is only written over itself,
//! before the first write. A store whose own carry was not synced writes no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::pool::Pool;
use crate::error::{Error, Result, is_busy};
use crate::os;

/// Of a writing connection.
#[derive(Default)]
pub struct Wal {
    /// It may hold what is not on the disk, and is not to be carried into the file.
    unsure: AtomicBool,
    told: Arc<Told>,
}

/// By SQLite, after each commit of this connection that changed something.
#[derive(Default)]
struct Told {
    /// Pages in the log.
    pages: AtomicU32,
    /// Since the transaction began.
    anew: AtomicBool,
}

impl Wal {
    /// To be called when a writing connection is set up.
    pub fn of(conn: &mut Connection) -> Result<Self> {
        let told = Arc::<Told>::default();
        let tell = Arc::clone(&told);
        // In the place of SQLite's own carrying after commits, which tells nobody when it fails.
        conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            tell.pages.store(pages.unsigned_abs(), Ordering::Relaxed);
            tell.anew.store(true, Ordering::Relaxed);
            Ok(())
        }))?;
        let wal = Self { unsure: AtomicBool::new(false), told };
        if os::wal::is_written(conn)? {
            wal.doubt(conn)?;
            // What fails here fails again before the first write, and is said then: to read needs none of it.
            let _ = wal.settle(conn);
        }
        Ok(wal)
    }

    /// Write the log again, carry it into the file, and begin a new one, if nobody else has the file open.
    fn settle(&self, conn: &Connection) -> rusqlite::Result<()> {
        if !os::wal::is_alone(conn)? {
            let left: i32 = conn.query_row("PRAGMA main.wal_checkpoint(NOOP)", (), |row| row.get(1))?;
            return if left > 0 { Ok(()) } else { self.trust(conn) };
        }
        match conn.execute_batch("BEGIN IMMEDIATE") {
            Err(error) if is_busy(&error) => return Ok(()),
            other => other?,
        }
        let written = os::wal::write_again(conn);
        conn.execute_batch("ROLLBACK")?;
        written?;
        let busy: bool = conn.query_row("PRAGMA main.wal_checkpoint(TRUNCATE)", (), |row| row.get(0))?;
        if busy {
            return Ok(());
        }
        // SQLite need not: where all of the log is on the disk, it does no harm if it comes back.
        os::wal::sync(conn)?;
        self.trust(conn)
    }

    /// To be called before a write transaction begins.
    pub fn before_begin(&self, conn: &Connection) -> Result<()> {
        self.told.anew.store(false, Ordering::Relaxed);
        if self.unsure.load(Ordering::Relaxed) { self.settle(conn).map_err(left_undone) } else { Ok(()) }
    }

    /// To be called in a write transaction before it writes.
    pub fn before_write(&self, conn: &Connection) -> Result<()> {
        if self.unsure.load(Ordering::Relaxed) {
            os::wal::write_again(conn).and_then(|()| self.trust(conn)).map_err(left_undone)?;
        }
        Ok(())
    }

    fn doubt(&self, conn: &Connection) -> rusqlite::Result<()> {
        self.unsure.store(true, Ordering::Relaxed);
        keep(conn, true)
    }

    fn trust(&self, conn: &Connection) -> rusqlite::Result<()> {
        self.unsure.store(false, Ordering::Relaxed);
        keep(conn, false)
    }

    /// Whether the transaction that was committed changed something.
    pub fn is_longer(&self) -> bool {
        self.told.anew.load(Ordering::Relaxed)
    }

    /// Pages, after the newest commit of this connection.
    pub fn pages(&self) -> u32 {
        self.told.pages.load(Ordering::Relaxed)
    }

    /// A sync failed, or may have.
    pub fn failed(&self, conn: &Connection, pool: &Pool) {
        let _ = self.doubt(conn);
        pool.fail();
    }
}

fn left_undone(error: rusqlite::Error) -> Error {
    if is_busy(&error) {
        return error.into();
    }
    Error::Backend(format!("{error}: what an earlier program wrote could not be brought to the disk"))
}

/// Whether the last connection to go leaves the WAL as it is.
pub fn keep(conn: &Connection, keep: bool) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep).map(drop)
}
