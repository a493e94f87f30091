//! Entries by the block: copied out of SQLite, so that the connection is free for look-ups when they are gone through.

use std::ops::Range;

use rusqlite::functions::Context;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Params};

use super::taker::{Take, Taker, integer};
use crate::error::Result;
use crate::row::{Row, StoredPrev};

/// Rows of one block, which are one short read.
pub const ROWS: u16 = 4_096;
/// A block ends when it has this many bytes: memory stays flat with large payloads too.
const BYTES: usize = 4 << 20;

/// In which order the rows of a block are gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Position,
    Seq,
}

/// Rows of position, log, seq, content_hash and payload; in the crate's layout also of prev_hash.
pub struct Block {
    rows: Vec<Stored>,
    bytes: Vec<u8>,
    /// The rows say what they link to.
    linked: bool,
    /// The position that no row is to be above: a statement then need not compare each.
    upto: i64,
    over: bool,
}

struct Stored {
    position: i64,
    log: Option<i64>,
    seq: Option<i64>,
    content_hash: Option<Range<u32>>,
    payload: Option<Range<u32>>,
    prev_hash: Option<Range<u32>>,
}

impl Default for Block {
    fn default() -> Self {
        Self { rows: Vec::new(), bytes: Vec::new(), linked: false, upto: i64::MAX, over: false }
    }
}

impl Take for Block {
    const NAME: &'static str = "agent_store_block";
    const ARGUMENTS: &'static [i32] = &[5, 6];

    fn is_full(&self) -> bool {
        self.rows.len() >= ROWS.into() || self.bytes.len() >= BYTES || self.over
    }

    fn take(&mut self, values: &Context<'_>) {
        let position = integer(values, 0).unwrap_or(0);
        if position > self.upto {
            self.over = true;
            return;
        }
        self.linked = values.len() > 5;
        let row = Stored {
            position,
            log: integer(values, 1),
            seq: integer(values, 2),
            content_hash: self.keep(values.get_raw(3)),
            payload: self.keep(values.get_raw(4)),
            prev_hash: if self.linked { self.keep(values.get_raw(5)) } else { None },
        };
        self.rows.push(row);
    }
}

impl Block {
    /// But for what one large payload needed.
    fn emptied(mut self) -> Self {
        self.over = false;
        self.rows.clear();
        self.bytes.clear();
        self.bytes.shrink_to(2 * BYTES);
        self
    }

    fn keep(&mut self, value: ValueRef<'_>) -> Option<Range<u32>> {
        let ValueRef::Blob(blob) = value else { return None };
        let start = self.bytes.len();
        self.bytes.extend_from_slice(blob);
        Some(u32::try_from(start).ok()?..u32::try_from(self.bytes.len()).ok()?)
    }

    fn row(&self, stored: &Stored) -> Row<'_> {
        let blob = |range: &Option<Range<u32>>| {
            let Range { start, end } = range.clone()?;
            self.bytes.get(start as usize..end as usize)
        };
        Row {
            position: stored.position,
            log: stored.log,
            seq: stored.seq,
            content_hash: blob(&stored.content_hash),
            payload: blob(&stored.payload),
            prev: if self.linked { StoredPrev::Column(blob(&stored.prev_hash)) } else { StoredPrev::Implied },
            erased: None,
        }
    }
}

/// Run `sql`, which takes its rows up to position `upto` into a block, and go through them; true where there may be more.
/// Rows before an unreadable page are gone through before the error is returned.
pub fn read(
    conn: &Connection,
    blocks: &Taker<Block>,
    sql: &str,
    params: impl Params,
    upto: i64,
    by: By,
    mut row: impl FnMut(&Row<'_>) -> Result<()>,
) -> Result<bool> {
    // The memory of the last one; what is in it is of a statement of the caller's that calls the function.
    let block = Block { upto, ..blocks.exchange(Block::default()).emptied() };
    let (mut block, more) = blocks.run(conn, sql, params, block);
    // Nothing to do where SQLite read a table or an index in its own order, which nothing promises.
    match by {
        By::Position => block.rows.sort_by_key(|row| row.position),
        By::Seq => block.rows.sort_by_key(|row| row.seq),
    }
    let gone_through = block.rows.iter().try_for_each(|stored| row(&block.row(stored)));
    let over = block.over;
    blocks.exchange(block.emptied());
    gone_through.and(more).map(|more| more && !over)
}
