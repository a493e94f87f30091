//! The doorbell of a database: who commits rings, and who waits is woken, in this process or another.
//!
//! A ring is a hint, and the database is the truth. Where there is a file beside it to ring by (`sidecar`), a ring costs
//! one call of the system and reaches all processes; else it reaches those who wait in this one, and the others look. Who
//! does not ring at all is noticed by a look at the database now and then (`backstop`), while anybody waits.

mod backstop;
mod sidecar;
mod waiter;
mod watcher;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

pub use sidecar::ring as ring_beside;
pub use waiter::Waiter;

use super::connection::Settings;
use super::identity::millis;
use super::pool::Pool;
use crate::error::Result;
use crate::options;
use crate::os::files::Inode;
use crate::os::fork;
use backstop::Backstop;
use sidecar::Sidecar;
use watcher::Watcher;

/// How long a sleep may last, and so how long until a signal is heard that did not end it.
const SLICE: Duration = Duration::from_millis(100);
/// The same in memory, where no signal ends a sleep.
const SLICE_IN_MEMORY: Duration = Duration::from_millis(50);
/// How long no one looks at the database after a look. With the sleep that lasts until somebody is awake to do it, what
/// nobody rang for is noticed in a quarter of a second.
const BACKSTOP: Duration = Duration::from_millis(150);
/// The same where nobody can ring, and for a moment after the sidecar was found: who writes may not have seen it yet.
const POLL: Duration = Duration::from_millis(5);

/// Of one database in one process, however many stores have it open; or of one store in memory.
pub struct Bell {
    sidecar: Option<Sidecar>,
    backstop: Backstop,
    /// Rings that the sidecar does not count: in this process alone, found by the backstop, or when the sidecar changed.
    count: AtomicU32,
    born: Instant,
    /// Milliseconds after `born` until which nobody looks.
    look_at: AtomicU64,
    sleepers: AtomicU32,
    room: Mutex<()>,
    woken: Condvar,
    watcher: Watcher,
}

