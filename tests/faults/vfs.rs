//! SQLite's way to the disks of `disk`: a VFS that stands in for the system's in this process.
//!
//! A disk is found by the directory of a file's name. Temporary files, which have none, are on no disk and never fail.
//! `unsafe`: SQLite calls C functions with pointers of its own. Each is what its documentation of `sqlite3_vfs` and
//! `sqlite3_io_methods` says: names end in NUL, buffers are as long as told, a file is one that `open` here filled in.
#![allow(non_snake_case)]

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::{Duration, SystemTime};

use rusqlite::ffi;

use super::disk::{Call, Disk};
use super::io::{Handle, METHODS, Open};

static DISKS: Mutex<Option<HashMap<String, Arc<Disk>>>> = Mutex::new(None);

/// From now on what is opened in `directory` is on `disk`.
pub fn mount(directory: &Path, disk: &Arc<Disk>) {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(register);
    DISKS.lock().unwrap().get_or_insert_default().insert(directory.to_str().unwrap().to_owned(), Arc::clone(disk));
}

pub fn unmount(directory: &Path) {
    DISKS.lock().unwrap().get_or_insert_default().remove(directory.to_str().unwrap());
}

fn disk_of(name: &str) -> Option<Arc<Disk>> {
    let directory = name.rsplit_once('/')?.0;
    DISKS.lock().unwrap().as_ref()?.get(directory).map(Arc::clone)
}

fn register() {
    // SAFETY: SQLite keeps the pointers for ever, and they are never freed.
    let code = unsafe {
        let vfs = Box::leak(Box::new(ffi::sqlite3_vfs {
            iVersion: 2,
            szOsFile: c_int::try_from(size_of::<Handle>()).unwrap(),
            mxPathname: 512,
            zName: c"faults".as_ptr(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_path),
            xRandomness: Some(randomness),
            xSleep: Some(sleep),
            xCurrentTime: Some(current_time),
            xCurrentTimeInt64: Some(current_time_of_64_bits),
            xGetLastError: Some(last_error),
            ..std::mem::zeroed()
        }));
        ffi::sqlite3_vfs_register(vfs, 1)
    };
    assert_eq!(code, ffi::SQLITE_OK);
}

unsafe fn name_of<'a>(name: *const c_char) -> Option<&'a str> {
    if name.is_null() {
        return None;
    }
    // SAFETY: a name ends in NUL.
    unsafe { CStr::from_ptr(name) }.to_str().ok()
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    static HOLDERS: AtomicUsize = AtomicUsize::new(0);
    let handle = file.cast::<Handle>();
    // SAFETY: SQLite made room for a Handle. Where this stays null, it does not call `close`.
    unsafe { (*handle).base.pMethods = std::ptr::null() };
    let disk = match unsafe { name_of(name) } {
        None => Some(Disk::new(0)),
        Some(name) => disk_of(name),
    };
    let Some(disk) = disk else { return ffi::SQLITE_CANTOPEN };
    let journal = flags & (ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL) != 0;
    let mut state = disk.state();
    let era = state.era;
    if let Err(error) = state.fails(Call::Open, era) {
        return error;
    }
    let found = match unsafe { name_of(name) } {
        None => Some(state.create()),
        Some(name) => match state.lookup(name) {
            None if flags & ffi::SQLITE_OPEN_CREATE != 0 => {
                let made = state.create();
                state.bind(name, Some(made));
                Some(made)
            }
            other => other,
        },
    };
    let Some(found) = found else { return ffi::SQLITE_CANTOPEN };
    drop(state);
    let holder = HOLDERS.fetch_add(1, Ordering::Relaxed);
    let directory = journal && flags & ffi::SQLITE_OPEN_CREATE != 0;
    let open = Box::new(Open { disk, file: found, holder, era, directory, shared: None });
    // SAFETY: as above; `out` may be null.
    unsafe {
        (*handle).open = Box::into_raw(open);
        (*handle).base.pMethods = &raw const METHODS;
        if !out.is_null() {
            *out = flags;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    let Some(name) = (unsafe { name_of(name) }) else { return ffi::SQLITE_IOERR_DELETE };
    let Some(disk) = disk_of(name) else { return ffi::SQLITE_IOERR_DELETE };
    let mut state = disk.state();
    let era = state.era;
    if let Err(error) = state.fails(Call::Delete, era) {
        return error;
    }
    if state.lookup(name).is_none() {
        return ffi::SQLITE_IOERR_DELETE_NOENT;
    }
    state.bind(name, None);
    if sync != 0 {
        state.sync_directory();
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn access(_: *mut ffi::sqlite3_vfs, name: *const c_char, flags: c_int, out: *mut c_int) -> c_int {
    let there = unsafe { name_of(name) }.and_then(|name| {
        let disk = disk_of(name)?;
        let state = disk.state();
        // As SQLite's own driver: an empty file is as good as none, where only its being there is asked for.
        state.lookup(name).filter(|file| flags != ffi::SQLITE_ACCESS_EXISTS || state.files[*file].len() > 0)
    });
    // SAFETY: SQLite asks for an answer.
    unsafe { *out = c_int::from(there.is_some()) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_path(_: *mut ffi::sqlite3_vfs, name: *const c_char, size: c_int, out: *mut c_char) -> c_int {
    // SAFETY: both end in NUL, and `out` has room for `size` bytes.
    unsafe {
        let name = CStr::from_ptr(name).to_bytes_with_nul();
        if name.len() > usize::try_from(size).unwrap_or(0) {
            return ffi::SQLITE_CANTOPEN;
        }
        std::ptr::copy_nonoverlapping(name.as_ptr().cast(), out, name.len());
    }
    ffi::SQLITE_OK
}

/// Salts and ids need only differ from each other.
unsafe extern "C" fn randomness(_: *mut ffi::sqlite3_vfs, size: c_int, out: *mut c_char) -> c_int {
    let size = usize::try_from(size).unwrap_or(0);
    // SAFETY: `out` has room for `size` bytes.
    let bytes = unsafe { std::slice::from_raw_parts_mut(out.cast::<u8>(), size) };
    let mut chance = super::chance::Chance::new(1);
    bytes.fill_with(|| u8::try_from(chance.below(256)).unwrap_or(0));
    size.try_into().unwrap_or(0)
}

unsafe extern "C" fn sleep(_: *mut ffi::sqlite3_vfs, micros: c_int) -> c_int {
    std::thread::sleep(Duration::from_micros(micros.try_into().unwrap_or(0)));
    micros
}

unsafe extern "C" fn current_time_of_64_bits(_: *mut ffi::sqlite3_vfs, out: *mut ffi::sqlite3_int64) -> c_int {
    const EPOCH_IN_JULIAN_MILLISECONDS: i64 = 210_866_760_000_000;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // SAFETY: SQLite asks for an answer.
    unsafe { *out = EPOCH_IN_JULIAN_MILLISECONDS + i64::try_from(now.as_millis()).unwrap_or(0) };
    ffi::SQLITE_OK
}

#[allow(clippy::cast_precision_loss)]
unsafe extern "C" fn current_time(vfs: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    let mut millis = 0;
    // SAFETY: as above.
    unsafe {
        current_time_of_64_bits(vfs, &raw mut millis);
        *out = millis as f64 / 86_400_000.0;
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn last_error(_: *mut ffi::sqlite3_vfs, _: c_int, _: *mut c_char) -> c_int {
    0
}
