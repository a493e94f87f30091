//! A file that was at rest when it was opened, in a directory where nobody may make the WAL's index: its readers take it for
//! one that nobody writes to, and see nothing of who does so later. Once such a writer is there, so is its index, and who
//! waits for it to write is to see that.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::connection::{self, Role};
use super::open::has_wal;
use super::pool::Pool;
use super::wait::Patience;

impl Pool {
    /// To be called now and then by who waits.
    pub fn thaw(&self) {
        let Some(path) = self.settings.path.as_deref().filter(|_| self.frozen.load(Ordering::Acquire)) else { return };
        if !has_wal(path) {
            return;
        }
        let at_once = Patience::new(Duration::ZERO, &|| Ok(()));
        if connection::open(path, Role::ReadOnly, self.settings.durability, &at_once)
            .is_ok_and(|conn| conn.query_row("PRAGMA main.data_version", (), |_| Ok(())).is_ok())
        {
            self.frozen.store(false, Ordering::Release);
            let readers = std::mem::take(&mut self.slots().readers);
            drop(readers);
        }
    }
}
