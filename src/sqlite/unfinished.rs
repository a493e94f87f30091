//! A file that is being made, in the directory where it will stand, under a name that says that it is not finished.
//!
//! Who makes it holds a lock on it, which the system takes off when its holder is killed. So what is found unlocked was
//! left behind, and who makes the same file next removes it. The name ends in digits of chance: two who make the same
//! file at once are not in each other's way, and nothing that somebody else put there is ever opened or written over.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};

use super::sidecar::is_at;
use crate::error::{Error, Result};
use crate::os::files::{create, hold, is_left_behind, sync_names};
use crate::os::locks::ParentsAlone;

const WORD: &str = "-unfinished-";
const DIGITS: usize = 16;

pub struct Unfinished {
    /// Without symbolic links in it.
    pub path: PathBuf,
    target: PathBuf,
    folder: PathBuf,
    /// Before the file: it is to go first. The lock is not to live on in a forked child.
    here: Option<ParentsAlone>,
    file: Option<File>,
    pid: u32,
}

impl Unfinished {
    /// `mode`: the file's permissions, less the umask.
    pub fn make(target: &Path, mode: u32) -> Result<Self> {
        let (Some(folder), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(Error::Invalid(format!("{} names no file", target.display())));
        };
        let folder = folder.canonicalize().map_err(|error| Error::file(folder, error))?;
        let target = folder.join(name);
        clear(&folder, name.as_encoded_bytes());
        loop {
            let mut path = target.clone().into_os_string();
            path.push(format!("{WORD}{:0DIGITS$x}", RandomState::new().hash_one(WORD)));
            let path = PathBuf::from(path);
            let file = create(&path, mode).map_err(|error| Error::file(&path, error))?;
            let here = ParentsAlone::register(&file);
            // Before it was locked, another who makes the same file may have taken it for one left behind.
            if !hold(&file) || !is_at(&file, &path) {
                continue;
            }
            return Ok(Self { path, target, folder, here: Some(here), file: Some(file), pid: std::process::id() });
        }
    }

    /// Do something to the file itself; what fails names its path.
    pub fn with(&self, work: impl FnOnce(&File) -> io::Result<()>) -> Result<()> {
        self.file.as_ref().map_or(Ok(()), work).map_err(|error| Error::file(&self.path, error))
    }

    /// Give it its name, where nothing has that yet.
    pub fn publish(mut self) -> Result<()> {
        // Before it has the name: who then opens a database by it in this process would lose its locks by our closing.
        self.close();
        let named = |error| Error::file(&self.target, error);
        // Unlike a rename, it fails where something is there.
        fs::hard_link(&self.path, &self.target).map_err(named)?;
        let last = fs::remove_file(&self.path).and_then(|()| sync_names(&self.folder));
        last.inspect_err(|_| drop(fs::remove_file(&self.target))).map_err(named)
    }

    fn close(&mut self) {
        self.here.take();
        if let Some(file) = self.file.take() {
            // A child that was made without our knowledge may have the descriptor too.
            let _ = file.unlock();
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // In a forked child it is the parent's, and so is the lock.
        if self.pid == std::process::id() {
            self.close();
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Remove what was left behind by others who made a file of this name and were killed.
fn clear(folder: &Path, name: &[u8]) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let found = entry.file_name();
        let digits = found.as_encoded_bytes().strip_prefix(name).and_then(|rest| rest.strip_prefix(WORD.as_bytes()));
        if digits.is_some_and(|digits| digits.len() == DIGITS && digits.iter().all(u8::is_ascii_hexdigit))
            && entry.file_type().is_ok_and(|kind| kind.is_file())
            && is_left_behind(&entry.path())
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}
