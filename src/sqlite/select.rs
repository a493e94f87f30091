//! What a reading selects, and what it is to find where it begins.

use std::path::Path;
use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row};

use super::rows::{self, Name};
use super::sql;
use crate::chain::Hash;
use crate::error::{Error, Result};

/// The only reading vocabulary. `after` is a position and excluded, `start` and `stop` are seqs, `stop` excluded.
#[derive(Clone, Debug, Default)]
pub struct Select {
    /// `None`: all; each once, in order of their bytes.
    pub streams: Option<Arc<[String]>>,
    pub writer: Option<String>,
    pub exclude_writer: Option<String>,
    pub after: i64,
    pub start: i64,
    pub stop: Option<i64>,
    pub reverse: bool,
    /// An entry that was seen there.
    pub known: Option<Place>,
}

/// An entry by its place in the store; (0, None) where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub position: i64,
    /// `None`: what is stored there is not 32 bytes.
    pub content_hash: Option<Hash>,
}

impl Select {
    /// True where entries are returned whatever log they are of.
    pub fn is_everything(&self) -> bool {
        self.streams.is_none() && self.writer.is_none() && self.exclude_writer.is_none()
    }

    /// True where both names are given.
    pub fn is_one_log(&self) -> bool {
        self.writer.is_some() && self.streams.as_ref().is_some_and(|streams| streams.len() == 1)
    }

    /// True where a log of these stored names is selected.
    pub fn has(&self, stream: ValueRef<'_>, writer: ValueRef<'_>) -> bool {
        let is = |stored: ValueRef<'_>, name: &str| matches!(stored, ValueRef::Text(text) if text == name.as_bytes());
        self.writer.as_ref().is_none_or(|name| is(writer, name))
            && self.exclude_writer.as_ref().is_none_or(|name| !is(writer, name))
            && self.streams.as_ref().is_none_or(|names| {
                matches!(stream, ValueRef::Text(text) if names.binary_search_by(|name| name.as_bytes().cmp(text)).is_ok())
            })
    }

    /// The logs that are selected.
    pub fn logs(&self, conn: &Connection) -> Result<Vec<(i64, Name)>> {
        let (writer, excluded) = (self.writer.as_deref(), self.exclude_writer.as_deref());
        if writer.is_some() && writer == excluded {
            return Ok(Vec::new());
        }
        let Some(streams) = &self.streams else {
            return rows::logs(conn, None, writer, excluded);
        };
        let mut logs = Vec::new();
        for stream in streams.iter() {
            logs.append(&mut rows::logs(conn, Some(stream), writer, excluded)?);
        }
        Ok(logs)
    }

    /// `Error::Replaced` where what was seen is there no more; `newest` is the newest entry of the store.
    pub fn check(&self, newest: Place, conn: &Connection, path: Option<&Path>) -> Result<()> {
        match self.known {
            Some(known) if known != newest => known.check(conn, path),
            _ => Ok(()),
        }
    }
}

impl Place {
    /// The newest entry of the store, where that was asked for.
    pub fn of(newest: Option<&Row<'_>>) -> Result<Self> {
        Ok(match newest {
            Some(row) => Self { position: row.get(0)?, content_hash: rows::hash(row, 1) },
            None => Self { position: 0, content_hash: None },
        })
    }

    /// `Error::Replaced` where this entry is there no more.
    pub fn check(self, conn: &Connection, path: Option<&Path>) -> Result<()> {
        let found = conn
            .prepare_cached(sql::HASH_AT)?
            .query_row([self.position], |row| Ok(Self { content_hash: rows::hash(row, 0), ..self }))
            .optional()?;
        if found == Some(self) || self.position == 0 {
            return Ok(());
        }
        let newest = Self::of(conn.prepare_cached(sql::NEWEST)?.query(())?.next()?)?;
        Err(replaced(self, found, newest, path))
    }
}

fn replaced(known: Place, found: Option<Place>, newest: Place, path: Option<&Path>) -> Error {
    let short = |place: Place| match place.content_hash {
        Some([a, b, c, d, ..]) => format!("an entry with hash {a:02x}{b:02x}{c:02x}{d:02x}…"),
        None => "an entry without a hash of 32 bytes".to_owned(),
    };
    let now = match found {
        Some(found) => format!("now {} does", short(found)),
        None => format!("now none stands there, and the newest is at position {}", newest.position),
    };
    let place = path.map_or_else(|| "the store in memory".to_owned(), |path| path.display().to_string());
    Error::Replaced(format!(
        "{place} holds another history than it did: {} stood at position {}, and {now}. Another state was put in \
         its place (a backup restored?). Nothing was read: begin anew, at a position of what is there now",
        short(known),
        known.position,
    ))
}
