//! Carrying the WAL into the file, off the path of those who write.
//!
//! When the WAL has so many pages, a thread of its own begins: beside the writers until little is left, then the rest in a
//! turn of its own in the line, in which it also waits a moment for those who still read from the WAL. After that the next
//! commit starts the WAL anew. The thread ends when it is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use rusqlite::ffi::SQLITE_IOERR_FSYNC;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, MAIN_DB};

use super::conn::Conn;
use super::connection::Durability;
use super::pool::Pool;
use super::wait::Patience;
use crate::error::{Error, Result};
use crate::options;
use crate::os::fork;

/// Pages at which carrying over begins. It costs two syncs and a write of each page that the WAL holds, however many
/// commits wrote it. Where each commit syncs, a WAL that grows is the dearer thing: until it is first carried over, each
/// sync also writes its length.
const PAGES: u32 = 4_000;
const PAGES_SYNCED: u32 = 1_000;
/// So many may be left for the turn of its own, which holds up writers.
const REST: u32 = 200;
/// Passes beside the writers. Each leaves what was written during it.
const PASSES: usize = 8;
/// How long that turn may wait for other processes and for readers.
pub const TURN: Duration = Duration::from_millis(20);
const NAP: Duration = Duration::from_micros(100);
const NAPS: i32 = 100;
/// How long to wait for the turn itself, and for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Of one store.
#[derive(Default)]
pub struct Carrier {
    /// Pages that a WAL had which could not start anew, because somebody reads or others write all the time.
    stuck: AtomicU32,
    running: AtomicBool,
}

impl Carrier {
    /// To be called after each commit, which stands whatever comes of this.
    pub fn committed(&self, pool: &Arc<Pool>, conn: &Conn) {
        let pages = conn.wal.pages();
        let limit = match (options::WAL_PAGES.load(Ordering::Relaxed), pool.settings.durability) {
            (0, Durability::Full) => PAGES_SYNCED,
            (0, Durability::Normal) => PAGES,
            (limit, _) => limit,
        };
        if pages < limit {
            return;
        }
        // Where it is stuck, not at once again; where another process had it start anew, it is not.
        let stuck = self.stuck.load(Ordering::Relaxed);
        if pages >= stuck && stuck > 0 && pages - stuck < limit / 2 {
            return;
        }
        if !options::BESIDE.is_on() {
            let _ = pass(pool, &conn.sqlite, CheckpointMode::PASSIVE);
        } else if !self.running.swap(true, Ordering::AcqRel) {
            self.begin(pool, pages);
        }
    }

    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    fn begin(&self, pool: &Arc<Pool>, pages: u32) {
        let of = Arc::clone(pool);
        let begun = thread::Builder::new().name("agent-store-wal".into()).spawn(move || {
            fork::inside(|| {
                // What fails here is done over at a later commit, or by the last connection to be closed.
                of.carrier.end(carry(&of).unwrap_or(pages));
                drop(of);
            });
        });
        if begun.is_err() {
            self.end(pages);
        }
    }

    fn end(&self, stuck: u32) {
        self.stuck.store(stuck, Ordering::Relaxed);
        self.running.store(false, Ordering::Release);
    }
}

/// 0, or the pages that are left in a WAL that could not start anew.
fn carry(pool: &Arc<Pool>) -> Result<u32> {
    let check = || Ok(());
    let patience = Patience::new(PATIENCE, &check);
    let mut lease = pool.reader(&patience)?;
    for _ in 0..PASSES {
        pool.check_open()?;
        pool.check_healthy()?;
        if pass(pool, &lease.conn()?.sqlite, CheckpointMode::PASSIVE)? < REST {
            break;
        }
        fork::breathe();
    }
    drop(lease);
    let mut lease = pool.writer(&patience)?;
    pool.check_healthy()?;
    let Conn { sqlite, queue, wal, .. } = lease.conn()?;
    sqlite.busy_handler(Some(nap))?;
    let last = queue.enter(&Patience::new(TURN, &check), || pass(pool, sqlite, CheckpointMode::RESTART).map(drop));
    sqlite.busy_handler(None::<fn(i32) -> bool>)?;
    match last {
        Ok(()) => Ok(0),
        Err(Error::Busy { .. }) => Ok(wal.pages()),
        Err(error) => Err(error),
    }
}

/// The pages that are left. Where a sync fails, nobody knows what is on the disk: the store writes no more.
pub fn pass(pool: &Pool, conn: &Connection, mode: CheckpointMode) -> rusqlite::Result<u32> {
    let result = conn.wal_checkpoint_v2(Some(MAIN_DB), mode);
    if let Err(rusqlite::Error::SqliteFailure(error, _)) = &result
        && error.extended_code == SQLITE_IOERR_FSYNC
    {
        pool.fail();
    }
    result.map(|(pages, carried)| (pages - carried).unsigned_abs())
}

/// While SQLite waits for the write lock, and then for readers.
pub fn nap(times: i32) -> bool {
    thread::sleep(NAP);
    times < NAPS
}
