//! The one verification, for a backend in Python to feed: rows as tuples or as the pieces of a binary COPY.
//!
//! It never calls back. Rows that must be judged against an entry which did not come by lately wait, are listed, and judged
//! when the backend has looked up those entries.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use super::errors::exception;
use super::findings::Findings;
use super::found::{Found, blob};
use super::hash;
use crate::chain::Hash;
use crate::checker;
use crate::copy::Reader;
use crate::erasure::Record;
use crate::error::{Error, Result};
use crate::findings::{self, Break, Kind};
use crate::row::{Row, State};
use crate::sealed::{Leaves, Named, Stored, check_given};

/// Log and seq asked for, and of the entry found seq, content_hash and position.
type Answer<'py> = (i64, i64, i64, Bound<'py, PyAny>, i64);
/// A record of an erasure: position, payload_len, note; log, seq and bytes of payload of the entry there.
type Erased = (i64, Option<i64>, Option<String>, Option<i64>, Option<i64>, Option<i64>);

/// A verification that is being fed.
#[pyclass(frozen, module = "agent_store._core")]
pub struct Checker {
    inner: Mutex<Inner>,
    /// Rows are in order of position, not of seq.
    by_position: bool,
}

struct Inner {
    rows: checker::Checker,
    copy: Reader,
    /// What the feeder found itself.
    aside: findings::Findings,
    /// Rows that wait and were listed.
    asked: usize,
    /// The first position, and where the last was told, it.
    range: (i64, Option<i64>),
    sealed: i64,
    /// What became of the leaves that were to be given.
    given: Option<Vec<u8>>,
}

/// Level and number of a tile, and how many hashes of it are wanted.
type Tile = (u32, u64, usize);

impl Checker {
    /// With the interpreter let go, before the lock is taken.
    fn with<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut Inner) -> Result<T> + Send) -> PyResult<T> {
        py.detach(|| work(&mut self.inner())).map_err(|error| exception(py, error))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report_aside(&self, py: Python<'_>, work: impl FnOnce(&mut findings::Findings) + Send) {
        py.detach(|| work(&mut self.inner().aside));
    }
}

#[pymethods]
impl Checker {
    /// `first`: the position that must come first, where the whole store is fed by position; None for one log by seq.
    /// With `sealed` so many positions, all from 1 on, are compared with the tiles; with `leaves` they are given out.
    #[new]
    #[pyo3(signature = (first, *, sealed=0, leaves=false))]
    fn new(first: Option<i64>, sealed: i64, leaves: bool) -> PyResult<Self> {
        let rows = checker::Checker::new(first);
        let rows = match (first, sealed, leaves) {
            (_, 0, false) => rows,
            (Some(1), 1.., false) => rows.with(Leaves::of_tree(sealed.unsigned_abs()), sealed),
            (Some(first @ 1..), 0, true) => rows.with(Leaves::to_give(first), i64::MAX),
            _ => {
                return Err(PyValueError::new_err("leaves are made by position: of all from 1 on, or to be given out"));
            }
        };
        let aside = findings::Findings::default();
        let range = (first.unwrap_or(1), None);
        let inner = Inner { rows, copy: Reader::default(), aside, asked: 0, range, sealed, given: None };
        Ok(Self { inner: Mutex::new(inner), by_position: first.is_some() })
    }

    /// True where the whole store is fed.
    #[getter]
    fn by_position(&self) -> bool {
        self.by_position
    }

    /// Rows so far.
    #[getter]
    fn entries(&self, py: Python<'_>) -> PyResult<u64> {
        self.with(py, |inner| Ok(inner.rows.entries()))
    }

    /// Log and seq of each row that waits: wanted is the entry of that log with the greatest seq below that one.
    #[getter]
    fn waiting(&self, py: Python<'_>) -> PyResult<Vec<(i64, i64)>> {
        self.with(py, |inner| {
            let waiting: Vec<_> = inner.rows.waiting().collect();
            inner.asked = waiting.len();
            Ok(waiting)
        })
    }

