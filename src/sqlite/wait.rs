//! Waiting for what others hold, up to the caller's timeout and never deaf to its signals.

use std::time::{Duration, Instant};

use crate::error::{Error, Result, is_busy};

/// How often a waiting call asks whether it was told to stop (Ctrl-C).
const ASK: Duration = Duration::from_millis(50);
const SHORTEST_NAP: Duration = Duration::from_micros(100);
const LONGEST_NAP: Duration = Duration::from_millis(10);

/// Asked now and then by what takes long; an error ends the call.
pub type Check<'a> = &'a (dyn Fn() -> Result<()> + Sync);

pub struct Patience<'a> {
    timeout: Duration,
    begun: Instant,
    asked: std::cell::Cell<Instant>,
    check: Check<'a>,
}

impl<'a> Patience<'a> {
    #[must_use]
    pub fn new(timeout: Duration, check: Check<'a>) -> Self {
        let now = Instant::now();
        Self { timeout, begun: now, asked: std::cell::Cell::new(now), check }
    }

    /// What is left of the timeout; `Busy` when nothing is.
    pub fn left(&self, what: &str) -> Result<Duration> {
        let waited = self.begun.elapsed();
        if self.asked.get().elapsed() >= ASK {
            (self.check)()?;
            self.asked.set(Instant::now());
        }
        match self.timeout.checked_sub(waited) {
            Some(left) if !left.is_zero() => Ok(left.min(ASK)),
            _ => Err(Error::Busy { what: what.to_owned(), waited }),
        }
    }

    /// The time spent from here on is not counted: others' progress was being waited for, not their lock.
    pub fn restart(&mut self) {
        self.begun = Instant::now();
    }

    /// Run `op` until it is not busy, napping in between, each nap twice the last.
    pub fn retry<T>(&self, what: &str, mut op: impl FnMut() -> rusqlite::Result<T>) -> Result<T> {
        self.again(|| {
            op().map_err(|error| {
                if is_busy(&error) {
                    Error::Busy { what: what.to_owned(), waited: Duration::ZERO }
                } else {
                    error.into()
                }
            })
        })
    }

    /// The same for what may meet a lock anywhere on its way: another process makes the file, recovers its WAL or
    /// closes it.
    pub fn again<T>(&self, mut op: impl FnMut() -> Result<T>) -> Result<T> {
        let mut nap = SHORTEST_NAP;
        loop {
            match op() {
                Err(Error::Busy { what, waited }) if waited.is_zero() => {
                    std::thread::sleep(nap.min(self.left(&what)?));
                    nap = (nap * 2).min(LONGEST_NAP);
                }
                other => return other,
            }
        }
    }
}
