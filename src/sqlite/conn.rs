//! A connection, with what is remembered of the database on it.

use std::sync::atomic::Ordering;

use rusqlite::Connection;

use super::block::Block;
use super::heads::Heads;
use super::index::Indexed;
use super::layout::Layout;
use super::pool::Pool;
use super::queue::Queue;
use super::taker::Taker;
use super::wal::Wal;
use crate::error::Result;
use crate::os::fork::Own;

pub struct Conn {
    pub sqlite: Own<Connection>,
    pub blocks: Taker<Block>,
    pub index: Taker<Indexed>,
    pub heads: Heads,
    pub layout: Layout,
    pub wal: Wal,
    pub queue: Queue,
    /// It takes the file for one that nobody writes to.
    pub frozen: bool,
    /// Its transactions are synced, whatever the store's are.
    pub synced: bool,
    /// Rows that were changed on it before the transaction.
    pub changes: u64,
}

impl Conn {
    pub fn is_stale(&self, pool: &Pool) -> bool {
        self.frozen && !pool.frozen.load(Ordering::Acquire)
    }

    /// Whether the transaction that was committed changed something; what was undone within it counts in memory only,
    /// where no log tells.
    pub fn has_changed(&self, in_memory: bool) -> bool {
        if in_memory { self.sqlite.total_changes() != self.changes } else { self.wal.is_longer() }
    }

    pub fn new(sqlite: Own<Connection>, layout: Layout) -> Result<Self> {
        Ok(Self {
            blocks: Taker::of(&sqlite)?,
            index: Taker::of(&sqlite)?,
            heads: Heads::default(),
            layout,
            wal: Wal::default(),
            queue: Queue::default(),
            frozen: false,
            synced: false,
            changes: 0,
            sqlite,
        })
    }
}
