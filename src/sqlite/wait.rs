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

    /// Run `op` until it is not busy, napping in between.
    pub fn retry<T>(&self, what: &str, mut op: impl FnMut() -> rusqlite::Result<T>) -> Result<T> {
        let mut nap = SHORTEST_NAP;
        loop {
            match op() {
                Err(error) if is_busy(&error) => nap = self.sleep(nap, what)?,
                other => return Ok(other?),
            }
        }
    }

    /// The same for several statements in a row: anything that reads may be told busy, while another process recovers
    /// the WAL, makes the file or is the last to close it. What has waited already is not run again.
    pub fn again<T>(&self, mut op: impl FnMut() -> Result<T>) -> Result<T> {
        let mut nap = SHORTEST_NAP;
        loop {
            match op() {
                Err(Error::Busy { what, waited }) if waited.is_zero() => nap = self.sleep(nap, &what)?,
                other => return other,
            }
        }
    }

    /// The next nap: twice this one.
    fn sleep(&self, nap: Duration, what: &str) -> Result<Duration> {
        std::thread::sleep(nap.min(self.left(what)?));
        Ok((nap * 2).min(LONGEST_NAP))
    }
}
