//! Checking entries on their way into another store, a page at a time.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use super::entry::Entry;
use super::errors::TransactionConflict;
use super::hash;
use super::head::Head;
use crate::follow::{self, wrong_hash};

/// Rows as `append_rows` takes them, and the first entry that is wrong, by its number, and why.
type Followed<'py> = (Bound<'py, PyList>, Option<(usize, String)>);

/// The heads of the logs of a store that entries arrive in.
#[pyclass(frozen, module = "agent_store._core")]
pub struct Follower {
    /// Taken while a page is looked at.
    follower: Mutex<Option<follow::Follower>>,
}

#[pymethods]
impl Follower {
    /// After `position`, where the logs have these heads, and there are no others.
    #[new]
    fn new(position: i64, heads: Vec<Bound<'_, Head>>) -> Self {
        let heads = heads.iter().map(|head| head.get().into());
        Self { follower: Mutex::new(Some(follow::Follower::new(position, heads))) }
    }

    /// Whether the entries follow on each other and on what was there, and their hashes are right. That of an erased one
    /// is taken as it is, and its row has an empty payload.
    ///
    /// `find(stream, writer, seq)` is asked for the head of a log that was forgotten, as it is before its entry `seq`:
    /// (seq, `content_hash`), None for an empty log. After a wrong entry nothing more can be asked.
    fn rows<'py>(
        &self,
        py: Python<'py>,
        entries: Vec<Bound<'py, Entry>>,
        find: &Bound<'py, PyAny>,
    ) -> PyResult<Followed<'py>> {
        let lock = || self.follower.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = lock().take();
        let Some(mut follower) = taken else {
            return Err(TransactionConflict::new_err("entries go on into another store in one thread, up to an error"));
        };
        let mut arriving = Vec::with_capacity(entries.len());
        let mut wrong = None;
        for entry in &entries {
            let next = entry.get().arriving(py)?;
            let asked = || {
                let found = find.call1((next.stream, next.writer, next.seq))?;
                let found: Option<(i64, Bound<'py, PyAny>)> = found.extract()?;
                found.map(|(seq, bytes)| PyResult::Ok((seq, hash(bytes.extract()?, "content_hash")?))).transpose()
            };
            if let Some(detail) = follower.next(&next, asked)? {
                wrong = Some((arriving.len(), detail));
                break;
            }
            arriving.push(next);
        }
        let wrong = py.detach(|| wrong_hash(&arriving)).or(wrong);
        if wrong.is_none() {
            *lock() = Some(follower);
        }
        let rows = entries[..arriving.len()].iter().map(|entry| entry.get().row(py)).collect::<PyResult<Vec<_>>>()?;
        Ok((PyList::new(py, rows)?, wrong))
    }
}

impl Entry {
    fn row<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let (stream, writer, payload) = self.names_and_payload(py);
        PyTuple::new(py, [stream.bind(py).as_any(), writer.bind(py).as_any(), payload.as_any()])
    }
}
