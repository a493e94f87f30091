//! PostgreSQL's binary COPY of rows (position, log, seq, content_hash, payload): three of bigint and two of bytea.
//!
//! The format is in PostgreSQL's manual, "COPY", "Binary Format": a signature, flags and a header extension, then for each
//! row the number of its fields and each field's length and bytes, length -1 for NULL; -1 instead of a number of fields
//! ends it. All integers are in network byte order.

mod read;

use std::io::{self, Write};
use std::mem::size_of_val;

pub use read::Reader;

use crate::row::Row;

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// The signature, flags, and the length of the header extension.
const HEADER: usize = 19;
const FIELDS: i16 = 5;
/// Of rows that are read there may be one more: how many bytes a payload had that was erased.
const WITH_ERASED: i16 = 6;
/// The number of fields, their lengths, and three integers.
const BESIDE_BLOBS: usize = 2 + 5 * 4 + 3 * 8;
const TRAILER: i16 = -1;

/// The bytes that `write` needs at most.
#[must_use]
pub fn length<'a>(rows: impl Iterator<Item = Row<'a>>) -> usize {
    let blobs = |row: Row<'_>| row.content_hash.map_or(0, <[u8]>::len) + row.payload.map_or(0, <[u8]>::len);
    HEADER + rows.map(|row| BESIDE_BLOBS + blobs(row)).sum::<usize>() + size_of_val(&TRAILER)
}

/// A whole COPY of `rows`; an error where a field has 2 GiB.
pub fn write<'a>(rows: impl Iterator<Item = Row<'a>>, mut to: impl Write) -> io::Result<()> {
    to.write_all(SIGNATURE)?;
    to.write_all(&[0; HEADER - SIGNATURE.len()])?;
    for row in rows {
        to.write_all(&FIELDS.to_be_bytes())?;
        for number in [Some(row.position), row.log, row.seq] {
            field(number.map(i64::to_be_bytes).as_ref().map(|bytes| &bytes[..]), &mut to)?;
        }
        field(row.content_hash, &mut to)?;
        field(row.payload, &mut to)?;
    }
    to.write_all(&TRAILER.to_be_bytes())
}

fn field(value: Option<&[u8]>, to: &mut impl Write) -> io::Result<()> {
    let Some(value) = value else { return to.write_all(&(-1i32).to_be_bytes()) };
    let length = i32::try_from(value.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
    to.write_all(&length.to_be_bytes())?;
    to.write_all(value)
}
