//! Threads that borrow from the thread that began them, as those of `std::thread::scope`; but a forked child does not
//! wait for them: it has none.

use std::any::Any;
use std::panic::resume_unwind;
use std::process;
use std::thread::{Builder, JoinHandle};

/// Run `meanwhile` beside the workers, and return when all are over; in a child that it forked and returned in, at once.
/// A worker that the system gives no thread for is dropped.
pub fn beside<'a, W: FnOnce() + Send + 'a, T>(workers: impl Iterator<Item = W>, meanwhile: impl FnOnce() -> T) -> T {
    let mut team = Team { pid: process::id(), threads: Vec::new() };
    for worker in workers {
        // SAFETY: `team` joins it before this function ends, however it ends; and what the workers borrow outlives this.
        // In a forked child there is no such thread.
        if let Ok(thread) = unsafe { Builder::new().spawn_unchecked(worker) } {
            team.threads.push(thread);
        }
    }
    let value = meanwhile();
    match team.join() {
        Some(panicked) => resume_unwind(panicked),
        None => value,
    }
}

struct Team {
    pid: u32,
    threads: Vec<JoinHandle<()>>,
}

impl Team {
    /// What one of them panicked with.
    fn join(&mut self) -> Option<Box<dyn Any + Send>> {
        let threads = std::mem::take(&mut self.threads);
        if self.pid != process::id() {
            std::mem::forget(threads);
            return None;
        }
        threads.into_iter().filter_map(|thread| thread.join().err()).last()
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.join();
    }
}
