//! A copy of the store in a file of its own, made while writers go on, and verified before it has its name.
//!
//! The copy is of one state: a read transaction is held from the first page to the last. Without it SQLite would begin
//! anew whenever another connection commits, and beside a busy writer never come to an end. The price is that the WAL
//! cannot start anew meanwhile and grows by what is written; so nothing waits for the disk until the last page is read.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::mem::forget;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::Store;
use super::connection::Settings;
use super::share::Progress;
use super::unfinished::Unfinished;
use super::wait::{Check, Patience};
use crate::error::{Error, Result};
use crate::findings::Findings;
use crate::os::{files, fork};

/// Pages copied between two looks at signals: some milliseconds.
const STEP: i32 = 1_024;
/// How often progress is told.
const TELL: Duration = Duration::from_millis(50);
/// Where a database's header says for writers and for readers whether it has a write-ahead log (2) or none (1):
/// https://www.sqlite.org/fileformat2.html#file_format_version_numbers
const VERSIONS: u64 = 18;

/// `target` is absolute. What was found in the copy, which is then there; after an error it is not.
pub fn run(store: &Store, target: &Path, check: Check<'_>, progress: Progress<'_>) -> Result<Findings> {
    store.check_open()?;
    let source = store.pool.settings.path.as_deref();
    // Nobody else may read it until it has the permissions of the store.
    let copy = Unfinished::make(target, if source.is_some() { 0o600 } else { 0o666 })?;
    let pages = copy_pages(store, &copy.path, check, progress).map_err(|error| match error {
        Error::Backend(detail) => Error::Backend(format!("copying to {}: {detail}", target.display())),
        other => other,
    })?;
    copy.with(|file| {
        // A copy lies still: without a log it can be read where no file may be made beside it, and where programs can
        // share no memory. Who opens it to write gives it one.
        let mut at = file;
        at.seek(SeekFrom::Start(VERSIONS))?;
        at.write_all(&[1, 1])?;
        if let Some(source) = source.and_then(|path| fs::metadata(path).ok()) {
            files::permit_as(file, &source, 0o777)?;
        }
        file.sync_all()
    })?;
    let findings = verified(store, &copy.path, pages, check, progress)?;
    copy.publish()?;
    Ok(findings)
}

/// How many pages there were.
fn copy_pages(store: &Store, path: &Path, check: Check<'_>, progress: Progress<'_>) -> Result<u64> {
    let pool = &store.pool;
    let mut patience = Patience::new(store.timeout, check);
    let mut lease = pool.reader(&patience)?;
    patience.restart();
    let from = &lease.conn()?.sqlite;
    let mut to = open(path)?;
    let backup = Backup::new(from, &mut to)?;
    from.execute_batch("BEGIN")?;
    let copied = patience
        // BEGIN alone holds no state of the file yet: the first read does.
        .retry("the first look into the file", || from.query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(())))
        .and_then(|()| {
            steps(&backup, &patience, &mut |done, total| {
                if pool.in_memory() {
                    // The only connection is lent: whatever `progress` did with the store would wait for it.
                    return patience.ask();
                }
                progress(done, 2 * total)?;
                pool.check_open()
            })
        });
    if pool.guard().is_err() {
        // `progress` forked, and this is the child: it must neither use nor close a connection of the parent's.
        forget(backup);
        forget((to, lease));
        return copied.and(Err(Error::Forked));
    }
    let ended = from.execute_batch("ROLLBACK");
    let pages = copied?;
    ended?;
    drop(backup);
    to.close().map_err(|(_, error)| error)?;
    Ok(pages)
}

/// Nobody else knows the file: there is nothing to lock, and nothing to roll back, as what fails is thrown away.
fn open(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let conn = Connection::open_with_flags_and_vfs(path, flags, files::WITHOUT_LOCKS)?;
    conn.pragma_update(None, "journal_mode", "off")?;
    // It is synced whole when all is in it.
    conn.pragma_update(None, "synchronous", "off")?;
    Ok(conn)
}

fn steps(backup: &Backup<'_, '_>, patience: &Patience<'_>, tell: Progress<'_>) -> Result<u64> {
    let mut told: Option<Instant> = None;
    loop {
        let step = backup.step(STEP)?;
        let now = backup.progress();
        let (left, pages) = (u64::from(now.remaining.unsigned_abs()), u64::from(now.pagecount.unsigned_abs()));
        if step == StepResult::Done || told.is_none_or(|last| last.elapsed() >= TELL) {
            tell(pages - left, pages)?;
            told = Some(Instant::now());
        }
        match step {
            StepResult::Done => return Ok(pages),
            StepResult::More => fork::breathe(),
            _ => {
                let nap = patience.left("the file that is copied")?;
                fork::outside(|| std::thread::sleep(nap));
            }
        }
    }
}

/// Damage that the store itself has is a finding; what the copy alone has is an error.
fn verified(store: &Store, path: &Path, pages: u64, check: Check<'_>, progress: Progress<'_>) -> Result<Findings> {
    let settings = Settings { path: Some(path.to_owned()), read_only: true, ..store.pool.settings.clone() };
    let copy = Store::open(settings, store.timeout, check, &mut |_, _| Ok(()))?;
    let found = copy.verify(0, None, check, &mut |done, total| {
        let share = u128::from(pages) * u128::from(done) / u128::from(total.max(1));
        progress(pages + u64::try_from(share).unwrap_or(pages), 2 * pages)
    })?;
    copy.close(check)?;
    if found.breaks_total > 0 {
        let own = store.verify(0, None, check, &mut |_, _| progress(2 * pages, 2 * pages))?;
        if found.breaks_total > own.breaks_total {
            let first = found.breaks.first().map(|first| format!(" ({}: {})", first.kind.name(), first.detail));
            return Err(Error::Backend(format!(
                "the copy is damaged where the store is not{}: it was thrown away; see to its disk, and repeat it",
                first.unwrap_or_default()
            )));
        }
    }
    Ok(found)
}
