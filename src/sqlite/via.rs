//! Where a read runs: on a connection of its own, or inside a transaction that is open.

use std::sync::Arc;
use std::time::Duration;

use super::conn::Conn;
use super::connection::snapshot;
use super::crate_layout;
use super::layout::{self, Layout};
use super::pool::Pool;
use super::transaction::Transaction;
use super::wait::{Check, Patience};
use crate::error::Result;

pub struct Via<'a> {
    pool: &'a Arc<Pool>,
    transaction: Option<&'a Transaction>,
    timeout: Duration,
    check: Check<'a>,
    /// The file was in its place a moment ago.
    is_there: bool,
}

impl<'a> Via<'a> {
    pub fn new(pool: &'a Arc<Pool>, transaction: Option<&'a Transaction>, timeout: Duration, check: Check<'a>) -> Self {
        Self { pool, transaction, timeout, check, is_there: false }
    }

    /// For who was woken by a ring, and looked after the file before it slept.
    pub fn woken(pool: &'a Arc<Pool>, timeout: Duration, check: Check<'a>) -> Self {
        Self { is_there: true, ..Self::new(pool, None, timeout, check) }
    }

    /// True where several threads may read at once.
    pub fn is_shared(&self) -> bool {
        self.transaction.is_none() && !self.pool.in_memory()
    }

    /// Read, again where SQLite was busy (another process recovers the WAL, or closes the file).
    pub fn read<T>(&self, mut read: impl FnMut(&Conn) -> Result<T>) -> Result<T> {
        if let Some(transaction) = self.transaction {
            return transaction.with(|conn| read(conn));
        }
        let patience = Patience::new(self.timeout, self.check);
        if !self.is_there {
            // A store that is closed leaves no WAL either: then it is that.
            self.pool.identity.check(&patience).or_else(|error| self.pool.check_open().and(Err(error)))?;
        }
        let mut lease = self.pool.reader(&patience)?;
        let conn = lease.conn()?;
        patience.repeat(|| match conn.layout {
            Layout::Compact => read(conn),
            Layout::Crate | Layout::Nothing => read_crate(conn, &patience, &mut read),
        })
    }

    /// Several statements on one state of the database. Busy is what begins such a read: once it has begun, whatever
    /// `read` counts is counted once.
    pub fn snapshot<T>(&self, mut read: impl FnMut(&Conn) -> Result<T>) -> Result<T> {
        self.read(|conn| {
            if !conn.sqlite.is_autocommit() {
                return read(conn);
            }
            conn.sqlite.prepare_cached("BEGIN")?.execute(())?;
            let result = read(conn);
            // COMMIT would say again of a page that it cannot be read, although `read` has dealt with that.
            conn.sqlite.prepare_cached("ROLLBACK")?.execute(())?;
            result
        })
    }
}

/// The crate writes such a file meanwhile, and any program of ours may turn it into our layout.
fn read_crate<T>(conn: &mut Conn, patience: &Patience<'_>, read: &mut impl FnMut(&Conn) -> Result<T>) -> Result<T> {
    let sqlite = &conn.sqlite;
    if !sqlite.is_autocommit() {
        return read(conn);
    }
    let (now, result) = snapshot(sqlite, || {
        let now = layout::detect(sqlite, patience)?;
        if now == Layout::Compact {
            return Ok((now, None));
        }
        crate_layout::refresh(sqlite, patience)?;
        Ok((now, Some(read(conn)?)))
    })?;
    if let Some(result) = result {
        return Ok(result);
    }
    crate_layout::remove(&conn.sqlite)?;
    conn.layout = now;
    read(conn)
}
