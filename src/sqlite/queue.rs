//! The line of processes before SQLite's write lock, whose own waiting favours whoever is quickest.
//!
//! Who finds the lock taken stands in line, on a file beside the database. Only the first in it tries for the lock. Who has
//! had the lock for some time looks whether anybody waits, and if so goes to the end of the line itself. So a process that
//! writes alone pays a look now and then, and those that share a file take turns of some milliseconds each. Programs that
//! know nothing of the line (other libraries, the sqlite3 shell) take the lock when they get it, as before.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::sidecar::{self, beside, is_of_others};
use super::wait::Patience;
use crate::error::{Error, Result, is_busy};
use crate::options;
use crate::os::fork;
use crate::os::tickets::Tickets;

const WRITE_LOCK: &str = "the write lock of the file, held by another connection";
/// How long a process goes on writing before it looks whether others wait.
const SLICE: Duration = Duration::from_millis(2);
/// How long to wait for those before us. One that was stopped, or that a debugger holds, must not stop all.
const POLITE: Duration = Duration::from_millis(500);
const SHORTEST_NAP: Duration = Duration::from_micros(50);
const LONGEST_NAP: Duration = Duration::from_millis(2);

/// One connection's way to the write lock.
#[derive(Default)]
pub struct Queue {
    /// The database, and the file beside it; `None` in memory.
    paths: Option<(PathBuf, PathBuf)>,
    tickets: Option<Tickets>,
    look_at: Option<Instant>,
    /// Who came before is not waited for: one of them was, in vain.
    from: i64,
}

impl Queue {
    pub fn beside(database: &Path) -> Self {
        Self { paths: Some((database.to_owned(), beside(database, "-queue"))), ..Self::default() }
    }

    /// Run `begin` until it is not busy.
    pub fn enter(&mut self, patience: &Patience<'_>, mut begin: impl FnMut() -> rusqlite::Result<()>) -> Result<()> {
        if !options::QUEUE.is_on() {
            return patience.retry(WRITE_LOCK, begin);
        }
        if !self.is_awaited() {
            match begin() {
                Err(error) if is_busy(&error) => {}
                other => return Ok(other?),
            }
        }
        self.stand_in_line(patience, begin)
    }

    /// Whether somebody waits who should have the lock first. A look is a system call, so not each time.
    fn is_awaited(&mut self) -> bool {
        let now = Instant::now();
        if self.look_at.is_some_and(|at| now < at) {
            return false;
        }
        self.look_at = Some(now + SLICE);
        let from = self.from;
        self.tickets(false).is_some_and(|tickets| tickets.is_awaited(from).unwrap_or(false))
    }

    fn tickets(&mut self, create: bool) -> Option<&Tickets> {
        if self.tickets.is_none() {
            let (database, path) = self.paths.as_ref()?;
            if (create || path.exists()) && !is_of_others(path) {
                self.tickets = sidecar::open(path, database).ok().map(Tickets::on);
            }
        }
        self.tickets.as_ref()
    }

    fn stand_in_line(
        &mut self,
        patience: &Patience<'_>,
        mut begin: impl FnMut() -> rusqlite::Result<()>,
    ) -> Result<()> {
        let mut from = self.from;
        let Some(ticket) = self.tickets(true).and_then(|tickets| tickets.take().ok()) else {
            // No such file can be made or locked here.
            return patience.retry(WRITE_LOCK, begin);
        };
        let came = Instant::now();
        let mut first_since = None;
        loop {
            let now = Instant::now();
            if now - came > POLITE {
                from = ticket.at;
            }
            if first_since.is_none() && ticket.is_first(from).unwrap_or(true) {
                first_since = Some(now);
            }
            let left = patience.left(WRITE_LOCK);
            // Who can wait no longer tries all the same: the first in the line may be stopped, and the lock free.
            let is_last = matches!(left, Err(Error::Busy { .. }));
            if is_last || (left.is_ok() && first_since.is_some()) {
                match begin() {
                    Err(error) if is_busy(&error) => {}
                    other => {
                        let at = ticket.at;
                        drop(ticket);
                        self.from = if is_last { at } else { from };
                        self.look_at = Some(Instant::now() + SLICE);
                        return Ok(other?);
                    }
                }
            }
            // In proportion to what was waited already: soon where others take turns, seldom where one takes long. The
            // first more often: while it sleeps, the lock may be free.
            let nap = first_since.map_or_else(|| (now - came) / 4, |since| (now - since) / 16);
            let nap = nap.clamp(SHORTEST_NAP, LONGEST_NAP).min(left?);
            fork::outside(|| std::thread::sleep(nap));
        }
    }
}
