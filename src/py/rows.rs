//! Rows as a backend in Python writes them: the chain extended, and the block of a COPY.

use std::collections::HashMap;

use pyo3::exceptions::{PyKeyError, PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use super::hash;
use crate::chain::{self, Hash};
use crate::copy;
use crate::row::{Row, StoredPrev};

fn overflow(what: &str) -> PyErr {
    PyOverflowError::new_err(format!("{what} would pass 2^63 - 1"))
}

/// `start + 1`, …, `start + count` are all in range.
fn room(start: i64, count: usize, what: &str) -> PyResult<()> {
    i64::try_from(count).ok().and_then(|count| start.checked_add(count)).map(drop).ok_or_else(|| overflow(what))
}

fn row<'py>(
    py: Python<'py>,
    (position, log, seq): (i64, i64, i64),
    content_hash: &Hash,
    payload: &Bound<'py, PyBytes>,
) -> PyResult<Bound<'py, PyTuple>> {
    (position, log, seq, PyBytes::new(py, content_hash), payload).into_pyobject(py)
}

/// The rows (position, log, seq, content_hash, payload) that append `payloads` after the head `seq`, `content_hash`; 0 and
/// `None` in an empty log. The first gets `position`.
#[pyfunction]
#[pyo3(signature = (position, log, seq, content_hash, payloads))]
pub fn extend<'py>(
    py: Python<'py>,
    position: i64,
    log: i64,
    seq: i64,
    content_hash: Option<&[u8]>,
    payloads: Vec<Bound<'py, PyBytes>>,
) -> PyResult<Bound<'py, PyList>> {
    let prev = content_hash.map(|bytes| hash(bytes, "content_hash")).transpose()?;
    room(position.saturating_sub(1), payloads.len(), "a position")?;
    room(seq, payloads.len(), "the log's seq")?;
    let borrowed: Vec<&[u8]> = payloads.iter().map(|payload| payload.as_bytes()).collect();
    let hashes: Vec<Hash> = py.detach(|| chain::extend(prev, borrowed).collect());
    let rows = PyList::empty(py);
    for ((number, payload), content_hash) in (0..).zip(&payloads).zip(&hashes) {
        rows.append(row(py, (position + number, log, seq + 1 + number), content_hash, payload)?)?;
    }
    Ok(rows)
}

/// A log's head, before and while it is extended.
struct Head<'py> {
    key: Bound<'py, PyTuple>,
    place: Place,
}

/// What of it is Rust's.
#[derive(Clone, Copy)]
struct Place {
    log: i64,
    seq: i64,
    content_hash: Option<Hash>,
}

/// The same for rows (stream, writer, payload) of many logs, in this order. `heads` has (log, seq, content_hash) of each
/// (stream, writer) and gets the new ones; where this fails it is as it was.
#[pyfunction]
pub fn extend_rows<'py>(
    py: Python<'py>,
    position: i64,
    rows: &Bound<'py, PyList>,
    heads: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyList>> {
    type Cells<'py> = (Bound<'py, PyString>, Bound<'py, PyString>, Bound<'py, PyBytes>);
    let cells = rows.iter().map(|row| row.extract()).collect::<PyResult<Vec<Cells<'py>>>>()?;
    room(position.saturating_sub(1), cells.len(), "a position")?;
    let mut known: HashMap<(&str, &str), usize> = HashMap::new();
    let mut found: Vec<Head<'py>> = Vec::new();
    let mut todo: Vec<(usize, &[u8])> = Vec::with_capacity(cells.len());
    for (stream, writer, payload) in &cells {
        let names = (stream.to_str()?, writer.to_str()?);
        let number = if let Some(&number) = known.get(&names) {
            number
        } else {
            found.push(head(py, heads, stream, writer)?);
            known.insert(names, found.len() - 1);
            found.len() - 1
        };
        todo.push((number, payload.as_bytes()));
    }
    let mut places: Vec<Place> = found.iter().map(|head| head.place).collect();
    let extended: Option<Vec<(i64, i64, Hash)>> = py.detach(|| {
        let next = |(number, payload): (usize, &[u8])| {
            let place: &mut Place = &mut places[number];
            let hash = chain::hash(place.content_hash.as_ref(), payload);
            *place = Place { seq: place.seq.checked_add(1)?, content_hash: Some(hash), ..*place };
            Some((place.log, place.seq, hash))
        };
        todo.into_iter().map(next).collect()
    });
    let extended = extended.ok_or_else(|| overflow("a log's seq"))?;
    let made = PyList::empty(py);
    for (((log, seq, hash), (_, _, payload)), number) in extended.iter().zip(&cells).zip(0..) {
        made.append(row(py, (position + number, *log, *seq), hash, payload)?)?;
    }
    for (Head { key, .. }, Place { log, seq, content_hash }) in found.iter().zip(places) {
        heads.set_item(key, (log, seq, content_hash.map(|hash| PyBytes::new(py, &hash))))?;
    }
    Ok(made)
}

fn head<'py>(
    py: Python<'py>,
    heads: &Bound<'py, PyDict>,
    stream: &Bound<'py, PyString>,
    writer: &Bound<'py, PyString>,
) -> PyResult<Head<'py>> {
    let key = PyTuple::new(py, [stream, writer])?;
    let Some(found) = heads.get_item(&key)? else {
        return Err(PyKeyError::new_err(key.unbind()));
    };
    let (log, seq, content_hash): (i64, i64, Option<Bound<'py, PyBytes>>) = found.extract()?;
    let content_hash = content_hash.map(|bytes| hash(bytes.as_bytes(), "content_hash")).transpose()?;
    Ok(Head { key, place: Place { log, seq, content_hash } })
}

/// A whole binary COPY of rows (position, log, seq, content_hash, payload) into PostgreSQL.
#[pyfunction]
pub fn copy_block<'py>(py: Python<'py>, rows: &Bound<'py, PyList>) -> PyResult<Bound<'py, PyBytes>> {
    type Cells<'py> = (i64, i64, i64, Bound<'py, PyBytes>, Bound<'py, PyBytes>);
    let cells = rows.iter().map(|row| row.extract()).collect::<PyResult<Vec<Cells<'py>>>>()?;
    let rows: Vec<Row<'_>> = cells
        .iter()
        .map(|(position, log, seq, content_hash, payload)| Row {
            position: *position,
            log: Some(*log),
            seq: Some(*seq),
            content_hash: Some(content_hash.as_bytes()),
            payload: Some(payload.as_bytes()),
            prev: StoredPrev::Implied,
            erased: None,
        })
        .collect();
    PyBytes::new_with(py, copy::length(rows.iter().copied()), |block| {
        py.detach(|| copy::write(rows.iter().copied(), block))
            .map_err(|_| PyValueError::new_err("a payload of 2 GiB or more cannot be copied"))
    })
}
