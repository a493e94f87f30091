//! Writing a write-ahead log over itself, byte for byte, through the file that SQLite has open.
//!
//! After a sync that failed, Linux takes the pages for written although they may not be on the disk: the next sync has
//! nothing to do and succeeds. Only what is written once more is synced once more. The layout of the log is that of
//! <https://sqlite.org/fileformat2.html#the_write_ahead_log>.

use std::ffi::c_int;
use std::ptr::null_mut;

use rusqlite::{Connection, ffi};

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// Where the header says the page size, and both kinds of header the two salts, which tell frames of now from older ones.
const PAGE_SIZE: std::ops::Range<usize> = 8..12;
const SALTS: std::ops::Range<usize> = 16..24;
const FRAME_SALTS: std::ops::Range<usize> = 8..16;

/// Whether there is a log that is not empty.
pub fn is_written(conn: &Connection) -> rusqlite::Result<bool> {
    match File::of(conn, ffi::SQLITE_FCNTL_JOURNAL_POINTER)? {
        Some(file) => file.read(&mut [0], 0),
        None => Ok(false),
    }
}

/// Whether no other connection, of any program, has the database open; to be called outside of transactions. Who opens it
/// in this very moment is told that it is busy, as when the last connection closes it.
pub fn is_alone(conn: &Connection) -> rusqlite::Result<bool> {
    let Some(file) = File::of(conn, ffi::SQLITE_FCNTL_FILE_POINTER)? else { return Ok(false) };
    let (Some(lock), Some(unlock)) = (file.1.xLock, file.1.xUnlock) else { return Ok(false) };
    // SAFETY: the file is open while the connection is, which holds a shared lock of it as long as its log is open, and
    // has it again afterwards.
    unsafe {
        match lock(file.0, ffi::SQLITE_LOCK_EXCLUSIVE) {
            ffi::SQLITE_OK => check(unlock(file.0, ffi::SQLITE_LOCK_SHARED)).map(|()| true),
            ffi::SQLITE_BUSY => Ok(false),
            code => Err(error(code)),
        }
    }
}

/// To be called with the write lock held: nobody else then writes to the log.
pub fn write_again(conn: &Connection) -> rusqlite::Result<()> {
    let Some(file) = File::of(conn, ffi::SQLITE_FCNTL_JOURNAL_POINTER)? else { return Ok(()) };
    let mut header = [0; HEADER];
    if !file.read(&mut header, 0)? {
        return Ok(());
    }
    let page = header[PAGE_SIZE].iter().fold(0usize, |size, byte| size << 8 | usize::from(*byte));
    // Sizes that SQLite knows: of what is none of them, there is nothing that it would read.
    if !page.is_power_of_two() || !(512..=65_536).contains(&page) {
        return Ok(());
    }
    file.write(&header, 0)?;
    let mut frame = vec![0; FRAME_HEADER + page];
    let mut at = HEADER;
    while file.read(&mut frame, at)? && frame[FRAME_SALTS] == header[SALTS] {
        file.write(&frame, at)?;
        at += frame.len();
    }
    file.sync()
}

pub fn sync(conn: &Connection) -> rusqlite::Result<()> {
    File::of(conn, ffi::SQLITE_FCNTL_JOURNAL_POINTER)?.map_or(Ok(()), |file| file.sync())
}

struct File(*mut ffi::sqlite3_file, ffi::sqlite3_io_methods);

impl File {
    /// `None` where SQLite has no such file open.
    fn of(conn: &Connection, which: c_int) -> rusqlite::Result<Option<Self>> {
        let mut file: *mut ffi::sqlite3_file = null_mut();
        // SAFETY: the handle is that of an open connection, which is borrowed meanwhile; these file controls put a pointer
        // to the file where they are told, and do nothing else. The methods are a table of the driver, version 1 at least.
        unsafe {
            let out = (&raw mut file).cast();
            check(ffi::sqlite3_file_control(conn.handle(), c"main".as_ptr(), which, out))?;
            match file.as_ref().and_then(|file| file.pMethods.as_ref()) {
                Some(methods) => Ok(Some(Self(file, *methods))),
                None => Ok(None),
            }
        }
    }

    /// False where the file ends before `into` is full.
    fn read(&self, into: &mut [u8], from: usize) -> rusqlite::Result<bool> {
        let Some(read) = self.1.xRead else { return Ok(false) };
        // SAFETY: the file is open while the connection is, and `into` is as long as told.
        let code = unsafe { read(self.0, into.as_mut_ptr().cast(), length(into)?, place(from)?) };
        if code == ffi::SQLITE_IOERR_SHORT_READ {
            return Ok(false);
        }
        check(code).map(|()| true)
    }

    fn write(&self, bytes: &[u8], at: usize) -> rusqlite::Result<()> {
        let Some(write) = self.1.xWrite else { return Ok(()) };
        // SAFETY: as in `read`; SQLite does not change the bytes.
        check(unsafe { write(self.0, bytes.as_ptr().cast(), length(bytes)?, place(at)?) })
    }

    fn sync(&self) -> rusqlite::Result<()> {
        let Some(sync) = self.1.xSync else { return Ok(()) };
        // SAFETY: as in `read`.
        check(unsafe { sync(self.0, ffi::SQLITE_SYNC_FULL) })
    }
}

fn length(bytes: &[u8]) -> rusqlite::Result<c_int> {
    c_int::try_from(bytes.len()).map_err(|_| error(ffi::SQLITE_TOOBIG))
}

fn place(at: usize) -> rusqlite::Result<ffi::sqlite3_int64> {
    ffi::sqlite3_int64::try_from(at).map_err(|_| error(ffi::SQLITE_TOOBIG))
}

fn error(code: c_int) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}

fn check(code: c_int) -> rusqlite::Result<()> {
    if code == ffi::SQLITE_OK { Ok(()) } else { Err(error(code)) }
}
