//! A number in a file, on which processes sleep until another adds to it: `futex(2)` on a mapping that they share.
//!
//! This program neither reads nor writes through the mapping. It only names the place to the system, for which a file that
//! was cut off under it is an error (EFAULT), where a load or a store would end the process (SIGBUS).
//!
//! Who sleeps there now and then says so by a lock on the file, which the system takes off when its holder dies: no
//! counter would know that.

pub use system::Word;

/// Bytes of the file.
pub const LENGTH: usize = 4_096;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod system {
    use std::ffi::{c_int, c_long, c_void};
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::FileExt;
    use std::ptr::{NonNull, null, null_mut};
    use std::time::Duration;

    use super::super::locks::ParentsAlone;
    use super::super::sys;
    use super::LENGTH;

    /// Where in the file the number is.
    const AT: usize = 8;
    /// `*word += 1`. (And where the number was 0 wake nobody else, which is what the rest of it says.)
    const ADD_ONE: c_int = (libc::FUTEX_OP_ADD << 28) | (1 << 12);

    pub struct Word {
        map: NonNull<c_void>,
        /// Before the file: it is to go first.
        _here: ParentsAlone,
        file: File,
        writable: bool,
        pid: u32,
    }

    // SAFETY: an address that this program never looks behind.
    unsafe impl Send for Word {}
    // SAFETY: as above.
    unsafe impl Sync for Word {}

    impl Word {
        pub const SUPPORTED: bool = true;

        /// `file` is open to write too where it is `writable`: only then `add` works.
        pub fn of(file: File, writable: bool) -> io::Result<Self> {
            let access = if writable { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
            // SAFETY: a mapping of its own, wherever the system has room; no reference to its bytes is ever made.
            let map = unsafe { libc::mmap(null_mut(), LENGTH, access, libc::MAP_SHARED, file.as_raw_fd(), 0) };
            if map == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            // A mapping keeps the lock of what it was made of: a forked child that lives on would be taken for a sleeper.
            // SAFETY: the whole mapping; in a child there is none.
            unsafe { libc::madvise(map, LENGTH, libc::MADV_DONTFORK) };
            let map = NonNull::new(map).ok_or(io::ErrorKind::OutOfMemory)?;
            Ok(Self { map, _here: ParentsAlone::register(&file), file, writable, pid: std::process::id() })
        }

        pub fn file(&self) -> &File {
            &self.file
        }

        pub fn is_writable(&self) -> bool {
            self.writable
        }

        /// Have others know that somebody sleeps here.
        pub fn enter(&self) -> io::Result<()> {
            sys::share(self.file.as_raw_fd())
        }

        pub fn leave(&self) {
            let _ = sys::unlock(self.file.as_raw_fd());
        }

        /// Whether anybody does who opened the file otherwise, in another process that is.
        pub fn is_awaited(&self) -> bool {
            sys::is_locked(self.file.as_raw_fd()).unwrap_or(true)
        }

        pub fn value(&self) -> io::Result<u32> {
            let mut value = [0; 4];
            self.file.read_exact_at(&mut value, AT as u64)?;
            Ok(u32::from_ne_bytes(value))
        }

        /// Add one, and wake all who sleep, of any process: in one step, so that none falls asleep in between.
        pub fn add(&self) -> io::Result<()> {
            self.call(libc::FUTEX_WAKE_OP, c_int::MAX, null(), ADD_ONE).map(drop)
        }

        /// Wake all who sleep; the number stays.
        pub fn wake(&self) {
            let _ = self.call(libc::FUTEX_WAKE, c_int::MAX, null(), 0);
        }

        /// Sleep, at most for `longest`, if the number is `seen`. True where a signal ended the sleep.
        pub fn sleep(&self, seen: u32, longest: Duration) -> io::Result<bool> {
            let longest = libc::timespec {
                tv_sec: longest.as_secs().try_into().unwrap_or(libc::time_t::MAX),
                tv_nsec: longest.subsec_nanos().into(),
            };
            match self.call(libc::FUTEX_WAIT, seen.cast_signed(), &raw const longest, 0) {
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINTR) => Ok(true),
                    Some(libc::EAGAIN | libc::ETIMEDOUT) => Ok(false),
                    _ => Err(error),
                },
                Ok(_) => Ok(false),
            }
        }

        /// `longest` stands where other commands have how many to wake at a second place: none.
        fn call(&self, command: c_int, value: c_int, longest: *const libc::timespec, op: c_int) -> io::Result<c_long> {
            // SAFETY: the place is aligned and within the mapping, which lives as long as `self`; what the system finds
            // missing behind it is an error. `longest` is null or a timespec of the caller's.
            let done = unsafe {
                let word = self.map.as_ptr().byte_add(AT);
                libc::syscall(libc::SYS_futex, word, command, value, longest, word, op)
            };
            if done == -1 { Err(io::Error::last_os_error()) } else { Ok(done) }
        }
    }

    impl Drop for Word {
        fn drop(&mut self) {
            if self.pid == std::process::id() {
                // SAFETY: the whole mapping, which nobody uses after this.
                unsafe { libc::munmap(self.map.as_ptr(), LENGTH) };
            }
        }
    }
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
mod system {
    use std::convert::Infallible;
    use std::fs::File;
    use std::io;
    use std::time::Duration;

    pub struct Word(Infallible);

    impl Word {
        pub const SUPPORTED: bool = false;

        pub fn of(_: File, _: bool) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub fn file(&self) -> &File {
            match self.0 {}
        }

        pub fn is_writable(&self) -> bool {
            match self.0 {}
        }

        pub fn enter(&self) -> io::Result<()> {
            match self.0 {}
        }

        pub fn leave(&self) {
            match self.0 {}
        }

        pub fn is_awaited(&self) -> bool {
            match self.0 {}
        }

        pub fn value(&self) -> io::Result<u32> {
            match self.0 {}
        }

        pub fn add(&self) -> io::Result<()> {
            match self.0 {}
        }

        pub fn wake(&self) {
            match self.0 {}
        }

        pub fn sleep(&self, _: u32, _: Duration) -> io::Result<bool> {
            match self.0 {}
        }
    }
}
