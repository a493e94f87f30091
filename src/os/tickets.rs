//! A line of processes: each who waits holds a lock on one byte of a file, at the microsecond when it came.
//!
//! The locks are of open file descriptions (Linux, `fcntl(2)`): the system takes them off when the holder dies, they are not
//! shared among the stores of one process, and closing another descriptor of the file leaves them alone. Nothing is ever
//! written to the file, and there need be no byte where a lock is.

use std::fs::File;
use std::io;

use super::locks::ParentsAlone;

/// Microseconds to try, each of which another may have. Where all are taken, somebody holds a lock on the file as a whole,
/// and there is no line.
const TRIES: i64 = 1_000;

pub struct Tickets {
    /// Before the file: it is to go first.
    _here: ParentsAlone,
    file: File,
}

/// One's own place, given up when dropped.
pub struct Ticket<'a> {
    tickets: &'a Tickets,
    pub at: i64,
}

impl Tickets {
    pub fn on(file: File) -> Self {
        Self { _here: ParentsAlone::register(&file), file }
    }

    /// A place behind all who came before.
    pub fn take(&self) -> io::Result<Ticket<'_>> {
        let now = sys::microseconds()?;
        for at in now..now + TRIES {
            if sys::lock(&self.file, at)? {
                return Ok(Ticket { tickets: self, at });
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// True where somebody who came at `from` or later waits, and is not of this file description.
    pub fn is_awaited(&self, from: i64) -> io::Result<bool> {
        sys::is_locked(&self.file, from, 0)
    }
}

impl Ticket<'_> {
    /// Of those who came at `from` or later.
    pub fn is_first(&self, from: i64) -> io::Result<bool> {
        Ok(self.at <= from || !sys::is_locked(&self.tickets.file, from, self.at - from)?)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        // It can only fail where the file is of another kind than when the lock was taken.
        let _ = sys::unlock(&self.tickets.file, self.at);
    }
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod sys {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd;

    use libc::{F_OFD_GETLK, F_OFD_SETLK, F_RDLCK, F_UNLCK, F_WRLCK, SEEK_SET};

    // In C these are all of one kind, and small.
    #[allow(clippy::cast_possible_truncation)]
    fn range(kind: libc::c_int, start: i64, len: i64) -> libc::flock {
        // The pid must be 0 with these commands.
        libc::flock { l_type: kind as i16, l_whence: SEEK_SET as i16, l_start: start, l_len: len, l_pid: 0 }
    }

    fn fcntl(file: &File, command: libc::c_int, range: &mut libc::flock) -> io::Result<()> {
        // SAFETY: the descriptor is open as long as `file` lives, and `range` is a flock that only this call writes to.
        match unsafe { libc::fcntl(file.as_raw_fd(), command, std::ptr::from_mut(range)) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    /// False where another has it.
    pub fn lock(file: &File, at: i64) -> io::Result<bool> {
        match fcntl(file, F_OFD_SETLK, &mut range(F_WRLCK, at, 1)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            other => other.map(|()| true),
        }
    }

    pub fn unlock(file: &File, at: i64) -> io::Result<()> {
        fcntl(file, F_OFD_SETLK, &mut range(F_UNLCK, at, 1))
    }

    /// By another, anywhere from `start` on, over `len` bytes; 0: to the end.
    pub fn is_locked(file: &File, start: i64, len: i64) -> io::Result<bool> {
        let mut range = range(F_RDLCK, start, len);
        fcntl(file, F_OFD_GETLK, &mut range)?;
        Ok(i32::from(range.l_type) != F_UNLCK)
    }

    /// Since the machine started.
    pub fn microseconds() -> io::Result<i64> {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `now` is a timespec that only this call writes to.
        match unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) } {
            0 => Ok(now.tv_sec * 1_000_000 + now.tv_nsec / 1_000),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
mod sys {
    use std::fs::File;
    use std::io;

    fn none<T>() -> io::Result<T> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn lock(_: &File, _: i64) -> io::Result<bool> {
        none()
    }

    pub fn unlock(_: &File, _: i64) -> io::Result<()> {
        none()
    }

    pub fn is_locked(_: &File, _: i64, _: i64) -> io::Result<bool> {
        none()
    }

    pub fn microseconds() -> io::Result<i64> {
        none()
    }
}
