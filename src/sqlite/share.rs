//! The jobs of a verification shared out to the cores, and what they found joined in order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::rows;
use super::via::Via;
use super::work::{Job, Scan};
use crate::checker::Checker;
use crate::error::{Error, Result};
use crate::findings::Findings;
use crate::row::{Lookup, State};

/// How often the caller is told of the progress, and asked whether to stop.
const ASK: Duration = Duration::from_millis(50);

/// Told how many of how many are done, now and then; an error ends the verification.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> Result<()>;

pub fn run(scan: &Scan<'_>, jobs: Vec<Job>, threads: usize, total: u64, progress: Progress<'_>) -> Result<Findings> {
    let mut joined = Joined { scan, ranges: Checker::new(None), waiting: BTreeMap::new(), next: 0 };
    if threads < 2 {
        for (index, job) in jobs.into_iter().enumerate() {
            let done = scan.job(job, &mut || progress(scan.done().min(total), total))?;
            joined.add(index, done)?;
        }
    } else {
        share(&mut joined, jobs, threads, &mut || progress(scan.done().min(total), total))?;
    }
    progress(total, total)?;
    Ok(joined.ranges.into_findings())
}

/// Workers take jobs from one list; the calling thread reports, listens and joins.
fn share(
    joined: &mut Joined<'_>,
    jobs: Vec<Job>,
    threads: usize,
    progress: &mut dyn FnMut() -> Result<()>,
) -> Result<()> {
    let todo = Mutex::new(jobs.into_iter().enumerate());
    let cancelled = AtomicBool::new(false);
    let (send, receive) = channel();
    let scan = joined.scan;
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (todo, cancelled, send) = (&todo, &cancelled, send.clone());
            scope.spawn(move || {
                loop {
                    let next = todo.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((index, job)) = next else { return };
                    let done = scan.job(job, &mut || {
                        if cancelled.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(()) }
                    });
                    let failed = done.is_err();
                    let _ = send.send(done.map(|done| (index, done)));
                    if failed {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut failure = None;
        loop {
            let step = match receive.recv_timeout(ASK) {
                Ok(Ok((index, done))) if failure.is_none() => joined.add(index, done),
                Ok(done) => done.map(|_| ()),
                Err(RecvTimeoutError::Timeout) if failure.is_none() => progress(),
                Err(RecvTimeoutError::Timeout) => Ok(()),
                Err(RecvTimeoutError::Disconnected) => return failure.map_or(Ok(()), Err),
            };
            if let Err(error) = step {
                failure.get_or_insert(error);
                cancelled.store(true, Ordering::Relaxed);
            }
        }
    })
}

/// What was found so far, in the order of the jobs.
struct Joined<'a> {
    scan: &'a Scan<'a>,
    ranges: Checker,
    /// Done before their turn.
    waiting: BTreeMap<usize, Checker>,
    next: usize,
}

impl Joined<'_> {
    fn add(&mut self, index: usize, done: Checker) -> Result<()> {
        self.waiting.insert(index, done);
        while let Some(done) = self.waiting.remove(&self.next) {
            self.ranges.join(done, &Through(self.scan.via()))?;
            self.next += 1;
        }
        Ok(())
    }
}

/// Looks up on a connection borrowed for it.
struct Through<'a>(&'a Via<'a>);

impl Lookup for Through<'_> {
    fn before(&self, log: i64, seq: i64) -> Result<Option<State>> {
        self.0.read(|conn| rows::before(&conn.sqlite, log, seq))
    }
}
