//! A disk with a directory of files on it, on which calls fail as told, and whose power can go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use rusqlite::ffi;

use super::chance::Chance;
use super::file::{File, Luck};
use super::locks::{Locks, Shared};

/// What can be told to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    Open,
    Read,
    Write,
    Truncate,
    Sync,
    Delete,
    Map,
    Lock,
}

/// The `nth` call of this kind fails with `error`, and all after it too if it is `lasting`, until the disk is healed.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub call: Call,
    pub nth: usize,
    pub error: i32,
    pub lasting: bool,
}

pub struct Disk(Mutex<State>);

pub struct State {
    pub files: Vec<File>,
    pub locks: Vec<Locks>,
    pub shared: Vec<Option<Arc<Mutex<Shared>>>>,
    names: HashMap<String, Entry>,
    pub chance: Chance,
    fault: Option<Fault>,
    /// Calls of each kind so far, and of the kinds that change something on the disk.
    counted: HashMap<Call, usize>,
    changes: usize,
    cut_at: Option<usize>,
    /// What was opened before a cut or a kill is dead.
    pub era: usize,
    on: bool,
    /// A failed sync gives up new pages of the WAL.
    gives_up: bool,
    /// The power does not go now.
    held: bool,
    pub failed: usize,
}

/// Which file a name leads to: now, on the disk, and since the directory was synced.
#[derive(Default)]
struct Entry {
    now: Option<usize>,
    kept: Option<usize>,
    since: Vec<Option<usize>>,
}

impl Disk {
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            files: Vec::new(),
            locks: Vec::new(),
            shared: Vec::new(),
            names: HashMap::new(),
            chance: Chance::new(seed),
            fault: None,
            counted: HashMap::new(),
            changes: 0,
            cut_at: None,
            era: 0,
            on: true,
            gives_up: false,
            held: false,
            failed: 0,
        })))
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Calls are counted from now on.
    pub fn fail(&self, fault: Fault) {
        let mut state = self.state();
        state.counted.clear();
        state.failed = 0;
        state.fault = Some(fault);
    }

    pub fn heal(&self) {
        self.state().fault = None;
    }

    /// How many calls were made to fail.
    pub fn failed(&self) -> usize {
        self.state().failed
    }

    /// Writes, syncs and the like so far.
    pub fn changes(&self) -> usize {
        self.state().changes
    }

    /// The power goes within change `at`, counted from the first.
    pub fn cut_at(&self, at: usize) {
        self.state().cut_at = Some(at);
    }

    /// The disk gives up what it could not sync, where that was new, and what makes that good again is not cut.
    pub fn give_up(&self) {
        self.state().gives_up = true;
    }

    pub fn hold(&self, held: bool) {
        let mut state = self.state();
        state.held = held && state.gives_up;
    }

    /// All programs are gone, as if killed; what they wrote is seen by the next.
    pub fn kill(&self) {
        let mut state = self.state();
        state.era += 1;
        state.locks.iter_mut().for_each(|locks| *locks = Locks::default());
        state.shared.iter_mut().for_each(|shared| *shared = None);
    }

    /// The power was gone, and is back.
    pub fn restart(&self, luck: Luck) {
        self.kill();
        let mut state = self.state();
        (state.on, state.cut_at) = (true, None);
        let State { files, names, chance, .. } = &mut *state;
        for file in files {
            file.lose_power(luck, chance);
        }
        let mut ordered: Vec<_> = names.iter_mut().collect();
        ordered.sort_by_key(|(name, _)| name.as_str());
        for (_, entry) in ordered {
            if !entry.since.is_empty() && chance.in_thousand(luck.sectors) {
                entry.kept = if luck.newest { entry.now } else { chance.pick(&entry.since) };
            }
            entry.since.clear();
            entry.now = entry.kept;
        }
    }
}

impl State {
    /// What the call is to fail with; the power may go within it.
    pub fn fails(&mut self, call: Call, era: usize) -> Result<(), i32> {
        if !self.on || era != self.era {
            return Err(ffi::SQLITE_IOERR);
        }
        if matches!(call, Call::Write | Call::Truncate | Call::Sync | Call::Delete) {
            if !self.held && self.cut_at.is_some_and(|at| at <= self.changes) {
                self.on = false;
                return Err(ffi::SQLITE_IOERR);
            }
            self.changes += 1;
        }
        let count = self.counted.entry(call).or_default();
        *count += 1;
        if let Some(fault) = self.fault
            && fault.call == call
            && (*count == fault.nth || fault.lasting && *count > fault.nth)
        {
            self.failed += 1;
            return Err(fault.error);
        }
        Ok(())
    }

    /// Some of what was to be synced is on the disk, and nobody will be told again which.
    pub fn fail_to_sync(&mut self, file: usize) {
        let luck = Luck { sectors: self.chance.pick(&[0, 500, 900]), newest: self.chance.in_thousand(500) };
        // Often the power goes soon after, where it does the most harm.
        if let Some(at) = self.cut_at
            && self.chance.in_thousand(700)
        {
            self.cut_at = Some(at.min(self.changes + self.chance.below(120)));
        }
        let log = self.names.iter().any(|(name, entry)| name.ends_with("-wal") && entry.now == Some(file));
        self.files[file].fail_to_sync(luck, self.gives_up && log, &mut self.chance);
    }

    pub fn is_dead(&self, era: usize) -> bool {
        !self.on || era != self.era
    }

    pub fn lookup(&self, name: &str) -> Option<usize> {
        self.names.get(name)?.now
    }

    pub fn create(&mut self) -> usize {
        self.files.push(File::default());
        self.locks.push(Locks::default());
        self.shared.push(None);
        self.files.len() - 1
    }

    pub fn bind(&mut self, name: &str, file: Option<usize>) {
        let entry = self.names.entry(name.to_owned()).or_default();
        entry.now = file;
        entry.since.push(file);
    }

    pub fn sync_directory(&mut self) {
        for entry in self.names.values_mut() {
            entry.kept = entry.now;
            entry.since.clear();
        }
    }
}
