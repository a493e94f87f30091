//! One who waits at a store.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::lock;
use crate::error::{Error, Result};
use crate::os::event::Event;
use crate::os::fork;
use crate::sqlite::pool::Pool;
use crate::sqlite::trail::Trails;
use crate::sqlite::via::Via;
use crate::sqlite::wait::{Check, Patience};
use crate::sqlite::{Page, Reading, Store};

/// How often signals are looked at by who sleeps in short naps.
const ASK: Duration = Duration::from_millis(50);
/// Positions that are looked through while others wait for this thread.
const NEAR: i64 = 64;

pub struct Waiter(Arc<Inner>);

pub struct Inner {
    pub pool: Arc<Pool>,
    trails: Arc<Trails>,
    timeout: Duration,
    /// Of the database, when it began.
    history: u32,
    stopped: AtomicBool,
    /// It was to be told of an error when last looked at.
    failed: AtomicBool,
    /// Calls that wait in it.
    waiting: AtomicUsize,
    event: Mutex<Option<Event>>,
}

impl Store {
    /// What is committed after this returns ends its waiting.
    pub fn waiter(&self) -> Result<Waiter> {
        self.pool.check_open()?;
        self.pool.bell.enter(&self.pool)?;
        Ok(Waiter(Arc::new(Inner {
            pool: Arc::clone(&self.pool),
            trails: Arc::clone(&self.trails),
            timeout: self.timeout,
            history: self.pool.bell.history(),
            stopped: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            event: Mutex::default(),
        })))
    }

    pub fn ring(&self) -> Result<()> {
        self.pool.check_open()?;
        self.pool.bell.ring();
        Ok(())
    }
}

impl Waiter {
    /// Where the file is, only who sleeps looks at, and whoever reads; until one has found that it is there no more.
    pub fn look(&self, check: Check<'_>) -> Result<u64> {
        if self.0.failed.load(SeqCst) {
            self.0.check(check)?;
        } else {
            self.0.pool.check_open()?;
            self.0.check_history()?;
        }
        Ok(self.0.pool.bell.look())
    }

    /// Sleep until `look` is no longer `seen`. False after `timeout`, or once stopped.
    pub fn wait(&self, seen: u64, timeout: Option<Duration>, check: Check<'_>) -> Result<bool> {
        // Before it looks whether it was stopped.
        self.0.waiting.fetch_add(1, SeqCst);
        let rung = self.sleep(seen, timeout, check);
        self.0.waiting.fetch_sub(1, SeqCst);
        rung
    }

    /// The first page, where that can be had at once: not from others who hold it, and not of much.
    pub fn glance(&self, reading: &mut Reading, limit: usize, check: Check<'_>) -> Result<Option<Page>> {
        let Inner { pool, trails, .. } = &*self.0;
        pool.check_open()?;
        // In memory there is one connection, and a transaction may have it.
        if pool.in_memory() {
            return Ok(None);
        }
        reading.enter(None)?;
        let via = Via::woken(pool, Duration::ZERO, check);
        match reading.near(&via, limit, pool.settings.path.as_deref(), trails, NEAR) {
            Err(Error::Busy { .. }) => Ok(None),
            page => page,
        }
    }

    /// Wait, and once there was a ring read the next page, before anything else is done: `None` where there was none.
    pub fn read(
        &self,
        reading: &mut Reading,
        limit: usize,
        seen: u64,
        timeout: Option<Duration>,
        check: Check<'_>,
    ) -> Result<Option<Page>> {
        if !self.wait(seen, timeout, check)? {
            return Ok(None);
        }
        let Inner { pool, trails, .. } = &*self.0;
        reading.enter(None)?;
        let via = Via::woken(pool, self.0.timeout, check);
        reading.page(&via, limit, pool.settings.path.as_deref(), trails).map(Some)
    }

    fn sleep(&self, seen: u64, timeout: Option<Duration>, check: Check<'_>) -> Result<bool> {
        let Inner { pool, stopped, .. } = &*self.0;
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut asked = Instant::now();
        self.0.check(check)?;
        loop {
            if stopped.load(SeqCst) {
                return Ok(false);
            }
            pool.check_open()?;
            // Before all else: who rang is not to wait for what costs more.
            if pool.bell.look() != seen {
                return Ok(true);
            }
            let now = Instant::now();
            if now - asked >= ASK {
                check()?;
                asked = now;
            }
            self.0.check(check)?;
            let mut slice = pool.bell.slice();
            if let Some(end) = end {
                slice = slice.min(end.saturating_duration_since(now));
                if slice.is_zero() {
                    return Ok(false);
                }
            }
            pool.bell.look_after(!pool.settings.read_only);
            if pool.bell.sleep(seen, slice) {
                check()?;
            }
        }
    }

    /// A descriptor that is readable after a ring, and at first.
    pub fn fileno(&self) -> Result<i32> {
        self.0.pool.guard()?;
        self.0.pool.check_open()?;
        if self.0.stopped.load(SeqCst) {
            return Err(Error::Invalid("this waiter was stopped: it has no descriptor any more".into()));
        }
        let fd = {
            let mut event = lock(&self.0.event);
            if let Some(event) = &*event {
                return Ok(event.fd());
            }
            let made = Event::new().map_err(|error| {
                Error::Backend(format!("no descriptor for an event loop can be made on this system ({error})"))
            })?;
            let fd = made.fd();
            *event = Some(made);
            fd
        };
        self.0.pool.bell.watch(&self.0)?;
        Ok(fd)
    }

    pub fn is_stopped(&self) -> bool {
        self.0.is_stopped()
    }

    /// End what waits in it, and all later waiting.
    pub fn stop(&self) {
        if self.0.stopped.swap(true, SeqCst) || self.0.pool.guard().is_err() {
            return;
        }
        let event = lock(&self.0.event).take();
        drop(event);
        self.0.pool.bell.leave();
        if self.0.waiting.load(SeqCst) > 0 {
            self.0.pool.bell.wake();
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        fork::inside(|| self.stop());
    }
}

impl Inner {
    /// Whether the store is open, and its file where it was.
    fn check(&self, check: Check<'_>) -> Result<()> {
        self.pool.check_open()?;
        self.pool.thaw();
        let patience = Patience::new(self.timeout, check);
        // A store that is closed leaves no WAL either: then it is that.
        self.pool.identity.check(&patience).or_else(|error| self.pool.check_open().and(Err(error)))?;
        self.check_history()
    }

    fn check_history(&self) -> Result<()> {
        if self.history == self.pool.bell.history() { Ok(()) } else { Err(self.replaced()) }
    }

    fn replaced(&self) -> Error {
        let path = self.pool.settings.path.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
        Error::Replaced(format!(
            "{path} holds another history than it did: the entry that was newest is there no more. Another state was put \
             in its place (a backup restored?). Begin anew, at a position of what is there now"
        ))
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped.load(SeqCst)
    }

    /// True where who waits is to be told of an error.
    pub fn fails(&self) -> bool {
        let failed = self.check(&|| Ok(())).is_err();
        self.failed.store(failed, SeqCst);
        failed
    }

    pub fn set(&self) {
        // Under the lock: once it is closed, its number may be another's.
        if let Some(event) = &*lock(&self.event) {
            event.set();
        }
    }
}
