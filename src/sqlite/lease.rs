//! A lent connection.

use std::sync::Arc;

use super::conn::Conn;
use super::pool::Pool;
use crate::error::{Error, Result};

/// Dropping it gives the connection back, and in a forked child leaves it to the parent.
pub struct Lease {
    pool: Arc<Pool>,
    conn: Option<Conn>,
    is_writer: bool,
}

impl Lease {
    /// Of a loan that the pool has counted.
    pub fn new(pool: &Arc<Pool>, conn: Option<Conn>, is_writer: bool) -> Self {
        Self { pool: Arc::clone(pool), conn, is_writer }
    }

    pub fn is_empty(&self) -> bool {
        self.conn.is_none()
    }

    pub fn fill(&mut self, conn: Conn) {
        self.conn = Some(conn);
    }

    pub fn conn(&mut self) -> Result<&mut Conn> {
        self.conn.as_mut().ok_or(Error::Closed)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.pool.guard().is_ok() {
            self.pool.give_back(self.conn.take(), self.is_writer);
        }
    }
}
