//! Closing a store: what is lent is waited for, and the writer goes last.

use std::sync::PoisonError;
use std::time::Duration;

use super::conn::Conn;
use super::pool::Pool;
use super::wait::Patience;
use super::wal;
use crate::error::Result;
use crate::os::fork;

/// How often a call that closes the store asks whether it was told to stop, while the WAL is carried over.
const NAP: Duration = Duration::from_millis(10);

impl Pool {
    /// Close what is not lent; loans are closed when they come back.
    pub fn shut(&self) {
        if self.guard().is_err() {
            return;
        }
        let mut slots = self.slots();
        slots.closed = true;
        slots.lent += 1; // Who waits for the last loan waits for this too.
        let readers = std::mem::take(&mut slots.readers);
        let line = std::mem::take(&mut slots.line);
        drop(slots);
        line.close();
        self.bell.closed(self);
        drop(readers);
        self.end_last();
    }

    /// A loan ends in a store that is closed. The writer goes when the last one does: the last connection to go carries
    /// the WAL into the file.
    pub fn end_last(&self) {
        let mut slots = self.slots();
        if slots.lent == 1
            && let Some(writer) = slots.writer.take()
        {
            drop(slots);
            self.retire(&writer);
            drop(writer);
            slots = self.slots();
        }
        slots.lent -= 1;
        drop(slots);
        self.freed.notify_all();
    }

    /// Of a writer that is about to be closed. What may not be on the disk is not to be carried into the file.
    fn retire(&self, writer: &Conn) {
        if self.check_healthy().is_err() {
            let _ = wal::keep(&writer.sqlite, true);
        } else {
            // Where this fails, the WAL stays for whoever opens the file next.
            let _ = writer.wal.before_begin(&writer.sqlite);
        }
    }

    /// Idempotent; waits for loans that are out as long as `patience` lasts.
    pub fn close(&self, patience: &Patience<'_>) -> Result<()> {
        self.guard()?;
        self.shut();
        loop {
            if self.slots().lent == 0 {
                return Ok(());
            }
            // What the store does by itself is nothing that others hold: it is soon over, and is no reason to give up.
            let left = if self.carrier.is_running() {
                patience.ask()?;
                NAP
            } else {
                patience.left("calls of other threads that still use this store")?
            };
            self.wait(left);
        }
    }

    /// Until the last loan ends, at most for `left`.
    fn wait(&self, left: Duration) {
        fork::outside(|| {
            let slots = self.slots();
            if slots.lent > 0 {
                drop(self.freed.wait_timeout(slots, left).unwrap_or_else(PoisonError::into_inner));
            }
        });
    }
}
