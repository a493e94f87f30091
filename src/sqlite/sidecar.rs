//! Files beside the database on which processes lock: `<database>-upgrade`, `<database>-queue`, both empty.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::os::files::{Inode, own_as, permit_as};

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

/// To lock on; made if it is not there. Who may write to the database may do so too, as with SQLite's own files beside it.
pub fn open(path: &Path, database: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    match options.clone().create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(path),
        Err(error) => Err(error),
        Ok(file) => {
            if let Ok(of) = fs::metadata(database) {
                // Only the administrator can, and only for him it makes a difference.
                let _ = own_as(&file, &of);
                let _ = permit_as(&file, &of, 0o666);
            }
            Ok(file)
        }
    }
}

/// Whether the path still leads to this very file.
pub fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(held), Ok(there)) => Inode::of(&held) == Inode::of(&there),
        _ => false,
    }
}
