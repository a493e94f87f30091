//! A program that uses a store on a disk that fails, and keeps account of what it was told.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use _core::chain::{self, Hash};
use _core::error::{Error, Head};
use _core::sqlite::{Appended, Change, Durability, Expected, Params, Settings, Store, Transaction};

use super::chance::Chance;
use super::disk::Disk;
use super::vfs;

pub type Log = (&'static str, &'static str);
pub const LOGS: [Log; 3] = [("room", "ada"), ("room", "bob"), ("hall", "ada")];
/// Also the sizes of payloads: some rows are of several pages.
const SIZES: [usize; 6] = [20, 20, 100, 100, 700, 6_000];

/// What is there whole or not at all: the rows of one transaction, and a counter of its own that rose from 0 to 1.
#[derive(Debug)]
pub struct Unit {
    pub rows: Vec<(Log, Vec<u8>)>,
    pub counter: Option<String>,
    pub fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The call returned.
    Kept,
    /// It failed.
    Refused,
    /// It said OutcomeUnknown.
    Unknown,
}

pub struct Session {
    pub disk: Arc<Disk>,
    pub durability: Durability,
    pub units: Vec<Unit>,
    pub heads: HashMap<Log, (i64, Hash)>,
    pub chance: Chance,
    pub store: Option<Store>,
    directory: PathBuf,
    /// A commit was of unknown outcome: nothing is to be written until the store is opened anew.
    stopped: bool,
    made: usize,
}

/// Nobody asks to stop.
pub const UNHEARD: &(dyn Fn() -> Result<(), Error> + Sync) = &|| Ok(());

impl Session {
    pub fn new(seed: u64, durability: Durability) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let made = MADE.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("agent-store-faults-{}-{made}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        // Of the file itself the core asks the system, not SQLite; what is in it is on the disk.
        std::fs::write(directory.join("app.db"), "").unwrap();
        let disk = Disk::new(seed);
        vfs::mount(&directory, &disk);
        Self {
            disk,
            durability,
            units: Vec::new(),
            heads: HashMap::new(),
            chance: Chance::new(seed ^ 0x5eed),
            store: None,
            directory,
            stopped: false,
            made: 0,
        }
    }

    /// False where it could not be opened.
    pub fn open(&mut self) -> Result<(), Error> {
        self.store = None;
        let settings =
            Settings { path: Some(self.directory.join("app.db")), durability: self.durability, read_only: false };
        self.disk.hold(true);
        let store = Store::open(settings, Duration::from_secs(5), UNHEARD, &mut |_, _| Ok(()));
        self.disk.hold(false);
        let store = store?;
        // So that little is written before pages leave the cache, and the WAL is carried into the file.
        _core::options::WAL_PAGES.store(25, Ordering::Relaxed);
        // So that a seed tells what happens when.
        _core::options::BESIDE.change(Some(false));
        store.execute("PRAGMA cache_size = 10", &Params::Positional(Vec::new()), None, UNHEARD)?;
        self.store = Some(store);
        self.stopped = false;
        Ok(())
    }

    pub fn close(&mut self) {
        if let Some(store) = self.store.take() {
            store.close(UNHEARD).unwrap();
        }
    }

    /// As a process that is killed: nothing of it is closed.
    pub fn kill(&mut self) {
        self.disk.kill();
        self.store = None;
    }

    fn rows(&mut self, of: usize, logs: &[Log]) -> Vec<(Log, Vec<u8>)> {
        self.made += 1;
        let size = self.chance.pick(&SIZES);
        (0..of)
            .map(|row| {
                let mut payload = format!("{}/{row}/{of}/", self.made).into_bytes();
                payload.extend_from_slice(".".repeat(size).as_bytes());
                (self.chance.pick(logs), payload)
            })
            .collect()
    }

    /// One call of a kind by chance; false where it failed.
    pub fn step(&mut self) -> bool {
        match self.chance.below(10) {
            0..4 => self.append(1),
            4 => {
                let many = 1 + self.chance.below(12);
                self.append(many)
            }
            5 => self.append_rows(),
            6 => self.bump(),
            7 => self.transaction(),
            8 => self.rolled_back(),
            _ => self.read(),
        }
    }

    pub fn append(&mut self, count: usize) -> bool {
        let log = self.chance.pick(&LOGS);
        let rows = self.rows(count, &[log]);
        let expected = Expected::Head(self.heads.get(&log).copied());
        let payloads: Vec<&[u8]> = rows.iter().map(|(_, payload)| payload.as_slice()).collect();
        let Some(store) = &self.store else { return false };
        let result = store.append(log.0, log.1, &payloads, expected, None, UNHEARD);
        drop(payloads);
        let told = result.as_ref().ok().map(|appended| (log, (appended.seq, appended.content_hash)));
        self.note(rows, None, told, result)
    }

    pub fn append_rows(&mut self) -> bool {
        let count = 1 + self.chance.below(12);
        let rows = self.rows(count, &LOGS);
        let Some(store) = &self.store else { return false };
        let result = store.append_rows(&borrowed(&rows), None, UNHEARD);
        self.note(rows, None, None, result)
    }

