//! System calls as functions that anybody may call: none reads or writes memory that is not its own.

use std::ffi::{CStr, c_int};
use std::fs::{File, Metadata};
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, RawFd};

pub fn metadata(fd: RawFd) -> io::Result<Metadata> {
    // SAFETY: never dropped, the descriptor stays its owner's.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
    file.metadata()
}

pub fn open(path: &CStr, flags: c_int) -> io::Result<RawFd> {
    // SAFETY: the path ends with its NUL; without O_CREAT no mode is read.
    match unsafe { libc::open(path.as_ptr(), flags & !libc::O_CREAT | libc::O_CLOEXEC) } {
        -1 => Err(io::Error::last_os_error()),
        fd => Ok(fd),
    }
}

/// Nobody may use it afterwards.
pub fn close(fd: RawFd) {
    // SAFETY: a number; one that is not open is refused.
    unsafe { libc::close(fd) };
}

/// True where this user, as it is now, may open the file so.
pub fn may_open(path: &CStr, access: c_int) -> bool {
    let mode = match access {
        libc::O_RDONLY => libc::R_OK,
        libc::O_WRONLY => libc::W_OK,
        _ => libc::R_OK | libc::W_OK,
    };
    // SAFETY: the path ends with its NUL.
    unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), mode, libc::AT_EACCESS) == 0 }
}

/// Put in the place of each descriptor one that neither reads, writes nor locks. Their numbers stay taken: what still
/// names one by mistake meets an error, and not whatever was opened since.
pub fn deaden(fds: impl Iterator<Item = RawFd>) {
    #[cfg(target_os = "linux")]
    const NOTHING: c_int = libc::O_PATH;
    #[cfg(not(target_os = "linux"))]
    const NOTHING: c_int = libc::O_RDONLY | libc::O_DIRECTORY;
    let nothing = open(c"/", NOTHING);
    for fd in fds {
        match nothing {
            // SAFETY: numbers.
            Ok(nothing) => unsafe {
                libc::dup2(nothing, fd);
                libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
            },
            Err(_) => close(fd),
        }
    }
    if let Ok(nothing) = nothing {
        close(nothing);
    }
}

/// Locks of an open file description, over the whole file. They go when the last descriptor of that description does, and
/// whatever else this process closes leaves them alone.
#[cfg(target_os = "linux")]
mod description {
    use super::{RawFd, c_int, io};

    fn whole(kind: c_int) -> libc::flock {
        // SAFETY: plain numbers, for which zero is a value: from 0 to the end of the file, no process.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = i16::try_from(kind).unwrap_or_default();
        lock.l_whence = i16::try_from(libc::SEEK_SET).unwrap_or_default();
        lock
    }

    fn call(fd: RawFd, command: c_int, lock: &mut libc::flock) -> io::Result<()> {
        // SAFETY: the command takes such a lock, which lives as long as the call.
        match unsafe { libc::fcntl(fd, command, std::ptr::from_mut(lock)) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    /// True where anybody else holds a lock on any byte.
    pub fn is_locked(fd: RawFd) -> io::Result<bool> {
        let mut lock = whole(libc::F_WRLCK);
        call(fd, libc::F_OFD_GETLK, &mut lock)?;
        Ok(c_int::from(lock.l_type) != libc::F_UNLCK)
    }

    /// Nobody else holds one, and nobody else gets one: else an error, at once.
    pub fn lock(fd: RawFd) -> io::Result<()> {
        call(fd, libc::F_OFD_SETLK, &mut whole(libc::F_WRLCK))
    }

    /// As any number of others may.
    pub fn share(fd: RawFd) -> io::Result<()> {
        call(fd, libc::F_OFD_SETLK, &mut whole(libc::F_RDLCK))
    }

    pub fn unlock(fd: RawFd) -> io::Result<()> {
        call(fd, libc::F_OFD_SETLK, &mut whole(libc::F_UNLCK))
    }
}

#[cfg(not(target_os = "linux"))]
mod description {
    use super::{RawFd, io};

    pub fn is_locked(_: RawFd) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn lock(_: RawFd) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn share(_: RawFd) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn unlock(_: RawFd) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg_attr(not(all(target_os = "linux", target_pointer_width = "64")), allow(unused_imports))]
pub use description::{is_locked, lock, share, unlock};
