//! What the server sends, in pieces: parsed with no trust in any of its numbers.

use super::{FIELDS, HEADER, SIGNATURE, TRAILER, WITH_ERASED};
use crate::error::{Error, Result};
use crate::row::{Row, StoredPrev};

/// No value in PostgreSQL has as many bytes.
const LARGEST: usize = 1 << 30;
/// What one large row needed is not kept for ever.
const KEPT: usize = 1 << 20;

/// Reads a COPY that comes in pieces, cut anywhere.
#[derive(Default)]
pub struct Reader {
    at: At,
    /// The beginning of what is not all there.
    rest: Vec<u8>,
}

#[derive(Clone, Copy, Default)]
enum At {
    #[default]
    Header,
    /// So many bytes are of no meaning to us.
    Extension(usize),
    Rows,
    End,
}

impl Reader {
    /// Take the next piece; `row` gets each row that is whole with it. A value of another type, or NULL, is `None` in it, and a
    /// position 0. After an error nothing more is to be read.
    pub fn feed(&mut self, piece: &[u8], row: &mut impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        if self.rest.is_empty() {
            let used = self.read(piece, row)?;
            self.rest.extend_from_slice(&piece[used..]);
        } else {
            let mut rest = std::mem::take(&mut self.rest);
            rest.extend_from_slice(piece);
            let used = self.read(&rest, row)?;
            rest.drain(..used);
            if rest.is_empty() {
                rest.shrink_to(KEPT);
            }
            self.rest = rest;
        }
        Ok(())
    }

    /// The stream is over; what comes next is another.
    pub fn end(&mut self) -> Result<()> {
        match std::mem::take(self).at {
            At::End => Ok(()),
            _ => Err(not_understood("it was cut off")),
        }
    }

    /// True where a stream has begun and is not over.
    #[must_use]
    pub fn is_within(&self) -> bool {
        !self.rest.is_empty() || !matches!(self.at, At::Header)
    }

    /// How many bytes were used.
    fn read(&mut self, bytes: &[u8], row: &mut impl FnMut(&Row<'_>) -> Result<()>) -> Result<usize> {
        let mut left = bytes;
        loop {
            match self.at {
                At::Header => {
                    let Some(extension) = header(&mut left)? else { break };
                    self.at = At::Extension(extension);
                }
                At::Extension(bytes) => {
                    let here = bytes.min(left.len());
                    left = &left[here..];
                    self.at = if here == bytes { At::Rows } else { At::Extension(bytes - here) };
                    if here < bytes {
                        break;
                    }
                }
                At::Rows => match next(left)? {
                    None => break,
                    Some((fields, after)) => {
                        left = after;
                        match fields {
                            Some(fields) => row(&fields)?,
                            None => self.at = At::End,
                        }
                    }
                },
                At::End if left.is_empty() => break,
                At::End => return Err(not_understood("there is more after its end")),
            }
        }
        Ok(bytes.len() - left.len())
    }
}

fn not_understood(what: &str) -> Error {
    Error::Backend(format!("what the server sends for COPY is not as it must be: {what}"))
}

/// The length of the extension, and `bytes` after the rest of the header; `None` where it is not all there.
fn header(bytes: &mut &[u8]) -> Result<Option<usize>> {
    let signature = &bytes[..bytes.len().min(SIGNATURE.len())];
    if !SIGNATURE.starts_with(signature) {
        return Err(not_understood("it does not begin with the signature of a binary COPY"));
    }
    let Some((header, after)) = bytes.split_first_chunk::<HEADER>() else { return Ok(None) };
    let [.., f0, f1, f2, f3, e0, e1, e2, e3] = *header;
    // The upper half are those that a reader must know.
    if u32::from_be_bytes([f0, f1, f2, f3]) >> 16 != 0 {
        return Err(not_understood("its flags are of a later format"));
    }
    let extension = usize::try_from(i32::from_be_bytes([e0, e1, e2, e3]));
    *bytes = after;
    extension.map(Some).map_err(|_| not_understood("the length of its header is below zero"))
}

/// A row, or `None` for the end, and what comes after it; `None` where it is not all there.
#[allow(clippy::type_complexity)]
fn next(bytes: &[u8]) -> Result<Option<(Option<Row<'_>>, &[u8])>> {
    let Some((&count, mut left)) = bytes.split_first_chunk() else { return Ok(None) };
    match i16::from_be_bytes(count) {
        TRAILER => return Ok(Some((None, left))),
        FIELDS | WITH_ERASED => {}
        other => return Err(not_understood(&format!("a row has {other} fields instead of {FIELDS} or {WITH_ERASED}"))),
    }
    let mut fields = [None; 6];
    let count = usize::from(count[1]);
    for field in &mut fields[..count] {
        let Some((&length, after)) = left.split_first_chunk() else { return Ok(None) };
        left = after;
        let length = i32::from_be_bytes(length);
        if length == -1 {
            continue;
        }
        let Some(length) = usize::try_from(length).ok().filter(|length| *length < LARGEST) else {
            return Err(not_understood(&format!("a value has {length} bytes")));
        };
        let Some((value, after)) = left.split_at_checked(length) else { return Ok(None) };
        (*field, left) = (Some(value), after);
    }
    let [position, log, seq, content_hash, payload, erased] = fields;
    let integer = |field: Option<&[u8]>| field.and_then(|bytes| bytes.try_into().ok()).map(i64::from_be_bytes);
    let row = Row {
        position: integer(position).unwrap_or(0),
        log: integer(log),
        seq: integer(seq),
        content_hash,
        payload,
        prev: StoredPrev::Implied,
        erased: integer(erased),
    };
    Ok(Some((Some(row), left)))
}

#[cfg(test)]
mod tests {
    use super::super::{length, write};
    use super::{HEADER, Reader, Result, Row, StoredPrev};

