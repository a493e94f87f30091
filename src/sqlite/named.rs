//! The store's own statements that are run by their names: signed notes, tiles, erasures.

use rusqlite::types::Value;
use rusqlite::{CachedStatement, Connection};

use super::conn::Conn;
use super::statement::{self, Params};
use super::transaction::Transaction;
use super::wait::Check;
use super::{Store, sql};
use crate::error::{Error, Result};

impl Store {
    pub fn fetch(
        &self,
        name: &str,
        params: &Params,
        tx: Option<&Transaction>,
        check: Check<'_>,
    ) -> Result<Vec<Vec<Value>>> {
        self.via(tx, check).read(|conn| statement::rows(&mut *prepared(&conn.sqlite, name)?, params))
    }

    pub fn change(&self, name: &str, params: &Params, tx: Option<&Transaction>, check: Check<'_>) -> Result<u64> {
        self.write(tx, check, |conn: &mut Conn| {
            statement::rows(&mut *prepared(&conn.sqlite, name)?, params)?;
            let changed = conn.sqlite.changes();
            // It may have added an entry.
            conn.heads.after_foreign_sql(&conn.sqlite)?;
            Ok(changed)
        })
    }
}

fn prepared<'a>(conn: &'a Connection, name: &str) -> Result<CachedStatement<'a>> {
    let sql = sql::named(name).ok_or_else(|| Error::Invalid(format!("there is no statement {name:?}")))?;
    Ok(conn.prepare_cached(sql)?)
}
