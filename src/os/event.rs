//! A descriptor for an event loop: readable once it was set, until it is read. Reading it does not block.

pub use system::Event;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod system {
    use std::fs::File;
    use std::io::{self, Write};
    use std::os::fd::{AsRawFd, FromRawFd, RawFd};

    use super::super::locks::ParentsAlone;

    pub struct Event {
        /// Before the file: it is to go first. A child that reads it would take what is the parent's.
        _here: ParentsAlone,
        file: File,
    }

    impl Event {
        /// Set already.
        pub fn new() -> io::Result<Self> {
            // SAFETY: numbers; the descriptor is new and nobody else's.
            let file = unsafe {
                match libc::eventfd(1, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) {
                    -1 => return Err(io::Error::last_os_error()),
                    fd => File::from_raw_fd(fd),
                }
            };
            Ok(Self { _here: ParentsAlone::register(&file), file })
        }

        pub fn set(&self) {
            // It fails where it was set 2^64 - 2 times.
            let _ = (&self.file).write(&1u64.to_ne_bytes());
        }

        pub fn fd(&self) -> RawFd {
            self.file.as_raw_fd()
        }
    }
}

#[cfg(all(unix, not(all(target_os = "linux", target_pointer_width = "64"))))]
mod system {
    use std::io::{self, Write};
    use std::os::fd::{AsRawFd, RawFd};
    use std::os::unix::net::UnixStream;

    use super::super::locks::ParentsAlone;

    pub struct Event {
        _here: [ParentsAlone; 2],
        near: UnixStream,
        far: UnixStream,
    }

    impl Event {
        pub fn new() -> io::Result<Self> {
            let (near, far) = UnixStream::pair()?;
            near.set_nonblocking(true)?;
            far.set_nonblocking(true)?;
            let event = Self { _here: [ParentsAlone::register(&near), ParentsAlone::register(&far)], near, far };
            event.set();
            Ok(event)
        }

        pub fn set(&self) {
            // It fails where nobody has read for long: what is there is enough to wake.
            let _ = (&self.far).write(&[1]);
        }

        pub fn fd(&self) -> RawFd {
            self.near.as_raw_fd()
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::convert::Infallible;
    use std::io;

    pub struct Event(Infallible);

    impl Event {
        pub fn new() -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub fn set(&self) {
            match self.0 {}
        }

        pub fn fd(&self) -> i32 {
            match self.0 {}
        }
    }
}
