//! What callers hand in, checked once and for every backend: names, payloads, and drawing them from iterables in chunks.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use super::errors::detached;

/// 512 MiB.
const LARGEST_PAYLOAD: usize = 512 << 20;
const LONGEST_NAME: usize = 1_024;
/// Items drawn before signals are looked at: an iterator written in C never does.
const ASK: usize = 1_024;

fn type_name(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string())
}

/// A str without lone surrogates: what can be looked for. `what` names the argument in the message.
#[pyfunction]
pub fn check_name(what: &str, name: &Bound<'_, PyAny>) -> PyResult<()> {
    let Ok(text) = name.cast::<PyString>() else {
        return Err(PyTypeError::new_err(format!("{what} must be a str, not {}", type_name(name))));
    };
    if text.to_str().is_err() {
        return Err(PyValueError::new_err(format!(
            "{what} has a lone surrogate, which UTF-8 cannot hold: {}",
            text.repr()?
        )));
    }
    Ok(())
}

/// A name that an entry or a counter may be written under: 1 to 1,024 bytes of UTF-8 without NUL.
#[pyfunction]
pub fn check_writable(what: &str, name: &Bound<'_, PyAny>) -> PyResult<()> {
    check_name(what, name)?;
    let text = name.cast::<PyString>()?.to_str()?;
    if text.is_empty() {
        return Err(PyValueError::new_err(format!("{what} is empty: it must have 1 to {LONGEST_NAME} bytes of UTF-8")));
    }
    if text.len() > LONGEST_NAME {
        return Err(PyValueError::new_err(format!(
            "{what} has {} bytes of UTF-8 and may have at most {LONGEST_NAME}",
            text.len()
        )));
    }
    if text.contains('\0') {
        return Err(PyValueError::new_err(format!("{what} contains a NUL character")));
    }
    Ok(())
}

/// ValueError for an SQL statement of the caller's that SQLite is not to be given; says what to do instead.
#[pyfunction]
pub fn check_statement(py: Python<'_>, sql: &str) -> PyResult<()> {
    detached(py, |_| crate::sqlite::check_statement(sql))
}

/// The payload as bytes; any other buffer is copied, for it may change while it is hashed and written.
fn payload<'py>(value: &Bound<'py, PyAny>, place: impl Fn() -> String) -> PyResult<Bound<'py, PyBytes>> {
    let bytes = if let Ok(bytes) = value.cast_exact::<PyBytes>() {
        bytes.clone()
    } else if value.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err(format!("{} is a str: encode it, as in payload.encode()", place())));
    } else if let Ok(buffer) = PyBuffer::<u8>::get(value) {
        check_length(buffer.len_bytes(), &place)?;
        PyBytes::new(value.py(), &buffer.to_vec(value.py())?)
    } else if let Ok(view) = value.py().import("builtins")?.getattr("memoryview")?.call1((value,)) {
        check_length(view.getattr("nbytes")?.extract()?, &place)?;
        view.call_method0("tobytes")?.cast_into()?
    } else {
        return Err(PyTypeError::new_err(format!("{} must be bytes-like, not {}", place(), type_name(value))));
    };
    check_length(bytes.as_bytes().len(), &place)?;
    Ok(bytes)
}

fn check_length(length: usize, place: &impl Fn() -> String) -> PyResult<()> {
    if length > LARGEST_PAYLOAD {
        return Err(PyValueError::new_err(format!(
            "{} has {length} bytes and may have at most {LARGEST_PAYLOAD} (512 MiB)",
            place()
        )));
    }
    Ok(())
}

/// The payload as bytes, or TypeError or ValueError.
#[pyfunction]
pub fn as_payload<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    payload(value, || "payload".to_owned())
}

/// What was drawn, and whether the iterator has ended.
type Drawn<'py> = (Bound<'py, PyList>, bool);

/// The next payloads of an iterator as bytes, at most `rows` and hardly more than `size` bytes. `first` is the number of
/// the first one, for messages.
#[pyfunction]
pub fn draw_payloads<'py>(iterator: &Bound<'py, PyAny>, first: u64, rows: usize, size: usize) -> PyResult<Drawn<'py>> {
    let drawn = PyList::empty(iterator.py());
    let mut bytes = 0;
    let mut items = iterator.try_iter()?;
    while drawn.len() < rows && bytes < size {
        let Some(item) = items.next() else {
            return Ok((drawn, true));
        };
        let item = payload(&item?, || format!("payload number {}", first + drawn.len() as u64))?;
        bytes += item.as_bytes().len();
        drawn.append(item)?;
        if drawn.len() % ASK == 0 {
            iterator.py().check_signals()?;
        }
    }
    Ok((drawn, false))
}

/// The same for rows of (stream, writer, payload).
#[pyfunction]
pub fn draw_rows<'py>(iterator: &Bound<'py, PyAny>, first: u64, rows: usize, size: usize) -> PyResult<Drawn<'py>> {
    let py = iterator.py();
    let drawn = PyList::empty(py);
    let mut bytes = 0;
    let mut items = iterator.try_iter()?;
    while drawn.len() < rows && bytes < size {
        let Some(item) = items.next() else {
            return Ok((drawn, true));
        };
        let number = first + drawn.len() as u64;
        let item = item?;
        let Ok((stream, writer, value)) = item.extract::<(Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>)>()
        else {
            return Err(PyTypeError::new_err(format!(
                "row number {number} must be a tuple (stream, writer, payload), not {}",
                item.cast::<PyTuple>().map_or_else(|_| type_name(&item), |tuple| format!("one of {}", tuple.len()))
            )));
        };
        check_writable(&format!("stream of row number {number}"), &stream)?;
        check_writable(&format!("writer of row number {number}"), &writer)?;
        let value = payload(&value, || format!("payload of row number {number}"))?;
        bytes += value.as_bytes().len();
        drawn.append(PyTuple::new(py, [stream, writer, value.into_any()])?)?;
        if drawn.len() % ASK == 0 {
            py.check_signals()?;
        }
    }
    Ok((drawn, false))
}
