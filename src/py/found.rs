//! A stored row as a driver gives it: a tuple of whatever types there are.

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyTuple};

use crate::row::{Row, StoredPrev};

/// The values of a row; None where the type is another.
pub struct Found<'py> {
    numbers: [Option<i64>; 4],
    blobs: [Option<Bound<'py, PyBytes>>; 2],
}

impl<'py> Found<'py> {
    pub fn of(row: &Bound<'py, PyAny>) -> PyResult<Self> {
        type Cells<'py> =
            (Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>);
        let row = row.cast::<PyTuple>()?;
        let erased = if row.len() > 5 { Some(row.get_item(5)?) } else { None };
        let (position, log, seq, content_hash, payload): Cells<'py> = row.get_slice(0, 5).extract()?;
        let number = |value: &Bound<'py, PyAny>| value.cast_exact::<PyInt>().ok()?.extract().ok();
        Ok(Self {
            numbers: [number(&position), number(&log), number(&seq), erased.as_ref().and_then(number)],
            blobs: [blob(&content_hash)?, blob(&payload)?],
        })
    }

    pub fn row(&self) -> Row<'_> {
        let [position, log, seq, erased] = self.numbers;
        let [content_hash, payload] = &self.blobs;
        Row {
            position: position.unwrap_or(0),
            log,
            seq,
            content_hash: content_hash.as_ref().map(|bytes| bytes.as_bytes()),
            payload: payload.as_ref().map(|bytes| bytes.as_bytes()),
            prev: StoredPrev::Implied,
            erased,
        }
    }
}

/// A driver may give another buffer than bytes: it is copied.
pub fn blob<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyBytes>>> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Some(bytes.clone()));
    }
    let Ok(buffer) = PyBuffer::<u8>::get(value) else { return Ok(None) };
    Ok(Some(PyBytes::new(value.py(), &buffer.to_vec(value.py())?)))
}
