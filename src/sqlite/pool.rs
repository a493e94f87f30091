//! The connections of one store: a writer, lent to one call at a time, and readers, made when needed.
//!
//! A connection is lent whole, never used under a lock: no Python call can wait on a lock of ours, and a transaction
//! that lasts over many calls is a loan like any other. In memory there is one connection, which readers borrow too.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::block::Block;
use super::connection::snapshot;
use super::connection::{self, Durability, Role};
use super::crate_layout;
use super::heads::Heads;
use super::identity::Identity;
use super::index::Indexed;
use super::layout::{self, Layout};
use super::taker::Taker;
use super::wait::Patience;
use super::wal::Wal;
use crate::error::{Error, Result};

/// Readers kept open when nobody uses them.
const IDLE_READERS: usize = 4;

/// What a store is opened with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Absolute; `None` is in memory.
    pub path: Option<PathBuf>,
    pub durability: Durability,
    pub read_only: bool,
}

/// A connection, with what is remembered of the database on it.
pub struct Conn {
    pub sqlite: Connection,
    pub blocks: Taker<Block>,
    pub index: Taker<Indexed>,
    pub heads: Heads,
    pub wal: Wal,
    pub layout: Layout,
}

impl Conn {
    pub fn new(sqlite: Connection, layout: Layout) -> Result<Self> {
        Ok(Self {
            blocks: Taker::of(&sqlite)?,
            index: Taker::of(&sqlite)?,
            sqlite,
            heads: Heads::default(),
            wal: Wal::default(),
            layout,
        })
    }
}

pub struct Pool {
    pub settings: Settings,
    pub identity: Identity,
    pid: u32,
    reader_role: Role,
    slots: Mutex<Slots>,
    freed: Condvar,
    failed: AtomicBool,
}

#[derive(Default)]
struct Slots {
    writer: Option<Conn>,
    readers: Vec<Conn>,
    lent: usize,
    closed: bool,
    /// Threads that wait for a loan to end: a wake-up that nobody waits for is a system call for nothing.
    waiting: usize,
}

/// A lent connection; dropping it gives it back. A loan of one call never reaches a forked child, where only the forking
/// thread lives on; a transaction's does, and sees to it itself.
pub struct Lease {
    pool: Arc<Pool>,
    conn: Option<Conn>,
    writer: bool,
}

impl Pool {
    pub fn new(settings: Settings, first: Conn, role: Role, identity: Identity) -> Arc<Self> {
        let mut slots = Slots::default();
        let reader_role = if role == Role::Writer {
            slots.writer = Some(first);
            Role::Reader
        } else {
            slots.readers.push(first);
            role
        };
        Arc::new(Self {
            settings,
            identity,
            pid: std::process::id(),
            reader_role,
            slots: Mutex::new(slots),
            freed: Condvar::new(),
            failed: AtomicBool::new(false),
        })
    }

    /// Before any lock: in a forked child another thread's lock stays taken for ever.
    pub fn guard(&self) -> Result<()> {
        if self.pid == std::process::id() { Ok(()) } else { Err(Error::Forked) }
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        // Nothing under this lock can leave it half done.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn in_memory(&self) -> bool {
        self.settings.path.is_none()
    }

    pub fn check_open(&self) -> Result<()> {
        self.guard()?;
        if self.slots().closed { Err(Error::Closed) } else { Ok(()) }
    }

    /// A commit failed on the disk: what is written now could not be trusted.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::Release);
    }

    pub fn check_healthy(&self) -> Result<()> {
        if self.failed.load(Ordering::Acquire) {
            return Err(Error::Backend(
                "an earlier commit or sync failed on the disk: this store writes no more; close it, see to the disk, open it anew".into(),
            ));
        }
        Ok(())
    }

    pub fn writer(self: &Arc<Self>, patience: &Patience<'_>) -> Result<Lease> {
        self.guard()?;
        if self.settings.read_only {
            let path = self.settings.path.as_deref().map(|path| path.display().to_string());
            return Err(Error::ReadOnly(format!("{} was opened with read_only=True", path.unwrap_or_default())));
        }
        let mut slots = self.slots();
        loop {
            if slots.closed {
                return Err(Error::Closed);
            }
            if let Some(conn) = slots.writer.take() {
                slots.lent += 1;
                return Ok(Lease { pool: Arc::clone(self), conn: Some(conn), writer: true });
            }
            drop(slots); // `left` may ask Python, which must find no lock of ours held.
            let left = patience.left("another thread's write or transaction in this store")?;
            slots = self.slots();
            if slots.writer.is_none() {
                slots.waiting += 1;
                slots = self.freed.wait_timeout(slots, left).unwrap_or_else(PoisonError::into_inner).0;
                slots.waiting -= 1;
            }
        }
    }

    pub fn reader(self: &Arc<Self>, patience: &Patience<'_>) -> Result<Lease> {
        self.guard()?;
        let Some(path) = self.settings.path.as_deref() else {
            return self.writer(patience);
        };
        let idle = {
            let mut slots = self.slots();
            if slots.closed {
                return Err(Error::Closed);
            }
            slots.lent += 1;
            slots.readers.pop()
        };
        // From here on the loan is counted: the lease gives it back, with a connection or without.
        let mut lease = Lease { pool: Arc::clone(self), conn: idle, writer: false };
        if lease.conn.is_none() {
            lease.conn = Some(patience.repeat(|| {
                let sqlite = connection::open(path, self.reader_role, self.settings.durability, patience)?;
                let layout = layout::detect(&sqlite, patience)?;
                self.identity.check_new(&sqlite)?;
                if layout == Layout::Crate {
                    snapshot(&sqlite, || crate_layout::install(&sqlite, patience))?;
                }
                Conn::new(sqlite, layout)
            })?);
        }
        Ok(lease)
    }

    /// Close what is not lent; loans are closed when they come back.
    pub fn shut(&self) {
        if self.guard().is_err() {
            return;
        }
        let mut slots = self.slots();
        slots.closed = true;
        let (writer, readers) = (slots.writer.take(), std::mem::take(&mut slots.readers));
        drop(slots);
        // The writer last: the last connection to go carries the WAL into the file.
        drop(readers);
        drop(writer);
        self.freed.notify_all();
    }

    /// Idempotent; waits for loans that are out as long as `patience` lasts.
    pub fn close(&self, patience: &Patience<'_>) -> Result<()> {
        self.guard()?;
        self.shut();
        loop {
            if self.slots().lent == 0 {
                return Ok(());
            }
            let left = patience.left("calls of other threads that still use this store")?;
            let mut slots = self.slots();
            if slots.lent > 0 {
                slots.waiting += 1;
                slots = self.freed.wait_timeout(slots, left).unwrap_or_else(PoisonError::into_inner).0;
                slots.waiting -= 1;
            }
        }
    }
}

impl Lease {
    pub fn conn(&mut self) -> Result<&mut Conn> {
        self.conn.as_mut().ok_or(Error::Closed)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let conn = self.conn.take();
        let mut slots = self.pool.slots();
        slots.lent -= 1;
        let surplus = if slots.closed {
            conn
        } else if self.writer {
            slots.writer = conn;
            None
        } else if slots.readers.len() < IDLE_READERS {
            slots.readers.extend(conn);
            None
        } else {
            conn
        };
        let waiting = slots.waiting > 0;
        drop(slots);
        drop(surplus);
        if waiting {
            self.pool.freed.notify_all();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let slots = self.slots.get_mut().unwrap_or_else(PoisonError::into_inner);
        if self.pid != std::process::id() {
            std::mem::forget(std::mem::take(slots));
        }
    }
}
