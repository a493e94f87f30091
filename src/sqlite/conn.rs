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
}

impl Conn {
    pub fn new(sqlite: Own<Connection>, layout: Layout) -> Result<Self> {
        Ok(Self {
            blocks: Taker::of(&sqlite)?,
            index: Taker::of(&sqlite)?,
            heads: Heads::default(),
            layout,
            wal: Wal::default(),
            queue: Queue::default(),
            sqlite,
        })
    }
}
