//! A store on an SQLite file, or in memory.

mod append;
mod audit;
mod backup;
mod bell;
mod block;
mod carry;
mod closing;
mod conn;
mod connection;
mod crate_layout;
mod erasures;
mod feed;
mod generation;
mod group;
mod heads;
mod identity;
mod index;
mod info;
mod layout;
mod lease;
mod line;
mod merge;
mod named;
mod op;
mod open;
mod own_sql;
mod pool;
mod queue;
mod read;
mod refuse;
mod rows;
mod scan;
mod scrub;
mod select;
mod share;
mod sidecar;
mod span;
mod sql;
mod statement;
mod taker;
mod thaw;
mod trail;
mod transaction;
mod tree;
mod turn;
mod unfinished;
mod upgrade;
mod via;
mod wait;
mod wal;
mod work;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use append::{Appended, Expected};
pub use bell::{Waiter, ring_beside};
pub use connection::{Durability, Settings};
pub use generation::Change;
pub use info::Info;
pub use read::Reading;
pub use rows::{Page, Row};
pub use select::{Place, Select};
pub use share::Progress;
pub use statement::{Params, check as check_statement};
pub use transaction::Transaction;
pub use wait::Check;

use conn::Conn;
use connection::Role;
use identity::Identity;
use layout::Layout;
use op::{Op, Outcome};
use pool::Pool;
use trail::Trails;
use via::Via;
use wait::Patience;

use crate::error::{Error, Head, Result};
use crate::findings::Findings;
use crate::os::{fork, locks};

pub struct Store {
    pool: Arc<Pool>,
    timeout: Duration,
    trails: Arc<Trails>,
}

impl Store {
    /// `settings.path` is absolute. A new file becomes a store.
    pub fn open(settings: Settings, timeout: Duration, check: Check<'_>, progress: Progress<'_>) -> Result<Self> {
        fork::check()?;
        let mut patience = Patience::new(timeout, check);
        let (conn, role) = match settings.path.as_deref() {
            None => {
                let sqlite = connection::in_memory()?;
                layout::create(&sqlite)?;
                (Conn::new(sqlite, Layout::Compact)?, Role::Writer)
            }
            Some(path) if settings.read_only => open::to_read(path, &settings, &patience)?,
            Some(path) => (open::to_write(path, &settings, &mut patience, progress)?, Role::Writer),
        };
        let identity = match settings.path.as_deref() {
            Some(path) => Identity::of(&conn.sqlite, path)?,
            None => Identity::default(),
        };
        Ok(Self { pool: Pool::new(settings, conn, role, identity), timeout, trails: Arc::default() })
    }

    pub fn close(&self, check: Check<'_>) -> Result<()> {
        self.pool.close(&Patience::new(self.timeout, check))
    }

    /// Close what is not lent, and do not wait for the rest.
    pub fn abandon(&self) {
        self.pool.shut();
    }

    /// Closed and Forked, before anything else is looked at.
    pub fn check_open(&self) -> Result<()> {
        self.pool.check_open()
    }

    /// True once for each file that the system gives only locks for which others in this process can drop.
    pub fn locks_refused(&self) -> bool {
        self.pool.settings.path.as_deref().is_some_and(locks::refused)
    }

    pub fn in_memory(&self) -> bool {
        self.pool.in_memory()
    }

    /// `synced`: what is committed is on disk, whatever the durability, and what is removed is written over.
    pub fn begin(&self, within: Option<&Transaction>, synced: bool, check: Check<'_>) -> Result<Transaction> {
        match within {
            Some(_) if synced => Err(Error::Conflict(
                "what must be on disk when the call returns cannot be part of a transaction that is open".into(),
            )),
            Some(outer) => outer.nested(),
            None => Transaction::begin(&self.pool, synced, &Patience::new(self.timeout, check)),
        }
    }

