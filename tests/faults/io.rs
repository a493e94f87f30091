//! What SQLite does with an open file: `sqlite3_io_methods` on a file of a `disk`.
//!
//! `unsafe` for the same reason as in `vfs`, which opens the files.

use std::ffi::{c_int, c_void};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use rusqlite::ffi;

use super::disk::{Call, Disk, State};
use super::locks::{Holder, Shared};

#[repr(C)]
pub struct Handle {
    /// What SQLite knows of it.
    pub base: ffi::sqlite3_file,
    pub open: *mut Open,
}

pub struct Open {
    pub disk: Arc<Disk>,
    pub file: usize,
    pub holder: Holder,
    pub era: usize,
    /// The next sync makes the directory durable too, as in SQLite's own driver after a journal was made.
    pub directory: bool,
    pub shared: Option<Arc<Mutex<Shared>>>,
}

pub static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(is_reserved),
    xFileControl: Some(control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(map),
    xShmLock: Some(lock_slots),
    xShmBarrier: Some(barrier),
    xShmUnmap: Some(unmap),
    xFetch: None,
    xUnfetch: None,
};

impl Open {
    /// Count the call, and do it unless it is to fail.
    fn call(&self, call: Call, run: impl FnOnce(&mut State) -> c_int) -> c_int {
        let mut state = self.disk.state();
        match state.fails(call, self.era) {
            Ok(()) => run(&mut state),
            Err(error) => error,
        }
    }

    fn leave(&mut self) {
        let mut state = self.disk.state();
        if self.shared.take().is_some()
            && state.era == self.era
            && state.shared[self.file].as_ref().is_some_and(|shared| Arc::strong_count(shared) == 1)
        {
            state.shared[self.file] = None;
        }
    }
}

unsafe fn of<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Open {
    // SAFETY: `vfs::open` put it there, `close` takes it away, and SQLite uses a file in one thread at a time.
    unsafe { &mut *(*file.cast::<Handle>()).open }
}

fn place(number: ffi::sqlite3_int64) -> usize {
    usize::try_from(number).unwrap()
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: made from a Box by `vfs::open`; SQLite calls no more after this.
    let mut open = unsafe { Box::from_raw((*file.cast::<Handle>()).open) };
    open.leave();
    let mut state = open.disk.state();
    if state.era == open.era {
        state.locks[open.file].unlock(open.holder, ffi::SQLITE_LOCK_NONE);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    into: *mut c_void,
    size: c_int,
    from: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: `into` has room for `size` bytes.
    let into = unsafe { std::slice::from_raw_parts_mut(into.cast::<u8>(), place(size.into())) };
    let open = unsafe { of(file) };
    open.call(Call::Read, |state| {
        if state.files[open.file].read(place(from), into) == into.len() {
            ffi::SQLITE_OK
        } else {
            ffi::SQLITE_IOERR_SHORT_READ
        }
    })
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    size: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: `bytes` are `size` of them.
    let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), place(size.into())) };
    let open = unsafe { of(file) };
    let mut state = open.disk.state();
    let dead = state.is_dead(open.era);
    match state.fails(Call::Write, open.era) {
        Ok(()) => {
            state.files[open.file].write(place(at), bytes);
            ffi::SQLITE_OK
        }
        Err(error) => {
            // What fails half way has written some of it.
            if !dead {
                let some = state.chance.below(bytes.len() + 1);
                state.files[open.file].write(place(at), &bytes[..some]);
            }
            error
        }
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, to: ffi::sqlite3_int64) -> c_int {
    let open = unsafe { of(file) };
    open.call(Call::Truncate, |state| {
        state.files[open.file].truncate(place(to));
        ffi::SQLITE_OK
    })
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    let open = unsafe { of(file) };
    let mut state = open.disk.state();
    if let Err(error) = state.fails(Call::Sync, open.era) {
        if !state.is_dead(open.era) {
            state.fail_to_sync(open.file);
        }
        return error;
    }
    state.files[open.file].sync();
    if std::mem::take(&mut open.directory) {
        state.sync_directory();
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn size(file: *mut ffi::sqlite3_file, out: *mut ffi::sqlite3_int64) -> c_int {
    let open = unsafe { of(file) };
    let state = open.disk.state();
    if state.is_dead(open.era) {
        return ffi::SQLITE_IOERR_FSTAT;
    }
    // SAFETY: SQLite asks for an answer.
    unsafe { *out = ffi::sqlite3_int64::try_from(state.files[open.file].len()).unwrap() };
    ffi::SQLITE_OK
}

fn got(free: bool) -> c_int {
    if free { ffi::SQLITE_OK } else { ffi::SQLITE_BUSY }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    let open = unsafe { of(file) };
    open.call(Call::Lock, |state| got(state.locks[open.file].lock(open.holder, level)))
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    let open = unsafe { of(file) };
    let mut state = open.disk.state();
    if state.era == open.era {
        state.locks[open.file].unlock(open.holder, level);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn is_reserved(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    let open = unsafe { of(file) };
    let reserved = open.disk.state().locks[open.file].is_reserved();
    // SAFETY: SQLite asks for an answer.
    unsafe { *out = c_int::from(reserved) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    4096
}

/// What SQLite's own driver for Unix says.
unsafe extern "C" fn characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE | ffi::SQLITE_IOCAP_SUBPAGE_READ
}

unsafe extern "C" fn map(
    file: *mut ffi::sqlite3_file,
    index: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    let open = unsafe { of(file) };
    // SAFETY: SQLite asks for an answer; null where there is none.
    unsafe { *out = std::ptr::null_mut() };
    let mut state = open.disk.state();
    if let Err(error) = state.fails(Call::Map, open.era) {
        return error;
    }
    let shared = state.shared[open.file].get_or_insert_with(|| Arc::new(Mutex::new(Shared::new(place(size.into())))));
    open.shared = Some(Arc::clone(shared));
    let region = shared.lock().unwrap().region(place(index.into()), extend != 0);
    // SAFETY: as above.
    unsafe { *out = region.cast() };
    ffi::SQLITE_OK
}

unsafe extern "C" fn lock_slots(file: *mut ffi::sqlite3_file, from: c_int, count: c_int, flags: c_int) -> c_int {
    let open = unsafe { of(file) };
    let slots: Range<usize> = place(from.into())..place((from + count).into());
    let mut state = open.disk.state();
    if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
        if state.era == open.era {
            state.locks[open.file].unlock_slots(open.holder, slots);
        }
        return ffi::SQLITE_OK;
    }
    if let Err(error) = state.fails(Call::Lock, open.era) {
        return error;
    }
    let locks = &mut state.locks[open.file];
    got(if flags & ffi::SQLITE_SHM_SHARED != 0 {
        locks.lock_shared(open.holder, slots)
    } else {
        locks.lock_exclusive(open.holder, slots)
    })
}

unsafe extern "C" fn barrier(_: *mut ffi::sqlite3_file) {
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}

unsafe extern "C" fn unmap(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    unsafe { of(file) }.leave();
    ffi::SQLITE_OK
}
