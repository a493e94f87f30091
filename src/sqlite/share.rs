//! The jobs of a verification shared out to the cores, and what they found joined in order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::rows;
use super::tree;
use super::via::Via;
use super::work::{Job, Scan};
use crate::checker::Checker;
use crate::error::{Error, Result};
use crate::findings::Findings;
use crate::os::fork;
use crate::os::threads::beside;
use crate::row::{Before, Lookup};

/// How often the caller is told of the progress, and asked whether to stop.
const ASK: Duration = Duration::from_millis(50);

/// Told how many of how many are done, now and then; an error ends the verification.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> Result<()>;

pub fn run(scan: &Scan<'_>, jobs: Vec<Job>, threads: usize, total: u64, progress: Progress<'_>) -> Result<Findings> {
    leaves(scan, jobs, threads, total, progress).map(|(findings, _)| findings)
}

/// And the leaves of all positions, where they are to be given.
pub fn leaves(
    scan: &Scan<'_>,
    jobs: Vec<Job>,
    threads: usize,
    total: u64,
    progress: Progress<'_>,
) -> Result<(Findings, Vec<u8>)> {
    let first = jobs.iter().find_map(|job| if let Job::Positions { from, .. } = job { Some(*from) } else { None });
    let ranges = scan.tree.all(first.unwrap_or(1));
    let mut joined = Joined { scan, aside: Findings::default(), ranges, waiting: BTreeMap::new(), next: 0 };
    let mut places = 0..;
    let jobs = jobs.into_iter().map(|job| (if job.is_range() { places.next() } else { None }, job)).collect();
    share(&mut joined, jobs, threads, &mut || progress(scan.done().min(total), total))?;
    progress(total, total)?;
    joined.ranges.finish(0);
    joined.compare()?;
    let mut findings = joined.aside;
    let (found, leaves) = joined.ranges.into_leaves();
    findings.merge(found);
    Ok((findings, leaves))
}

/// A job, and its place among those that are ranges.
type Placed = (Option<usize>, Job);

/// Workers take jobs from one list; the calling thread reports, listens and joins.
fn share(
    joined: &mut Joined<'_>,
    jobs: Vec<Placed>,
    threads: usize,
    progress: &mut dyn FnMut() -> Result<()>,
) -> Result<()> {
    if threads < 2 {
        for (place, job) in jobs {
            let done = joined.scan.job(job, progress)?;
            joined.add(place, done)?;
        }
        return Ok(());
    }
    let todo = Mutex::new(jobs.into_iter());
    let next = || todo.lock().unwrap_or_else(PoisonError::into_inner).next();
    let cancelled = AtomicBool::new(false);
    let (send, receive) = channel();
    let scan = joined.scan;
    let worker = |send: Sender<_>| {
        let mut step = || {
            fork::breathe();
            if cancelled.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(()) }
        };
        while let Some((place, job)) = next() {
            let done = scan.job(job, &mut step);
            let failed = done.is_err();
            let _ = send.send(done.map(|done| (place, done)));
            if failed {
                return;
            }
        }
    };
    let workers: Vec<_> = (0..threads).map(|_| send.clone()).map(|send| || fork::inside(|| worker(send))).collect();
    drop(send);
    fork::outside(|| {
        beside(workers.into_iter(), || {
            let mut failure = None;
            let mut asked = Instant::now();
            loop {
                let step = match receive.recv_timeout(ASK.saturating_sub(asked.elapsed())) {
                    Ok(Ok((place, done))) if failure.is_none() => fork::inside(|| joined.add(place, done)),
                    Ok(done) => done.map(|_| ()),
                    Err(RecvTimeoutError::Timeout) => {
                        asked = Instant::now();
                        if failure.is_none() { progress() } else { Ok(()) }
                    }
                    Err(RecvTimeoutError::Disconnected) => break,
                };
                match step {
                    Ok(()) => {}
                    // In the child, which has no workers that could end.
                    Err(Error::Forked) => return Err(Error::Forked),
                    Err(error) => {
                        failure.get_or_insert(error);
                        cancelled.store(true, Ordering::Relaxed);
                    }
                }
            }
            failure.map_or(Ok(()), Err)
        })
    })?;
    // What nobody took, for want of threads.
    while let Some((place, job)) = next() {
        let done = scan.job(job, progress)?;
        joined.add(place, done)?;
    }
    Ok(())
}

/// What was found so far.
struct Joined<'a> {
    scan: &'a Scan<'a>,
    /// By what is no range: nothing waits for it, however long it takes.
    aside: Findings,
    /// In their order.
    ranges: Checker,
    /// Done before their turn.
    waiting: BTreeMap<usize, Checker>,
    next: usize,
}

impl Joined<'_> {
    fn add(&mut self, place: Option<usize>, done: Checker) -> Result<()> {
        let Some(place) = place else {
            self.aside.merge(done.into_findings());
            return Ok(());
        };
        self.waiting.insert(place, done);
        while let Some(done) = self.waiting.remove(&self.next) {
            self.ranges.join(done, &Through(self.scan.via()))?;
            self.compare()?;
            self.next += 1;
        }
        Ok(())
    }

    /// The tiles above those that the ranges were compared with.
    fn compare(&mut self) -> Result<()> {
        let via = self.scan.via();
        self.ranges.compare(&mut |place| via.read(|conn| tree::stored(conn, place)).map(Some))
    }
}

/// Looks up on a connection borrowed for it.
struct Through<'a>(&'a Via<'a>);

impl Lookup for Through<'_> {
    fn before(&self, log: i64, seq: i64) -> Result<Before> {
        self.0.read(|conn| rows::before(&conn.sqlite, log, seq)).map(Before::Known)
    }
}
