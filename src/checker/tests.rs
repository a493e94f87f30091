use super::{Checker, Kind, Lookup, Result, Row};
use crate::chain;
use crate::row::{Before, StoredPrev};

struct Nothing;
impl Lookup for Nothing {
    fn before(&self, _log: i64, _seq: i64) -> Result<Before> {
        Ok(Before::Known(None))
    }
}

fn rows(payloads: &[&[u8]]) -> Vec<(i64, chain::Hash, Vec<u8>)> {
    let hashes = chain::extend(None, payloads.iter().copied());
    (1..).zip(hashes.zip(payloads)).map(|(seq, (hash, payload))| (seq, hash, payload.to_vec())).collect()
}

fn check(rows: &[(i64, chain::Hash, Vec<u8>)]) -> Vec<(Kind, Option<i64>)> {
    let mut checker = Checker::new(None);
    for (seq, hash, payload) in rows {
        let row = Row {
            position: *seq,
            log: Some(1),
            seq: Some(*seq),
            content_hash: Some(hash),
            payload: Some(payload),
            prev: StoredPrev::Implied,
            erased: None,
        };
        assert!(checker.row(&row, &Nothing).is_ok());
    }
    checker.findings().breaks.iter().map(|b| (b.kind, b.seq)).collect()
}

#[test]
fn a_whole_chain_has_no_findings() {
    assert_eq!(check(&rows(&[b"a", b"b", b"c"])), []);
}

#[test]
fn an_altered_payload_is_one_break() {
    let mut damaged = rows(&[b"a", b"b", b"c"]);
    damaged[1].2 = b"B".to_vec();
    assert_eq!(check(&damaged), [(Kind::Hash, Some(2))]);
}

#[test]
fn an_erased_payload_is_passed_over_and_only_where_it_is_recorded() {
    let rows = rows(&[b"a", b"b", b"", b"d"]);
    let check = |erased: [Option<i64>; 4], payload: &[u8]| {
        let mut checker = Checker::new(None);
        for ((seq, hash, whole), erased) in rows.iter().zip(erased) {
            let row = Row {
                position: *seq,
                log: Some(1),
                seq: Some(*seq),
                content_hash: Some(hash),
                payload: Some(if *seq == 2 { payload } else { whole }),
                prev: StoredPrev::Implied,
                erased,
            };
            assert!(checker.row(&row, &Nothing).is_ok());
        }
        let found = checker.findings();
        let breaks: Vec<_> = found.breaks.iter().map(|b| (b.kind, b.seq)).collect();
        (breaks, found.entries_hold, found.erased)
    };
    assert_eq!(check([None, Some(1), None, None], b""), (vec![], 4, 1));
    assert_eq!(check([None, Some(1), Some(0), None], b""), (vec![], 4, 2));
    assert_eq!(check([None; 4], b""), (vec![(Kind::Hash, Some(2))], 3, 0));
    assert_eq!(check([None, Some(1), None, None], b"B"), (vec![(Kind::Hash, Some(2))], 3, 0));
}

#[test]
fn an_altered_hash_is_a_break_there_and_at_the_next() {
    let mut damaged = rows(&[b"a", b"b", b"c", b"d"]);
    damaged[1].1[0] ^= 1;
    assert_eq!(check(&damaged), [(Kind::Hash, Some(2)), (Kind::Hash, Some(3))]);
}

#[test]
fn a_forged_link_at_the_beginning_of_a_range_is_found() {
    let rows = rows(&[b"a", b"b", b"c"]);
    let mut ranges = [Checker::new(Some(1)), Checker::after_another(2)];
    for ((seq, hash, payload), prev) in rows.iter().zip([None, Some([0; 32]), Some(rows[1].1)]) {
        let row = Row {
            position: *seq,
            log: Some(1),
            seq: Some(*seq),
            content_hash: Some(hash),
            payload: Some(payload),
            prev: StoredPrev::Column(prev.as_ref().map(|prev| &prev[..])),
            erased: None,
        };
        assert!(ranges[usize::from(*seq > 1)].row(&row, &Nothing).is_ok());
    }
    let [mut first, second] = ranges;
    assert!(first.join(second, &Nothing).is_ok());
    let found = first.findings();
    assert_eq!(found.breaks.iter().map(|b| (b.kind, b.seq)).collect::<Vec<_>>(), [(Kind::Link, Some(2))]);
    assert_eq!((found.entries, found.entries_hold), (3, 2));
}
