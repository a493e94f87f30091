//! What was erased leaves the file: bytes that no row is made of are written over with zeros, and the WAL is emptied.
//!
//! SQLite itself writes over what is removed (secure_delete) only where it was when it was removed. Copies of it may stand
//! where a cell was before its page was split or joined with others, where the table began, in the rest of a page that was
//! a free one, and in pages that were freed before, as by the upgrade of a file of the crate. So each page of the file is
//! looked at, and what of it is in use is left as it is: https://sqlite.org/fileformat2.html, sections 1.5 to 1.7.

use rusqlite::config::DbConfig;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, Statement};

use super::Store;
use super::carry::{TURN, nap, pass};
use super::conn::Conn;
use super::wait::{Check, Patience};
use crate::error::{Error, Result};
use crate::os::fork;

const TREES: &str = "SELECT pageno, pagetype, unused FROM dbstat WHERE schema = 'main' AND aggregate = 0";
const READ: &str = "SELECT data FROM sqlite_dbpage WHERE schema = 'main' AND pgno = ?1";
const WRITE: &str = "UPDATE sqlite_dbpage SET data = ?2 WHERE schema = 'main' AND pgno = ?1";
/// Pages looked at before the caller is asked whether to stop.
const ASK: u32 = 256;
/// Of the first page, before its tree.
const HEADER: usize = 100;
const WAITS: &str = "those who read from the WAL";
const NAP: std::time::Duration = std::time::Duration::from_millis(5);

impl Store {
    /// False where others kept the WAL from being emptied for the whole timeout; the file itself is done then too.
    pub fn scrub(&self, check: Check<'_>) -> Result<bool> {
        let patience = Patience::new(self.timeout, check);
        // Without the write lock first: mostly there is nothing to do.
        let found = self.via(None, check).snapshot(|conn| Pages::of(&conn.sqlite, &patience, false)?.all())?;
        // In any case: what an earlier program left in the WAL must be on the disk before the WAL is emptied.
        self.write(None, check, |conn| if found { write_over(&conn.sqlite, &patience) } else { Ok(()) })?;
        Ok(self.in_memory() || self.empty_wal(check)?)
    }

