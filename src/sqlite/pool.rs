//! The connections of one store: a writer, lent to one call at a time, and readers, made when needed.
//!
//! A connection is lent whole, never used under a lock: no Python call can wait on a lock of ours, and a transaction
//! that lasts over many calls is a loan like any other. In memory there is one connection, which readers borrow too.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::carry::Carrier;
use super::conn::Conn;
use super::connection::{self, Durability, Role, snapshot};
use super::crate_layout;
use super::identity::Identity;
use super::layout::{self, Layout};
use super::line::{End, Line, Waiter};
use super::op::{Kept, Outcome};
use super::wait::Patience;
use super::wal;
use crate::error::{Error, Result};
use crate::os::fork;

/// Readers kept open when nobody uses them.
const IDLE_READERS: usize = 4;

/// How often a call that closes the store asks whether it was told to stop, while the WAL is carried over.
const NAP: Duration = Duration::from_millis(10);

/// What a store is opened with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Absolute; `None` is in memory.
    pub path: Option<PathBuf>,
    pub durability: Durability,
    pub read_only: bool,
}

pub struct Pool {
    pub settings: Settings,
    pub identity: Identity,
    pub carrier: Carrier,
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
    /// Who waits for the writer; empty while it is here.
    line: Line,
}

/// What waiting for the writer came to.
// It lives for a moment, on the stack.
#[allow(clippy::large_enum_variant)]
pub enum Turn {
    Mine(Lease),
    Done(Result<Outcome>),
}

/// A lent connection; dropping it gives it back, and in a forked child leaves it to the parent.
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
            carrier: Carrier::default(),
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

    /// The writing connection, if nobody has it.
    fn try_writer(self: &Arc<Self>) -> Result<Option<Lease>> {
        self.guard()?;
        if self.settings.read_only {
            let path = self.settings.path.as_deref().map(|path| path.display().to_string());
            return Err(Error::ReadOnly(format!("{} was opened with read_only=True", path.unwrap_or_default())));
        }
        let mut slots = self.slots();
        if slots.closed {
            return Err(Error::Closed);
        }
        let conn = slots.writer.take();
        slots.lent += usize::from(conn.is_some());
        Ok(conn.map(|conn| self.lease(conn)))
    }

    fn lease(self: &Arc<Self>, conn: Conn) -> Lease {
        Lease { pool: Arc::clone(self), conn: Some(conn), writer: true }
    }

    /// The writing connection, after those who came before.
    pub fn writer(self: &Arc<Self>, patience: &Patience<'_>) -> Result<Lease> {
        match self.turn(|| None, patience)? {
            Turn::Mine(lease) => Ok(lease),
            // Nobody writes for who hands nothing over: this is why it was sent away.
            Turn::Done(result) => Err(result.err().unwrap_or(Error::Closed)),
        }
    }

    /// The same, or what came of `op`, if it was handed over to another thread's transaction meanwhile.
    pub fn turn(self: &Arc<Self>, op: impl FnOnce() -> Option<Kept>, patience: &Patience<'_>) -> Result<Turn> {
        if let Some(lease) = self.try_writer()? {
            return Ok(Turn::Mine(lease));
        }
        let mut waiter = Arc::new(Waiter::new(op()));
        loop {
            {
                let mut slots = self.slots();
                if slots.closed {
                    return Err(Error::Closed);
                }
                if let Some(conn) = slots.writer.take() {
                    slots.lent += 1;
                    return Ok(Turn::Mine(self.lease(conn)));
                }
                slots.line.join(Arc::clone(&waiter));
            }
            let (mut end, mut timed_out) = (None, None);
            while end.is_none() {
                match patience.before_ask("other threads' writes or transactions in this store") {
                    Ok(Some(left)) => end = waiter.nap(left),
                    Ok(None) => break,
                    Err(error) => {
                        timed_out = Some(error);
                        break;
                    }
                }
            }
            if end.is_none() && !self.slots().line.leave(&waiter) {
                // It is being written, or is about to be lent to: neither waits for anybody.
                end = Some(waiter.wait());
            }
            match end {
                Some(End::Lent(conn)) => return Ok(Turn::Mine(self.lease(conn))),
                Some(End::Done(result)) => return Ok(Turn::Done(result)),
                Some(End::Alone) => waiter = Arc::new(waiter.alone()),
                None => {}
            }
            if let Some(error) = timed_out {
                return Err(error);
            }
            // Out of the line: the handler of a signal may write too, and would wait for what its own thread was lent.
            patience.ask()?;
        }
    }

    /// Those who wait with a small write: whoever takes them tells each what came of it.
    pub fn take_group(&self, taken: usize) -> Vec<Arc<Waiter>> {
        self.slots().line.take_small(taken)
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
        slots.lent += 1; // Who waits for the last loan waits for this too.
        let readers = std::mem::take(&mut slots.readers);
        let line = std::mem::take(&mut slots.line);
        drop(slots);
        line.close();
        drop(readers);
        self.end_last();
    }

    /// A loan ends in a store that is closed. The writer goes when the last one does: the last connection to go carries
    /// the WAL into the file.
    fn end_last(&self) {
        let mut slots = self.slots();
        if slots.lent == 1
            && let Some(writer) = slots.writer.take()
        {
            drop(slots);
            self.retire(&writer);
            drop(writer);
            slots = self.slots();
        }
        slots.lent -= 1;
        drop(slots);
        self.freed.notify_all();
    }

    /// A writer about to be closed: what may not be on the disk is not to be carried into the file.
    fn retire(&self, writer: &Conn) {
        if self.check_healthy().is_err() {
            let _ = wal::keep(&writer.sqlite, true);
        } else {
            // Where this fails, the WAL stays for whoever opens the file next.
            let _ = writer.wal.before_begin(&writer.sqlite);
        }
    }

    /// Idempotent; waits for loans that are out as long as `patience` lasts.
    pub fn close(&self, patience: &Patience<'_>) -> Result<()> {
        self.guard()?;
        self.shut();
        loop {
            if self.slots().lent == 0 {
                return Ok(());
            }
            // What the store does by itself is nothing that others hold: it is soon over, and is no reason to give up.
            let left = if self.carrier.is_running() {
                patience.ask()?;
                NAP
            } else {
                patience.left("calls of other threads that still use this store")?
            };
            self.wait(left);
        }
    }

    /// Until the last loan ends, at most for `left`.
    fn wait(&self, left: Duration) {
        fork::outside(|| {
            let slots = self.slots();
            if slots.lent > 0 {
                drop(self.freed.wait_timeout(slots, left).unwrap_or_else(PoisonError::into_inner));
            }
        });
    }
}

impl Lease {
    pub fn conn(&mut self) -> Result<&mut Conn> {
        self.conn.as_mut().ok_or(Error::Closed)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.pool.guard().is_err() {
            return;
        }
        let mut slots = self.pool.slots();
        // From hand to hand: what is put down between two turns goes to whoever is quickest, again and again.
        if self.writer
            && !slots.closed
            && let Some(next) = slots.line.next()
            && let Some(conn) = self.conn.take()
        {
            drop(slots);
            next.end(End::Lent(conn));
            return;
        }
        if slots.closed {
            if self.writer {
                slots.writer = self.conn.take();
            }
            drop(slots);
            drop(self.conn.take());
            self.pool.end_last();
            return;
        }
        slots.lent -= 1;
        let mut surplus = None;
        if self.writer {
            slots.writer = self.conn.take();
        } else if slots.readers.len() < IDLE_READERS {
            slots.readers.extend(self.conn.take());
        } else {
            surplus = self.conn.take();
        }
        drop(slots);
        drop(surplus);
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