    /// Bytes that are kept until an answer.
    #[getter]
    fn held(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, |inner| Ok(inner.rows.held()))
    }

    /// Rows (position, log, seq, content_hash, payload, erased) as they were found. The last is how many bytes the payload
    /// had, where it is empty and an erasure of it is recorded, or None; it may be left out.
    fn rows(&self, py: Python<'_>, rows: &Bound<'_, PyList>) -> PyResult<()> {
        let found = rows.iter().map(|row| Found::of(&row)).collect::<PyResult<Vec<_>>>()?;
        let rows: Vec<Row<'_>> = found.iter().map(Found::row).collect();
        self.with(py, |inner| rows.iter().try_for_each(|row| inner.rows.feed(row)))
    }

    /// The next pieces of a binary COPY of these columns, cut anywhere.
    fn copy(&self, py: Python<'_>, blocks: Vec<Bound<'_, PyBytes>>) -> PyResult<()> {
        let blocks: Vec<&[u8]> = blocks.iter().map(|block| block.as_bytes()).collect();
        self.with(py, |inner| {
            let Inner { rows, copy, .. } = inner;
            blocks.into_iter().try_for_each(|block| copy.feed(block, &mut |row| rows.feed(row)))
        })
    }

    /// The COPY is over; BackendError where it was cut off. Another may follow.
    fn end_copy(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |inner| inner.copy.end())
    }

    /// Judge the rows that `waiting` listed last, by (log, seq, seq found, content_hash, position): as they were asked for,
    /// and those found. What was asked and is not among them has nothing before it; of what is `unread` nobody can say,
    /// and the feeder reports why.
    #[pyo3(signature = (before, unread=Vec::new()))]
    fn answer(&self, py: Python<'_>, before: Vec<Answer<'_>>, unread: Vec<(i64, i64)>) -> PyResult<()> {
        let mut found: HashMap<_, _> = unread.into_iter().map(|place| (place, None)).collect();
        for (log, asked, seq, content_hash, position) in before {
            if seq >= asked {
                return Err(PyValueError::new_err(format!(
                    "entry {seq} of log {log} does not go before entry {asked}"
                )));
            }
            let content_hash = blob(&content_hash)?.and_then(|bytes| Hash::try_from(bytes.as_bytes()).ok());
            found.insert((log, asked), Some(State { seq, position, content_hash }));
        }
        self.with(py, |inner| {
            let asked = std::mem::take(&mut inner.asked);
            inner.rows.answer(asked, &found)
        })
    }

    /// Logs whose names are wanted: leaves are made of rows of theirs.
    #[getter]
    fn nameless(&self, py: Python<'_>) -> PyResult<Vec<i64>> {
        self.with(py, |inner| {
            inner.rows.settle();
            Ok(inner.rows.nameless())
        })
    }

    /// Stream and writer of each log that `nameless` listed; None of what is not listed there, or not by two texts.
    fn name(&self, py: Python<'_>, names: HashMap<i64, Named>) -> PyResult<()> {
        self.with(py, |inner| {
            inner.rows.name(&names);
            Ok(())
        })
    }

    /// Level, number and width in hashes of each tile that is wanted: all leaves below it were made. After these are
    /// compared there may be others.
    #[getter]
    fn tiles(&self, py: Python<'_>) -> PyResult<Vec<Tile>> {
        self.with(py, |inner| {
            inner.rows.settle();
            let wanted = inner.rows.leaves().map_or_else(Vec::new, |leaves| leaves.wanted());
            Ok(wanted.iter().map(|place| (place.level, place.number, place.width)).collect())
        })
    }

    /// Compare with the hashes stored under each level and number that `tiles` listed: None of what is not there. Of what
    /// is `unread` the feeder reports why.
    #[pyo3(signature = (hashes, unread=Vec::new()))]
    fn compare(
        &self,
        py: Python<'_>,
        hashes: HashMap<(u32, u64), Option<Bound<'_, PyAny>>>,
        unread: Vec<(u32, u64)>,
    ) -> PyResult<()> {
        let mut stored = HashMap::new();
        for (place, hashes) in hashes {
            let hashes = hashes.map(|hashes| blob(&hashes)).transpose()?.flatten();
            stored.insert(place, hashes.map(|hashes| hashes.as_bytes().to_vec()));
        }
        self.with(py, |inner| {
            inner.rows.compare(&mut |place| {
                let place = (place.level, place.number);
                Ok(match stored.remove(&place) {
                    Some(Some(hashes)) => Some(Stored::Hashes(hashes)),
                    Some(None) => Some(Stored::Missing),
                    None => unread.contains(&place).then_some(Stored::Unread(None)),
                })
            })
        })
    }

    /// The last position was to be `last`.
    fn finish(&self, py: Python<'_>, last: i64) -> PyResult<()> {
        self.with(py, |inner| {
            inner.range.1 = Some(last);
            inner.rows.finish(last.max(inner.sealed));
            Ok(())
        })
    }

    /// The leaf hashes of all positions, one after the other, once there are `findings`. They mean nothing where these
    /// have breaks.
    fn leaves<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        match self.with(py, |inner| Ok(inner.given.take()))? {
            Some(leaves) => Ok(PyBytes::new(py, &leaves)),
            None => Err(PyValueError::new_err("there are leaves where they were asked for, after the findings")),
        }
    }

    /// Positions `first` to `last` could not be read, and `detail` says why.
    fn unreadable(&self, py: Python<'_>, first: i64, last: i64, detail: &str) -> PyResult<()> {
        self.with(py, |inner| {
            inner.rows.unreadable(first, last, detail);
            Ok(())
        })
    }

    /// What the feeder found wrong besides the rows.
    #[pyo3(signature = (kind, log, seq, position, detail))]
    fn report(
        &self,
        py: Python<'_>,
        kind: &str,
        log: Option<i64>,
        seq: Option<i64>,
        position: Option<i64>,
        detail: String,
    ) -> PyResult<()> {
        let Some(kind) = Kind::named(kind) else {
            return Err(PyValueError::new_err(format!("there is no kind of break {kind:?}")));
        };
        self.report_aside(py, |aside| aside.report(Break { kind, log, name: None, seq, position, detail }));
        Ok(())
    }

    /// A log that is listed and has no entries.
    fn report_empty(&self, py: Python<'_>, log: i64) {
        self.report_aside(py, |aside| aside.report_empty(log));
    }

    /// So many entries of a log that is not listed, the first of them at `seq` and `position`.
    fn report_orphans(&self, py: Python<'_>, log: i64, seq: i64, position: i64, entries: u64) {
        self.report_aside(py, |aside| aside.report_orphans(log, seq, position, entries));
    }

    /// Records of erasures as they are stored, with the entries that they are of: (position, payload_len, note, log, seq,
    /// bytes of payload that are there). None is what is not there, or of another type.
    fn erasures(&self, py: Python<'_>, records: Vec<Erased>) {
        self.report_aside(py, |aside| {
            for (position, payload_len, note, log, seq, there) in &records {
                let entry = log.is_some().then_some((*log, *seq, *there));
                let (position, payload_len, note) = (*position, *payload_len, note.as_deref());
                Record { position, payload_len, note, entry }.report(aside);
            }
        });
    }

    /// The logs that breaks are of: their names are wanted.
    #[getter]
    fn broken(&self, py: Python<'_>) -> PyResult<Vec<i64>> {
        self.with(py, |inner| {
            let Inner { rows, aside, .. } = inner;
            let breaks = rows.findings().breaks.iter().chain(&aside.breaks);
            let mut logs: Vec<_> = breaks.filter_map(|found| found.log).collect();
            logs.extend(rows.leaves().iter().flat_map(|leaves| leaves.broken()));
            logs.sort_unstable();
            logs.dedup();
            Ok(logs)
        })
    }

    /// What was found, when all was fed, answered and finished: of so many logs, with the names of those in `broken`.
    /// `head` is seq and hash of the newest entry of one log. The checker is empty then.
    #[pyo3(signature = (logs, names, head=None))]
    fn findings(
        &self,
        py: Python<'_>,
        logs: u64,
        names: HashMap<i64, (String, String)>,
        head: Option<(i64, Bound<'_, PyBytes>)>,
    ) -> PyResult<Findings> {
        let head = head.map(|(seq, bytes)| Ok::<_, PyErr>((seq, hash(bytes.as_bytes(), "the head's hash")?)));
        let head = head.transpose()?;
        let by_position = self.by_position;
        self.with(py, |inner| {
            if inner.rows.waiting().next().is_some() || inner.copy.is_within() {
                return Err(Error::Invalid("rows wait for an answer, or a COPY for its end".to_owned()));
            }
            inner.rows.settle();
            let tiles = inner.rows.leaves().map_or(0, |leaves| leaves.wanted().len());
            if tiles > 0 || !inner.rows.nameless().is_empty() {
                return Err(Error::Invalid("leaves wait for names, or tiles for what is stored of them".to_owned()));
            }
            let mut found = std::mem::take(&mut inner.aside);
            let giving = inner.rows.leaves().is_some() && inner.sealed == 0;
            let (of_rows, leaves) = std::mem::replace(&mut inner.rows, checker::Checker::new(None)).into_leaves();
            found.merge(of_rows);
            found.settle();
            if giving {
                let (first, last) = inner.range;
                check_given(&leaves, (first, last.unwrap_or(first)), &mut found);
                inner.given = Some(leaves);
            }
            (found.logs, found.head) = (logs, head);
            for one in &mut found.breaks {
                one.name = one.log.and_then(|log| names.get(&log).cloned());
            }
            if by_position {
                found.breaks.sort_by_key(|found| (found.position.is_some(), found.position));
            } else {
                found.breaks.sort_by_key(|found| found.seq);
            }
            Ok(Findings(found))
        })
    }
}
