//! What leaves need of the database beside the rows: names of logs, and the tiles.

use std::collections::HashMap;

use rusqlite::OptionalExtension;
use rusqlite::types::ValueRef;

use super::conn::Conn;
use super::rows;
use super::sql;
use crate::checker::Checker;
use crate::error::{Error, Result};
use crate::evidence::tile::Place;
use crate::sealed::{Leaves, Named, Stored};

/// What the tree is to be.
#[derive(Clone, Copy, Debug)]
pub enum Wanted {
    Nothing,
    /// Compared with what is stored of a tree of so many leaves.
    Compared(u64),
    /// The leaves, to be given.
    Given,
}

impl Wanted {
    /// A checker of the range from position `from` on.
    pub fn range(self, from: i64) -> Checker {
        match self {
            // What goes before its rows is looked up: their leaves are not to wait for the range before.
            Self::Compared(size) if from.unsigned_abs() <= size => {
                Checker::new(Some(from)).with(Leaves::to_compare(from, size), i64::try_from(size).unwrap_or(i64::MAX))
            }
            Self::Given => Checker::new(Some(from)).with(Leaves::to_give(from), i64::MAX),
            _ if from == 1 => Checker::new(Some(1)),
            _ => Checker::after_another(from),
        }
    }

    /// A checker that all ranges, the first from position `from` on, are joined in.
    pub fn all(self, from: i64) -> Checker {
        let checker = Checker::new(None);
        match self {
            Self::Nothing => checker,
            Self::Compared(size) => checker.with(Leaves::of_tree(size), 0),
            Self::Given => checker.with(Leaves::to_give(from), 0),
        }
    }
}

/// False where there is no such table.
pub fn is_there(conn: &Conn) -> Result<bool> {
    match conn.sqlite.prepare_cached(tile()) {
        Err(rusqlite::Error::SqliteFailure(error, _)) if error.code == rusqlite::ErrorCode::Unknown => Ok(false),
        other => Ok(other.map(|_| true)?),
    }
}

fn tile() -> &'static str {
    sql::named("tile").unwrap_or_default()
}

/// Tell what the leaves so far wait for.
pub fn tell(conn: &Conn, checker: &mut Checker) -> Result<()> {
    let mut names = HashMap::new();
    for log in checker.nameless() {
        names.insert(log, name(conn, log)?);
    }
    if !names.is_empty() {
        checker.name(&names);
    }
    checker.compare(&mut |place| stored(conn, place).map(Some))
}

/// What cannot be read is told by who looks through the logs themselves.
fn name(conn: &Conn, log: i64) -> Result<Named> {
    match rows::log_name(&conn.sqlite, log) {
        Err(busy @ Error::Busy { .. }) => Err(busy),
        name => Ok(name.ok().flatten()),
    }
}

pub fn stored(conn: &Conn, place: &Place) -> Result<Stored> {
    let mut statement = conn.sqlite.prepare_cached(tile())?;
    let (level, number) = (i64::from(place.level), i64::try_from(place.number).unwrap_or(i64::MAX));
    let found = statement.query_row([level, number], |row| {
        Ok(match row.get_ref(0)? {
            ValueRef::Blob(hashes) => Stored::Hashes(hashes.to_vec()),
            _ => Stored::Hashes(Vec::new()),
        })
    });
    Ok(found.optional()?.unwrap_or(Stored::Missing))
}