    fn via<'a>(&'a self, tx: Option<&'a Transaction>, check: Check<'a>) -> Via<'a> {
        Via::new(&self.pool, tx, self.timeout, check)
    }

    fn write<T>(
        &self,
        tx: Option<&Transaction>,
        check: Check<'_>,
        write: impl FnOnce(&mut Conn) -> Result<T>,
    ) -> Result<T> {
        if let Some(tx) = tx {
            return tx.write(write);
        }
        let mut lease = transaction::begin(&self.pool, false, &Patience::new(self.timeout, check))?;
        let conn = lease.conn()?;
        match write(conn) {
            Ok(value) => {
                transaction::commit(&self.pool, conn)?;
                Ok(value)
            }
            Err(error) => {
                transaction::rollback(conn);
                Err(error)
            }
        }
    }

    /// What may share a commit with others.
    fn submit(&self, op: Op<'_>, tx: Option<&Transaction>, check: Check<'_>) -> Result<Outcome> {
        match tx {
            Some(tx) => tx.write(|conn| op.run(conn)),
            None => group::write(&self.pool, &op, &Patience::new(self.timeout, check)),
        }
    }

    pub fn append(
        &self,
        stream: &str,
        writer: &str,
        payloads: &[&[u8]],
        expected: Expected,
        tx: Option<&Transaction>,
        check: Check<'_>,
    ) -> Result<Appended> {
        self.submit(Op::Append { stream, writer, payloads, expected }, tx, check)?.appended()
    }

    pub fn append_rows(&self, rows: &[(&str, &str, &[u8])], tx: Option<&Transaction>, check: Check<'_>) -> Result<i64> {
        self.write(tx, check, |conn| append::append_rows(conn, rows))
    }

    pub fn heads(&self, stream: Option<&str>, tx: Option<&Transaction>, check: Check<'_>) -> Result<Vec<Head>> {
        self.via(tx, check).read(|conn| rows::heads(&conn.sqlite, stream))
    }

    pub fn position(&self, tx: Option<&Transaction>, check: Check<'_>) -> Result<i64> {
        self.via(tx, check).read(|conn| heads::last_position(&conn.sqlite))
    }

    pub fn generation(&self, key: &str, tx: Option<&Transaction>, check: Check<'_>) -> Result<i64> {
        self.via(tx, check).read(|conn| generation::current(&conn.sqlite, key))
    }

    pub fn change_generation(
        &self,
        key: &str,
        change: Change,
        tx: Option<&Transaction>,
        check: Check<'_>,
    ) -> Result<i64> {
        self.submit(Op::Change { key, change }, tx, check)?.value()
    }

    pub fn generations(&self, tx: Option<&Transaction>, check: Check<'_>) -> Result<Vec<(String, i64)>> {
        self.via(tx, check).read(|conn| generation::all(&conn.sqlite))
    }

    /// `sealed`: so many positions are also compared with the tree.
    pub fn verify(
        &self,
        sealed: i64,
        tx: Option<&Transaction>,
        check: Check<'_>,
        progress: Progress<'_>,
    ) -> Result<Findings> {
        scan::store(&self.via(tx, check), sealed, progress)
    }

    /// The leaves of positions `first` to `last`, which mean nothing where anything was found.
    pub fn leaves(
        &self,
        first: i64,
        last: i64,
        check: Check<'_>,
        progress: Progress<'_>,
    ) -> Result<(Findings, Vec<u8>)> {
        scan::leaves(&self.via(None, check), first, last, progress)
    }

    #[allow(clippy::too_many_arguments)]
    pub fn verify_log(
        &self,
        stream: &str,
        writer: &str,
        since: Option<&Head>,
        contains: Option<&Head>,
        tx: Option<&Transaction>,
        check: Check<'_>,
        progress: Progress<'_>,
    ) -> Result<Findings> {
        scan::log(&self.via(tx, check), stream, writer, since, contains, progress)
    }

    pub fn backup(&self, target: &Path, check: Check<'_>, progress: Progress<'_>) -> Result<Findings> {
        backup::run(self, target, check, progress)
    }

    pub fn info(&self, tx: Option<&Transaction>, check: Check<'_>) -> Result<Info> {
        self.via(tx, check).read(|conn| info::of(conn, &self.pool))
    }
}
