//! Whether what stands at the path is still the file that was opened: SQLite keeps its descriptor and does not ask.
//!
//! To ask the system costs as much as a tenth of an append, so that it is asked at most every ten milliseconds. More
//! often would promise no more: who removes a file takes with it what was appended a moment before, however it was checked.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::connection::{self, Durability, Role};
use super::layout::{self, Layout};
use super::wait::Patience;
use crate::error::{Error, Result};
use crate::os::files::Inode;

/// Bytes of a database. To open what has less would be to have SQLite remove its WAL.
const SMALLEST: u64 = 512;
const EVERY: Duration = Duration::from_millis(10);

/// Of a store in memory: nothing to ask.
#[derive(Default)]
pub struct Identity {
    files: Vec<(PathBuf, Inode)>,
    opened: Option<Instant>,
    /// Milliseconds after `opened` until which nobody asks again.
    until: AtomicU64,
    /// Bytes of the database when it was last found whole.
    length: AtomicU64,
    /// Bytes of the database when it was found cut off.
    cut_to: AtomicU64,
}

impl Identity {
    /// Of what `conn` has open, which must have read from it: only then its WAL is there, and stays while it is open.
    pub fn of(conn: &Connection, path: &Path) -> Result<Self> {
        let database = fs::metadata(path).map_err(|_| removed(path))?;
        is_open_at(conn, path)?;
        let mut files = vec![(path.to_owned(), Inode::of(&database))];
        // Beside the file that a link leads to, as SQLite does.
        let beside = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        for suffix in ["-wal", "-shm"] {
            let mut path = beside.clone().into_os_string();
            path.push(suffix);
            let path = PathBuf::from(path);
            files.extend(fs::metadata(&path).ok().map(|file| (path, Inode::of(&file))));
        }
        let length = AtomicU64::new(database.len());
        Ok(Self { files, opened: Some(Instant::now()), length, cut_to: AtomicU64::new(u64::MAX), ..Self::default() })
    }

    /// The database, and where it is.
    pub fn database(&self) -> Option<(&Path, Inode)> {
        self.files.first().map(|(path, inode)| (path.as_path(), *inode))
    }

    /// As a call begins.
    pub fn check(&self, patience: &Patience<'_>) -> Result<()> {
        if self.is_due(patience.begun()) { self.look(patience) } else { Ok(()) }
    }

    /// Before a commit: the transaction may have begun long ago.
    pub fn check_still(&self) -> Result<()> {
        if !self.files.is_empty() && self.is_due(Instant::now()) { self.find().map(drop) } else { Ok(()) }
    }

    /// That a connection which was opened by the path now is on the same file.
    pub fn check_new(&self, conn: &Connection) -> Result<()> {
        self.find()?;
        self.files.first().map_or(Ok(()), |(path, _)| is_open_at(conn, path))
    }

    fn is_due(&self, now: Instant) -> bool {
        self.opened
            .is_some_and(|opened| millis(now.saturating_duration_since(opened)) >= self.until.load(Ordering::Relaxed))
    }

    fn look(&self, patience: &Patience<'_>) -> Result<()> {
        let (Some((path, _)), Some(opened)) = (self.files.first(), self.opened) else { return Ok(()) };
        // Before the system is asked: another thread may see the file grow in between.
        let before = self.length.load(Ordering::Relaxed);
        let length = self.find()?;
        if length < before {
            self.check_shorter(path, length, patience)?;
        }
        self.length.store(length, Ordering::Relaxed);
        self.until.store(millis(opened.elapsed() + EVERY), Ordering::Relaxed);
        Ok(())
    }

    /// All files in their places; the length of the database.
    fn find(&self) -> Result<u64> {
        let mut length = self.length.load(Ordering::Relaxed);
        for (index, (path, inode)) in self.files.iter().enumerate() {
            match fs::metadata(path) {
                Ok(file) if Inode::of(&file) == *inode => {
                    if index == 0 {
                        length = file.len();
                    }
                }
                Ok(_) => return Err(replaced(path, "was replaced by another file")),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    return Err(removed(path));
                }
                // Not to be asked now (a directory that was closed to this user): no reason to distrust the descriptor.
                Err(_) => {}
            }
        }
        Ok(length)
    }

    /// Another program may have made the file smaller as it should be done (VACUUM), or cut it off.
    fn check_shorter(&self, path: &Path, length: u64, patience: &Patience<'_>) -> Result<()> {
        let cut = |detail: &str| {
            let before = self.length.load(Ordering::Relaxed);
            self.cut_to.store(length, Ordering::Relaxed);
            Error::Corrupt(format!("{} has {length} bytes and had {before}: it was cut off ({detail})", path.display()))
        };
        if length == self.cut_to.load(Ordering::Relaxed) {
            return Err(cut("as was found before"));
        }
        if length < SMALLEST {
            return Err(cut("to less than a page"));
        }
        // A connection of its own: those in use have pages in their caches that the file has no more.
        let checked = patience.repeat(|| {
            let fresh = connection::open(path, Role::ReadOnly, Durability::Full, patience)?;
            if layout::detect(&fresh, patience)? == Layout::Nothing {
                return Ok("it holds no store any more".to_owned());
            }
            Ok(fresh.query_row("PRAGMA main.quick_check(1)", (), |row| row.get::<_, String>(0))?)
        });
        match checked {
            Ok(found) if found == "ok" => Ok(()),
            Ok(found) | Err(Error::Corrupt(found)) => Err(cut(&found)),
            Err(error) => Err(error),
        }
    }
}

/// SQLite knows which file it opened; where it does not, there is no reason to doubt.
#[cfg(unix)]
fn is_open_at(conn: &Connection, path: &Path) -> Result<()> {
    let mut moved = 0;
    match conn.file_control(Some(rusqlite::MAIN_DB), rusqlite::FileControl::HasMoved(&mut moved)) {
        Ok(()) if moved != 0 => Err(replaced(path, "was replaced by another file")),
        _ => Ok(()),
    }
}

#[cfg(windows)]
#[allow(clippy::unnecessary_wraps)] // as elsewhere
fn is_open_at(_: &Connection, _: &Path) -> Result<()> {
    Ok(())
}

fn removed(path: &Path) -> Error {
    replaced(path, "was removed")
}

fn replaced(path: &Path, what: &str) -> Error {
    Error::Replaced(format!(
        "{} {what} while this store has it open: nothing was done; put it back, or close the store and open it anew",
        path.display()
    ))
}

/// Without the division of 128 bits that `as_millis` takes.
pub fn millis(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1_000).saturating_add(time.subsec_millis().into())
}
