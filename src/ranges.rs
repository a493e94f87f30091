//! Ranges of positions that are looked through at the same time: what waits for the range before.

use crate::row::{Row, StoredPrev};

/// Rows that wait, and their payloads and hashes.
const OPEN_ROWS: usize = 1 << 14;
const OPEN_BYTES: usize = 4 << 20;

/// The first row of each log in a range that others go before: judged when theirs is done (`Checker::join`).
#[derive(Default)]
pub struct Open {
    rows: Vec<OpenRow>,
    bytes: usize,
}

struct OpenRow {
    position: i64,
    log: i64,
    seq: i64,
    content_hash: Option<Vec<u8>>,
    payload: Option<Vec<u8>>,
    /// Where the row says what it links to.
    linked: bool,
    prev_hash: Option<Vec<u8>>,
}

impl Open {
    /// Each with its log and seq.
    pub fn rows(&self) -> impl Iterator<Item = ((i64, i64), Row<'_>)> {
        self.rows.iter().map(|row| ((row.log, row.seq), row.row()))
    }

    /// False where there are too many: what they follow is looked up then.
    pub fn takes(&mut self, row: &Row<'_>, log: i64, seq: i64) -> bool {
        let own = |blob: Option<&[u8]>| blob.map(<[u8]>::to_vec);
        let (linked, prev_hash) = match row.prev {
            StoredPrev::Implied => (false, None),
            StoredPrev::Column(column) => (true, column),
        };
        // A forged hash may be of any length.
        let bytes: usize = [row.content_hash, row.payload, prev_hash].into_iter().flatten().map(<[u8]>::len).sum();
        if self.rows.len() >= OPEN_ROWS || self.bytes + bytes > OPEN_BYTES {
            return false;
        }
        self.bytes += bytes;
        self.rows.push(OpenRow {
            position: row.position,
            log,
            seq,
            content_hash: own(row.content_hash),
            payload: own(row.payload),
            linked,
            prev_hash: own(prev_hash),
        });
        true
    }
}

impl OpenRow {
    fn row(&self) -> Row<'_> {
        Row {
            position: self.position,
            log: Some(self.log),
            seq: Some(self.seq),
            content_hash: self.content_hash.as_deref(),
            payload: self.payload.as_deref(),
            prev: if self.linked { StoredPrev::Column(self.prev_hash.as_deref()) } else { StoredPrev::Implied },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{OPEN_BYTES, Open, Row, StoredPrev};

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
            };
            let mut open = Open::default();
            let large = vec![0; OPEN_BYTES + 1];
            assert!(!open.takes(&row(&large), 1, 2));
            assert!(open.takes(&row(payload), 1, 2));
            assert!(open.takes(&row(payload), 2, 2));
            assert!(!open.takes(&row(&[0]), 3, 2));
        }
    }
}
