//! A native transaction, as Python holds it.

use pyo3::prelude::*;

use crate::sqlite;

/// A transaction that lasts over many calls, or a savepoint inside one.
#[pyclass(frozen, module = "agent_store._core")]
pub struct Transaction {
    pub inner: sqlite::Transaction,
}

pub fn of<'a>(tx: Option<&'a Bound<'_, Transaction>>) -> Option<&'a sqlite::Transaction> {
    tx.map(|tx| &tx.get().inner)
}
