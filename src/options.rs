//! Switches for tests and benches: "without" in a measurement means with the switch off.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Group commit, and the queue of processes before the write lock.
pub static QUEUE: Switch = Switch(AtomicBool::new(true));

/// Locks of our own descriptions; else files that are opened from then on have POSIX locks.
pub static HOOKS: Switch = Switch(AtomicBool::new(true));

/// Commits wake those who wait; else nobody is told of any, and looks for himself.
pub static RINGS: Switch = Switch(AtomicBool::new(true));

/// Pages at which the WAL is carried into the file; 0 is what the durability asks for.
pub static WAL_PAGES: AtomicU32 = AtomicU32::new(0);

/// To carry the WAL over in a thread of its own; else a commit does it.
pub static BESIDE: Switch = Switch(AtomicBool::new(true));

pub struct Switch(AtomicBool);

impl Switch {
    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// What it was before; `None` changes nothing.
    pub fn change(&self, on: Option<bool>) -> bool {
        on.map_or_else(|| self.is_on(), |on| self.0.swap(on, Ordering::Relaxed))
    }
}
