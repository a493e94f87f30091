//! SQL parameters and results, and facts by name.

use std::time::Duration;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PySequence, PyString, PyTuple};
use rusqlite::types::Value;

use super::hash;
use crate::sqlite::{Change, Durability, Info, Params, Place};

fn value(given: &Bound<'_, PyAny>) -> PyResult<Value> {
    Ok(if given.is_none() {
        Value::Null
    } else if given.is_instance_of::<PyInt>() || given.is_instance_of::<PyBool>() {
        Value::Integer(given.extract()?)
    } else if given.is_instance_of::<PyFloat>() {
        Value::Real(given.extract()?)
    } else if let Ok(text) = given.cast::<PyString>() {
        Value::Text(text.to_str()?.to_owned())
    } else if let Ok(bytes) = given.cast::<PyBytes>() {
        Value::Blob(bytes.as_bytes().to_vec())
    } else if let Ok(buffer) = PyBuffer::<u8>::get(given) {
        Value::Blob(buffer.to_vec(given.py())?)
    } else {
        return Err(PyTypeError::new_err(format!(
            "an SQL parameter must be None, int, float, str or bytes-like, not {}",
            given.get_type().name()?
        )));
    })
}

/// Position and hash of an entry; `(0, b"")` is none, and `b""` a hash that is not 32 bytes where it is stored.
pub fn place(given: Option<(i64, &[u8])>) -> PyResult<Option<Place>> {
    match given {
        None | Some((0, _)) => Ok(None),
        Some((position, [])) => Ok(Some(Place { position, content_hash: None })),
        Some((position, bytes)) => Ok(Some(Place { position, content_hash: Some(hash(bytes, "the hash of known")?) })),
    }
}

/// ValueError unless these are positions that something stands at.
pub fn range(first: i64, last: i64) -> PyResult<()> {
    if first < 1 || last < first {
        return Err(PyValueError::new_err(format!("there are no positions {first} to {last}")));
    }
    Ok(())
}

/// A sequence for `?`, a mapping for `:name`.
pub fn params(given: &Bound<'_, PyAny>) -> PyResult<Params> {
    if let Ok(named) = given.cast::<PyDict>() {
        let pairs = named.iter().map(|(key, item)| Ok((key.extract()?, value(&item)?)));
        return Ok(Params::Named(pairs.collect::<PyResult<_>>()?));
    }
    if given.is_instance_of::<PyString>() || given.is_instance_of::<PyBytes>() {
        return Err(PyTypeError::new_err("SQL parameters must be a sequence, such as [value], or a dict"));
    }
    if given.cast::<PySequence>().is_err() {
        return Err(PyTypeError::new_err("SQL parameters must be a sequence, such as [value], or a dict"));
    }
    let values = given.try_iter()?.map(|item| value(&item?));
    Ok(Params::Positional(values.collect::<PyResult<_>>()?))
}

pub fn rows(py: Python<'_>, rows: Vec<Vec<Value>>) -> PyResult<Bound<'_, PyList>> {
    let list = PyList::empty(py);
    for row in rows {
        let cells = row.into_iter().map(|cell| cell_object(py, cell)).collect::<PyResult<Vec<_>>>()?;
        list.append(PyTuple::new(py, cells)?)?;
    }
    Ok(list)
}

fn cell_object(py: Python<'_>, cell: Value) -> PyResult<Bound<'_, PyAny>> {
    Ok(match cell {
        Value::Null => py.None().into_bound(py),
        Value::Integer(number) => number.into_pyobject(py)?.into_any(),
        Value::Real(number) => number.into_pyobject(py)?.into_any(),
        Value::Text(text) => PyString::new(py, &text).into_any(),
        Value::Blob(blob) => PyBytes::new(py, &blob).into_any(),
    })
}

/// The facts of a store by name.
pub fn info<'py>(py: Python<'py>, kind: &str, info: Info) -> PyResult<Bound<'py, PyDict>> {
    let path = info.path.map_or_else(|| ":memory:".to_owned(), |path| path.display().to_string());
    let durability = match info.durability {
        Durability::Full => "full",
        Durability::Normal => "normal",
    };
    let dict = PyDict::new(py);
    dict.set_item("kind", kind)?;
    dict.set_item("path", path)?;
    dict.set_item("format", info.format)?;
    dict.set_item("id", info.id)?;
    dict.set_item("layout", info.layout)?;
    dict.set_item("entries", info.entries)?;
    dict.set_item("logs", info.logs)?;
    dict.set_item("position", info.position)?;
    dict.set_item("bytes", info.bytes)?;
    dict.set_item("sqlite_version", rusqlite::version())?;
    dict.set_item("durability", durability)?;
    dict.set_item("read_only", info.read_only)?;
    dict.set_item("locks", info.locks)?;
    dict.set_item("doorbell", info.doorbell)?;
    Ok(dict)
}

/// What is to become of a generation; `None`: nothing.
pub fn change(how: &str, n: i64) -> PyResult<Option<Change>> {
    Ok(match how {
        "current" => None,
        "bump" => Some(Change::Bump),
        "set" => Some(Change::Set(n)),
        "advance" => Some(Change::Advance(n)),
        "reserve" => Some(Change::Reserve(n)),
        other => return Err(PyValueError::new_err(format!("a generation has no way {other:?}"))),
    })
}

pub fn durability(name: &str) -> PyResult<Durability> {
    match name {
        "full" => Ok(Durability::Full),
        "normal" => Ok(Durability::Normal),
        other => Err(PyValueError::new_err(format!("durability must be \"full\" or \"normal\", not {other:?}"))),
    }
}

pub fn timeout(seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        PyValueError::new_err(format!("timeout must be a finite number of seconds, 0 or more, not {seconds}"))
    })
}

/// TypeError or ValueError for what a store of any kind is not to be opened with.
#[pyfunction]
pub fn check_options(durability: &str, timeout: f64) -> PyResult<()> {
    self::durability(durability)?;
    self::timeout(timeout)?;
    Ok(())
}
