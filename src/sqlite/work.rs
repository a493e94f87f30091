//! The jobs of a verification, shared out to the cores, and reading what a damaged file still gives.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::audit;
use super::block;
use super::feed::{Order, feed};
use super::layout::Layout;
use super::via::Via;
use crate::checker::Checker;
use crate::error::{Error, Result};
use crate::findings::Findings;

/// Rows of one short read.
pub const CHUNK: i64 = block::ROWS as i64;
/// Reads of a damaged range before the rest of it is given up.
const TRIES: u32 = 100_000;
const ASK: Duration = Duration::from_millis(50);

/// Told how many of how many are done, now and then; an error ends the verification.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> Result<()>;

/// One worker's task.
#[derive(Clone, Copy)]
pub enum Job {
    /// The tables' indexes, the logs and the counters.
    Audit {
        upto: i64,
        logs: i64,
    },
    /// Positions below 1, which no store gives.
    BelowOne,
    Positions {
        from: i64,
        to: i64,
    },
    /// Of one log that has these positions nearly to itself: its rows in the order of the table.
    Places {
        log: i64,
        from: i64,
        to: i64,
    },
    /// Of one log, through the index.
    Seqs {
        log: i64,
        from: i64,
        to: i64,
    },
}

pub struct Scan<'a> {
    via: &'a Via<'a>,
    crate_layout: bool,
    cancelled: AtomicBool,
    done: AtomicU64,
    /// Of the rows as the table has them, and as its index has them.
    pub marks: audit::Marks,
}

impl<'a> Scan<'a> {
    pub fn new(via: &'a Via<'a>, layout: Layout) -> Self {
        Self {
            via,
            crate_layout: layout == Layout::Crate,
            cancelled: AtomicBool::new(false),
            done: AtomicU64::new(0),
            marks: audit::Marks::new(),
        }
    }

    pub fn run(&mut self, jobs: Vec<Job>, threads: usize, total: u64, progress: Progress<'_>) -> Result<Findings> {
        let mut found: Vec<(usize, Findings)> = Vec::new();
        if threads < 2 {
            for (index, job) in jobs.into_iter().enumerate() {
                let findings = self.job(job, &mut || progress(self.done.load(Ordering::Relaxed).min(total), total))?;
                found.push((index, findings));
            }
        } else {
            found = self.share(jobs, threads, total, progress)?;
        }
        progress(total, total)?;
        found.sort_by_key(|(index, _)| *index);
        let mut all = Findings::default();
        for (_, findings) in found {
            all.merge(findings);
        }
        Ok(all)
    }

