//! Everything that can go wrong in the core, with its facts; the Python layer gives each its exception.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::chain::Hash;

pub type Result<T> = std::result::Result<T, Error>;

/// The newest entry of a log, short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub stream: String,
    pub writer: String,
    pub seq: i64,
    pub content_hash: Hash,
}

/// A log's head is not the one that was expected; `None` is an empty log.
#[derive(Debug)]
pub struct HeadMoved {
    pub stream: String,
    pub writer: String,
    pub expected: Option<(i64, Hash)>,
    pub actual: Option<(i64, Hash)>,
}

#[derive(Debug)]
pub enum Error {
    /// Another thread, process or transaction held `what` for longer than the timeout.
    Busy {
        what: String,
        waited: Duration,
    },
    /// The database refused, or a file could not be used.
    Backend(String),
    /// COMMIT failed in a way that may have left it on disk: `heads` are the entries that may be there.
    OutcomeUnknown {
        detail: String,
        heads: Vec<Head>,
        count: u64,
    },
    ChainBroken {
        stream: String,
        writer: String,
        seq: i64,
        detail: String,
    },
    Malformed {
        stream: Option<String>,
        writer: Option<String>,
        seq: Option<i64>,
        detail: String,
    },
    HeadMoved(Box<HeadMoved>),
    NonMonotonic {
        key: String,
        current: i64,
        attempted: i64,
    },
    /// A transaction that cannot go on, or a call that another of the same transaction excludes.
    Conflict(String),
    ReadOnly(String),
    Corrupt(String),
    /// The file under an open store was removed, or another is in its place.
    Replaced(String),
    Unsupported(String),
    Closed,
    Forked,
    /// The system would not do something with the file, or one beside it.
    File {
        path: PathBuf,
        error: io::Error,
    },
    /// SQLite would not open the file, or one beside it.
    CannotOpen(String),
    /// The caller's argument is wrong; nothing was done.
    Invalid(String),
    /// A number left its range; nothing was done.
    Overflow(String),
    /// A callback asked to stop: it keeps its own reason.
    Stopped,
}

impl Error {
    pub(crate) fn file(path: &Path, error: io::Error) -> Self {
        Self::File { path: path.to_owned(), error }
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::Malformed { stream: None, writer: None, seq: None, detail: detail.into() }
    }
}

/// True where waiting and trying again may help.
pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked))
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        // SQLite's own words, without rusqlite's "in SQL at offset" frame where there is a plain message.
        let text = match &error {
            rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
            other => other.to_string(),
        };
        if let rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::Utf8Error(..)
        | rusqlite::Error::IntegralValueOutOfRange(..) = error
        {
            return Self::malformed(text);
        }
        let extended = error.sqlite_error().map(|error| error.extended_code);
        match error.sqlite_error_code() {
            Some(Code::NotADatabase) => Self::Corrupt(format!(
                "{text}: it is another kind of file, an encrypted database, or its header is damaged"
            )),
            Some(Code::DatabaseCorrupt) => Self::Corrupt(text),
            Some(Code::SystemIoFailure) if extended == Some(rusqlite::ffi::SQLITE_IOERR_SHORT_READ) => {
                Self::Corrupt(format!("{text}: a file ends before what is to be in it; it was cut off"))
            }
            Some(Code::ReadOnly) if extended == Some(rusqlite::ffi::SQLITE_READONLY_DBMOVED) => Self::Replaced(text),
            Some(Code::CannotOpen) => Self::CannotOpen(text),
            Some(Code::ReadOnly) => Self::ReadOnly(text),
            Some(Code::DiskFull) => {
                Self::Backend(format!("{text}: what was being written was not kept; free space and repeat it"))
            }
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => {
                Self::Busy { what: format!("a lock that another connection holds ({text})"), waited: Duration::ZERO }
            }
            _ => Self::Backend(text),
        }
    }
}
