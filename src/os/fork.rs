//! Forks, so that neither process harms the other.
//!
//! A fork copies memory in whatever state other threads have it: a mutex of SQLite's that one holds stays locked in the
//! child for ever. So each thread says when it goes into SQLite and when it is out, and a fork waits until all are out.
//! The child then lets go of what the parent has open, and of its locks, which else would live as long as the child.
//!
//! Threads are inside for one step at a time: `inside` around the work, `outside` around what waits (for another process,
//! another thread, Python) and `breathe` between two pages.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
#[cfg(unix)]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::sleep;
use std::time::Duration;

use crate::error::{Error, Result};

/// How long a fork waits. Threads that are inside for longer are left where they are, and the child uses no store.
const LONGEST: Duration = Duration::from_secs(2);
/// Nobody is woken: what a child inherits half done must not be a queue of sleepers.
const NAP: Duration = Duration::from_micros(50);

/// Threads inside, and forks under way. Whoever goes in counts itself first and looks for forks then, a fork the other way
/// round: one of the two sees the other.
static INSIDE: AtomicUsize = AtomicUsize::new(0);
static FORKING: AtomicUsize = AtomicUsize::new(0);
/// Forks between the first process and this one.
#[cfg(unix)]
static FORKS: AtomicU64 = AtomicU64::new(0);
/// This process was forked while a thread was inside.
static TAINTED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// How often this thread went in without coming out.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Go into SQLite, unless this thread is there already.
pub fn inside<T>(work: impl FnOnce() -> T) -> T {
    let depth = DEPTH.get();
    if depth == 0 {
        go_in();
    }
    let _back = Back(depth);
    DEPTH.set(depth + 1);
    work()
}

/// Come out while `wait` lasts. It must not return with a lock held that anybody inside may want: going in again waits.
pub fn outside<T>(wait: impl FnOnce() -> T) -> T {
    let depth = DEPTH.replace(0);
    if depth > 0 {
        INSIDE.fetch_sub(1, SeqCst);
    }
    let _back = Back(depth);
    wait()
}

/// Let a fork pass that waits.
pub fn breathe() {
    if FORKING.load(SeqCst) > 0 {
        outside(|| ());
    }
}

/// Restores a thread's depth, however what it did ended.
struct Back(usize);

impl Drop for Back {
    fn drop(&mut self) {
        match (DEPTH.replace(self.0), self.0) {
            (0, 1..) => go_in(),
            (1.., 0) => drop(INSIDE.fetch_sub(1, SeqCst)),
            _ => {}
        }
    }
}

fn go_in() {
    loop {
        INSIDE.fetch_add(1, SeqCst);
        if FORKING.load(SeqCst) == 0 {
            return;
        }
        INSIDE.fetch_sub(1, SeqCst);
        while FORKING.load(SeqCst) > 0 {
            sleep(NAP);
        }
    }
}

/// Forks between the first process and this one.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub fn forks() -> u64 {
    FORKS.load(SeqCst)
}

/// An error in a child that was forked while a thread was inside: what that thread held is held for ever.
pub fn check() -> Result<()> {
    if TAINTED.load(SeqCst) {
        return Err(Error::Backend(format!(
            "this process was forked from one in which a call of a store had been at work in SQLite for more than {} \
             seconds: no store can be used here; fork at another moment, or start processes by spawn",
            LONGEST.as_secs()
        )));
    }
    Ok(())
}

#[cfg(unix)]
pub use handlers::attend;

#[cfg(unix)]
mod handlers {
    use std::cell::{Cell, RefCell};
    use std::sync::MutexGuard;
    use std::thread::sleep;
    use std::time::Instant;

    use super::super::descriptors::{Table, try_table};
    use super::{DEPTH, FORKING, FORKS, INSIDE, LONGEST, NAP, SeqCst, TAINTED};

    thread_local! {
        /// From before the fork until after it.
        static HELD: RefCell<Option<MutexGuard<'static, Table>>> = const { RefCell::new(None) };
        static LATE: Cell<bool> = const { Cell::new(false) };
    }

    /// Have the system tell of forks, whoever forks. To be called once.
    pub fn attend() {
        // SAFETY: the three live as long as the program.
        unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
    }

    extern "C" fn prepare() {
        FORKING.fetch_add(1, SeqCst);
        let begun = Instant::now();
        let own = usize::from(DEPTH.get() > 0);
        let (mut table, mut late) = (None, false);
        while !late && table.is_none() {
            late = begun.elapsed() > LONGEST;
            if late || INSIDE.load(SeqCst) <= own {
                table = try_table();
            }
            if table.is_none() {
                sleep(NAP);
            }
        }
        LATE.set(late);
        HELD.set(table);
    }

    extern "C" fn parent() {
        HELD.take();
        FORKING.fetch_sub(1, SeqCst);
    }

    extern "C" fn child() {
        FORKS.fetch_add(1, SeqCst);
        FORKING.store(0, SeqCst);
        INSIDE.store(usize::from(DEPTH.get() > 0), SeqCst);
        if LATE.get() {
            TAINTED.store(true, SeqCst);
        }
        if let Some(mut table) = HELD.take() {
            table.let_go();
        }
    }
}

/// What belongs to the process that made it. In a forked child it is never dropped: a connection must not be closed there,
/// which would roll back in the memory that it shares with the parent.
pub struct Own<T> {
    value: ManuallyDrop<T>,
    pid: u32,
}

impl<T> Own<T> {
    pub fn new(value: T) -> Self {
        Self { value: ManuallyDrop::new(value), pid: std::process::id() }
    }
}

impl<T> Deref for Own<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Own<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> Drop for Own<T> {
    fn drop(&mut self) {
        if self.pid == std::process::id() {
            // SAFETY: once, and nothing uses it after.
            unsafe { ManuallyDrop::drop(&mut self.value) };
        }
    }
}
