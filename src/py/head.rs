//! The short forms of an entry: a log's head, what an append did, the news of a commit; and a writer's identity.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyType};

use super::entry::{Entry, Payload};
use super::{bytes, hash, short};
use crate::chain::{self, Hash};
use crate::{error, sqlite};

/// The newest entry of a log, short.
#[pyclass(frozen, eq, hash, module = "agent_store._core")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Head {
    #[pyo3(get)]
    pub stream: String,
    #[pyo3(get)]
    pub writer: String,
    #[pyo3(get)]
    pub seq: i64,
    pub content_hash: Hash,
}

impl From<error::Head> for Head {
    fn from(head: error::Head) -> Self {
        Self { stream: head.stream, writer: head.writer, seq: head.seq, content_hash: head.content_hash }
    }
}

impl From<&Head> for error::Head {
    fn from(head: &Head) -> Self {
        Self {
            stream: head.stream.clone(),
            writer: head.writer.clone(),
            seq: head.seq,
            content_hash: head.content_hash,
        }
    }
}

#[pymethods]
impl Head {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str, &'static str) {
        ("stream", "writer", "seq", "content_hash")
    }

    #[new]
    fn new(stream: String, writer: String, seq: i64, content_hash: &[u8]) -> PyResult<Self> {
        Ok(Self { stream, writer, seq, content_hash: hash(content_hash, "content_hash")? })
    }

    /// 32 bytes.
    #[getter]
    fn content_hash<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, &self.content_hash)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!(
            "Head(stream={}, writer={}, seq={}, content_hash={})",
            PyString::new(py, &self.stream).repr()?,
            PyString::new(py, &self.writer).repr()?,
            self.seq,
            short(&self.content_hash)
        ))
    }

    fn __getnewargs__<'py>(&self, py: Python<'py>) -> (&str, &str, i64, Bound<'py, PyBytes>) {
        (&self.stream, &self.writer, self.seq, self.content_hash(py))
    }
}

/// The news of a committed entry.
#[pyclass(frozen, eq, hash, module = "agent_store._core")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CommitEvent {
    #[pyo3(get)]
    stream: String,
    #[pyo3(get)]
    writer: String,
    #[pyo3(get)]
    seq: i64,
    content_hash: Hash,
    #[pyo3(get)]
    position: i64,
}

#[pymethods]
impl CommitEvent {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str, &'static str, &'static str) {
        ("stream", "writer", "seq", "content_hash", "position")
    }

    #[new]
    fn new(stream: String, writer: String, seq: i64, content_hash: &[u8], position: i64) -> PyResult<Self> {
        Ok(Self { stream, writer, seq, content_hash: hash(content_hash, "content_hash")?, position })
    }

    /// 32 bytes.
    #[getter]
    fn content_hash<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, &self.content_hash)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!(
            "CommitEvent(stream={}, writer={}, seq={}, content_hash={}, position={})",
            PyString::new(py, &self.stream).repr()?,
            PyString::new(py, &self.writer).repr()?,
            self.seq,
            short(&self.content_hash),
            self.position
        ))
    }

    fn __getnewargs__<'py>(&self, py: Python<'py>) -> (&str, &str, i64, Bound<'py, PyBytes>, i64) {
        (&self.stream, &self.writer, self.seq, self.content_hash(py), self.position)
    }
}

/// What an append did: how many entries, and the last of them.
#[pyclass(frozen, module = "agent_store._core")]
pub struct Appended(pub sqlite::Appended);

#[pymethods]
impl Appended {
    #[new]
    fn new(count: usize, seq: i64, prev_hash: Option<&[u8]>, content_hash: &[u8], position: i64) -> PyResult<Self> {
        let prev_hash = prev_hash.map(|bytes| hash(bytes, "prev_hash")).transpose()?;
        let content_hash = hash(content_hash, "content_hash")?;
        Ok(Self(sqlite::Appended { count, seq, prev_hash, content_hash, position }))
    }

    #[getter]
    fn count(&self) -> usize {
        self.0.count
    }

    #[getter]
    fn seq(&self) -> i64 {
        self.0.seq
    }

    #[getter]
    fn prev_hash<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.0.prev_hash.as_ref().map(|hash| bytes(py, hash))
    }

    #[getter]
    fn content_hash<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, &self.0.content_hash)
    }

    #[getter]
    fn position(&self) -> i64 {
        self.0.position
    }

    /// The last entry appended, given the names and the payload that it was appended with.
    fn entry(&self, stream: Py<PyString>, writer: Py<PyString>, payload: Py<PyBytes>) -> Entry {
        Entry::made(
            stream,
            writer,
            Payload::There(payload),
            (self.0.seq, self.0.position),
            (self.0.prev_hash, self.0.content_hash),
        )
    }
}

/// A writer's canonical id: BLAKE3 of its Ed25519 public key.
#[pyclass(frozen, eq, hash, module = "agent_store._core")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint(Hash);

#[pymethods]
impl Fingerprint {
    #[new]
    fn new(digest: &[u8]) -> PyResult<Self> {
        Ok(Self(hash(digest, "a fingerprint")?))
    }

    /// Of a raw public key of 32 bytes.
    #[classmethod]
    fn from_ed25519_public_key(_cls: &Bound<'_, PyType>, key: &[u8]) -> PyResult<Self> {
        hash(key, "an Ed25519 public key")?;
        Ok(Self(chain::hash(None, key)))
    }

    /// Of its 64 hex digits.
    #[classmethod]
    fn from_hex(_cls: &Bound<'_, PyType>, text: &str) -> PyResult<Self> {
        let hash = blake3::Hash::from_hex(text).map_err(|error| {
            pyo3::exceptions::PyValueError::new_err(format!("a fingerprint is 64 hex digits: {error}"))
        })?;
        Ok(Self(*hash.as_bytes()))
    }

    /// 64 lower-case digits: the writer's name in a log.
    #[getter]
    fn hex(&self) -> String {
        chain::hex(&self.0)
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, &self.0)
    }

    fn __str__(&self) -> String {
        self.hex()
    }

    fn __repr__(&self) -> String {
        format!("Fingerprint.from_hex('{}')", self.hex())
    }

    fn __getnewargs__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyBytes>,) {
        (bytes(py, &self.0),)
    }
}
