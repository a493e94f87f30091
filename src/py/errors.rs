//! The exception of each error: defined in Python, raised from here.

use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::{PyOSError, PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::head::Head;
use crate::chain::Hash;
use crate::error::{Error, Result};
use crate::os::fork;

pyo3::import_exception!(agent_store.errors, BackendError);
pyo3::import_exception!(agent_store.errors, BusyError);
pyo3::import_exception!(agent_store.errors, ChainBroken);
pyo3::import_exception!(agent_store.errors, CorruptDatabase);
pyo3::import_exception!(agent_store.errors, ForkedStore);
pyo3::import_exception!(agent_store.errors, HeadMoved);
pyo3::import_exception!(agent_store.errors, MalformedRow);
pyo3::import_exception!(agent_store.errors, NonMonotonicGeneration);
pyo3::import_exception!(agent_store.errors, OutcomeUnknown);
pyo3::import_exception!(agent_store.errors, PayloadErased);
pyo3::import_exception!(agent_store.errors, ReadOnlyStore);
pyo3::import_exception!(agent_store.errors, StoreClosed);
pyo3::import_exception!(agent_store.errors, StoreReplaced);
pyo3::import_exception!(agent_store.errors, TransactionConflict);
pyo3::import_exception!(agent_store.errors, UnsupportedFormat);

/// What a Python callback or a signal handler raised while the core was at work.
pub struct Raised {
    error: Mutex<Option<PyErr>>,
    pid: u32,
}

impl Raised {
    fn new() -> Self {
        Self { error: Mutex::new(None), pid: std::process::id() }
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<PyErr>> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Call Python from within the core. Its exception is kept, and ends the call of the core; so does a fork, in the child.
    fn call(&self, python: impl FnOnce(Python<'_>) -> PyResult<()>) -> Result<()> {
        fork::outside(|| {
            let result = Python::attach(python);
            if self.pid != std::process::id() {
                return Err(Error::Forked);
            }
            result.map_err(|error| {
                *self.slot() = Some(error);
                Error::Stopped
            })
        })
    }

    /// To be asked by whatever waits or takes long.
    fn signals(&self) -> Result<()> {
        self.call(|py| py.check_signals())
    }

    pub fn convert(&self, py: Python<'_>, error: Error) -> PyErr {
        match (&error, self.slot().take()) {
            (Error::Stopped, Some(raised)) => raised,
            _ => exception(py, error),
        }
    }
}

/// Run the core without the interpreter; signals are looked at while it waits.
pub fn detached<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(crate::sqlite::Check<'_>) -> Result<T> + Send,
) -> PyResult<T> {
    let raised = Raised::new();
    py.detach(|| fork::inside(|| work(&|| raised.signals()))).map_err(|error| raised.convert(py, error))
}

/// Run a verification; `progress` and signals are attended to from the calling thread.
pub fn reporting<T: Send>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(crate::sqlite::Check<'_>, crate::sqlite::Progress<'_>) -> Result<T> + Send,
) -> PyResult<T> {
    let raised = Raised::new();
    let progress = progress.map(|progress| progress.clone().unbind());
    let mut report = |done, total| {
        raised.call(|py| {
            py.check_signals()?;
            match &progress {
                Some(progress) => progress.call1(py, (done, total)).map(drop),
                None => Ok(()),
            }
        })
    };
    let result = py.detach(|| fork::inside(|| work(&|| raised.signals(), &mut report)));
    result.map_err(|error| raised.convert(py, error))
}

pub fn exception(py: Python<'_>, error: Error) -> PyErr {
    let place = |head: Option<(i64, Hash)>| head.map(|(seq, hash)| (seq, PyBytes::new(py, &hash).unbind()));
    match error {
        Error::Busy { what, waited } => BusyError::new_err((what, waited.as_secs_f64())),
        Error::Backend(detail) | Error::CannotOpen(detail) => BackendError::new_err(detail),
        Error::OutcomeUnknown { detail, heads, count } => {
            let heads: Vec<Head> = heads.into_iter().map(Head::from).collect();
            match heads.into_iter().map(|head| Py::new(py, head)).collect::<PyResult<Vec<_>>>() {
                Ok(heads) => OutcomeUnknown::new_err((detail, heads, count)),
                Err(error) => error,
            }
        }
        Error::ChainBroken { stream, writer, seq, detail } => ChainBroken::new_err((stream, writer, seq, detail)),
        Error::Malformed { stream, writer, seq, detail } => MalformedRow::new_err((stream, writer, seq, detail)),
        Error::HeadMoved(moved) => {
            HeadMoved::new_err((moved.stream, moved.writer, place(moved.expected), place(moved.actual)))
        }
        Error::NonMonotonic { key, current, attempted } => NonMonotonicGeneration::new_err((key, current, attempted)),
        Error::Conflict(detail) => TransactionConflict::new_err(detail),
        Error::ReadOnly(detail) => ReadOnlyStore::new_err(detail),
        Error::Corrupt(detail) => CorruptDatabase::new_err(detail),
        Error::Replaced(detail) => StoreReplaced::new_err(detail),
        Error::Unsupported(detail) => UnsupportedFormat::new_err(detail),
        Error::Closed => StoreClosed::new_err(()),
        Error::Forked => ForkedStore::new_err(()),
        Error::File { path, error } => match error.raw_os_error() {
            // Python has a class for each number.
            Some(number) => {
                let text = error.to_string();
                let text = text.split(" (os error").next().unwrap_or_default().to_owned();
                PyOSError::new_err((number, text, path.into_os_string()))
            }
            None => BackendError::new_err(format!("{}: {error}", path.display())),
        },
        Error::Invalid(detail) => PyValueError::new_err(detail),
        Error::Overflow(detail) => PyOverflowError::new_err(detail),
        Error::Stopped => BackendError::new_err("the call was stopped"),
    }
}
