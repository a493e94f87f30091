//! One entry of a log.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use super::{bytes, hash, short};
use crate::chain::Hash;
use crate::follow::Arriving;

/// Bytes of payload that a repr shows.
const SHOWN: usize = 16;

/// One entry of a log, as it is stored.
#[pyclass(frozen, module = "agent_store._core")]
pub struct Entry {
    #[pyo3(get)]
    stream: Py<PyString>,
    #[pyo3(get)]
    writer: Py<PyString>,
    #[pyo3(get)]
    seq: i64,
    prev_hash: Option<Hash>,
    content_hash: Hash,
    #[pyo3(get)]
    payload: Py<PyBytes>,
    #[pyo3(get)]
    position: i64,
}

impl Entry {
    pub fn made(
        stream: Py<PyString>,
        writer: Py<PyString>,
        payload: Py<PyBytes>,
        (seq, position): (i64, i64),
        (prev_hash, content_hash): (Option<Hash>, Hash),
    ) -> Self {
        Self { stream, writer, seq, prev_hash, content_hash, payload, position }
    }

    pub fn arriving<'a>(&'a self, py: Python<'a>) -> PyResult<Arriving<'a>> {
        Ok(Arriving {
            stream: self.stream.bind(py).to_str()?,
            writer: self.writer.bind(py).to_str()?,
            seq: self.seq,
            position: self.position,
            prev_hash: self.prev_hash,
            content_hash: self.content_hash,
            payload: self.payload.bind(py).as_bytes(),
        })
    }

    pub fn names_and_payload(&self) -> (&Py<PyString>, &Py<PyString>, &Py<PyBytes>) {
        (&self.stream, &self.writer, &self.payload)
    }
}

#[pymethods]
impl Entry {
    #[classattr]
    fn __match_args__()
    -> (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str, &'static str) {
        ("stream", "writer", "seq", "prev_hash", "content_hash", "payload", "position")
    }

    #[new]
    fn new(
        stream: Py<PyString>,
        writer: Py<PyString>,
        seq: i64,
        prev_hash: Option<&[u8]>,
        content_hash: &[u8],
        payload: Py<PyBytes>,
        position: i64,
    ) -> PyResult<Self> {
        let prev_hash = prev_hash.map(|bytes| hash(bytes, "prev_hash")).transpose()?;
        let content_hash = hash(content_hash, "content_hash")?;
        Ok(Self { stream, writer, seq, prev_hash, content_hash, payload, position })
    }

    /// The content hash of the entry before, 32 bytes; `None` for the first.
    #[getter]
    fn prev_hash<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.prev_hash.as_ref().map(|hash| bytes(py, hash))
    }

    /// BLAKE3 of prev_hash and payload, 32 bytes.
    #[getter]
    fn content_hash<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, &self.content_hash)
    }

    /// True where the payload was removed for good.
    #[getter]
    fn erased(&self) -> bool {
        false
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(other) = other.cast::<Entry>() else {
            return Ok(false);
        };
        let other = other.get();
        Ok((self.seq, self.position, self.content_hash, self.prev_hash)
            == (other.seq, other.position, other.content_hash, other.prev_hash)
            && self.stream.bind(py).as_any().eq(&other.stream)?
            && self.writer.bind(py).as_any().eq(&other.writer)?
            && self.payload.bind(py).as_bytes() == other.payload.bind(py).as_bytes())
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        (&self.stream, &self.writer, self.seq, self.position, &self.content_hash[..8]).into_pyobject(py)?.hash()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let payload = self.payload.bind(py);
        let whole = payload.as_bytes();
        let shown = PyBytes::new(py, &whole[..whole.len().min(SHOWN)]).repr()?;
        let more = if whole.len() > SHOWN { format!("… {} bytes", whole.len()) } else { String::new() };
        Ok(format!(
            "Entry(stream={}, writer={}, seq={}, prev_hash={}, content_hash={}, payload={shown}{more}, position={})",
            self.stream.bind(py).repr()?,
            self.writer.bind(py).repr()?,
            self.seq,
            self.prev_hash.as_ref().map_or_else(|| "None".to_owned(), short),
            short(&self.content_hash),
            self.position
        ))
    }

    #[allow(clippy::type_complexity)]
    fn __getnewargs__<'py>(
        &self,
        py: Python<'py>,
    ) -> (&Py<PyString>, &Py<PyString>, i64, Option<Bound<'py, PyBytes>>, Bound<'py, PyBytes>, &Py<PyBytes>, i64) {
        (&self.stream, &self.writer, self.seq, self.prev_hash(py), self.content_hash(py), &self.payload, self.position)
    }
}
