//! What of files is not the same on Unix and on Windows.

use std::ffi::CStr;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

#[cfg(unix)]
pub use unix::*;
#[cfg(windows)]
pub use windows::*;

#[cfg(unix)]
mod unix {
    use std::fs::{Permissions, TryLockError};
    use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};

    use super::{CStr, File, Metadata, OpenOptions, Path, io};

    /// SQLite's access to a file that nobody else knows.
    pub const WITHOUT_LOCKS: &CStr = c"unix-none";

    /// A file, whatever its names.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Inode(u64, u64);

    impl Inode {
        pub fn of(file: &Metadata) -> Self {
            Self(file.dev(), file.ino())
        }
    }

    /// For its maker alone until it is whole; `mode` are its permissions, less the umask.
    pub fn create(path: &Path, mode: u32) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path)
    }

    /// What is there itself, and no link: never waiting for whoever may be at the other end.
    pub fn open_there(path: &Path, write: bool) -> io::Result<File> {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        OpenOptions::new().read(true).write(write).custom_flags(flags).open(path)
    }

    pub fn has_one_name(file: &Metadata) -> bool {
        file.nlink() == 1
    }

    /// How many bytes there were.
    pub fn read_start(file: &File, into: &mut [u8]) -> io::Result<usize> {
        file.read_at(into, 0)
    }

    pub fn write_start(file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all_at(bytes, 0)
    }

    /// False where another has taken it for one left behind.
    pub fn hold(file: &File) -> bool {
        !matches!(file.try_lock(), Err(TryLockError::WouldBlock))
    }

    /// Whether no living process holds it.
    pub fn is_left_behind(path: &Path) -> bool {
        File::open(path).is_ok_and(|file| file.try_lock().is_ok())
    }

    /// Who may use the other may use this one so too; and it is the same user's, where this one may say so.
    pub fn permit_as(file: &File, other: &Metadata, most: u32) -> io::Result<()> {
        file.set_permissions(Permissions::from_mode(other.mode() & most))
    }

    pub fn own_as(file: &File, other: &Metadata) -> io::Result<()> {
        fchown(file, Some(other.uid()), Some(other.gid()))
    }

    /// A file's name is on disk when its directory is. Some file systems know no such thing, and say so.
    pub fn sync_names(folder: &Path) -> io::Result<()> {
        match File::open(folder)?.sync_all() {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            other => other,
        }
    }
}

#[cfg(windows)]
mod windows {
    use std::os::windows::fs::{FileExt, OpenOptionsExt};

    use super::{CStr, File, Metadata, OpenOptions, Path, io};

    pub const WITHOUT_LOCKS: &CStr = c"win32-none";
    const SHARE_READ_AND_WRITE: u32 = 1 | 2;

    /// Nobody removes or renames a file that SQLite or we have open, so that a path goes on leading to it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Inode;

    impl Inode {
        pub fn of(_: &Metadata) -> Self {
            Self
        }
    }

    /// While it is open it cannot be removed, and needs no lock that says so. A lock would keep SQLite from it.
    pub fn create(path: &Path, _: u32) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).share_mode(SHARE_READ_AND_WRITE).open(path)
    }

    pub fn open_there(path: &Path, write: bool) -> io::Result<File> {
        OpenOptions::new().read(true).write(write).open(path)
    }

    /// Who may give it another may do anything with it.
    pub fn has_one_name(_: &Metadata) -> bool {
        true
    }

    pub fn read_start(file: &File, into: &mut [u8]) -> io::Result<usize> {
        file.seek_read(into, 0)
    }

    pub fn write_start(file: &File, bytes: &[u8]) -> io::Result<()> {
        file.seek_write(bytes, 0).map(drop)
    }

    pub fn hold(_: &File) -> bool {
        true
    }

    pub fn is_left_behind(_: &Path) -> bool {
        true
    }

    /// The directory says who may do what with its files.
    pub fn permit_as(_: &File, _: &Metadata, _: u32) -> io::Result<()> {
        Ok(())
    }

    pub fn own_as(_: &File, _: &Metadata) -> io::Result<()> {
        Ok(())
    }

    /// A directory cannot be synced: the file system logs its names.
    pub fn sync_names(_: &Path) -> io::Result<()> {
        Ok(())
    }
}
