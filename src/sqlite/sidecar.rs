//! Empty files beside the database, on which processes lock: `<database>-upgrade`, `<database>-queue`.

use std::fs;
use std::path::{Path, PathBuf};

pub fn beside(database: &Path, ending: &str) -> PathBuf {
    // As SQLite does, which keeps its log beside the file that a link leads to.
    let mut path = database.canonicalize().unwrap_or_else(|_| database.to_owned()).into_os_string();
    path.push(ending);
    path.into()
}

/// Ours is empty. What has bytes is somebody's file that happens to bear the name, another database perhaps, which must
/// be neither removed nor opened: closing it would drop its own locks.
pub fn is_of_others(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|file| !file.is_file() || file.len() > 0)
}
