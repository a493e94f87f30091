//! Write transactions: BEGIN IMMEDIATE, what a call does inside, COMMIT; and those that last over many calls.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::conn::Conn;
use super::connection;
use super::lease::Lease;
use super::pool::Pool;
use super::wait::Patience;
use crate::error::{Error, Result};
use crate::os::fork;

fn run(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.execute(()).map(drop)
}

/// Take the write lock of the store and of the file. `synced`: what is committed is on disk, whatever the durability.
pub fn begin(pool: &Arc<Pool>, synced: bool, patience: &Patience<'_>) -> Result<Lease> {
    let mut lease = pool.writer(patience)?;
    begin_on(pool, lease.conn()?, synced, patience)?;
    Ok(lease)
}

/// The same, by who has the store's already.
pub fn begin_on(pool: &Pool, conn: &mut Conn, synced: bool, patience: &Patience<'_>) -> Result<()> {
    pool.check_healthy()?;
    pool.identity.check(patience)?;
    if conn.synced != synced {
        let sync = || connection::sync(&conn.sqlite, pool.settings.durability, synced);
        patience.retry("the change of durability", sync)?;
        conn.synced = synced;
    }
    conn.changes = conn.sqlite.total_changes();
    let Conn { sqlite, wal, queue, .. } = conn;
    wal.before_begin(sqlite)?;
    queue.enter(patience, || run(sqlite, "BEGIN IMMEDIATE"))?;
    // Only now: what others committed before we had the lock is to be seen.
    let ready = conn.wal.before_write(&conn.sqlite).and_then(|()| conn.heads.refresh(&conn.sqlite));
    ready.inspect_err(|_| rollback(conn))
}

pub fn commit(pool: &Arc<Pool>, conn: &mut Conn) -> Result<()> {
    if let Err(error) = pool.identity.check_still().and_then(|()| conn.heads.before_commit(&conn.sqlite)) {
        rollback(conn);
        return Err(error);
    }
    let Err(error) = run(&conn.sqlite, "COMMIT") else {
        if conn.has_changed(pool.in_memory()) {
            pool.bell.committed();
        }
        conn.heads.committed(&conn.sqlite);
        pool.carrier.committed(pool, conn);
        return Ok(());
    };
    let unknown = error.sqlite_error_code() == Some(rusqlite::ErrorCode::SystemIoFailure);
    let (heads, count) = conn.heads.moved_now();
    rollback(conn);
    if !unknown {
        return Err(error.into());
    }
    // The commit may stand in the WAL although its sync failed, and a later sync that succeeds proves nothing about it.
    conn.wal.failed(&conn.sqlite, pool);
    Err(Error::OutcomeUnknown { detail: error.to_string(), heads, count })
}

pub fn rollback(conn: &mut Conn) {
    conn.heads.forget();
    if !conn.sqlite.is_autocommit() {
        // A failure here leaves the connection in its transaction, which the next BEGIN reports.
        let _ = run(&conn.sqlite, "ROLLBACK");
    }
}

/// Run `write` so that it happens whole or not at all, in a transaction that goes on either way.
fn within<T>(conn: &mut Conn, write: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
    run(&conn.sqlite, "SAVEPOINT agent_store_call")?;
    match write(conn) {
        Ok(value) => {
            run(&conn.sqlite, "RELEASE agent_store_call")?;
            Ok(value)
        }
        Err(error) => {
            undo(conn, "agent_store_call")?;
            Err(error)
        }
    }
}

fn undo(conn: &mut Conn, savepoint: &str) -> Result<()> {
    if conn.sqlite.is_autocommit() {
        conn.heads.forget(); // The failure ended the whole transaction; the next call says so.
        return Ok(());
    }
    run(&conn.sqlite, &format!("ROLLBACK TO {savepoint}"))?;
    run(&conn.sqlite, &format!("RELEASE {savepoint}"))?;
    conn.heads.reload(&conn.sqlite)
}

/// A transaction that lasts over many calls, or a savepoint inside one.
pub struct Transaction {
    lent: Arc<Mutex<Option<Lease>>>,
    /// 0: the transaction itself; else the savepoint's number.
    level: u32,
    pool: Arc<Pool>,
    fate: Arc<Fate>,
}

