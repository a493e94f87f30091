//! The native backend: the Protocol of `agent_store.backends.backend`, verb by verb.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use super::errors::{detached, reporting};
use super::findings::Findings;
use super::head::{Appended, Head};
use super::pages::{Pages, Several, entries};
use super::transaction::{Transaction, of};
use super::waiter::Waiter;
use super::{hash, values};
use crate::os::fork;
use crate::sqlite::{Expected, Reading, Select, Settings, Store};

/// A store on an SQLite file, or in memory.
#[pyclass(frozen, module = "agent_store._core")]
pub struct Sqlite {
    store: Store,
    several: Several,
}

#[pymethods]
impl Sqlite {
    #[classattr]
    const KIND: &'static str = "sqlite";

    /// `path`: absolute, or `None` for a store in memory. `progress(done, total)` is told of an upgrade.
    #[new]
    #[pyo3(signature = (path, *, durability, read_only, timeout, progress=None))]
    fn new(
        py: Python<'_>,
        path: Option<PathBuf>,
        durability: &str,
        read_only: bool,
        timeout: f64,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let (durability, timeout) = (values::durability(durability)?, values::timeout(timeout)?);
        let settings = Settings { path, durability, read_only };
        let store = reporting(py, progress, |check, report| Store::open(settings, timeout, check, report))?;
        Ok(Self { store, several: Several::default() })
    }

    #[getter]
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    #[getter]
    fn owned(&self) -> bool {
        true
    }

    /// True where a call of its own is durable when it returns.
    #[getter]
    fn commits(&self) -> bool {
        true
    }

    /// True where nothing can be read while a transaction is open elsewhere: one connection for all.
    #[getter]
    fn exclusive(&self) -> bool {
        self.store.in_memory()
    }

    fn locks_refused(&self) -> bool {
        self.store.locks_refused()
    }

    fn check_open(&self, py: Python<'_>) -> PyResult<()> {
        detached(py, |_| self.store.check_open())
    }

    #[pyo3(signature = (within=None, *, synced=false))]
    fn begin(&self, py: Python<'_>, within: Option<&Bound<'_, Transaction>>, synced: bool) -> PyResult<Transaction> {
        let within = of(within);
        let inner = detached(py, |check| self.store.begin(within, synced, check))?;
        Ok(Transaction { inner })
    }

    fn commit(&self, py: Python<'_>, tx: &Bound<'_, Transaction>) -> PyResult<()> {
        let tx = tx.get();
        detached(py, |_| tx.inner.commit())
    }

    fn rollback(&self, py: Python<'_>, tx: &Bound<'_, Transaction>) {
        let tx = tx.get();
        py.detach(|| fork::inside(|| tx.inner.rollback()));
    }

    /// `expected`: `None` for anything, `(0, b"")` for an empty log, else seq and hash of the head.
    #[pyo3(signature = (stream, writer, payloads, expected=None, tx=None))]
    fn append(
        &self,
        py: Python<'_>,
        stream: &str,
        writer: &str,
        payloads: Vec<Bound<'_, PyBytes>>,
        expected: Option<(i64, &[u8])>,
        tx: Option<&Bound<'_, Transaction>>,
    ) -> PyResult<Appended> {
        let expected = match expected {
            None => Expected::Anything,
            Some((0, _)) => Expected::Head(None),
            Some((seq, bytes)) => Expected::Head(Some((seq, hash(bytes, "the hash of expected")?))),
        };
        let borrowed: Vec<&[u8]> = payloads.iter().map(|payload| payload.as_bytes()).collect();
        let tx = of(tx);
        let appended = detached(py, |check| self.store.append(stream, writer, &borrowed, expected, tx, check))?;
        Ok(Appended(appended))
    }

