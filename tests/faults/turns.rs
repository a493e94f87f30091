//! Each call of the disk fails in turn: the first of its kind, the second, and so on to the last.

use _core::sqlite::Durability;
use rusqlite::ffi;

use super::account::Lost;
use super::disk::{Call, Fault};
use super::file::Luck;
use super::session::Session;

const STEPS: usize = 10;

/// How a run ends before it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Closed,
    Killed,
    PowerCut,
}

/// The same calls each time: make a store, write, close it, open it, write. False when there was no such call any more.
fn run(fault: Fault, durability: Durability, end: End) -> bool {
    let mut session = Session::new(7, durability);
    session.disk.fail(fault);
    let mut failed = 0;
    for half in 0..2 {
        while let Err(error) = session.open().and_then(|()| session.check(Lost::Nothing).map(drop)) {
            assert!(session.disk.failed() > failed, "{fault:?}: cannot be opened: {error:?}");
            failed = session.disk.failed();
            session.disk.heal();
        }
        for _ in 0..STEPS {
            let stopped = session.is_stopped();
            let well = session.step();
            if !well && !stopped {
                assert!(session.disk.failed() > failed, "{fault:?}: refused, and nothing failed");
            }
            // From a call that failed on, the disk is well.
            if !well {
                session.disk.heal();
                failed = session.disk.failed();
            }
        }
        if half == 0 {
            session.close();
        }
    }
    let hit = session.disk.failed() > 0;
    session.disk.heal();
    match end {
        End::Closed => session.close(),
        End::Killed => session.kill(),
        End::PowerCut => {
            session.disk.restart(Luck { sectors: 500, newest: false });
            session.store = None;
        }
    }
    session.open().unwrap();
    let lost = if end == End::PowerCut && durability == Durability::Normal { Lost::Newest } else { Lost::Nothing };
    session.check(lost).unwrap();
    assert!(session.append(1), "{fault:?}: takes nothing more");
    session.close();
    session.open().unwrap();
    session.check(Lost::Nothing).unwrap();
    hit
}

/// In one of the ways for each call; with `FAULT_ALL`, as in `make soak`, in all of them.
fn each(call: Call, error: i32) {
    let ways = [End::Closed, End::Killed, End::PowerCut].map(|end| [(end, false), (end, true)]).concat();
    let all = std::env::var_os("FAULT_ALL").is_some();
    for durability in [Durability::Full, Durability::Normal] {
        // What writes nothing fails alike at both.
        if durability == Durability::Normal && matches!(call, Call::Read | Call::Lock | Call::Open | Call::Map) && !all
        {
            continue;
        }
        for first in 0..if all { ways.len() } else { 1 } {
            let mut nth = 1;
            loop {
                let (end, lasting) = ways[(first + nth) % ways.len()];
                if !run(Fault { call, nth, error, lasting }, durability, end) {
                    break;
                }
                nth += 1;
            }
            assert!(nth > 2, "{call:?} at {durability:?}: {nth}");
        }
    }
}

#[test]
fn each_write() {
    each(Call::Write, ffi::SQLITE_IOERR_WRITE);
}

#[test]
fn each_write_on_a_full_disk() {
    each(Call::Write, ffi::SQLITE_FULL);
}

#[test]
fn each_sync() {
    each(Call::Sync, ffi::SQLITE_IOERR_FSYNC);
}

#[test]
fn each_truncation() {
    each(Call::Truncate, ffi::SQLITE_IOERR_TRUNCATE);
}

#[test]
fn each_opening() {
    each(Call::Open, ffi::SQLITE_CANTOPEN);
}

#[test]
fn each_read() {
    each(Call::Read, ffi::SQLITE_IOERR_READ);
}

#[test]
fn each_deletion() {
    each(Call::Delete, ffi::SQLITE_IOERR_DELETE);
}

#[test]
fn each_mapping() {
    each(Call::Map, ffi::SQLITE_IOERR_SHMMAP);
}

#[test]
fn each_lock() {
    each(Call::Lock, ffi::SQLITE_IOERR_LOCK);
}
