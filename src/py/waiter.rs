//! One who waits at a native store, and rings for others.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;

use super::errors::detached;
use super::pages::{Pages, entries};
use crate::os::fork;
use crate::sqlite;

/// One who waits: `agent_store.backends.backend.Waiter`.
#[pyclass(frozen, module = "agent_store._core")]
pub struct Waiter {
    inner: sqlite::Waiter,
}

impl Waiter {
    pub fn of(inner: sqlite::Waiter) -> Self {
        Self { inner }
    }
}

#[pymethods]
impl Waiter {
    fn look(&self, py: Python<'_>) -> PyResult<u64> {
        detached(py, |check| self.inner.look(check))
    }

    fn wait(&self, py: Python<'_>, seen: u64, timeout: Option<f64>) -> PyResult<bool> {
        let timeout = timeout.map(limit_of).transpose()?.flatten();
        detached(py, |check| self.inner.wait(seen, timeout, check))
    }

    fn read<'py>(
        &self,
        py: Python<'py>,
        pages: &Bound<'py, Pages>,
        limit: usize,
        seen: u64,
        timeout: Option<f64>,
    ) -> PyResult<Option<Bound<'py, PyList>>> {
        let timeout = timeout.map(limit_of).transpose()?.flatten();
        let pages = pages.get();
        let page = detached(py, |check| pages.with(|reading| self.inner.read(reading, limit, seen, timeout, check)))?;
        page.map(|page| entries(py, &page)).transpose()
    }

    fn glance<'py>(
        &self,
        py: Python<'py>,
        pages: &Bound<'py, Pages>,
        limit: usize,
    ) -> PyResult<Option<Bound<'py, PyList>>> {
        let pages = pages.get();
        let page = detached(py, |check| pages.with(|reading| self.inner.glance(reading, limit, check)))?;
        page.map(|page| entries(py, &page)).transpose()
    }

    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        detached(py, |_| self.inner.fileno())
    }

    fn stop(&self, py: Python<'_>) {
        py.detach(|| fork::inside(|| self.inner.stop()));
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if !self.inner.is_stopped() {
            Python::attach(|py| self.stop(py));
        }
    }
}

/// None for what is longer than anybody waits.
fn limit_of(seconds: f64) -> PyResult<Option<Duration>> {
    if seconds.is_nan() || seconds < 0.0 {
        return Err(PyValueError::new_err(format!("timeout must be a number of seconds, 0 or more, not {seconds}")));
    }
    Ok(Duration::try_from_secs_f64(seconds).ok())
}

/// Wake whoever waits at the database at `path`, which is not touched; nobody, where none ever did.
#[pyfunction]
pub fn ring_file(py: Python<'_>, path: PathBuf) {
    py.detach(|| fork::inside(|| sqlite::ring_beside(&path)));
}
