//! What SQLite has open in this process, and where the locks on each file are kept.
//!
//! POSIX locks belong to the process: whoever in it closes any descriptor of a file drops them all, whoever took them. So
//! the locks on a file are taken on a descriptor of our own, and are those of its open file description (F_OFD_SETLK),
//! which nothing else touches. It is opened for nothing but this: a mapping would keep its locks when it is closed, and a
//! forked child inherits mappings.
//!
//! The other way round, a descriptor that SQLite closes is kept: closing it would drop the locks of another library of
//! this process. It is closed when nobody at all holds a lock on the file, and nobody can take one meanwhile: we hold all.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString, c_int};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use super::files::Inode;
use super::{fork, sys};
use crate::options;

static TABLE: Mutex<Table> = Mutex::new(Table::new());

/// Held for look-ups, openings and closings; never while a lock of a file is waited for.
pub fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn try_table() -> Option<MutexGuard<'static, Table>> {
    match TABLE.try_lock() {
        Ok(table) => Some(table),
        Err(TryLockError::Poisoned(table)) => Some(table.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

pub struct Table {
    /// Descriptors that SQLite has.
    open: BTreeMap<RawFd, Open>,
    files: BTreeMap<Inode, File>,
    /// Descriptors of ours that bear locks and that a forked child must not keep.
    ours: Vec<RawFd>,
    /// Files of which it was said that their locks are POSIX.
    told: BTreeSet<Inode>,
}

#[derive(Clone, Copy)]
struct Open {
    access: c_int,
    /// Of those that may bear locks.
    file: Option<Inode>,
    /// The descriptor for its locks; none where they are POSIX.
    lock: Option<RawFd>,
}

/// One that may bear locks.
#[derive(Default)]
struct File {
    locks: Locks,
    /// Descriptors that SQLite has of it.
    live: usize,
    /// Those that it closed, with their access mode.
    parked: Vec<(RawFd, c_int)>,
}

/// How a file is locked. Decided when SQLite opens it, and kept until it has closed it: two kinds of locks of one SQLite
/// on one file would not know each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Locks {
    #[default]
    Undecided,
    /// Of the description of this descriptor.
    Description { fd: RawFd, writable: bool },
    Posix {
        /// The system or the file system gives no other.
        refused: bool,
    },
}

impl Table {
    const fn new() -> Self {
        Self { open: BTreeMap::new(), files: BTreeMap::new(), ours: Vec::new(), told: BTreeSet::new() }
    }

    /// The descriptor to lock instead of this one, and whether this one may write.
    pub fn lock_of(&self, fd: RawFd) -> Option<(RawFd, bool)> {
        let open = self.open.get(&fd)?;
        Some((open.lock?, open.access != libc::O_RDONLY))
    }

    pub fn locks(&self, file: Inode) -> Locks {
        self.files.get(&file).map_or(Locks::Undecided, |file| file.locks)
    }

    pub fn is_live(&self, file: Inode) -> bool {
        self.files.get(&file).is_some_and(|file| file.live > 0)
    }

    /// True once for each file whose locks had to be POSIX.
    pub fn tell_refused(&mut self, file: Inode) -> bool {
        matches!(self.locks(file), Locks::Posix { refused: true }) && self.told.insert(file)
    }

    /// Note a descriptor that SQLite opened, of a `file` that may bear locks. After an error it is not SQLite's.
    pub fn enter(&mut self, fd: RawFd, access: c_int, file: Option<Inode>) -> io::Result<()> {
        let mut lock = None;
        if let Some(inode) = file {
            if !self.files.contains_key(&inode) {
                self.sweep();
            }
            let file = self.files.entry(inode).or_default();
            if let Err(error) = file.decide(fd, access) {
                file.parked.push((fd, access));
                return Err(error);
            }
            file.live += 1;
            if let Locks::Description { fd, .. } = file.locks {
                lock = Some(fd);
            }
        }
        self.open.insert(fd, Open { access, file, lock });
        Ok(())
    }

    /// A descriptor of the file that SQLite closed and may have again, where this user may still open it so.
    pub fn again(&mut self, path: &CStr, access: c_int, inode: Inode) -> Option<RawFd> {
        let file = self.files.get_mut(&inode)?;
        let place = file.parked.iter().position(|parked| parked.1 == access)?;
        if !sys::may_open(path, access) {
            return None;
        }
        let (fd, _) = file.parked.swap_remove(place);
        self.enter(fd, access, Some(inode)).ok()?;
        Some(fd)
    }

    /// SQLite closes a descriptor. True where that is to reach the system.
    pub fn leave(&mut self, fd: RawFd) -> bool {
        let Some(open) = self.open.remove(&fd) else { return true };
        let Some(inode) = open.file else { return true };
        let Some(file) = self.files.get_mut(&inode) else { return true };
        file.live = file.live.saturating_sub(1);
        let parks = file.park(fd, open.access);
        if file.live == 0 && file.is_over() {
            self.files.remove(&inode);
        }
        !parks
    }

    /// Files that SQLite has closed: others may have let go of their locks since, or removed the file.
    fn sweep(&mut self) {
        self.files.retain(|_, file| file.live > 0 || !file.is_over());
    }

    /// In a forked child: locks are the parent's alone, and go when it does.
    pub fn let_go(&mut self) {
        for file in self.files.values() {
            if let Locks::Description { fd, .. } = file.locks {
                sys::close(fd);
            }
            file.parked.iter().for_each(|parked| sys::close(parked.0));
        }
        sys::deaden(self.open.keys().chain(&self.ours).copied());
        // Nothing is freed here: the child of a process with threads has only what the parent's allocator left it.
        std::mem::forget(std::mem::replace(self, Self::new()));
    }
}

impl File {
    fn decide(&mut self, fd: RawFd, access: c_int) -> io::Result<()> {
        let write = access != libc::O_RDONLY;
        match self.locks {
            // Write locks need a descriptor that may write. SQLite holds locks on this one, so it cannot be exchanged.
            Locks::Description { writable: false, .. } if write && self.live > 0 => {
                return Err(io::Error::from_raw_os_error(libc::EACCES));
            }
            Locks::Description { fd: read_only, writable: false } if write => {
                self.parked.push((read_only, libc::O_RDONLY));
                self.locks = Locks::Undecided;
            }
            _ => {}
        }
        if self.locks == Locks::Undecided {
            self.locks = choose(fd)?;
        }
        Ok(())
    }

    /// True where the descriptor was kept.
    fn park(&mut self, fd: RawFd, access: c_int) -> bool {
        let Locks::Description { fd: lock, .. } = self.locks else { return false };
        self.parked.push((fd, access));
        if self.live == 0 {
            // The last lock on the shared memory SQLite lets go by closing it.
            let _ = sys::unlock(lock);
        }
        true
    }

    /// True where nothing of it is open any more: what was kept is closed where that harms nobody.
    fn is_over(&mut self) -> bool {
        let Locks::Description { fd: lock, writable } = self.locks else { return self.parked.is_empty() };
        let removed = sys::metadata(lock).is_ok_and(|file| file.nlink() == 0);
        // A descriptor that may not write gets no lock that keeps others out. To ask leaves a moment in which one takes
        // a lock that is then dropped; to keep them all open would be no end.
        let alone = if writable { sys::lock(lock).is_ok() } else { matches!(sys::is_locked(lock), Ok(false)) };
        if !removed && !alone {
            return false;
        }
        self.parked.drain(..).for_each(|parked| sys::close(parked.0));
        // The last: its lock holds until it is gone.
        sys::close(lock);
        true
    }
}

/// The kind of locks for the file of this descriptor.
fn choose(fd: RawFd) -> io::Result<Locks> {
    if !options::HOOKS.is_on() {
        return Ok(Locks::Posix { refused: false });
    }
    let Ok(path) = CString::new(format!("/proc/self/fd/{fd}")) else { return Ok(Locks::Posix { refused: true }) };
    let opened = sys::open(&path, libc::O_RDWR).map(|fd| (fd, true));
    let opened = opened.or_else(|error| match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM | libc::EROFS) => sys::open(&path, libc::O_RDONLY).map(|fd| (fd, false)),
        _ => Err(error),
    });
    match opened {
        Ok((fd, writable)) if sys::is_locked(fd).is_ok() => Ok(Locks::Description { fd, writable }),
        Ok((fd, _)) => {
            sys::close(fd);
            Ok(Locks::Posix { refused: true })
        }
        // For want of memory or of descriptors nobody goes on with locks that are worth less.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM)) => Err(error),
        Err(_) => Ok(Locks::Posix { refused: true }),
    }
}

/// Keep a descriptor from forked children: while this lives, a child has in its place one that can do nothing. For locks
/// of a description, and `flock`: they last as long as any process has the description, so a child that lives on would
/// keep the lock of a parent that was killed.
///
/// To be dropped before the descriptor is closed.
pub struct ParentsAlone(RawFd);

impl ParentsAlone {
    pub fn register(file: &impl AsRawFd) -> Self {
        let fd = file.as_raw_fd();
        table().ours.push(fd);
        Self(fd)
    }
}

impl Drop for ParentsAlone {
    fn drop(&mut self) {
        // In a child that was forked amid an operation the table may be locked for ever.
        if fork::check().is_ok() {
            table().ours.retain(|fd| *fd != self.0);
        }
    }
}
