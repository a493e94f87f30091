//! The locks of one file among the connections of this process, and the memory that they share beside its WAL.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::collections::{HashMap, HashSet};

use rusqlite::ffi;

/// A connection's hold of the file.
pub type Holder = usize;

#[derive(Default)]
pub struct Locks {
    levels: HashMap<Holder, i32>,
    shared: [HashSet<Holder>; ffi::SQLITE_SHM_NLOCK as usize],
    exclusive: [Option<Holder>; ffi::SQLITE_SHM_NLOCK as usize],
}

impl Locks {
    /// False where another's lock is in the way. From PENDING on nobody new may begin to read.
    pub fn lock(&mut self, holder: Holder, level: i32) -> bool {
        let others = self.levels.iter().filter(|(of, _)| **of != holder).map(|(_, level)| *level).max();
        let others = others.unwrap_or(ffi::SQLITE_LOCK_NONE);
        let free = match level {
            ffi::SQLITE_LOCK_SHARED => others < ffi::SQLITE_LOCK_PENDING,
            ffi::SQLITE_LOCK_RESERVED => others < ffi::SQLITE_LOCK_RESERVED,
            _ if others == ffi::SQLITE_LOCK_NONE => true,
            _ if others == ffi::SQLITE_LOCK_SHARED => {
                self.levels.insert(holder, ffi::SQLITE_LOCK_PENDING);
                return false;
            }
            _ => false,
        };
        let held = self.levels.entry(holder).or_default();
        if free && *held < level {
            *held = level;
        }
        free
    }

    pub fn unlock(&mut self, holder: Holder, level: i32) {
        if let Some(held) = self.levels.get_mut(&holder) {
            *held = (*held).min(level);
        }
    }

    pub fn is_reserved(&self) -> bool {
        self.levels.values().any(|level| *level >= ffi::SQLITE_LOCK_RESERVED)
    }

    pub fn lock_shared(&mut self, holder: Holder, slots: std::ops::Range<usize>) -> bool {
        let free = slots.clone().all(|slot| self.exclusive[slot].is_none_or(|of| of == holder));
        if free {
            for slot in slots {
                self.shared[slot].insert(holder);
            }
        }
        free
    }

    pub fn lock_exclusive(&mut self, holder: Holder, slots: std::ops::Range<usize>) -> bool {
        let free = slots.clone().all(|slot| {
            self.exclusive[slot].is_none_or(|of| of == holder) && self.shared[slot].iter().all(|of| *of == holder)
        });
        if free {
            self.exclusive[slots].fill(Some(holder));
        }
        free
    }

    pub fn unlock_slots(&mut self, holder: Holder, slots: std::ops::Range<usize>) {
        for slot in slots {
            self.shared[slot].remove(&holder);
            if self.exclusive[slot] == Some(holder) {
                self.exclusive[slot] = None;
            }
        }
    }
}

/// Memory that SQLite writes to from many threads, with its own locks and barriers around it; zeros at first.
pub struct Shared {
    regions: Vec<*mut u8>,
    layout: Layout,
}

// SAFETY: the pointers are only handed out; nothing here reads or writes behind them, but SQLite does, as in a mapped file.
unsafe impl Send for Shared {}

impl Shared {
    pub fn new(size: usize) -> Self {
        Self { regions: Vec::new(), layout: Layout::from_size_align(size, 4096).unwrap() }
    }

    pub fn region(&mut self, index: usize, extend: bool) -> *mut u8 {
        while extend && self.regions.len() <= index {
            // SAFETY: the size is not zero: SQLite asks for 32 KiB.
            self.regions.push(unsafe { alloc_zeroed(self.layout) });
        }
        self.regions.get(index).copied().unwrap_or(std::ptr::null_mut())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for &region in &self.regions {
            // SAFETY: made by `region` with this layout; the last connection that knew it is gone.
            unsafe { dealloc(region, self.layout) };
        }
    }
}
