//! The line of threads before the one writing connection: first come, first served.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Instant;

use super::conn::Conn;
use super::op::{Kept, Outcome};
use super::wait::Patience;
use crate::error::{Error, Result};
use crate::os::fork;

/// Small writes, and their bytes, that may share a commit.
const GROUP: usize = 1_024;
const GROUP_BYTES: usize = 1 << 22;
#[derive(Default)]
pub struct Line(VecDeque<Arc<Waiter>>);

/// A thread that waits for the writer, with what it wants to write, if that is small enough to be written by another.
pub struct Waiter {
    pub op: Option<Kept>,
    thread: Thread,
    came: Instant,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    end: Option<End>,
    next: Option<Arc<Waiter>>,
}

/// How the waiting ended.
// Few at a time, and each for a moment.
#[allow(clippy::large_enum_variant)]
pub enum End {
    /// The writer was handed over.
    Lent(Conn),
    /// Another thread wrote it, or the store was closed.
    Done(Result<Outcome>),
    /// It was taken along, and all of that was undone: each is to write by itself, as nobody knows whose fault it was.
    Alone,
}

impl Line {
    /// Behind those who came before: who steps out for a moment has its place again.
    pub fn join(&mut self, waiter: Arc<Waiter>) {
        let place = self.0.iter().rposition(|other| other.came <= waiter.came).map_or(0, |place| place + 1);
        self.0.insert(place, waiter);
    }

    /// The first, who is in the line no more.
    pub fn next(&mut self) -> Option<Arc<Waiter>> {
        self.0.pop_front()
    }

    /// True where it stood in the line, and does so no more.
    pub fn leave(&mut self, waiter: &Arc<Waiter>) -> bool {
        let before = self.0.len();
        self.0.retain(|other| !Arc::ptr_eq(other, waiter));
        self.0.len() < before
    }

    /// Those with a small write, in their order, as many as may still share a commit with the `taken`.
    pub fn take_small(&mut self, taken: usize) -> Vec<Arc<Waiter>> {
        let (mut small, mut bytes) = (Vec::new(), 0);
        self.0.retain(|waiter| {
            let Some(op) = waiter.op.as_ref() else { return true };
            bytes += op.bytes;
            let is_taken = taken + small.len() < GROUP && bytes <= GROUP_BYTES;
            if is_taken {
                small.push(Arc::clone(waiter));
            }
            !is_taken
        });
        small
    }

    pub fn close(self) {
        end_all(self.0.into_iter().map(|waiter| (waiter, End::Done(Err(Error::Closed)))));
    }
}

impl Waiter {
    /// Of the calling thread.
    pub fn new(op: Option<Kept>) -> Self {
        Self { op, thread: thread::current(), came: Instant::now(), told: Mutex::default() }
    }

    /// To stand in the same place, and be taken along by nobody.
    pub fn alone(&self) -> Self {
        Self { came: self.came, ..Self::new(None) }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn end(&self, end: End) {
        self.told().end = Some(end);
        self.thread.unpark();
    }

    /// How it ended, if it has; by the thread that waits.
    fn look(&self) -> Option<End> {
        let told = std::mem::take(&mut *self.told());
        if let Some(next) = told.next {
            next.thread.unpark();
        }
        told.end
    }

    /// Sleep until it ended, or until it is time to look at signals: `None` then.
    pub fn wait_for(&self, patience: &Patience<'_>, what: &str) -> Result<Option<End>> {
        while let Some(left) = patience.before_ask(what)? {
            fork::outside(|| thread::park_timeout(left));
            if let Some(end) = self.look() {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    /// Sleep until it ended.
    pub fn wait(&self) -> End {
        loop {
            if let Some(end) = self.look() {
                return end;
            }
            fork::outside(thread::park);
        }
    }
}

/// Tell many at once. Only the first is woken, and each wakes the next: all at once would only wait again, for the
/// interpreter, and that costs twice as much as all else of an append.
pub fn end_all(all: impl DoubleEndedIterator<Item = (Arc<Waiter>, End)>) {
    let mut next: Option<Arc<Waiter>> = None;
    for (waiter, end) in all.rev() {
        *waiter.told() = Told { end: Some(end), next: next.replace(Arc::clone(&waiter)) };
    }
    if let Some(first) = next {
        first.thread.unpark();
    }
}
