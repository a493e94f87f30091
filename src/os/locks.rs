//! SQLite's locks on a file, kept where no other library of the process can drop them.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use super::descriptors::{self, table};
use super::fork;
use super::sys::Inode;

pub use descriptors::ParentsAlone;

/// To be called before SQLite opens anything; any number of times.
pub fn install() {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        fork::attend();
        #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
        super::hooks::install();
    });
}

/// How an open database is locked: "ofd" by locks of our own description of it, "posix" by the process's.
pub fn of(database: &Path) -> &'static str {
    match fs::metadata(database).map(|file| table().locks(Inode::of(&file))) {
        Ok(descriptors::Locks::Description { .. }) => "ofd",
        _ => "posix",
    }
}

/// True once for each open database that the system gives no locks of a description for.
pub fn refused(database: &Path) -> bool {
    fs::metadata(database).is_ok_and(|file| table().tell_refused(Inode::of(&file)))
}
