//! The system calls of SQLite that go through us. SQLite offers to exchange them, for all its connections alike; and as
//! our copy of it is compiled in and shows no symbol, they are those of this package alone.

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::fs;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rusqlite::ffi;

use super::descriptors::table;
use super::files::Inode;
use super::{fork, sys};

/// Below it are the standard streams, where SQLite wants no database: it closes such a descriptor and opens another.
const LOWEST: RawFd = 3;

type Open = extern "C" fn(*const c_char, c_int, c_int) -> c_int;
type Close = extern "C" fn(c_int) -> c_int;
/// C declares it variadic, and SQLite calls it so: on the 64-bit Linux ABIs the third argument is where that of a function
/// of three is. Not so on Apple's.
type Fcntl = extern "C" fn(c_int, c_int, *mut c_void) -> c_int;
type Fstat = extern "C" fn(c_int, *mut libc::stat) -> c_int;
type Stat = extern "C" fn(*const c_char, *mut libc::stat) -> c_int;

/// False where this SQLite has no such table of calls.
pub fn install() -> bool {
    // SAFETY: each function has the arguments that SQLite calls this name with, and lives as long as the program. The VFS
    // is one that SQLite made, and no connection exists yet that could be in the midst of a call.
    unsafe {
        let vfs = ffi::sqlite3_vfs_find(c"unix".as_ptr());
        if vfs.is_null() || (*vfs).iVersion < 3 {
            return false;
        }
        let Some(set) = (*vfs).xSetSystemCall else { return false };
        let calls = [
            (c"open", std::mem::transmute::<Open, unsafe extern "C" fn()>(open)),
            (c"close", std::mem::transmute::<Close, unsafe extern "C" fn()>(close)),
            (c"fcntl", std::mem::transmute::<Fcntl, unsafe extern "C" fn()>(fcntl)),
            (c"fstat", std::mem::transmute::<Fstat, unsafe extern "C" fn()>(fstat)),
            (c"stat", std::mem::transmute::<Stat, unsafe extern "C" fn()>(stat)),
        ];
        calls.into_iter().all(|(name, call)| set(vfs, name.as_ptr(), Some(call)) == ffi::SQLITE_OK)
    }
}

extern "C" fn open(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    // SAFETY: SQLite gives a path that ends with NUL.
    let name = unsafe { CStr::from_ptr(path) };
    let access = flags & libc::O_ACCMODE;
    let lockable = flags & (libc::O_EXCL | libc::O_DIRECTORY) == 0 && !is_log(name);
    if lockable
        && let Some(file) = named(name, flags & libc::O_NOFOLLOW == 0)
        && let Some(fd) = table().again(name, access, file)
    {
        return fd;
    }
    // A file of its own may be one that nobody is to write (shared memory beside a database of such). Its descriptor may,
    // and so must the one for its locks; SQLite sees to the permissions of a new file when it has it.
    let mode = mode.cast_unsigned() | libc::S_IRUSR | libc::S_IWUSR;
    // SAFETY: the arguments are SQLite's own.
    let fd = unsafe { libc::open(path, flags, mode) };
    if fd < LOWEST {
        return fd;
    }
    let Ok(file) = sys::metadata(fd) else { return fd };
    if !file.is_file() {
        return fd;
    }
    match table().enter(fd, access, lockable.then(|| Inode::of(&file))) {
        Ok(()) => fd,
        Err(error) => {
            // SAFETY: this thread's own.
            unsafe { *libc::__errno_location() = error.raw_os_error().unwrap_or(libc::EIO) };
            -1
        }
    }
}

fn path(name: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(name.to_bytes()))
}

fn named(name: &CStr, follow: bool) -> Option<Inode> {
    let found = if follow { fs::metadata(path(name)) } else { fs::symlink_metadata(path(name)) };
    found.ok().filter(|file| file.is_file()).map(|file| Inode::of(&file))
}

/// The log or the journal of a database that is open. SQLite locks neither, and to keep them open would keep their space.
fn is_log(name: &CStr) -> bool {
    let name = name.to_bytes();
    let Some(database) = name.strip_suffix(b"-wal").or_else(|| name.strip_suffix(b"-journal")) else { return false };
    fs::metadata(OsStr::from_bytes(database)).is_ok_and(|file| table().is_live(Inode::of(&file)))
}

extern "C" fn close(fd: c_int) -> c_int {
    if fd >= LOWEST && !table().leave(fd) {
        return 0;
    }
    // SAFETY: SQLite's own descriptor.
    unsafe { libc::close(fd) }
}

extern "C" fn fcntl(fd: c_int, command: c_int, argument: *mut c_void) -> c_int {
    let of_description = match command {
        libc::F_SETLK => libc::F_OFD_SETLK,
        libc::F_SETLKW => libc::F_OFD_SETLKW,
        libc::F_GETLK => libc::F_OFD_GETLK,
        // SAFETY: the arguments are SQLite's own.
        _ => return unsafe { libc::fcntl(fd, command, argument) },
    };
    let instead = table().lock_of(fd);
    // SAFETY: with these commands SQLite gives a lock that it may write to.
    unsafe {
        let lock = argument.cast::<libc::flock>();
        match instead {
            // As the system would: so a connection that only reads leaves the log alone where it is the last to close.
            Some((_, false)) if command != libc::F_GETLK && c_int::from((*lock).l_type) == libc::F_WRLCK => {
                *libc::__errno_location() = libc::EBADF;
                -1
            }
            Some((fd, _)) => {
                // The system wants no process in it, and SQLite leaves there what happened to be there.
                (*lock).l_pid = 0;
                libc::fcntl(fd, of_description, argument)
            }
            None => libc::fcntl(fd, command, argument),
        }
    }
}

/// SQLite knows a file by device and number, and remembers which locks it holds on it. In a forked child it holds none: as
/// files of another device they are new to it.
fn estrange(found: c_int, file: *mut libc::stat) -> c_int {
    if found == 0 {
        // SAFETY: where SQLite wants the answer.
        unsafe { (*file).st_dev ^= fork::forks() << 48 };
    }
    found
}

extern "C" fn fstat(fd: c_int, file: *mut libc::stat) -> c_int {
    // SAFETY: the arguments are SQLite's own.
    estrange(unsafe { libc::fstat(fd, file) }, file)
}

extern "C" fn stat(path: *const c_char, file: *mut libc::stat) -> c_int {
    // SAFETY: the arguments are SQLite's own.
    estrange(unsafe { libc::stat(path, file) }, file)
}