type Key = (u32, PathBuf, Inode);
static BELLS: Mutex<Vec<(Key, Weak<Bell>)>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks can leave it half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bell {
    fn new(sidecar: Option<Sidecar>, backstop: Backstop) -> Arc<Self> {
        Arc::new(Self {
            sidecar,
            backstop,
            count: AtomicU32::new(0),
            born: Instant::now(),
            look_at: AtomicU64::new(0),
            sleepers: AtomicU32::new(0),
            room: Mutex::default(),
            woken: Condvar::new(),
            watcher: Watcher::default(),
        })
    }

    pub fn in_memory() -> Arc<Self> {
        Self::new(None, Backstop::default())
    }

    /// The one of this database in this process. A forked child has none of its parent's.
    pub fn of(path: &Path, inode: Inode) -> Arc<Self> {
        let key = (std::process::id(), path.canonicalize().unwrap_or_else(|_| path.to_owned()), inode);
        let mut bells = lock(&BELLS);
        bells.retain(|(_, bell)| bell.strong_count() > 0);
        if let Some(bell) = bells.iter().find(|(other, _)| *other == key).and_then(|(_, bell)| bell.upgrade()) {
            return bell;
        }
        let bell = Self::new(Some(Sidecar::beside(path)), Backstop::of(path));
        bells.push((key, Arc::downgrade(&bell)));
        bell
    }

    /// To be called after each commit that changed something, when it can be read.
    pub fn committed(&self) {
        if !options::RINGS.is_on() {
            return;
        }
        let Some(sidecar) = &self.sidecar else { return self.tell() };
        // Before all else: who waits is not to wait for what costs more.
        let rung = sidecar.is_awaited();
        if rung {
            self.add();
        }
        if self.look_for_others() || (!rung && sidecar.is_awaited()) {
            self.add();
        }
    }

    /// If it is time, look for the sidecar and for who waits in other processes. True where it is another sidecar.
    fn look_for_others(&self) -> bool {
        let Some(sidecar) = self.sidecar.as_ref().filter(|sidecar| sidecar.is_due()) else { return false };
        let changed = self.renew(false);
        sidecar.look_for_others();
        changed
    }

    /// Wake whoever waits, although it is believed that nobody does.
    pub fn ring(&self) {
        self.add();
        if self.look_for_others() {
            self.add();
        }
    }

    fn add(&self) {
        if let Some(sidecar) = &self.sidecar {
            // Where it was cut off, once more on what is there now.
            let rung = sidecar.ring().or_else(|_| {
                self.renew(false);
                sidecar.ring()
            });
            if matches!(rung, Ok(true)) {
                return;
            }
        }
        self.tell();
    }

    /// Wake those of this process, to whom it is a ring.
    fn tell(&self) {
        self.count.fetch_add(1, SeqCst);
        self.wake();
    }

    /// Wake those of this process, to whom it is none: they look whether they are to go on.
    pub fn wake(&self) {
        // Who falls asleep counts itself first, and looks then.
        if self.sleepers.load(SeqCst) == 0 {
            return;
        }
        if let Some(word) = self.sidecar.as_ref().and_then(|sidecar| sidecar.word()) {
            word.wake();
        }
        drop(lock(&self.room));
        self.woken.notify_all();
    }

    /// Another number after each ring.
    fn look(&self) -> u64 {
        loop {
            let count = self.count.load(SeqCst);
            let word = self.sidecar.as_ref().and_then(|sidecar| sidecar.word());
            match word.map_or(Ok(0), |word| word.value()) {
                // Before another word takes the place of this one, the count rises.
                Ok(value) if count == self.count.load(SeqCst) => return u64::from(count) << 32 | u64::from(value),
                Ok(_) => {}
                Err(_) => drop(self.renew(false)),
            }
        }
    }

    /// Hold what is in the sidecar's place now; true where that is another one.
    fn renew(&self, make: bool) -> bool {
        let Some(sidecar) = &self.sidecar else { return false };
        let changed = sidecar.renew(make, || {
            self.count.fetch_add(1, SeqCst);
        });
        if changed {
            self.wake();
        }
        changed
    }

    /// How long a sleep may last.
    fn slice(&self) -> Duration {
        match &self.sidecar {
            None => SLICE_IN_MEMORY,
            Some(sidecar) if sidecar.is_deaf() => POLL,
            Some(_) => SLICE,
        }
    }

    /// Look after the sidecar and the database, if it is time: once for all who wait. `make`: the sidecar, if there is none.
    fn look_after(&self, make: bool) {
        let Some(sidecar) = &self.sidecar else { return };
        let (due, now) = (self.look_at.load(SeqCst), millis(self.born.elapsed()));
        let next = now + millis(if sidecar.is_deaf() { POLL } else { BACKSTOP });
        if now < due || self.look_at.compare_exchange(due, next, SeqCst, SeqCst).is_err() {
            return;
        }
        self.renew(make);
        if self.backstop.has_changed() {
            self.tell();
        }
    }

    /// Another number after another state of the database was put in the place of the one before.
    fn history(&self) -> u32 {
        self.backstop.history()
    }

    /// Sleep for `longest`, if there was no ring since `seen`. True where a signal ended it.
    fn sleep(&self, seen: u64, longest: Duration) -> bool {
        let word = self.sidecar.as_ref().and_then(|sidecar| sidecar.word());
        self.sleepers.fetch_add(1, SeqCst);
        let slept = match word {
            _ if u64::from(self.count.load(SeqCst)) != seen >> 32 => Ok(false),
            #[allow(clippy::cast_possible_truncation)] // the lower half of it is the word
            Some(word) => fork::outside(|| word.sleep(seen as u32, longest)),
            None => fork::outside(|| {
                let room = lock(&self.room);
                if u64::from(self.count.load(SeqCst)) == seen >> 32 {
                    drop(self.woken.wait_timeout(room, longest).unwrap_or_else(PoisonError::into_inner));
                }
                Ok(false)
            }),
        };
        self.sleepers.fetch_sub(1, SeqCst);
        slept.unwrap_or_else(|_| {
            self.renew(false);
            false
        })
    }

    /// Somebody is going to wait in this store.
    fn enter(&self, pool: &Pool) -> Result<()> {
        if let Some(sidecar) = &self.sidecar {
            sidecar.enter();
        }
        self.renew(!pool.settings.read_only);
        let changed = self.backstop.join(pool).inspect_err(|_| self.leave())?;
        if changed {
            self.tell();
        }
        Ok(())
    }

    /// Somebody waits no more.
    fn leave(&self) {
        if let Some(sidecar) = &self.sidecar {
            sidecar.leave();
        }
    }

    /// A store is closed, which holds a connection no longer: who waits in it is to know.
    pub fn closed(&self, pool: &Pool) {
        self.backstop.leave(pool);
        self.wake();
        self.watcher.set_all();
    }

    /// How those who wait are woken, as `info()` tells it.
    pub fn kind(&self, settings: &Settings) -> &'static str {
        match &self.sidecar {
            None => "memory",
            Some(sidecar) => {
                self.renew(false);
                sidecar.kind(!settings.read_only)
            }
        }
    }
}
