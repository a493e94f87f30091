//! Rows from SQLite into the checker, in one short read.

use rusqlite::Connection;

use super::block::{self, By};
use super::conn::Conn;
use super::erasures;
use super::layout::Layout;
use super::rows;
use crate::checker::Checker;
use crate::error::Result;
use crate::row::{Before, Lookup, Row};

const STORE: &str = "SELECT agent_store_block(position, log, seq, content_hash, payload)
FROM _agent_store_entries WHERE position >= ?1";
/// The sign keeps SQLite from the index.
const PLACES: &str = "SELECT agent_store_block(position, log, seq, content_hash, payload)
FROM _agent_store_entries WHERE +log = ?1 AND position BETWEEN ?2 AND ?3";
const LOG: &str = "SELECT agent_store_block(position, log, seq, content_hash, payload)
FROM _agent_store_entries WHERE log = ?1 AND seq BETWEEN ?2 AND ?3";
const STORE_OF_CRATE: &str = "SELECT agent_store_block(position, log, seq, content_hash, payload, prev_hash)
FROM temp._agent_store_entries WHERE position >= ?1";
const LOG_OF_CRATE: &str = "SELECT agent_store_block(position, log, seq, content_hash, payload, prev_hash)
FROM temp._agent_store_entries WHERE log = ?1 AND seq BETWEEN ?2 AND ?3";

#[derive(Clone, Copy)]
pub enum Order {
    Position,
    /// Of one log, by position: the table is read, and what is of other logs passed over.
    Place(i64),
    /// Of one log, by seq, through the index.
    Seq(i64),
}

impl Lookup for Connection {
    fn before(&self, log: i64, seq: i64) -> Result<Before> {
        rows::before(self, log, seq).map(Before::Known)
    }
}

/// Feed the rows `from..=to`, at most a block of them; where to go on, `None` when there are no more. `seen` is told of
/// each.
pub fn feed(
    conn: &Conn,
    checker: &mut Checker,
    order: Order,
    (from, to): (i64, i64),
    seen: &mut dyn FnMut(&Row<'_>),
) -> Result<Option<i64>> {
    // As it is now: a program of ours may have upgraded the file since the last read.
    let (sql, by, params) = match (order, conn.layout == Layout::Crate) {
        (Order::Position, false) => (STORE, By::Position, [Some(from), None, None]),
        (Order::Position, true) => (STORE_OF_CRATE, By::Position, [Some(from), None, None]),
        (Order::Place(log), _) => (PLACES, By::Position, [Some(log), Some(from), Some(to)]),
        (Order::Seq(log), false) => (LOG, By::Seq, [Some(log), Some(from), Some(to)]),
        (Order::Seq(log), true) => (LOG_OF_CRATE, By::Seq, [Some(log), Some(from), Some(to)]),
    };
    let params = rusqlite::params_from_iter(params.into_iter().flatten());
    let upto = if by == By::Position { to } else { i64::MAX };
    let mut last = from;
    let more = block::read(&conn.sqlite, &conn.blocks, sql, params, upto, by, |row| {
        seen(row);
        // Never back: a forged table may hold positions that are no integers, which are given as 0.
        last = last.max(if by == By::Seq { row.seq.unwrap_or(last) } else { row.position });
        // Here, and not in the statement, where each row would pay for it.
        let erased = match row.payload {
            Some([]) => erasures::length(&conn.sqlite, row.position)?,
            _ => None,
        };
        checker.row(&Row { erased, ..*row }, &*conn.sqlite)
    });
    checker.settle();
    let more = more?;
    Ok(last.checked_add(1).filter(|next| more && *next <= to))
}