    #[pyo3(signature = (rows, tx=None))]
    fn append_rows(
        &self,
        py: Python<'_>,
        rows: &Bound<'_, PyList>,
        tx: Option<&Bound<'_, Transaction>>,
    ) -> PyResult<i64> {
        type Cells<'py> = (Bound<'py, PyString>, Bound<'py, PyString>, Bound<'py, PyBytes>);
        let rows = rows.iter().map(|row| row.extract()).collect::<PyResult<Vec<Cells<'_>>>>()?;
        let borrowed = rows
            .iter()
            .map(|(stream, writer, payload)| Ok((stream.to_str()?, writer.to_str()?, payload.as_bytes())))
            .collect::<PyResult<Vec<_>>>()?;
        let tx = of(tx);
        detached(py, |check| self.store.append_rows(&borrowed, tx, check))
    }

    /// `stream`: one, several, or `None` for all. `known`: position and hash of an entry that was seen there.
    #[pyo3(signature = (stream=None, writer=None, *, exclude_writer=None, after=0, start=1, stop=None, reverse=false, known=None))]
    fn pages(
        &self,
        stream: Option<&Bound<'_, PyAny>>,
        writer: Option<String>,
        exclude_writer: Option<String>,
        after: i64,
        start: i64,
        stop: Option<i64>,
        reverse: bool,
        known: Option<(i64, &[u8])>,
    ) -> PyResult<Pages> {
        let (streams, known) = (self.several.streams(stream)?, values::place(known)?);
        let select = Select { streams, writer, exclude_writer, after, start, stop, reverse, known };
        Ok(Pages::of(Reading::new(select)))
    }

    /// At most `limit` entries more; an empty list when the reading is over.
    #[pyo3(signature = (pages, limit, tx=None))]
    fn read<'py>(
        &self,
        py: Python<'py>,
        pages: &Bound<'py, Pages>,
        limit: usize,
        tx: Option<&Bound<'py, Transaction>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let pages = pages.get();
        let tx = of(tx);
        let page = detached(py, |check| {
            self.store.check_open()?;
            pages.with(|reading| self.store.read(reading, limit, tx, check))
        })?;
        entries(py, &page)
    }

    #[pyo3(signature = (stream=None, tx=None))]
    fn heads(&self, py: Python<'_>, stream: Option<&str>, tx: Option<&Bound<'_, Transaction>>) -> PyResult<Vec<Head>> {
        let tx = of(tx);
        let heads = detached(py, |check| self.store.heads(stream, tx, check))?;
        Ok(heads.into_iter().map(Head::from).collect())
    }

    #[pyo3(signature = (tx=None))]
    fn position(&self, py: Python<'_>, tx: Option<&Bound<'_, Transaction>>) -> PyResult<i64> {
        let tx = of(tx);
        detached(py, |check| self.store.position(tx, check))
    }

    /// Verify the whole store, `sealed` positions beside the tree; `progress(done, total)` is called about 20 times a second.
    #[pyo3(signature = (progress=None, tx=None, *, sealed=0))]
    fn verify(
        &self,
        py: Python<'_>,
        progress: Option<&Bound<'_, PyAny>>,
        tx: Option<&Bound<'_, Transaction>>,
        sealed: i64,
    ) -> PyResult<Findings> {
        let tx = of(tx);
        reporting(py, progress, |check, report| self.store.verify(sealed, tx, check, report)).map(Findings)
    }

    /// The leaf hashes of positions `first` to `last`, one after the other.
    #[pyo3(signature = (first, last, progress=None))]
    fn leaves<'py>(
        &self,
        py: Python<'py>,
        first: i64,
        last: i64,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(Findings, Bound<'py, PyBytes>)> {
        values::range(first, last)?;
        let found = reporting(py, progress, |check, report| self.store.leaves(first, last, check, report));
        found.map(|(findings, leaves)| (Findings(findings), PyBytes::new(py, &leaves)))
    }

    /// Verify one log, from `since` on if it is given.
    #[pyo3(signature = (stream, writer, since=None, contains=None, progress=None, tx=None))]
    fn verify_log(
        &self,
        py: Python<'_>,
        stream: &str,
        writer: &str,
        since: Option<&Bound<'_, Head>>,
        contains: Option<&Bound<'_, Head>>,
        progress: Option<&Bound<'_, PyAny>>,
        tx: Option<&Bound<'_, Transaction>>,
    ) -> PyResult<Findings> {
        let tx = of(tx);
        let since = since.map(|head| crate::error::Head::from(head.get()));
        let contains = contains.map(|head| crate::error::Head::from(head.get()));
        reporting(py, progress, |check, report| {
            self.store.verify_log(stream, writer, since.as_ref(), contains.as_ref(), tx, check, report)
        })
        .map(Findings)
    }

    /// Copy the store to `path`, absolute; `progress(done, total)` counts each page twice, copied and verified.
    #[pyo3(signature = (path, progress=None))]
    fn backup(&self, py: Python<'_>, path: PathBuf, progress: Option<&Bound<'_, PyAny>>) -> PyResult<Findings> {
        reporting(py, progress, |check, report| self.store.backup(&path, check, report)).map(Findings)
    }

    /// `how`: current, bump, set, advance or reserve; the value after it.
    #[pyo3(signature = (key, how, n=0, tx=None))]
    fn advance(
        &self,
        py: Python<'_>,
        key: &str,
        how: &str,
        n: i64,
        tx: Option<&Bound<'_, Transaction>>,
    ) -> PyResult<i64> {
        let change = values::change(how, n)?;
        let tx = of(tx);
        detached(py, |check| match change {
            None => self.store.generation(key, tx, check),
            Some(change) => self.store.change_generation(key, change, tx, check),
        })
    }

    #[pyo3(signature = (tx=None))]
    fn generations(&self, py: Python<'_>, tx: Option<&Bound<'_, Transaction>>) -> PyResult<Vec<(String, i64)>> {
        let tx = of(tx);
        detached(py, |check| self.store.generations(tx, check))
    }

    #[pyo3(signature = (sql, params, tx=None))]
    fn execute(
        &self,
        py: Python<'_>,
        sql: &str,
        params: &Bound<'_, PyAny>,
        tx: Option<&Bound<'_, Transaction>>,
    ) -> PyResult<u64> {
        let params = values::params(params)?;
        let tx = of(tx);
        detached(py, |check| self.store.execute(sql, &params, tx, check))
    }

    #[pyo3(signature = (sql, params, tx=None, *, may_write=true))]
    fn query<'py>(
        &self,
        py: Python<'py>,
        sql: &str,
        params: &Bound<'py, PyAny>,
        tx: Option<&Bound<'py, Transaction>>,
        may_write: bool,
    ) -> PyResult<Bound<'py, PyList>> {
        let params = values::params(params)?;
        let tx = of(tx);
        let rows = detached(py, |check| self.store.query(sql, &params, may_write, tx, check))?;
        values::rows(py, rows)
    }

    #[pyo3(signature = (statement, *params, tx=None))]
    fn fetch<'py>(
        &self,
        py: Python<'py>,
        statement: &str,
        params: &Bound<'py, PyTuple>,
        tx: Option<&Bound<'py, Transaction>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let params = values::params(params.as_any())?;
        let tx = of(tx);
        let rows = detached(py, |check| self.store.fetch(statement, &params, tx, check))?;
        values::rows(py, rows)
    }

    #[pyo3(signature = (statement, *params, tx=None))]
    fn change(
        &self,
        py: Python<'_>,
        statement: &str,
        params: &Bound<'_, PyTuple>,
        tx: Option<&Bound<'_, Transaction>>,
    ) -> PyResult<u64> {
        let params = values::params(params.as_any())?;
        let tx = of(tx);
        detached(py, |check| self.store.change(statement, &params, tx, check))
    }

    fn scrub(&self, py: Python<'_>) -> PyResult<bool> {
        detached(py, |check| self.store.scrub(check))
    }

    fn waiter(&self, py: Python<'_>) -> PyResult<Waiter> {
        detached(py, |_| self.store.waiter()).map(Waiter::of)
    }

    fn ring(&self, py: Python<'_>) -> PyResult<()> {
        detached(py, |_| self.store.ring())
    }

    #[pyo3(signature = (tx=None))]
    fn info<'py>(&self, py: Python<'py>, tx: Option<&Bound<'py, Transaction>>) -> PyResult<Bound<'py, PyDict>> {
        let tx = of(tx);
        values::info(py, Self::KIND, detached(py, |check| self.store.info(tx, check))?)
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        detached(py, |check| self.store.close(check))
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        // Closing may carry the whole WAL into the file: not while everybody else waits for the interpreter.
        Python::attach(|py| py.detach(|| fork::inside(|| self.store.abandon())));
    }
}
