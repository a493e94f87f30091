//! The caller's own statements.

use rusqlite::types::Value;

use super::Store;
use super::conn::Conn;
use super::statement::{self, Params, Way};
use super::transaction::Transaction;
use super::wait::{Check, Patience};
use crate::error::Result;

impl Store {
    pub fn execute(&self, sql: &str, params: &Params, tx: Option<&Transaction>, check: Check<'_>) -> Result<u64> {
        let run = |conn: &mut Conn| {
            let changed = statement::execute(&conn.sqlite, sql, params);
            // It may have appended through the view, on this connection, which data_version does not tell.
            conn.heads.after_foreign_sql(&conn.sqlite)?;
            changed
        };
        if let Some(tx) = tx {
            return tx.with(run);
        }
        if statement::is_pragma(sql) {
            return run(self.pool.writer(&Patience::new(self.timeout, check))?.conn()?);
        }
        self.write(None, check, run)
    }

    pub fn query(
        &self,
        sql: &str,
        params: &Params,
        may_write: bool,
        tx: Option<&Transaction>,
        check: Check<'_>,
    ) -> Result<Vec<Vec<Value>>> {
        statement::check(sql)?;
        if let Some(tx) = tx {
            return tx.with(|conn| {
                if !may_write && statement::way(&conn.sqlite, sql)? == Way::Write {
                    return Err(statement::while_drawing());
                }
                let rows = statement::query(&conn.sqlite, sql, params);
                conn.heads.after_foreign_sql(&conn.sqlite)?;
                rows
            });
        }
        let read = self.via(None, check).read(|conn| match statement::way(&conn.sqlite, sql)? {
            Way::Read => Ok(Some(statement::query(&conn.sqlite, sql, params)?)),
            Way::Write if !may_write => Err(statement::while_drawing()),
            Way::Write => Ok(None),
        })?;
        match read {
            Some(rows) => Ok(rows),
            None => self.write(None, check, |conn| {
                let rows = statement::query(&conn.sqlite, sql, params);
                conn.heads.after_foreign_sql(&conn.sqlite)?;
                rows
            }),
        }
    }
}
