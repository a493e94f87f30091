//! Opening a file: to read whatever layout it has, or to write, which makes it a store of ours.

use std::path::Path;

use super::conn::Conn;
use super::connection::Settings;
use super::connection::snapshot;
use super::connection::{self, Durability, Role};
use super::crate_layout;
use super::identity::Identity;
use super::layout::{self, Layout};
use super::queue::Queue;
use super::turn;
use super::upgrade;
use super::wait::Patience;
use super::wal::Wal;
use crate::error::{Error, Result};

pub fn to_read(path: &Path, settings: &Settings, patience: &Patience<'_>) -> Result<(Conn, Role)> {
    long_enough(path)?;
    let look = |role| {
        let sqlite = connection::open(path, role, settings.durability, patience)?;
        let layout = layout::detect(&sqlite, patience)?;
        match layout {
            Layout::Compact => {}
            Layout::Crate => snapshot(&sqlite, || crate_layout::install(&sqlite, patience))?,
            Layout::Nothing => {
                return Err(Error::Unsupported(format!(
                    "{} holds no store; open it without read_only to make one in it",
                    path.display()
                )));
            }
        }
        Ok((Conn { frozen: role == Role::Immutable, ..Conn::new(sqlite, layout)? }, role))
    };
    match patience.repeat(|| look(Role::ReadOnly)) {
        Err(Error::CannotOpen(_) | Error::ReadOnly(_)) if !has_wal(path) => look(Role::Immutable),
        other => other,
    }
}

pub fn has_wal(path: &Path) -> bool {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    std::fs::metadata(wal).is_ok_and(|wal| wal.len() > 0)
}

/// One more connection to read on, of a store that is open.
pub fn another(
    path: &Path,
    role: Role,
    durability: Durability,
    identity: &Identity,
    patience: &Patience<'_>,
) -> Result<Conn> {
    patience.repeat(|| {
        let sqlite = connection::open(path, role, durability, patience)?;
        let layout = layout::detect(&sqlite, patience)?;
        identity.check_new(&sqlite)?;
        if layout == Layout::Crate {
            snapshot(&sqlite, || crate_layout::install(&sqlite, patience))?;
        }
        Ok(Conn { frozen: role == Role::Immutable, ..Conn::new(sqlite, layout)? })
    })
}

pub fn to_write(
    path: &Path,
    settings: &Settings,
    patience: &mut Patience<'_>,
    progress: upgrade::Progress<'_>,
) -> Result<Conn> {
    long_enough(path)?;
    let (sqlite, mut layout, wal) = patience.repeat(|| {
        let mut sqlite = connection::open(path, Role::Writer, settings.durability, patience)?;
        let layout = layout::detect(&sqlite, patience)?;
        let wal = Wal::of(&mut sqlite)?;
        Ok((sqlite, layout, wal))
    })?;
    if layout == Layout::Nothing {
        patience.retry("the write lock of the file", || sqlite.execute_batch("BEGIN IMMEDIATE"))?;
        wal.before_write(&sqlite)?;
        // Another process may have made the store meanwhile.
        layout = layout::detect(&sqlite, patience)?;
        if layout == Layout::Nothing {
            layout::create(&sqlite)?;
            layout = Layout::Compact;
        }
        sqlite.execute_batch("COMMIT")?;
    }
    let mut conn = Conn { wal, queue: Queue::beside(path), ..Conn::new(sqlite, layout)? };
    if layout == Layout::Crate {
        upgrade::run(&conn, path, patience, progress)?;
        conn.layout = Layout::Compact;
    } else {
        turn::clear(path);
    }
    Ok(conn)
}

/// SQLite takes a file too short for a page for an empty one, and would write over it. Beside an empty one it removes the
/// WAL, in which all may be that is left of a file that was cut off: what makes a database in the first place does not
/// leave it empty beside a WAL.
fn long_enough(path: &Path) -> Result<()> {
    let detail = match std::fs::metadata(path) {
        Ok(file) if (1..512).contains(&file.len()) => "is no database: it is too short for one",
        Ok(file) if file.len() == 0 && has_wal(path) => "was cut off: it is empty, and its write-ahead log is not",
        _ => return Ok(()),
    };
    Err(Error::Corrupt(format!("{} {detail}", path.display())))
}
