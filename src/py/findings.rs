//! What a verification found, for the Python half to put into words.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::findings;

/// Kind, stream, writer, seq, position, detail.
type Break = (&'static str, Option<String>, Option<String>, Option<i64>, Option<i64>, String);

/// What a verification found.
#[pyclass(frozen, module = "agent_store._core")]
pub struct Findings(pub findings::Findings);

#[pymethods]
impl Findings {
    #[getter]
    fn entries(&self) -> u64 {
        self.0.entries
    }

    #[getter]
    fn entries_hold(&self) -> u64 {
        self.0.entries_hold
    }

    /// Entries whose payload was erased, which is recorded.
    #[getter]
    fn erased(&self) -> u64 {
        self.0.erased
    }

    #[getter]
    fn logs(&self) -> u64 {
        self.0.logs
    }

    #[getter]
    fn breaks_total(&self) -> u64 {
        self.0.breaks_total
    }

    #[getter]
    fn broken_logs(&self) -> usize {
        self.0.broken.len()
    }

    /// Seq and hash of the newest entry looked at, where one log was.
    #[getter]
    fn head<'py>(&self, py: Python<'py>) -> Option<(i64, Bound<'py, PyBytes>)> {
        self.0.head.map(|(seq, hash)| (seq, PyBytes::new(py, &hash)))
    }

    /// Of the tree that the rows were compared with, as its stored leaves make it; None where one of them is not there.
    #[getter]
    fn root<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.0.root.map(|root| PyBytes::new(py, &root))
    }

    #[getter]
    fn breaks(&self) -> Vec<Break> {
        let breaks = self.0.breaks.iter().map(|found| {
            let (stream, writer) = found.name.clone().unzip();
            (found.kind.name(), stream, writer, found.seq, found.position, found.detail.clone())
        });
        breaks.collect()
    }
}
