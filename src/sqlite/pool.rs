//! The connections of one store: a writer, lent to one call at a time, and readers, made when needed.
//!
//! A connection is lent whole, never used under a lock: no Python call can wait on a lock of ours, and a transaction
//! that lasts over many calls is a loan like any other. In memory there is one connection, which readers borrow too.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::bell::Bell;
use super::carry::Carrier;
use super::conn::Conn;
use super::connection::{Role, Settings};
use super::identity::Identity;
use super::lease::Lease;
use super::line::{End, Line, Waiter};
use super::op::{Kept, Outcome};
use super::open;
use super::wait::Patience;
use crate::error::{Error, Result};

/// Readers kept open when nobody uses them.
const IDLE_READERS: usize = 4;

pub struct Pool {
    pub settings: Settings,
    pub identity: Identity,
    pub carrier: Carrier,
    pub bell: Arc<Bell>,
    /// Somebody waited for commits.
    pub waited_in: AtomicBool,
    pid: u32,
    reader_role: Role,
    /// Readers take the file for one that nobody writes to.
    pub frozen: AtomicBool,
    slots: Mutex<Slots>,
    /// Told of the loans that end in a store that is closed.
    pub freed: Condvar,
    failed: AtomicBool,
}

#[derive(Default)]
pub struct Slots {
    pub writer: Option<Conn>,
    pub readers: Vec<Conn>,
    pub lent: usize,
    pub closed: bool,
    /// Who waits for the writer; empty while it is here.
    pub line: Line,
}

/// What waiting for the writer came to.
// It lives for a moment, on the stack.
#[allow(clippy::large_enum_variant)]
pub enum Turn {
    Mine(Lease),
    Done(Result<Outcome>),
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
            bell: identity.database().map_or_else(Bell::in_memory, |(path, inode)| Bell::of(path, inode)),
            waited_in: AtomicBool::new(false),
            settings,
            identity,
            pid: std::process::id(),
            reader_role,
            frozen: AtomicBool::new(role == Role::Immutable),
            slots: Mutex::new(slots),
            freed: Condvar::new(),
            failed: AtomicBool::new(false),
        })
    }

    /// Before any lock: in a forked child another thread's lock stays taken for ever.
    pub fn guard(&self) -> Result<()> {
        if self.pid == std::process::id() { Ok(()) } else { Err(Error::Forked) }
    }

    pub fn slots(&self) -> MutexGuard<'_, Slots> {
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

    fn lease(self: &Arc<Self>, conn: Conn) -> Lease {
        Lease::new(self, Some(conn), true)
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
        self.guard()?;
        if self.settings.read_only {
            let path = self.settings.path.as_deref().map(|path| path.display().to_string());
            return Err(Error::ReadOnly(format!("{} was opened with read_only=True", path.unwrap_or_default())));
        }
        if let Some(lease) = self.take_or(|_| {})? {
            return Ok(Turn::Mine(lease));
        }
        let mut waiter = Arc::new(Waiter::new(op()));
        loop {
            if let Some(lease) = self.take_or(|line| line.join(Arc::clone(&waiter)))? {
                return Ok(Turn::Mine(lease));
            }
            let woken = waiter.wait_for(patience, "other threads' writes or transactions in this store");
            let end = match &woken {
                Ok(Some(_)) => woken?,
                _ if self.slots().line.leave(&waiter) => woken?,
                // It is being written, or is about to be lent to: neither waits for anybody.
                _ => Some(waiter.wait()),
            };
            match end {
                Some(End::Lent(conn)) => return Ok(Turn::Mine(self.lease(conn))),
                Some(End::Done(result)) => return Ok(Turn::Done(result)),
                Some(End::Alone) => waiter = Arc::new(waiter.alone()),
                None => {}
            }
            // Out of the line: the handler of a signal may write too, and would wait for what its own thread was lent.
            patience.ask()?;
        }
    }

    /// The writing connection, if nobody has it.
    fn take_or(self: &Arc<Self>, otherwise: impl FnOnce(&mut Line)) -> Result<Option<Lease>> {
        let mut slots = self.slots();
        if slots.closed {
            return Err(Error::Closed);
        }
        let Some(conn) = slots.writer.take() else {
            otherwise(&mut slots.line);
            return Ok(None);
        };
        slots.lent += 1;
        drop(slots);
        Ok(Some(self.lease(conn)))
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
        let mut lease = Lease::new(self, idle, false);
        if lease.is_empty() {
            let role = match self.reader_role {
                Role::Immutable if !self.frozen.load(Ordering::Acquire) => Role::ReadOnly,
                role => role,
            };
            lease.fill(open::another(path, role, self.settings.durability, &self.identity, patience)?);
        }
        Ok(lease)
    }

    /// To be called when a loan ends.
    pub fn give_back(&self, conn: Option<Conn>, is_writer: bool) {
        let mut slots = self.slots();
        if slots.closed {
            let reader = if is_writer {
                slots.writer = conn;
                None
            } else {
                conn
            };
            drop(slots);
            drop(reader);
            return self.end_last();
        }
        let mut surplus = None;
        match conn {
            Some(conn) if is_writer => {
                // From hand to hand: what is put down between two turns goes to whoever is quickest, again and again.
                if let Some(next) = slots.line.next() {
                    drop(slots);
                    return next.end(End::Lent(conn));
                }
                slots.writer = Some(conn);
            }
            Some(conn) if slots.readers.len() < IDLE_READERS && !conn.is_stale(self) => slots.readers.push(conn),
            other => surplus = other,
        }
        slots.lent -= 1;
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
