//! Rows out of SQLite by the block, through an aggregate function.
//!
//! `agent_store_block(position, log, seq)`, or with content_hash and payload, or with the crate's prev_hash after these.
//! An aggregate is handed the values of a row where SQLite has them. To step a statement and fetch column by column takes
//! about twice the time, with several calls for each, which is felt over millions of rows. They are copied, so that the
//! connection is free for look-ups when they are gone through.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, Params, ffi};

use crate::checker::{Row, StoredPrev};
use crate::error::Result;

/// Rows of one block, which are one short read.
pub const ROWS: u16 = 4_096;
/// A block ends when it has this many bytes: memory stays flat with large payloads too.
const BYTES: usize = 4 << 20;

/// In which order the rows of a block are gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Position,
    Seq,
    /// As SQLite has them.
    Read,
}

#[derive(Default)]
struct Block {
    rows: Vec<Stored>,
    bytes: Vec<u8>,
    /// The rows say what they link to, as in the crate's layout.
    linked: bool,
}

struct Stored {
    position: i64,
    log: Option<i64>,
    seq: Option<i64>,
    content_hash: Option<Range<u32>>,
    payload: Option<Range<u32>>,
    prev_hash: Option<Range<u32>>,
}

/// Where the function of one connection leaves what it took.
#[derive(Clone, Default)]
pub struct Blocks(Arc<Mutex<Block>>);

impl Blocks {
    pub fn of(conn: &Connection) -> rusqlite::Result<Self> {
        let blocks = Self::default();
        for arguments in [3, 5, 6] {
            conn.create_aggregate_function(
                "agent_store_block",
                arguments,
                FunctionFlags::SQLITE_DIRECTONLY,
                blocks.clone(),
            )?;
        }
        Ok(blocks)
    }

    fn take(&self) -> Block {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, block: Block) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = block;
    }

    /// Run `sql`, which calls the function over all its rows, and go through them; true where there may be more. Rows
    /// before an unreadable page are gone through before the error is returned.
    pub fn read(
        &self,
        conn: &Connection,
        sql: &str,
        params: impl Params,
        by: By,
        mut row: impl FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<bool> {
        self.put(self.take().emptied());
        let read = conn.prepare_cached(sql)?.query_row(params, |_| Ok(()));
        let mut block = self.take();
        // Nothing to do where SQLite read a table or an index in its own order, which nothing promises.
        match by {
            By::Position => block.rows.sort_by_key(|row| row.position),
            By::Seq => block.rows.sort_by_key(|row| row.seq),
            By::Read => {}
        }
        for stored in &block.rows {
            row(&block.row(stored))?;
        }
        let full = block.is_full();
        self.put(block);
        match read {
            Err(error) if full && error.sqlite_error_code() == Some(ErrorCode::OperationAborted) => Ok(true),
            other => Ok(other.map(|()| false)?),
        }
    }
}

impl Aggregate<Block, Option<i64>> for Blocks {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Block> {
        Ok(self.take())
    }

    fn step(&self, values: &mut Context<'_>, block: &mut Block) -> rusqlite::Result<()> {
        if block.is_full() {
            // The only way to end a statement from inside it.
            return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_ABORT), None));
        }
        let number = |index| match values.get_raw(index) {
            ValueRef::Integer(number) => Some(number),
            _ => None,
        };
        let mut row = Stored {
            position: number(0).unwrap_or(0),
            log: number(1),
            seq: number(2),
            content_hash: None,
            payload: None,
            prev_hash: None,
        };
        if values.len() > 3 {
            row.content_hash = block.keep(values.get_raw(3));
            row.payload = block.keep(values.get_raw(4));
        }
        block.linked = values.len() > 5;
        if block.linked {
            row.prev_hash = block.keep(values.get_raw(5));
        }
        block.rows.push(row);
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, block: Option<Block>) -> rusqlite::Result<Option<i64>> {
        if let Some(block) = block {
            self.put(block);
        }
        Ok(None)
    }
}

impl Block {
    fn is_full(&self) -> bool {
        self.rows.len() >= ROWS.into() || self.bytes.len() >= BYTES
    }

    /// Its memory is used again, but for what one large payload needed.
    fn emptied(mut self) -> Self {
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
        }
    }
}
