//! Rows out of SQLite through an aggregate function.
//!
//! An aggregate is handed the values of a row where SQLite has them. To step a statement and fetch column by column takes
//! about twice the time, with several calls for each, which is felt over millions of rows.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, Params, ffi};

use crate::error::Result;

/// What the rows of one statement are taken into.
pub trait Take: Default + Send + UnwindSafe + RefUnwindSafe + 'static {
    /// The function's name in SQL, and with how many arguments it may be called.
    const NAME: &'static str;
    const ARGUMENTS: &'static [i32];

    /// True where no more rows are to come.
    fn is_full(&self) -> bool;

    fn take(&mut self, values: &Context<'_>);
}

/// The function of one connection, and where it leaves what it took.
pub struct Taker<T>(Arc<Mutex<T>>);

impl<T: Take> Taker<T> {
    pub fn of(conn: &Connection) -> rusqlite::Result<Self> {
        let slot = Arc::new(Mutex::new(T::default()));
        for arguments in T::ARGUMENTS {
            let taker = Self(Arc::clone(&slot));
            conn.create_aggregate_function(T::NAME, *arguments, FunctionFlags::SQLITE_DIRECTONLY, taker)?;
        }
        Ok(Self(slot))
    }

    /// Run `sql`, which calls the function over all its rows, into `taken`; whether there may be more. What was taken
    /// before an error is there too.
    pub fn run(&self, conn: &Connection, sql: &str, params: impl Params, taken: T) -> (T, Result<bool>) {
        self.exchange(taken);
        let read = conn.prepare_cached(sql).and_then(|mut statement| statement.query_row(params, |_| Ok(())));
        let taken = self.exchange(T::default());
        let more = match read {
            Err(error) if taken.is_full() && error.sqlite_error_code() == Some(ErrorCode::OperationAborted) => Ok(true),
            other => other.map(|()| false).map_err(Into::into),
        };
        (taken, more)
    }

    /// What was left there, for another.
    pub fn exchange(&self, other: T) -> T {
        std::mem::replace(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), other)
    }
}

impl<T: Take> Aggregate<T, Option<i64>> for Taker<T> {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<T> {
        Ok(self.exchange(T::default()))
    }

    fn step(&self, values: &mut Context<'_>, taken: &mut T) -> rusqlite::Result<()> {
        if taken.is_full() {
            // The only way to end a statement from inside it.
            return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_ABORT), None));
        }
        taken.take(values);
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, taken: Option<T>) -> rusqlite::Result<Option<i64>> {
        if let Some(taken) = taken {
            self.exchange(taken);
        }
        Ok(None)
    }
}

/// `None` where it is no integer.
pub fn integer(values: &Context<'_>, index: usize) -> Option<i64> {
    match values.get_raw(index) {
        ValueRef::Integer(number) => Some(number),
        _ => None,
    }
}
