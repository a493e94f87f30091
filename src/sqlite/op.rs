//! The small writes that may share a commit with those of other threads.

use super::append::{self, Appended, Expected};
use super::conn::Conn;
use super::generation::{self, Change};
use crate::error::{Error, Head, Result};

/// Bytes that a thread may copy so that another can write them: above, a turn of one's own costs less.
const LARGEST: usize = 1 << 16;

/// One write, as its caller hands it over.
#[derive(Clone, Copy)]
pub enum Op<'a> {
    Append { stream: &'a str, writer: &'a str, payloads: &'a [&'a [u8]], expected: Expected },
    Change { key: &'a str, change: Change },
}

#[derive(Debug)]
pub enum Outcome {
    Appended(Appended),
    /// A counter's value.
    Value(i64),
}

impl Outcome {
    pub fn appended(self) -> Result<Appended> {
        match self {
            Self::Appended(appended) => Ok(appended),
            Self::Value(_) => Err(Error::Backend("an append came out as a counter".into())),
        }
    }

    pub fn value(self) -> Result<i64> {
        match self {
            Self::Value(value) => Ok(value),
            Self::Appended(_) => Err(Error::Backend("a counter came out as an append".into())),
        }
    }
}

impl Op<'_> {
    pub fn run(&self, conn: &mut Conn) -> Result<Outcome> {
        match *self {
            Self::Append { stream, writer, payloads, expected } => {
                append::append(conn, stream, writer, payloads, expected).map(Outcome::Appended)
            }
            Self::Change { key, change } => generation::change(&conn.sqlite, key, change).map(Outcome::Value),
        }
    }

    /// A copy for another thread, if it is small.
    pub fn keep(&self) -> Option<Kept> {
        let bytes = match *self {
            Self::Append { payloads, .. } => payloads.iter().map(|payload| payload.len()).sum(),
            Self::Change { .. } => 0,
        };
        if bytes > LARGEST {
            return None;
        }
        let write = match *self {
            Self::Append { stream, writer, payloads, expected } => Write::Append {
                stream: stream.to_owned(),
                writer: writer.to_owned(),
                payloads: payloads.iter().map(|payload| payload.to_vec()).collect(),
                expected,
            },
            Self::Change { key, change } => Write::Change { key: key.to_owned(), change },
        };
        Some(Kept { write, bytes })
    }

    /// The last entry that is there if this was done.
    pub fn last_entry(&self, outcome: &Outcome) -> Option<Head> {
        match (self, outcome) {
            (Self::Append { stream, writer, .. }, Outcome::Appended(last)) => Some(Head {
                stream: (*stream).to_owned(),
                writer: (*writer).to_owned(),
                seq: last.seq,
                content_hash: last.content_hash,
            }),
            _ => None,
        }
    }
}

/// A copy of an `Op`, which outlives its caller's stack.
pub struct Kept {
    write: Write,
    pub bytes: usize,
}

enum Write {
    Append { stream: String, writer: String, payloads: Vec<Vec<u8>>, expected: Expected },
    Change { key: String, change: Change },
}

impl Kept {
    pub fn with<T>(&self, call: impl FnOnce(&Op<'_>) -> T) -> T {
        match &self.write {
            Write::Append { stream, writer, payloads, expected } => {
                let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
                call(&Op::Append { stream, writer, payloads: &payloads, expected: *expected })
            }
            Write::Change { key, change } => call(&Op::Change { key, change: *change }),
        }
    }
}
