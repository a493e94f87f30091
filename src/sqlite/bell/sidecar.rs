//! `<database>-bell`: the number that processes sleep on, in a file of its own.
//!
//! Who waits makes it; who writes only looks whether it is there. Nobody removes it or makes it shorter, and where another
//! program does, who waits puts it right.
//!
//! A process in which somebody waits has a lock on it. Who writes looks for such locks every ten milliseconds, and saves
//! itself the ring where there are none, which costs as much as a twentieth of an append. For as long as it may not have
//! looked since, who has begun to wait looks at the database every few milliseconds.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::lock;
use crate::os::files::{self, Inode};
use crate::os::futex::{LENGTH, Word};
use crate::sqlite::identity::millis;
use crate::sqlite::sidecar::beside;

const MAGIC: [u8; 8] = *b"ags-bell";
/// No database is as short as that and not empty.
const SHORTEST_DATABASE: u64 = 512;
/// How often who writes looks whether it is there, or still the same, and whether anybody waits.
const LOOK: Duration = Duration::from_millis(10);
/// How long after somebody began to wait another who writes may not know, with time to spare.
const YOUNG: Duration = Duration::from_millis(50);
/// How long after nobody waits any more the lock stays: most come again.
const LINGER: Duration = Duration::from_millis(100);

pub struct Sidecar {
    database: PathBuf,
    path: PathBuf,
    held: Mutex<Held>,
    /// In this process.
    waiting: AtomicUsize,
    /// In others, or so it is believed.
    awaited: AtomicBool,
    born: Instant,
    /// Milliseconds after `born`, all.
    look_at: AtomicU64,
    young_until: AtomicU64,
    left_at: AtomicU64,
}

#[derive(Default)]
struct Held {
    word: Option<Arc<Word>>,
    /// Others know that somebody waits in this process.
    is_locked: bool,
    /// A file of others that has the name.
    foreign: Option<Inode>,
    /// It could not be made.
    refused: bool,
}

impl Sidecar {
    pub fn beside(database: &Path) -> Self {
        Self {
            database: database.to_owned(),
            path: beside(database, "-bell"),
            held: Mutex::default(),
            waiting: AtomicUsize::new(0),
            awaited: AtomicBool::new(false),
            born: Instant::now(),
            look_at: AtomicU64::new(0),
            young_until: AtomicU64::new(0),
            left_at: AtomicU64::new(0),
        }
    }

    pub fn word(&self) -> Option<Arc<Word>> {
        lock(&self.held).word.clone()
    }

    /// False where there is none, or none that this user may ring.
    pub fn ring(&self) -> io::Result<bool> {
        match self.word() {
            Some(word) if word.is_writable() => word.add().map(|()| true),
            _ => Ok(false),
        }
    }

    fn now(&self) -> u64 {
        millis(self.born.elapsed())
    }

    /// Whether who writes is to look: for the file, and for who waits.
    pub fn is_due(&self) -> bool {
        self.now() >= self.look_at.load(Relaxed)
    }

    /// Look for who waits in other processes; and where nobody has waited in this one for some time, let them know.
    pub fn look_for_others(&self) {
        let mut held = lock(&self.held);
        let now = self.now();
        self.look_at.store(now + millis(LOOK), Relaxed);
        self.awaited.store(held.word.as_ref().is_some_and(|word| word.is_awaited()), Relaxed);
        let is_over = now >= self.left_at.load(Relaxed) + millis(LINGER);
        if held.is_locked && is_over && self.waiting.load(SeqCst) == 0 {
            held.is_locked = false;
            if let Some(word) = &held.word {
                word.leave();
            }
        }
    }

    /// Whether anybody waits, as far as is known.
    pub fn is_awaited(&self) -> bool {
        self.waiting.load(SeqCst) > 0 || self.awaited.load(Relaxed)
    }

    /// One more waits in this process.
    pub fn enter(&self) {
        self.waiting.fetch_add(1, SeqCst);
    }

    pub fn leave(&self) {
        self.left_at.store(self.now(), Relaxed);
        self.waiting.fetch_sub(1, SeqCst);
    }

    /// True while who rings may not reach who sleeps here.
    pub fn is_deaf(&self) -> bool {
        !lock(&self.held).is_locked || self.now() < self.young_until.load(Relaxed)
    }

