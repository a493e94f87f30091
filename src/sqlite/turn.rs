//! One process at a time upgrades a file. Who comes meanwhile waits for the end, however long that takes.
//!
//! The turn is a lock on an empty file beside the database, which the system takes off when its holder is killed. It is
//! never on the database itself: closing a descriptor of that drops SQLite's own locks. It says only who waits for whom;
//! what keeps the upgrade whole is SQLite's write lock.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::sidecar::{self, beside, is_at, is_of_others};
use super::wait::Patience;
use crate::error::Result;
use crate::os::fork;
use crate::os::locks::ParentsAlone;

const ENDING: &str = "-upgrade";
const NAP: Duration = Duration::from_millis(10);

pub struct Turn {
    path: PathBuf,
    pid: u32,
    /// Before the file: it is to go first.
    _here: ParentsAlone,
    file: File,
}

impl Turn {
    /// `None` where no such file can be made or locked: two upgrades then meet at SQLite's lock, bound by their timeouts.
    pub fn take(database: &Path, patience: &Patience<'_>) -> Result<Option<Self>> {
        let path = beside(database, ENDING);
        loop {
            if is_of_others(&path) {
                return Ok(None);
            }
            let Ok(file) = sidecar::open(&path, database) else { return Ok(None) };
            let here = ParentsAlone::register(&file);
            loop {
                match file.try_lock() {
                    Ok(()) => break,
                    Err(TryLockError::WouldBlock) => {
                        patience.ask()?;
                        fork::outside(|| std::thread::sleep(NAP));
                    }
                    Err(TryLockError::Error(_)) => return Ok(None),
                }
            }
            // The holder before us removed the file that we waited on; the next to come would make another.
            if is_at(&file, &path) {
                return Ok(Some(Self { path, pid: std::process::id(), _here: here, file }));
            }
        }
    }
}

/// Who is killed leaves the file. The next upgrade takes it along; where there is none to come, whoever opens does.
pub fn clear(database: &Path) {
    let path = beside(database, ENDING);
    if !is_of_others(&path) {
        let _ = fs::remove_file(path);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.pid == std::process::id() {
            let _ = fs::remove_file(&self.path);
            // A child that another thread's system call made without our knowledge may have the descriptor too.
            let _ = self.file.unlock();
        }
    }
}