    pub fn bump(&mut self) -> bool {
        self.made += 1;
        let counter = format!("counter {}", self.made);
        let Some(store) = &self.store else { return false };
        let result = store.change_generation(&counter, Change::Bump, None, UNHEARD);
        self.note(Vec::new(), Some(counter), None, result)
    }

    /// Rows and a counter, with a block inside that is undone.
    pub fn transaction(&mut self) -> bool {
        let rows = self.rows(8, &LOGS);
        let counter = format!("counter {}", self.made);
        let result = self.block(&rows, &counter, Transaction::commit);
        self.note(rows, Some(counter), None, result)
    }

    pub fn rolled_back(&mut self) -> bool {
        let rows = self.rows(20, &LOGS);
        let result = self.block(&rows, "never", |tx| {
            tx.rollback();
            Ok(())
        });
        self.refused(result)
    }

    fn block(
        &self,
        rows: &[(Log, Vec<u8>)],
        counter: &str,
        end: impl FnOnce(&Transaction) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some(store) = &self.store else { return Err(Error::Closed) };
        let outer = store.begin(None, false, UNHEARD)?;
        let (first, rest) = rows.split_first().unwrap();
        let append = |(log, payload): &(Log, Vec<u8>), tx: &Transaction| -> Result<Appended, Error> {
            store.append(log.0, log.1, &[payload], Expected::Anything, Some(tx), UNHEARD)
        };
        append(first, &outer)?;
        let inner = store.begin(Some(&outer), false, UNHEARD)?;
        append(&(LOGS[0], b"undone".to_vec()), &inner)?;
        inner.rollback();
        store.change_generation(counter, Change::Bump, Some(&outer), UNHEARD)?;
        store.append_rows(&borrowed(rest), Some(&outer), UNHEARD)?;
        end(&outer)
    }

    pub fn read(&mut self) -> bool {
        let Some(store) = &self.store else { return false };
        match store.verify(0, None, UNHEARD, &mut |_, _| Ok(())) {
            Ok(findings) => {
                assert_eq!(findings.breaks_total, 0, "{:?}", findings.breaks);
                true
            }
            Err(error) => {
                assert!(matches!(error, Error::Backend(_) | Error::CannotOpen(_)), "{error:?}");
                false
            }
        }
    }

    /// Take down what a call was told.
    fn note<T>(
        &mut self,
        rows: Vec<(Log, Vec<u8>)>,
        counter: Option<String>,
        told: Option<(Log, (i64, Hash))>,
        result: Result<T, Error>,
    ) -> bool {
        let mut heads: BTreeMap<Log, (i64, Hash)> = BTreeMap::new();
        for (log, payload) in &rows {
            let before = heads.get(log).or_else(|| self.heads.get(log)).copied();
            let next = before.map_or(0, |head| head.0) + 1;
            heads.insert(*log, (next, chain::hash(before.map(|head| head.1).as_ref(), payload)));
        }
        let fate = match &result {
            Ok(_) => Fate::Kept,
            Err(Error::OutcomeUnknown { heads: named, count, .. }) => {
                let mut named = named.clone();
                named.sort_by(|a, b| (&a.stream, &a.writer).cmp(&(&b.stream, &b.writer)));
                let wanted: Vec<Head> = heads.iter().map(|(log, head)| as_head(*log, *head)).collect();
                assert_eq!((named, *count), (wanted, heads.len() as u64));
                Fate::Unknown
            }
            Err(_) => Fate::Refused,
        };
        if let Some((log, head)) = told {
            assert_eq!(heads[&log], head);
        }
        if fate == Fate::Kept {
            assert!(!self.stopped, "written after an unknown outcome");
            self.heads.extend(heads);
        }
        self.units.push(Unit { rows, counter, fate });
        self.refused(result)
    }

    /// An error must be one that the reference names for it.
    fn refused<T>(&mut self, result: Result<T, Error>) -> bool {
        match result {
            Ok(_) => return true,
            Err(Error::OutcomeUnknown { .. }) => self.stopped = true,
            // As it does too when the WAL could not be carried into the file after a commit.
            Err(Error::Backend(detail)) if detail.contains("open it anew") => {
                assert!(self.disk.failed() > 0 || self.stopped, "{detail}");
                self.stopped = true;
            }
            Err(error) if self.stopped => panic!("{error:?}"),
            Err(Error::Backend(_) | Error::CannotOpen(_) | Error::Conflict(_)) => {}
            Err(error) => panic!("{error:?}"),
        }
        false
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.store = None;
        vfs::unmount(&self.directory);
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn as_head((stream, writer): Log, (seq, content_hash): (i64, Hash)) -> Head {
    Head { stream: stream.to_owned(), writer: writer.to_owned(), seq, content_hash }
}

fn borrowed(rows: &[(Log, Vec<u8>)]) -> Vec<(&str, &str, &[u8])> {
    rows.iter().map(|(log, payload)| (log.0, log.1, payload.as_slice())).collect()
}