    /// Workers take jobs from one list; the calling thread reports and listens.
    fn share(
        &self,
        jobs: Vec<Job>,
        threads: usize,
        total: u64,
        progress: Progress<'_>,
    ) -> Result<Vec<(usize, Findings)>> {
        let todo = Mutex::new(jobs.into_iter().enumerate());
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let (todo, send) = (&todo, send.clone());
                scope.spawn(move || {
                    loop {
                        let next = todo.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some((index, job)) = next else { return };
                        let result = self.job(job, &mut || {
                            if self.cancelled.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(()) }
                        });
                        let failed = result.is_err();
                        let _ = send.send(result.map(|findings| (index, findings)));
                        if failed {
                            return;
                        }
                    }
                });
            }
            drop(send);
            let mut found = Vec::new();
            let mut failure = None;
            loop {
                match receive.recv_timeout(ASK) {
                    Ok(Ok(part)) => found.push(part),
                    Ok(Err(error)) => {
                        failure.get_or_insert(error);
                        self.cancelled.store(true, Ordering::Relaxed);
                    }
                    Err(std::sync::mpsc::RecvTimeoutError::Timeout) if failure.is_none() => {
                        if let Err(error) = progress(self.done.load(Ordering::Relaxed).min(total), total) {
                            failure = Some(error);
                            self.cancelled.store(true, Ordering::Relaxed);
                        }
                    }
                    Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
                    Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                }
            }
            failure.map_or(Ok(found), Err)
        })
    }

    fn job(&self, job: Job, step: &mut dyn FnMut() -> Result<()>) -> Result<Findings> {
        let mut checker = Checker::new(match job {
            Job::Positions { from, .. } => Some(from),
            _ => None,
        });
        match job {
            Job::Audit { upto, logs } if !self.crate_layout => {
                audit::run(self.via, &self.marks, upto, logs, checker.findings(), step)?;
            }
            Job::Audit { logs, .. } => checker.findings().logs = logs.unsigned_abs(),
            Job::BelowOne => match self.all(&mut checker, Order::Position, (i64::MIN, 0), step) {
                Err(Error::Corrupt(detail)) => checker.findings().unread_below = Some(detail),
                other => other?,
            },
            Job::Positions { from, to } => {
                let mut next = Some(from);
                while let Some(at) = next {
                    step()?;
                    next = self.positions(&mut checker, at, to)?;
                    self.done.fetch_add(at.abs_diff(next.unwrap_or(to)), Ordering::Relaxed);
                }
                checker.finish(to);
            }
            Job::Places { log, from, to } => self.all(&mut checker, Order::Place(log), (from, to), step)?,
            Job::Seqs { log, from, to } => self.all(&mut checker, Order::Seq(log), (from, to), step)?,
        }
        Ok(checker.into_findings())
    }

    fn all(
        &self,
        checker: &mut Checker,
        order: Order,
        (from, to): (i64, i64),
        step: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let mut next = Some(from);
        while let Some(at) = next {
            step()?;
            next = self.rows(checker, order, at, to)?;
            if to > 0 {
                self.done.fetch_add(at.abs_diff(next.unwrap_or(to)), Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Read the next chunk. A page that cannot be read costs the positions on it: the range is halved until what is
    /// readable has been read.
    fn positions(&self, checker: &mut Checker, from: i64, to: i64) -> Result<Option<i64>> {
        match self.rows(checker, Order::Position, from, to) {
            Err(Error::Corrupt(_)) => {}
            other => return other,
        }
        let mut ranges = vec![(checker.reached(from), to)];
        let mut unread: Option<(i64, i64, String)> = None;
        let mut tries = TRIES;
        while let Some((from, to)) = ranges.pop() {
            tries -= 1;
            let before = checker.entries();
            match self.rows(checker, Order::Position, from, to) {
                Ok(next) => {
                    ranges.extend(next.map(|next| (next, to)));
                    if checker.entries() > before
                        && let Some((from, to, detail)) = unread.take()
                    {
                        checker.unreadable(from, to, &detail);
                    }
                }
                Err(Error::Corrupt(detail)) => {
                    let from = checker.reached(from);
                    if from < to && tries > 0 {
                        let middle = from + (to - from) / 2;
                        ranges.push((middle + 1, to));
                        ranges.push((from, middle));
                        continue;
                    }
                    unread = match unread.take() {
                        Some((first, last, detail)) if last + 1 >= from => Some((first, to, detail)),
                        Some((first, last, earlier)) => {
                            checker.unreadable(first, last, &earlier);
                            Some((from, to, detail))
                        }
                        None => Some((from, to, detail)),
                    };
                    checker.skip(to);
                }
                Err(error) => return Err(error),
            }
        }
        if let Some((from, to, detail)) = unread {
            checker.unreadable(from, to, &detail);
        }
        Ok(None)
    }

    /// Feed a chunk of the rows from `from` to `to` in one short read; where to go on.
    fn rows(&self, checker: &mut Checker, order: Order, from: i64, to: i64) -> Result<Option<i64>> {
        let mut mark = 0u64;
        let result = self.via.read(|conn| {
            feed(conn, self.crate_layout, checker, order, (from, to), &mut |row| {
                if matches!(order, Order::Position) {
                    mark = mark.wrapping_add(self.marks.keys.mark(row.log, row.seq, row.position));
                }
            })
        });
        self.marks.table(mark);
        result
    }
}

/// `from..=to` in pieces, none of which is smaller than `least`. More than there are cores: one with large payloads does
/// not keep the others waiting at the end.
pub fn split(from: i64, to: i64, pieces: usize, least: i64) -> impl Iterator<Item = (i64, i64)> {
    let size = (to.saturating_sub(from) / i64::try_from(pieces).unwrap_or(1)).max(least);
    let mut next = Some(from).filter(|from| *from <= to);
    std::iter::from_fn(move || {
        let start = next?;
        let end = start.saturating_add(size).min(to);
        next = end.checked_add(1).filter(|next| *next <= to);
        Some((start, end))
    })
}