    fn rows() -> [Row<'static>; 4] {
        let row = Row {
            position: 1,
            log: Some(2),
            seq: Some(i64::MAX),
            content_hash: Some(&[7; 32]),
            payload: Some(b"payload"),
            prev: StoredPrev::Implied,
            erased: None,
        };
        [
            row,
            Row { position: -1, payload: Some(b""), ..row },
            Row { log: None, seq: None, content_hash: None, payload: None, ..row },
            row,
        ]
    }

    fn stream(rows: &[Row<'_>]) -> Vec<u8> {
        let mut stream = Vec::new();
        assert!(write(rows.iter().copied(), &mut stream).is_ok());
        assert!(stream.len() <= length(rows.iter().copied()));
        stream
    }

    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<String>, Result<()>) {
        let (mut reader, mut found) = (Reader::default(), Vec::new());
        for piece in pieces {
            let fed = reader.feed(piece, &mut |row| {
                found.push(format!("{row:?}"));
                Ok(())
            });
            if fed.is_err() {
                return (found, fed);
            }
        }
        let end = reader.end();
        assert!(!reader.is_within());
        (found, end)
    }

    #[test]
    fn what_is_written_is_read_however_it_is_cut() {
        let stream = stream(&rows());
        let expected: Vec<_> = rows().iter().map(|row| format!("{row:?}")).collect();
        for size in 1..=stream.len() {
            let (found, end) = read(stream.chunks(size));
            assert_eq!(found, expected, "pieces of {size}");
            assert!(end.is_ok());
        }
    }

    #[test]
    fn a_stream_that_was_cut_off_is_an_error_wherever_it_was() {
        let stream = stream(&rows());
        for end in 0..stream.len() {
            let (found, result) = read([&stream[..end]]);
            assert!(result.is_err(), "after {end} bytes");
            assert!(found.len() <= rows().len());
        }
    }

    #[test]
    fn an_extension_of_the_header_is_passed_over() {
        let mut stream = stream(&rows());
        stream[HEADER - 1] = 5;
        stream.splice(HEADER..HEADER, *b"hello");
        for size in 1..=stream.len() {
            let (found, end) = read(stream.chunks(size));
            assert_eq!((found.len(), end.is_ok()), (4, true), "pieces of {size}");
        }
    }

    #[test]
    fn how_long_an_erased_payload_was_may_come_along() {
        for (field, erased) in [(&[0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 9][..], Some(9)), (&[0xff; 4], None)] {
            let mut stream = stream(&rows()[..1]);
            stream[HEADER + 1] = 6;
            stream.splice(stream.len() - 2..stream.len() - 2, field.iter().copied());
            for size in 1..=stream.len() {
                let (found, end) = read(stream.chunks(size));
                assert_eq!(found, [format!("{:?}", Row { erased, ..rows()[0] })], "pieces of {size}");
                assert!(end.is_ok());
            }
        }
    }

    #[test]
    fn what_is_no_such_stream_is_refused() {
        let good = stream(&rows());
        let with = |at: usize, bytes: &[u8]| {
            let mut stream = good.clone();
            stream[at..at + bytes.len()].copy_from_slice(bytes);
            stream
        };
        for (stream, why) in [
            (with(0, b"Q"), "signature"),
            (b"1\t2\n".to_vec(), "signature"),
            (with(12, &[1]), "flags"),
            (with(15, &[0xff; 4]), "header"),
            (with(HEADER, &4i16.to_be_bytes()), "4 fields"),
            (with(HEADER, &(-2i16).to_be_bytes()), "-2 fields"),
            (with(HEADER + 2, &(-2i32).to_be_bytes()), "-2 bytes"),
            (with(HEADER + 2, &i32::MAX.to_be_bytes()), "2147483647 bytes"),
            ([&good[..], b"\0"].concat(), "after its end"),
        ] {
            for size in [1, stream.len()] {
                let message = format!("{:?}", read(stream.chunks(size)).1);
                assert!(message.contains(why), "{message} is not about {why}");
            }
        }
    }

    #[test]
    fn a_value_of_another_type_is_none() {
        let mut stream = stream(&rows()[..1]);
        stream.splice(HEADER + 2..HEADER + 14, [&4i32.to_be_bytes()[..], &[0; 4]].concat());
        let (found, end) = read([&stream[..]]);
        assert!(end.is_ok());
        assert_eq!(found, [format!("{:?}", Row { position: 0, ..rows()[0] })]);
    }
}
