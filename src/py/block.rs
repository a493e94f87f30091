//! `with store.transaction():`, natively: in a method written in Python an interrupt (Ctrl-C) can fall between two lines,
//! and the transaction would stay open, with all that comes after it in it.

use std::sync::{Mutex, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyList;

use super::errors::TransactionConflict;

/// `with store.transaction():`; nested blocks are savepoints.
#[pyclass(frozen, module = "agent_store._core")]
pub struct TransactionBlock {
    store: Py<PyAny>,
    binding: Py<PyAny>,
    /// What was entered and not left: a thread's open transactions, and the one among them.
    entered: Mutex<Vec<(Py<PyList>, Py<PyAny>)>>,
}

impl TransactionBlock {
    /// Nothing of Python's is done while the lock is held.
    fn entered(&self) -> std::sync::MutexGuard<'_, Vec<(Py<PyList>, Py<PyAny>)>> {
        self.entered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The transactions that the calling thread has open, the innermost last.
    fn open<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        Ok(self.binding.bind(py).getattr(intern!(py, "thread"))?.getattr(intern!(py, "open"))?.cast_into()?)
    }
}

#[pymethods]
impl TransactionBlock {
    #[new]
    fn new(store: Py<PyAny>, binding: Py<PyAny>) -> Self {
        Self { store, binding, entered: Mutex::default() }
    }

    fn __enter__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let binding = self.binding.bind(py);
        let within = binding.call_method0(intern!(py, "writing"))?;
        let open = self.open(py)?;
        let tx = binding.getattr(intern!(py, "backend"))?.call_method1(intern!(py, "begin"), (within,))?;
        open.append(&tx)?;
        self.entered().push((open.unbind(), tx.unbind()));
        Ok(self.store.clone_ref(py))
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        kind: &Bound<'_, PyAny>,
        error: &Bound<'_, PyAny>,
        traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let _ = (error, traceback);
        let open = self.open(py)?;
        let place = self.entered().last().map(|(of, tx)| (of.clone_ref(py), tx.clone_ref(py)));
        let Some((_, tx)) = place.filter(|(of, _)| of.is(&open)) else {
            return Err(TransactionConflict::new_err(
                "a transaction belongs to the thread, or the task, that entered it: leave it there",
            ));
        };
        if !open.iter().last().is_some_and(|last| last.is(&tx)) {
            return Err(TransactionConflict::new_err(
                "a transaction that was begun inside this one is still open: leave it first",
            ));
        }
        open.del_slice(open.len() - 1, open.len())?;
        self.entered().pop();
        let end = if kind.is_none() { intern!(py, "commit") } else { intern!(py, "rollback") };
        let backend = self.binding.bind(py).getattr(intern!(py, "backend"))?;
        let ended = backend.call_method1(end, (&tx,));
        if ended.is_err() {
            // Where that is written in Python, an interrupt may have fallen before its first line.
            let _ = backend.call_method1(intern!(py, "rollback"), (&tx,));
        }
        ended.map(drop)
    }
}

impl Drop for TransactionBlock {
    /// It was entered and never left: an interrupt fell between the two, or what is inside it outlived it.
    fn drop(&mut self) {
        let entered = std::mem::take(&mut *self.entered());
        if entered.is_empty() {
            return;
        }
        Python::attach(|py| {
            for (open, tx) in entered {
                // Where it is not in there any more, it is gone already; its own end lets the write lock go.
                let _ = open.bind(py).call_method1(intern!(py, "remove"), (tx,));
            }
        });
    }
}
