//! One entry of a log.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use super::errors::PayloadErased;
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
    payload: Payload,
    #[pyo3(get)]
    position: i64,
}

pub enum Payload {
    There(Py<PyBytes>),
    /// It was removed for good, and had so many bytes.
    Erased(i64),
}

impl Payload {
    fn len(&self, py: Python<'_>) -> i64 {
        match self {
            // At most 512 MiB where it is written.
            Self::There(payload) => i64::try_from(payload.bind(py).as_bytes().len()).unwrap_or(i64::MAX),
            Self::Erased(length) => *length,
        }
    }

    fn there(&self) -> Option<&Py<PyBytes>> {
        match self {
            Self::There(payload) => Some(payload),
            Self::Erased(_) => None,
        }
    }
}

impl Entry {
    pub fn made(
        stream: Py<PyString>,
        writer: Py<PyString>,
        payload: Payload,
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
            payload: self.payload.there().map(|payload| payload.bind(py).as_bytes()),
        })
    }

    /// As it is stored: empty where it was erased.
    pub fn names_and_payload<'py>(&self, py: Python<'py>) -> (&Py<PyString>, &Py<PyString>, Bound<'py, PyBytes>) {
        let payload = self.payload.there().map_or_else(|| PyBytes::new(py, b""), |payload| payload.bind(py).clone());
        (&self.stream, &self.writer, payload)
    }
}

#[pymethods]
impl Entry {
    #[classattr]
    fn __match_args__()
    -> (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str, &'static str) {
        ("stream", "writer", "seq", "prev_hash", "content_hash", "payload", "position")
    }

    /// `payload` is None for one that was erased, or is withheld: `payload_len` says how many bytes it had. Where it is
    /// there, that need not be said.
    #[new]
    #[pyo3(signature = (stream, writer, seq, prev_hash, content_hash, payload, position, payload_len=None))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        stream: Py<PyString>,
        writer: Py<PyString>,
        seq: i64,
        prev_hash: Option<&[u8]>,
        content_hash: &[u8],
        payload: Option<Py<PyBytes>>,
        position: i64,
        payload_len: Option<i64>,
    ) -> PyResult<Self> {
        let prev_hash = prev_hash.map(|bytes| hash(bytes, "prev_hash")).transpose()?;
        let content_hash = hash(content_hash, "content_hash")?;
        let payload = match (payload, payload_len) {
            (Some(payload), _) => Payload::There(payload),
            (None, Some(length)) if length >= 0 => Payload::Erased(length),
            (None, Some(length)) => {
                return Err(PyValueError::new_err(format!("payload_len must be 0 or more bytes, not {length}")));
            }
            (None, None) => {
                return Err(PyValueError::new_err("payload is None: payload_len must say how many bytes it had"));
            }
        };
        if let Some(length) = payload_len
            && length != payload.len(py)
        {
            return Err(PyValueError::new_err(format!(
                "payload_len is {length}, and payload has {} bytes",
                payload.len(py)
            )));
        }
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

    /// What was appended; PayloadErased where it was removed for good.
    #[getter]
    fn payload<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        match &self.payload {
            Payload::There(payload) => Ok(payload.bind(py).clone()),
            Payload::Erased(_) => Err(PayloadErased::new_err((
                self.stream.clone_ref(py),
                self.writer.clone_ref(py),
                self.seq,
                self.position,
            ))),
        }
    }

    /// Bytes of the payload, also of one that was erased.
    #[getter]
    fn payload_len(&self, py: Python<'_>) -> i64 {
        self.payload.len(py)
    }

    /// True where the payload was removed for good.
    #[getter]
    fn erased(&self) -> bool {
        self.payload.there().is_none()
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
            && match (&self.payload, &other.payload) {
                (Payload::There(ours), Payload::There(theirs)) => {
                    ours.bind(py).as_bytes() == theirs.bind(py).as_bytes()
                }
                (Payload::Erased(ours), Payload::Erased(theirs)) => ours == theirs,
                _ => false,
            })
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        (&self.stream, &self.writer, self.seq, self.position, &self.content_hash[..8]).into_pyobject(py)?.hash()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let payload = match &self.payload {
            Payload::There(payload) => {
                let whole = payload.bind(py).as_bytes();
                let shown = PyBytes::new(py, &whole[..whole.len().min(SHOWN)]).repr()?;
                let more = if whole.len() > SHOWN { format!("… {} bytes", whole.len()) } else { String::new() };
                format!("{shown}{more}")
            }
            Payload::Erased(length) => format!("erased… {length} bytes"),
        };
        Ok(format!(
            "Entry(stream={}, writer={}, seq={}, prev_hash={}, content_hash={}, payload={payload}, position={})",
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
    ) -> (
        &Py<PyString>,
        &Py<PyString>,
        i64,
        Option<Bound<'py, PyBytes>>,
        Bound<'py, PyBytes>,
        Option<&Py<PyBytes>>,
        i64,
        i64,
    ) {
        (
            &self.stream,
            &self.writer,
            self.seq,
            self.prev_hash(py),
            self.content_hash(py),
            self.payload.there(),
            self.position,
            self.payload.len(py),
        )
    }
}
