//! The switches of `crate::options`, for the tests and benches of this package.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::options;

/// Set what is given, for this process; what all were before. Not for users: nothing but the tests is promised.
#[pyfunction]
#[pyo3(signature = (*, queue=None, hooks=None, rings=None))]
pub fn _options(
    py: Python<'_>,
    queue: Option<bool>,
    hooks: Option<bool>,
    rings: Option<bool>,
) -> PyResult<Bound<'_, PyDict>> {
    let before = PyDict::new(py);
    before.set_item("queue", options::QUEUE.change(queue))?;
    before.set_item("hooks", options::HOOKS.change(hooks))?;
    before.set_item("rings", options::RINGS.change(rings))?;
    Ok(before)
}