    fn empty_wal(&self, check: Check<'_>) -> Result<bool> {
        let patience = Patience::new(self.timeout, check);
        loop {
            match self.try_to_empty(&patience) {
                Err(Error::Busy { .. }) => {}
                other => return other.map(|()| true),
            }
            // The writer is free meanwhile: who reads holds up only this.
            match patience.left(WAITS) {
                Ok(left) => fork::outside(|| std::thread::sleep(left.min(NAP))),
                Err(Error::Busy { .. }) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    fn try_to_empty(&self, patience: &Patience<'_>) -> Result<()> {
        let mut lease = self.pool.writer(patience)?;
        self.pool.check_healthy()?;
        let Conn { sqlite, queue, .. } = lease.conn()?;
        sqlite.busy_handler(Some(nap))?;
        let check = || Ok(());
        let emptied =
            queue.enter(&Patience::new(TURN, &check), || pass(&self.pool, sqlite, CheckpointMode::TRUNCATE).map(drop));
        sqlite.busy_handler(None::<fn(i32) -> bool>)?;
        emptied
    }
}

/// To be called in a write transaction.
fn write_over(conn: &Connection, patience: &Patience<'_>) -> Result<()> {
    // What it protects from is SQL of others, which does not run meanwhile.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)?;
    let written = Pages::of(conn, patience, true).and_then(|mut pages| pages.all());
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    written.map(drop)
}

struct Pages<'a> {
    conn: &'a Connection,
    patience: &'a Patience<'a>,
    read: Statement<'a>,
    write: Option<Statement<'a>>,
    /// Bytes of a page that SQLite uses.
    usable: usize,
    seen: u32,
    found: bool,
}

impl<'a> Pages<'a> {
    fn of(conn: &'a Connection, patience: &'a Patience<'a>, write: bool) -> Result<Self> {
        let write = if write { Some(conn.prepare(WRITE)?) } else { None };
        let mut pages = Self { conn, patience, read: conn.prepare(READ)?, write, usable: 0, seen: 0, found: false };
        let first = pages.get(1)?;
        pages.usable = first.len().saturating_sub(first.get(20).copied().unwrap_or(0).into());
        Ok(pages)
    }

    /// True where there was something; without `write`, as soon as there is.
    fn all(&mut self) -> Result<bool> {
        let conn = self.conn;
        let mut trees = conn.prepare(TREES)?;
        let mut rows = trees.query(())?;
        while !self.is_done()
            && let Some(row) = rows.next()?
        {
            let (number, unused): (u32, u32) = (row.get(0)?, row.get(2)?);
            let usable = self.usable;
            match row.get_ref(1)?.as_str().unwrap_or_default() {
                "leaf" | "internal" => {
                    self.page(number, |page| tree(page, if number == 1 { HEADER } else { 0 }, usable))?;
                }
                // Only the last of a chain has anything to spare.
                "overflow" => self.page(number, |page| zero(page, usable.checked_sub(unused as usize)?..usable))?,
                other => return Err(damaged(number, &format!("it is {other}"))),
            }
        }
        let first = self.get(1)?;
        let mut trunk = integer(&first, 32).unwrap_or(0);
        let mut left = integer(&first, 36).unwrap_or(0);
        while trunk != 0 && !self.is_done() {
            let page = self.get(trunk)?;
            let count = integer(&page, 4).filter(|count| *count < left);
            let (Some(next), Some(count)) = (integer(&page, 0), count) else {
                return Err(damaged(trunk, "the list of free pages goes on for too long"));
            };
            left -= count + 1;
            let used = 8 + 4 * count as usize;
            for at in (8..used).step_by(4) {
                let number = integer(&page, at).ok_or_else(|| damaged(trunk, "it lists too many free pages"))?;
                self.page(number, |page| zero(page, 0..page.len()))?;
            }
            self.page(trunk, |page| zero(page, used..page.len()))?;
            trunk = next;
        }
        Ok(self.found)
    }

    fn is_done(&self) -> bool {
        self.found && self.write.is_none()
    }

    fn get(&mut self, number: u32) -> Result<Vec<u8>> {
        Ok(self.read.query_row([number], |row| row.get(0))?)
    }

    /// `clean` says whether it changed the page; `None` where it is not as a page must be.
    fn page(&mut self, number: u32, clean: impl FnOnce(&mut [u8]) -> Option<bool>) -> Result<()> {
        self.seen += 1;
        if self.seen.is_multiple_of(ASK) {
            self.patience.ask()?;
        }
        let mut page = self.get(number)?;
        if clean(&mut page).ok_or_else(|| damaged(number, "what of it is in use cannot be told"))? {
            self.found = true;
            if let Some(write) = &mut self.write {
                write.execute((number, page))?;
            }
        }
        Ok(())
    }
}

fn damaged(number: u32, detail: &str) -> Error {
    Error::Corrupt(format!("page {number} cannot be cleaned of what was erased: {detail}; verify the store"))
}

fn integer(page: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(page.get(at..at + 4)?.try_into().ok()?))
}

fn short(page: &[u8], at: usize) -> Option<usize> {
    Some(u16::from_be_bytes(page.get(at..at + 2)?.try_into().ok()?).into())
}

fn zero(page: &mut [u8], range: std::ops::Range<usize>) -> Option<bool> {
    let bytes = page.get_mut(range)?;
    let some = bytes.iter().any(|byte| *byte != 0);
    bytes.fill(0);
    Some(some)
}

/// A page of a tree: between its cells' pointers and the cells, and in the blocks freed among these.
fn tree(page: &mut [u8], header: usize, usable: usize) -> Option<bool> {
    let length = match page.get(header)? {
        0x02 | 0x05 => 12,
        0x0a | 0x0d => 8,
        _ => return None,
    };
    let pointers = header + length + 2 * short(page, header + 3)?;
    // 0 stands for 65,536.
    let cells = short(page, header + 5).map(|cells| if cells == 0 { 1 << 16 } else { cells })?;
    if cells > usable {
        return None;
    }
    let mut block = short(page, header + 1)?;
    let mut found = zero(page, pointers..cells)?;
    while block != 0 {
        let (next, size) = (short(page, block)?, short(page, block + 2)?);
        // They are in order, none touches the next, and each has room for these two numbers.
        if block < cells || size < 4 || block + size > usable || (next != 0 && next < block + size) {
            return None;
        }
        found |= zero(page, block + 4..block + size)?;
        block = next;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::tree;

    /// A leaf of one cell at 480 and a free block at 400 of 40 bytes, in a page of 512 that is full of ones.
    fn leaf() -> Vec<u8> {
        let mut page = vec![1; 512];
        page[..10].copy_from_slice(&[0x0d, 1, 144, 0, 1, 1, 144, 0, 1, 224]);
        page[400..404].copy_from_slice(&[0, 0, 0, 40]);
        page
    }

    #[test]
    fn what_no_cell_is_made_of_is_zero_afterwards_and_nothing_else() {
        let (before, mut page) = (leaf(), leaf());
        assert_eq!(tree(&mut page, 0, 512), Some(true));
        assert_eq!(page[..10], before[..10]);
        assert_eq!(page[10..400], [0; 390]);
        assert_eq!(page[400..404], before[400..404]);
        assert_eq!(page[404..440], [0; 36]);
        assert_eq!(page[440..], before[440..]);
        assert_eq!(tree(&mut page, 0, 512), Some(false));
    }

    #[test]
    fn a_page_that_is_not_as_it_must_be_is_not_guessed_at() {
        for (at, byte) in [(0, 0x0c), (3, 200), (5, 2), (402, 1), (403, 3), (400, 1), (1, 0)] {
            let mut page = leaf();
            page[at] = byte;
            assert_eq!(tree(&mut page, 0, 512), None, "{byte} at {at}");
        }
    }
}
