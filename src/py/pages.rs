//! Reading entries page by page.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use super::entry::{Entry, Payload};
use crate::error::{Error, Result};
use crate::sqlite::{Page, Reading};

/// A reading under way, page by page.
#[pyclass(frozen, module = "agent_store._core")]
pub struct Pages {
    /// Taken while a page is read.
    reading: Mutex<Option<Reading>>,
}

impl Pages {
    pub fn of(reading: Reading) -> Self {
        Self { reading: Mutex::new(Some(reading)) }
    }

    /// Lend the reading out for one page; a second thread meanwhile is refused.
    pub fn with<T>(&self, read: impl FnOnce(&mut Reading) -> Result<T>) -> Result<T> {
        let lock = || self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut reading) = lock().take() else {
            return Err(Error::Conflict("another thread is reading from this iterator".into()));
        };
        let page = read(&mut reading);
        *lock() = Some(reading);
        page
    }
}

#[pymethods]
impl Pages {
    /// Position and hash of what was newest in the store when it began; `None` before.
    #[getter]
    fn newest<'py>(&self, py: Python<'py>) -> Option<(i64, Bound<'py, PyBytes>)> {
        let reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = reading.as_ref()?.newest()?;
        Some((newest.position, PyBytes::new(py, newest.content_hash.as_ref().map_or(&[], |hash| hash))))
    }
}

type Named = (Py<PyTuple>, Arc<[String]>);

/// The streams of the last reading of several: who follows a store names them by the same tuple each time.
#[derive(Default)]
pub struct Several(Mutex<Option<Named>>);

impl Several {
    /// One stream, or several, each of which is taken once.
    pub fn streams(&self, given: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Arc<[String]>>> {
        let Some(given) = given else { return Ok(None) };
        if let Ok(one) = given.cast::<PyString>() {
            return Ok(Some([one.to_str()?.to_owned()].into()));
        }
        if let Some((tuple, streams)) = &*self.lock()
            && tuple.is(given)
        {
            return Ok(Some(Arc::clone(streams)));
        }
        let mut streams: Vec<String> = given.extract()?;
        streams.sort_unstable();
        streams.dedup();
        let streams: Arc<[String]> = streams.into();
        if let Ok(tuple) = given.cast_exact::<PyTuple>() {
            let last = self.lock().replace((tuple.clone().unbind(), Arc::clone(&streams)));
            drop(last); // Not while it is locked: what is in it may be anything of Python's.
        }
        Ok(Some(streams))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Named>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A page as Python objects.
pub fn entries<'py>(py: Python<'py>, page: &Page) -> PyResult<Bound<'py, PyList>> {
    let names: Vec<(Py<PyString>, Py<PyString>)> = page
        .names
        .iter()
        .map(|(stream, writer)| (PyString::new(py, stream).unbind(), PyString::new(py, writer).unbind()))
        .collect();
    let entries = page.rows.iter().map(|row| {
        let (stream, writer) = &names[row.name];
        let payload = match row.erased {
            None => Payload::There(PyBytes::new(py, &page.payloads[row.payload.clone()]).unbind()),
            Some(length) => Payload::Erased(length),
        };
        Entry::made(
            stream.clone_ref(py),
            writer.clone_ref(py),
            payload,
            (row.seq, row.position),
            (row.prev_hash, row.content_hash),
        )
    });
    let made = entries.map(|entry| Bound::new(py, entry)).collect::<PyResult<Vec<_>>>()?;
    PyList::new(py, made)
}