/// Whether what was written is still there: what was read inside may be of entries that are gone.
#[derive(Default)]
pub struct Fate {
    undone: AtomicBool,
    committed: AtomicBool,
    outer: Option<Arc<Fate>>,
}

impl Fate {
    pub fn is_undone(&self) -> bool {
        self.undone.load(Ordering::Acquire) || self.outer.as_ref().is_some_and(|outer| outer.is_undone())
    }

    /// True while nobody outside the transaction can see what was written.
    pub fn is_open(&self) -> bool {
        match &self.outer {
            Some(outer) => outer.is_open(),
            None => !self.undone.load(Ordering::Acquire) && !self.committed.load(Ordering::Acquire),
        }
    }
}

impl Transaction {
    pub fn begin(pool: &Arc<Pool>, synced: bool, patience: &Patience<'_>) -> Result<Self> {
        let lease = begin(pool, synced, patience)?;
        Ok(Self { lent: Arc::new(Mutex::new(Some(lease))), level: 0, pool: Arc::clone(pool), fate: Arc::default() })
    }

    pub fn nested(&self) -> Result<Self> {
        let level = self.level + 1;
        self.with(|conn| Ok(run(&conn.sqlite, &format!("SAVEPOINT agent_store_{level}"))?))?;
        let fate = Fate { outer: Some(self.fate()), ..Fate::default() };
        Ok(Self { lent: Arc::clone(&self.lent), level, pool: Arc::clone(&self.pool), fate: Arc::new(fate) })
    }

    /// Lend the connection out for one call; a second call meanwhile, from a callback of the first, is refused.
    pub fn with<T>(&self, call: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
        self.pool.guard()?;
        let mut lease = self.take()?;
        let conn = lease.conn()?;
        let result = if conn.sqlite.is_autocommit() {
            Err(Error::Conflict(
                "a statement or a full disk ended this transaction: nothing of it was kept; leave the block and repeat it".into(),
            ))
        } else {
            call(conn)
        };
        *self.lent.lock().unwrap_or_else(PoisonError::into_inner) = Some(lease);
        result
    }

    pub fn write<T>(&self, write: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
        self.with(|conn| within(conn, write))
    }

    pub fn fate(&self) -> Arc<Fate> {
        Arc::clone(&self.fate)
    }

    pub fn commit(&self) -> Result<()> {
        let result = self.end();
        let fate = if result.is_ok() { &self.fate.committed } else { &self.fate.undone };
        fate.store(true, Ordering::Release);
        result
    }

    fn end(&self) -> Result<()> {
        if self.level > 0 {
            return self.with(|conn| Ok(run(&conn.sqlite, &format!("RELEASE agent_store_{}", self.level))?));
        }
        self.pool.guard()?;
        let mut lease = self.take()?;
        let conn = lease.conn()?;
        if conn.sqlite.is_autocommit() {
            conn.heads.forget();
            return Err(Error::Conflict(
                "a statement or a full disk ended this transaction: nothing of it was kept".into(),
            ));
        }
        commit(&self.pool, conn)
    }

    /// Never fails: what cannot be rolled back now is so when the connection is closed.
    pub fn rollback(&self) {
        if self.pool.guard().is_err() {
            return;
        }
        self.fate.undone.store(true, Ordering::Release);
        if self.level > 0 {
            let _ = self.with(|conn| undo(conn, &format!("agent_store_{}", self.level)));
        } else if let Ok(mut lease) = self.take()
            && let Ok(conn) = lease.conn()
        {
            rollback(conn);
        }
    }

    fn take(&self) -> Result<Lease> {
        let taken = self.lent.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken
            .ok_or_else(|| Error::Conflict("this transaction is over, or one of its own calls is still running".into()))
    }
}

impl Drop for Transaction {
    /// A transaction that nobody ended (an interrupt between two lines of Python) lets the lock go.
    fn drop(&mut self) {
        if self.pool.guard().is_err() {
            // A connection must be neither used nor closed in a forked child: that would take the parent's locks off.
            std::mem::forget(Arc::clone(&self.lent));
            return;
        }
        if self.level == 0 && self.lent.lock().is_ok_and(|lent| lent.is_some()) {
            fork::inside(|| self.rollback());
        }
    }
}
