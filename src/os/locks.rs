//! SQLite's locks on a file, kept where no other library of the process can drop them.

#[cfg(unix)]
pub use descriptors::ParentsAlone;
#[cfg(unix)]
pub use unix::*;
#[cfg(windows)]
pub use windows::*;

#[cfg(unix)]
use super::descriptors;

#[cfg(unix)]
mod unix {
    use std::fs;
    use std::path::Path;
    use std::sync::OnceLock;

    use super::super::descriptors::{Locks, table};
    use super::super::files::Inode;
    use super::super::fork;

    /// To be called before SQLite opens anything; any number of times.
    pub fn install() {
        static INSTALLED: OnceLock<()> = OnceLock::new();
        INSTALLED.get_or_init(|| {
            fork::attend();
            #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
            super::super::hooks::install();
        });
    }

    /// How an open database is locked: "ofd" by locks of our own description of it, "posix" by the process's.
    pub fn of(database: &Path) -> &'static str {
        match fs::metadata(database).map(|file| table().locks(Inode::of(&file))) {
            Ok(Locks::Description { .. }) => "ofd",
            _ => "posix",
        }
    }

    /// True once for each open database that the system gives no locks of a description for.
    pub fn refused(database: &Path) -> bool {
        fs::metadata(database).is_ok_and(|file| table().tell_refused(Inode::of(&file)))
    }
}

/// Locks there belong to what is open, and no other closing drops them; nor are there forks.
#[cfg(windows)]
mod windows {
    use std::fs::File;
    use std::path::Path;

    pub struct ParentsAlone;

    impl ParentsAlone {
        pub fn register(_: &File) -> Self {
            Self
        }
    }

    pub fn install() {}

    pub fn of(_: &Path) -> &'static str {
        "windows"
    }

    pub fn refused(_: &Path) -> bool {
        false
    }
}
