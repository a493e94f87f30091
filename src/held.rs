//! Rows whose predecessor is not known yet: kept until it is, and judged then.

use std::collections::HashMap;
use std::mem::size_of;
use std::ops::Range;

use crate::error::{Error, Result};
use crate::row::{Before, Lookup, Row, State, StoredPrev};

/// Of a range that others go before, so many rows wait at most, and so many bytes of them.
const OPEN_ROWS: usize = 1 << 14;
const OPEN_BYTES: usize = 4 << 20;

#[derive(Default)]
pub struct Held {
    rows: Vec<HeldRow>,
    /// Payloads and hashes, one after the other.
    bytes: Vec<u8>,
}

/// A row that waits, as it is.
pub struct Waiting<'a> {
    /// Among all rows, in the order in which they were fed.
    pub number: u64,
    /// Log and seq.
    pub place: (i64, i64),
    pub row: Row<'a>,
}

struct HeldRow {
    number: u64,
    position: i64,
    log: i64,
    seq: i64,
    content_hash: Option<Range<usize>>,
    payload: Option<Range<usize>>,
    /// Where the row says what it links to.
    linked: bool,
    prev_hash: Option<Range<usize>>,
    erased: Option<i64>,
}

impl Held {
    pub fn rows(&self) -> impl Iterator<Item = Waiting<'_>> {
        self.rows.iter().map(|row| Waiting { number: row.number, place: (row.log, row.seq), row: self.row(row) })
    }

    /// The number of the first row that waits.
    pub fn first(&self) -> Option<u64> {
        self.rows.first().map(|row| row.number)
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Bytes of memory.
    pub fn size(&self) -> usize {
        self.bytes.len() + self.rows.len() * size_of::<HeldRow>()
    }

    /// For the first row of each log in a range. False where there are too many: what they follow is looked up then.
    pub fn takes(&mut self, row: &Row<'_>, (log, seq): (i64, i64), number: u64) -> bool {
        // A forged hash may be of any length.
        let bytes: usize = blobs(row).into_iter().flatten().map(<[u8]>::len).sum();
        if self.rows.len() >= OPEN_ROWS || self.bytes.len() + bytes > OPEN_BYTES {
            return false;
        }
        self.add(row, (log, seq), number);
        true
    }

    pub fn add(&mut self, row: &Row<'_>, (log, seq): (i64, i64), number: u64) {
        let [content_hash, payload, prev_hash] = blobs(row).map(|blob| {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(blob?);
            Some(start..self.bytes.len())
        });
        let linked = matches!(row.prev, StoredPrev::Column(_));
        let (position, erased) = (row.position, row.erased);
        self.rows.push(HeldRow { number, position, log, seq, content_hash, payload, linked, prev_hash, erased });
    }

    /// The first `count` rows; the others stay.
    pub fn take(&mut self, count: usize) -> Self {
        let taken = std::mem::take(self);
        for later in taken.rows().skip(count) {
            self.add(&later.row, later.place, later.number);
        }
        let Self { mut rows, bytes } = taken;
        rows.truncate(count);
        Self { rows, bytes }
    }

    fn row(&self, row: &HeldRow) -> Row<'_> {
        let blob = |range: &Option<Range<usize>>| self.bytes.get(range.clone()?);
        Row {
            position: row.position,
            log: Some(row.log),
            seq: Some(row.seq),
            content_hash: blob(&row.content_hash),
            payload: blob(&row.payload),
            prev: if row.linked { StoredPrev::Column(blob(&row.prev_hash)) } else { StoredPrev::Implied },
            erased: row.erased,
        }
    }
}

fn blobs<'a>(row: &Row<'a>) -> [Option<&'a [u8]>; 3] {
    let prev_hash = match row.prev {
        StoredPrev::Implied => None,
        StoredPrev::Column(column) => column,
    };
    [row.content_hash, row.payload, prev_hash]
}

/// Nobody can say yet: what goes before a row is asked for afterwards.
pub struct Later;

impl Lookup for Later {
    fn before(&self, _log: i64, _seq: i64) -> Result<Before> {
        Ok(Before::Later)
    }
}

/// What was answered of the rows that waited; `None` is what could not be read.
pub struct Answers<'a>(pub &'a HashMap<(i64, i64), Option<State>>);

impl Lookup for Answers<'_> {
    fn before(&self, log: i64, seq: i64) -> Result<Before> {
        match self.0.get(&(log, seq)) {
            None => Ok(Before::Known(None)),
            Some(Some(state)) => Ok(Before::Known(Some(*state))),
            Some(None) => Err(Error::Corrupt(format!("what goes before entry {seq} of log {log} cannot be read"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Held, OPEN_BYTES, Row, StoredPrev};

    #[test]
    fn what_waits_is_bounded_whatever_is_large_in_it() {
        let long = vec![0; OPEN_BYTES / 2];
        for (content_hash, payload, prev_hash) in [(&long[..], &[][..], &[][..]), (&[], &long, &[]), (&[], &[], &long)]
        {
            let row = |payload| Row {
                position: 1,
                log: Some(1),
                seq: Some(2),
                content_hash: Some(content_hash),
                payload: Some(payload),
                prev: StoredPrev::Column(Some(prev_hash)),
                erased: None,
            };
            let mut held = Held::default();
            let large = vec![0; OPEN_BYTES + 1];
            assert!(!held.takes(&row(&large), (1, 2), 1));
            assert!(held.takes(&row(payload), (1, 2), 1));
            assert!(held.takes(&row(payload), (2, 2), 2));
            assert!(!held.takes(&row(&[0]), (3, 2), 3));
        }
    }

    #[test]
    fn rows_come_back_as_they_were() {
        let row = |number: i64, prev| Row {
            position: number,
            log: Some(7),
            seq: Some(number),
            content_hash: Some(b"hash"),
            payload: (number % 2 == 0).then_some(b"payload"),
            prev,
            erased: (number % 2 == 1).then_some(number),
        };
        let rows = [
            row(1, StoredPrev::Implied),
            row(2, StoredPrev::Column(None)),
            row(3, StoredPrev::Column(Some(b"prev"))),
            row(4, StoredPrev::Implied),
        ];
        let mut held = Held::default();
        for (number, row) in (1..).zip(&rows) {
            held.add(row, (7, row.position), number);
        }
        let shown = |held: &Held| held.rows().map(|waiting| format!("{:?}", waiting.row)).collect::<Vec<_>>();
        let expected: Vec<_> = rows.iter().map(|row| format!("{row:?}")).collect();
        let first = held.take(3);
        assert_eq!(shown(&first), expected[..3]);
        assert_eq!(shown(&held), expected[3..]);
        assert_eq!((first.first(), held.first(), held.len()), (Some(1), Some(4), 1));
    }
}
