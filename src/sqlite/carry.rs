//! Carrying the WAL into the file, off the path of those who write.
//!
//! When the WAL has so many pages, a thread of its own begins: beside the writers until little is left, then the rest in a
//! turn of its own in the line, in which it also waits a moment for those who still read from the WAL. After that the next
//! commit starts the WAL anew. The thread ends when it is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, MAIN_DB};

use super::conn::Conn;
use super::connection::Durability;
use super::pool::Pool;
use super::wait::Patience;
use crate::error::{Error, Result};
use crate::os::fork;

/// Pages at which carrying over begins. It costs two syncs and a write of each page that the WAL holds, however many
/// commits wrote it. Where each commit syncs, a WAL that grows is the dearer thing: until it is first carried over, each
/// sync also writes its length.
const PAGES: u32 = 4_000;
const PAGES_SYNCED: u32 = 1_000;
/// So many may be left for the turn of its own, which holds up writers.
const REST: i32 = 200;
/// Passes beside the writers. Each leaves what was written during it.
const PASSES: usize = 8;
/// How long that turn may wait for other processes and for readers.
const TURN: Duration = Duration::from_millis(20);
const NAP: Duration = Duration::from_micros(100);
const NAPS: i32 = 100;
/// How long to wait for the turn itself, and for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// When to carry over next.
pub struct Wal {
    limit: u32,
    at: AtomicU32,
    running: AtomicBool,
}

/// Pages in the WAL, as the last commit of a connection left it.
#[derive(Default)]
pub struct Pages(Arc<AtomicU32>);

impl Pages {
    pub fn of(conn: &mut Connection) -> rusqlite::Result<Self> {
        let pages = Self::default();
        let seen = Arc::clone(&pages.0);
        conn.wal_hook(Some(move |_: &mut _, pages: i32| {
            seen.store(pages.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(pages)
    }

    pub fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wal {
    pub fn new(durability: Durability) -> Self {
        let limit = match durability {
            Durability::Full => PAGES_SYNCED,
            Durability::Normal => PAGES,
        };
        Self { limit, at: AtomicU32::new(limit), running: AtomicBool::new(false) }
    }

    /// To be called after each commit, with the pages that it left.
    pub fn committed(&self, pool: &Arc<Pool>, pages: u32) {
        let at = self.at.load(Ordering::Relaxed);
        if pages < self.limit && at > self.limit {
            self.at.store(self.limit, Ordering::Relaxed); // Another process had it start anew.
        }
        if pages < at || self.running.swap(true, Ordering::AcqRel) {
            return;
        }
        let of = Arc::clone(pool);
        let begun = thread::Builder::new().name("agent-store-wal".into()).spawn(move || {
            fork::inside(|| {
                // What fails here is tried again at a later commit, or by the last connection to be closed.
                let left = carry(&of).unwrap_or(pages);
                of.wal.done(left);
                drop(of);
            });
        });
        if begun.is_err() {
            self.done(pages);
        }
    }

    /// `left`: pages that the next commit finds in the WAL.
    fn done(&self, left: u32) {
        // Where it could not start anew, because somebody reads or all others write, not at once again.
        let at = if left < self.limit { self.limit } else { left.saturating_add(self.limit / 2) };
        self.at.store(at, Ordering::Relaxed);
        self.running.store(false, Ordering::Release);
    }
}

/// The pages that are left in the WAL for the next commit.
fn carry(pool: &Arc<Pool>) -> Result<u32> {
    let check = || Ok(());
    let patience = Patience::new(PATIENCE, &check);
    let mut lease = pool.reader(&patience)?;
    for _ in 0..PASSES {
        let (pages, carried) = lease.conn()?.sqlite.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE)?;
        fork::breathe();
        if pages - carried < REST {
            break;
        }
    }
    drop(lease);
    let mut lease = pool.writer(&patience)?;
    let conn = lease.conn()?;
    let Conn { sqlite, queue, pages, .. } = conn;
    sqlite.busy_handler(Some(nap))?;
    let check = || Ok(());
    let carried = queue.enter(&Patience::new(TURN, &check), || {
        sqlite.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::RESTART).map(drop)
    });
    sqlite.busy_handler(None::<fn(i32) -> bool>)?;
    match carried {
        Ok(()) => Ok(0),
        // Others write or read all the time.
        Err(Error::Busy { .. }) => Ok(pages.count()),
        Err(error) => Err(error),
    }
}

/// While SQLite waits for the write lock, and then for readers.
fn nap(times: i32) -> bool {
    thread::sleep(NAP);
    times < NAPS
}
