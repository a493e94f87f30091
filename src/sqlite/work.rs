//! The jobs of a verification, and reading what a damaged file still gives.

use std::sync::atomic::{AtomicU64, Ordering};

use super::audit;
use super::block;
use super::feed::{Order, feed};
use super::layout::Layout;
use super::rows;
use super::tree::{self, Wanted};
use super::via::Via;
use crate::checker::Checker;
use crate::error::{Error, Result};
use crate::evidence::tile;

/// Rows of one short read.
pub const CHUNK: i64 = block::ROWS as i64;
/// Rows of one tile of leaves.
const TILE: i64 = 256;
const _: () = assert!(TILE.unsigned_abs() == tile::FULL as u64);
/// Rows of the index that one read counts.
const COUNTED: i64 = 1 << 18;
/// Reads of a damaged range before the rest of it is given up.
const TRIES: u32 = 100_000;

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
    /// Of one log, only how many of these its index has.
    Counted {
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

impl Job {
    /// True where others may follow on what it looks through.
    pub fn is_range(self) -> bool {
        !matches!(self, Self::Audit { .. } | Self::BelowOne)
    }
}

pub struct Scan<'a> {
    via: &'a Via<'a>,
    crate_layout: bool,
    done: AtomicU64,
    /// Of the rows as the table has them, and as its index has them.
    pub marks: audit::Marks,
    pub tree: Wanted,
}

impl<'a> Scan<'a> {
    pub fn new(via: &'a Via<'a>, layout: Layout) -> Self {
        let (done, marks) = (AtomicU64::new(0), audit::Marks::new());
        Self { via, crate_layout: layout == Layout::Crate, done, marks, tree: Wanted::Nothing }
    }

    /// `step` is called before each read.
    pub fn job(&self, job: Job, step: &mut dyn FnMut() -> Result<()>) -> Result<Checker> {
        let mut checker = match job {
            Job::Positions { from, .. } => self.tree.range(from),
            _ => Checker::new(None),
        };
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
                    next = self.positions(&mut checker, (at, to), step)?;
                    self.done.fetch_add(at.abs_diff(next.unwrap_or(to)), Ordering::Relaxed);
                }
                checker.finish(to);
                if checker.leaves().is_some() {
                    self.via.snapshot(|conn| tree::tell(conn, &mut checker))?;
                }
            }
            Job::Places { log, from, to } => self.all(&mut checker, Order::Place(log), (from, to), step)?,
            Job::Counted { log, from, to } => {
                let mut next = Some(from).filter(|from| *from <= to);
                while let Some(at) = next {
                    step()?;
                    let end = at.saturating_add(COUNTED - 1).min(to);
                    checker.findings().entries += self.via.read(|conn| rows::count(&conn.sqlite, log, at, end))?;
                    next = end.checked_add(1).filter(|next| *next <= to);
                }
            }
            Job::Seqs { log, from, to } => self.all(&mut checker, Order::Seq(log), (from, to), step)?,
        }
        Ok(checker)
    }

    /// Rows looked at.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    pub fn via(&self) -> &Via<'a> {
        self.via
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
    fn positions(
        &self,
        checker: &mut Checker,
        (from, to): (i64, i64),
        step: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Option<i64>> {
        match self.rows(checker, Order::Position, from, to) {
            Err(Error::Corrupt(_)) => {}
            other => return other,
        }
        let mut ranges = vec![(checker.reached(from), to)];
        let mut unread: Option<(i64, i64, String)> = None;
        let mut tries = TRIES;
        while let Some((from, to)) = ranges.pop() {
            step()?;
            tries = tries.saturating_sub(1);
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
        let result = self.via.snapshot(|conn| {
            let next = feed(conn, checker, order, (from, to), &mut |row| {
                if matches!(order, Order::Position) {
                    mark = mark.wrapping_add(self.marks.keys.mark(row.log, row.seq, row.position));
                }
            })?;
            if checker.leaves().is_some() {
                tree::tell(conn, checker)?;
            }
            Ok(next)
        });
        self.marks.table(mark);
        result
    }
}

/// `from..=to` in so many pieces, or fewer where they would be smaller than a chunk; each as many whole tiles.
pub fn split(from: i64, to: i64, pieces: i64) -> impl Iterator<Item = (i64, i64)> {
    let size = (to.saturating_sub(from) / pieces / TILE + 1).saturating_mul(TILE).max(CHUNK);
    let mut next = Some(from).filter(|from| *from <= to);
    std::iter::from_fn(move || {
        let start = next?;
        let end = start.saturating_add(size - 1).min(to);
        next = end.checked_add(1).filter(|next| *next <= to);
        Some((start, end))
    })
}
