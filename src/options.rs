//! Switches for tests and benches: "without" in a measurement means with the switch off.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// Group commit, and the queue of processes before the write lock.
pub static QUEUE: Switch = Switch(AtomicBool::new(true));

/// Pages at which the WAL is carried into the file; 0 is what the durability asks for.
pub static WAL_PAGES: AtomicI32 = AtomicI32::new(0);

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
