//! A connection, with what is remembered of the database on it.

use rusqlite::Connection;

use super::block::Block;
use super::heads::Heads;
use super::index::Indexed;
use super::layout::Layout;
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
    /// Rows that were changed on it before the transaction.
    pub changes: u64,
}

impl Conn {
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
            changes: 0,
            sqlite,
        })
    }
}
