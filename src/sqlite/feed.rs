//! Rows from SQLite into the checker, in one short read.

use rusqlite::Connection;

use super::{rows, sql};
use crate::checker::{Checker, Lookup, Row, State, StoredPrev};
use crate::error::Result;

const STORE_OF_CRATE: &str = "SELECT position, seq, content_hash, payload, log, prev_hash
FROM temp._agent_store_entries WHERE position BETWEEN ?1 AND ?2 ORDER BY position LIMIT ?3";
const LOG_OF_CRATE: &str = "SELECT position, seq, content_hash, payload, log, prev_hash
FROM temp._agent_store_entries WHERE log = ?4 AND seq BETWEEN ?1 AND ?2 ORDER BY seq LIMIT ?3";

#[derive(Clone, Copy)]
pub enum Order {
    Position,
    /// Of one log.
    Seq(i64),
}

impl Lookup for Connection {
    fn before(&self, log: i64, seq: i64) -> Result<Option<State>> {
        rows::before(self, log, seq)
    }
}

/// Rows of one short read.
pub const CHUNK: i64 = 16_384;

/// Feed the rows `from..=to`, at most a chunk of them; where to go on, `None` when there are no more. `seen` is told log,
/// seq and position of each.
pub fn feed(
    conn: &Connection,
    crate_layout: bool,
    checker: &mut Checker,
    order: Order,
    (from, to): (i64, i64),
    seen: &mut dyn FnMut((i64, i64, i64)),
) -> Result<Option<i64>> {
    let mut statement = conn.prepare_cached(match (order, crate_layout) {
        (Order::Position, false) => sql::VERIFY_STORE,
        (Order::Position, true) => STORE_OF_CRATE,
        (Order::Seq(_), false) => sql::VERIFY_LOG,
        (Order::Seq(_), true) => LOG_OF_CRATE,
    })?;
    let mut found = match order {
        Order::Position => statement.query([from, to, CHUNK])?,
        Order::Seq(log) => statement.query([from, to, CHUNK, log])?,
    };
    let (mut count, mut last) = (0, from);
    while let Some(row) = found.next()? {
        let stored = Row {
            position: row.get(0)?,
            seq: row.get(1).ok(),
            content_hash: rows::blob(row, 2),
            payload: rows::blob(row, 3),
            log: row.get(4).ok(),
            prev: if crate_layout { StoredPrev::Column(rows::blob(row, 5)) } else { StoredPrev::Implied },
        };
        seen((stored.log.unwrap_or(0), stored.seq.unwrap_or(0), stored.position));
        checker.row(&stored, conn)?;
        count += 1;
        last = match order {
            Order::Position => stored.position,
            Order::Seq(_) => stored.seq.unwrap_or(last),
        };
    }
    Ok(last.checked_add(1).filter(|next| count == CHUNK && *next <= to))
}
