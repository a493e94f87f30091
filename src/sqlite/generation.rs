//! Named counters: every change reads and writes under one write lock, and only ever upwards.

use rusqlite::{Connection, OptionalExtension, types::Value};

use super::sql;
use crate::error::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// One more.
    Bump,
    /// Exactly this, which must not be less.
    Set(i64),
    /// At least this.
    Advance(i64),
    /// This many more.
    Reserve(i64),
}

/// 0 for a counter that nobody has moved yet.
pub fn current(conn: &Connection, key: &str) -> Result<i64> {
    let found: Option<Value> = conn.prepare_cached(sql::GENERATION)?.query_row([key], |row| row.get(0)).optional()?;
    match found {
        None => Ok(0),
        Some(Value::Integer(value)) if value >= 0 => Ok(value),
        Some(other) => {
            Err(Error::malformed(format!("generation {key:?} holds {other:?}, not an integer from 0 to 2^63 - 1")))
        }
    }
}

/// The value after the change.
pub fn change(conn: &Connection, key: &str, change: Change) -> Result<i64> {
    let current = current(conn, key)?;
    let next = match change {
        Change::Bump => current.checked_add(1),
        Change::Set(value) if value < current => {
            return Err(Error::NonMonotonic { key: key.to_owned(), current, attempted: value });
        }
        Change::Set(value) => Some(value),
        Change::Advance(value) => Some(current.max(value)),
        Change::Reserve(count) => current.checked_add(count),
    };
    let next = next.ok_or_else(|| {
        Error::Overflow(format!("generation {key:?} stands at {current} and cannot rise past 2^63 - 1"))
    })?;
    if next != current {
        conn.prepare_cached(sql::SET_GENERATION)?.execute((key, next))?;
    }
    Ok(next)
}

/// Every counter and its value, by key.
pub fn all(conn: &Connection) -> Result<Vec<(String, i64)>> {
    let mut statement = conn.prepare_cached(sql::GENERATIONS)?;
    let rows = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