    /// Hold what is in its place now, which is made if there is none and `make` says so. True where that is not what was
    /// held before; `before` that is exchanged, the caller is told.
    pub fn renew(&self, make: bool, before: impl FnOnce()) -> bool {
        if !Word::SUPPORTED {
            return false;
        }
        let mut held = lock(&self.held);
        let found = fs::symlink_metadata(&self.path).ok();
        let still = held.word.as_ref().is_some_and(|word| is_whole(word, found.as_ref()));
        let changed = !still && {
            let word = self.find(found.as_ref(), make, &mut held).map(Arc::new);
            let changed = word.is_some() || held.word.is_some();
            if changed {
                before();
            }
            // Who sleeps on the one before is to look again.
            if let Some(old) = std::mem::replace(&mut held.word, word) {
                old.wake();
            }
            held.is_locked = false;
            changed
        };
        if self.waiting.load(SeqCst) > 0 && !held.is_locked {
            held.is_locked = held.word.as_ref().is_some_and(|word| word.enter().is_ok());
            self.young_until.store(self.now() + millis(YOUNG), Relaxed);
        }
        changed
    }

    fn find(&self, found: Option<&Metadata>, make: bool, held: &mut Held) -> Option<Word> {
        if let Some(found) = found {
            return open(&self.path, found, make, &mut held.foreign);
        }
        if !make {
            return None;
        }
        match self.make() {
            Ok(word) => {
                held.refused = false;
                Some(word)
            }
            // Another was quicker; the next look finds it.
            Err(error) => {
                held.refused = error.kind() != io::ErrorKind::AlreadyExists;
                None
            }
        }
    }

    /// For whom the database is, whatever the umask says.
    fn make(&self) -> io::Result<Word> {
        let of = fs::metadata(&self.database)?;
        let file = files::create(&self.path, 0o600)?;
        // Only the administrator can, and only for him it makes a difference.
        let _ = files::own_as(&file, &of);
        let _ = files::permit_as(&file, &of, 0o666);
        fill(file)
    }

    /// How those who wait at this database are woken, or would be if `make` says that they may make the sidecar.
    pub fn kind(&self, make: bool) -> &'static str {
        let held = lock(&self.held);
        let may = make && Word::SUPPORTED && !held.refused && fs::symlink_metadata(&self.path).is_err();
        let heard = held.word.is_some() && (held.is_locked || self.waiting.load(SeqCst) == 0);
        if heard || may { "futex" } else { "poll" }
    }
}

fn is_whole(word: &Word, found: Option<&Metadata>) -> bool {
    let at = word.file().metadata();
    matches!((at, found), (Ok(at), Some(found)) if Inode::of(&at) == Inode::of(found) && at.len() >= LENGTH as u64)
        && word.value().is_ok()
}

/// What is there, if it is ours; mended, if `mend` says so.
fn open(path: &Path, found: &Metadata, mend: bool, foreign: &mut Option<Inode>) -> Option<Word> {
    let length = found.len();
    // What may be a database is neither opened nor closed: that would drop its own locks.
    let may_be_ours = found.is_file() && (length < SHORTEST_DATABASE || length == LENGTH as u64);
    if !may_be_ours || *foreign == Some(Inode::of(found)) {
        return None;
    }
    let (file, writable) = match files::open_there(path, true) {
        Ok(file) => (file, true),
        Err(_) => (files::open_there(path, false).ok()?, false),
    };
    let mut head = [0; MAGIC.len()];
    let read = files::read_start(&file, &mut head).ok()?;
    let begun = head[..read] == MAGIC[..read];
    // Zeros are what a power cut may leave of one that was just made.
    if !begun && head != [0; MAGIC.len()] {
        *foreign = Some(Inode::of(found));
        std::mem::forget(file);
        return None;
    }
    if length == LENGTH as u64 && begun {
        return Word::of(file, writable).ok();
    }
    // By another name it may be somebody else's file.
    if mend && writable && files::has_one_name(found) { fill(file).ok() } else { None }
}

/// Its bytes, but for the number, which only ever rises.
fn fill(file: File) -> io::Result<Word> {
    files::write_start(&file, &MAGIC)?;
    if file.metadata()?.len() < LENGTH as u64 {
        file.set_len(LENGTH as u64)?;
    }
    Word::of(file, true)
}

/// Wake whoever waits at a database that is not open here, if there is a sidecar. The database is not touched.
pub fn ring(database: &Path) {
    let sidecar = Sidecar::beside(database);
    sidecar.renew(false, || {});
    let _ = sidecar.ring();
}
