//! Waiting for what others hold, up to the caller's timeout and never deaf to its signals.

use std::time::{Duration, Instant};

use crate::error::{Error, Result, is_busy};
use crate::os::fork;

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
        self.ask()?;
        self.of(what, waited)
    }

    /// The same, until it is time to ask, which is left to the caller: `None` then.
    pub fn before_ask(&self, what: &str) -> Result<Option<Duration>> {
        let left = self.of(what, self.begun.elapsed())?;
        Ok(ASK.checked_sub(self.asked.get().elapsed()).filter(|next| !next.is_zero()).map(|next| next.min(left)))
    }

    fn of(&self, what: &str, waited: Duration) -> Result<Duration> {
        match self.timeout.checked_sub(waited) {
            Some(left) if !left.is_zero() => Ok(left.min(ASK)),
            _ => Err(Error::Busy { what: what.to_owned(), waited }),
        }
    }

    /// When the time began to count.
    pub fn begun(&self) -> Instant {
        self.begun
    }

    /// An error where the caller was told to stop.
    pub fn ask(&self) -> Result<()> {
        fork::breathe();
        if self.asked.get().elapsed() >= ASK {
            (self.check)()?;
            self.asked.set(Instant::now());
        }
        Ok(())
    }

    /// The time spent so far is not counted: it went by in work, of ours or of others, and not before a lock.
    pub fn restart(&mut self) {
        self.begun = Instant::now();
    }

    /// Run `op` until it is not busy, napping in between, each nap twice the last.
    pub fn retry<T>(&self, what: &str, mut op: impl FnMut() -> rusqlite::Result<T>) -> Result<T> {
        let mut nap = SHORTEST_NAP;
        loop {
            match op() {
                Err(error) if is_busy(&error) => self.nap(what, &mut nap)?,
                other => return Ok(other?),
            }
        }
    }

    /// As `retry`, for what is made of several statements and may be done over: any of them can be busy while another
    /// process opens the file first, closes it last, or recovers it. What `op` itself waited for in vain stays an error.
    pub fn repeat<T>(&self, mut op: impl FnMut() -> Result<T>) -> Result<T> {
        let mut nap = SHORTEST_NAP;
        loop {
            match op() {
                Err(Error::Busy { what, waited }) if waited.is_zero() => self.nap(&what, &mut nap)?,
                other => return other,
            }
        }
    }

    fn nap(&self, what: &str, nap: &mut Duration) -> Result<()> {
        let left = self.left(what)?;
        fork::outside(|| std::thread::sleep((*nap).min(left)));
        *nap = (*nap * 2).min(LONGEST_NAP);
        Ok(())
    }
}
