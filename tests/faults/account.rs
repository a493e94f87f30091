//! What is there, against what a session was told.

use std::collections::HashMap;

use _core::chain::{self, Hash};
use _core::error::Error;
use _core::sqlite::{Reading, Select, Store};

use super::session::{Fate, Log, Session, UNHEARD};

/// An entry as it reads.
struct Found {
    log: (String, String),
    payload: Vec<u8>,
}

/// Whether what was acknowledged may be gone: after a power cut at `normal`, the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    Nothing,
    Newest,
}

impl Session {
    /// Compare the store, opened anew, with the account; what is there is from now on the account.
    /// How much of what was acknowledged is gone.
    pub fn check(&mut self, lost: Lost) -> Result<usize, Error> {
        let store = self.store.as_ref().unwrap();
        let findings = store.verify(0, None, UNHEARD, &mut |_, _| Ok(()))?;
        assert_eq!(findings.breaks_total, 0, "{:?}", findings.breaks);
        let mut heads = HashMap::new();
        let found = entries(store, &mut heads)?;
        let counters: HashMap<String, i64> = store.generations(None, UNHEARD)?.into_iter().collect();
        assert!(!counters.contains_key("never"));
        let mut rest = found.as_slice();
        let (mut gone, mut count) = (None, 0);
        let mut kept = Vec::new();
        for unit in std::mem::take(&mut self.units) {
            let rows = unit.rows.len();
            let there = rows <= rest.len() && unit.rows.iter().zip(rest).all(|(row, found)| is(found, row));
            let counted = unit.counter.as_ref().map(|counter| counters.get(counter) == Some(&1));
            let there = if rows == 0 { counted.unwrap() } else { there };
            assert!(counted.is_none_or(|counted| counted == there), "half of {unit:?}");
            if there {
                assert_ne!(unit.fate, Fate::Refused, "failed, and is there");
                assert_eq!(gone, None, "there, and what came before it is not");
                rest = &rest[rows..];
                kept.push(super::session::Unit { fate: Fate::Kept, ..unit });
            } else if unit.fate == Fate::Kept {
                assert_eq!(lost, Lost::Newest, "acknowledged, and is gone: {:?}", unit.rows.first().map(|row| row.0));
                gone = gone.or(Some(kept.len()));
                count += 1;
            }
        }
        assert!(rest.is_empty(), "{} entries that nobody wrote", rest.len());
        self.units = kept;
        self.heads = heads.into_iter().map(|(log, head)| (known(&log), head)).collect();
        Ok(count)
    }
}

fn is(found: &Found, (log, payload): &(Log, Vec<u8>)) -> bool {
    (found.log.0.as_str(), found.log.1.as_str()) == *log && found.payload == *payload
}

fn known(log: &(String, String)) -> Log {
    super::session::LOGS.into_iter().find(|known| (known.0, known.1) == (log.0.as_str(), log.1.as_str())).unwrap()
}

/// All entries in commit order, each chain recomputed here.
fn entries(store: &Store, heads: &mut HashMap<(String, String), (i64, Hash)>) -> Result<Vec<Found>, Error> {
    let everything = Select { start: 1, ..Select::default() };
    let mut reading = Reading::new(everything);
    let mut found = Vec::new();
    loop {
        let page = store.read(&mut reading, 512, None, UNHEARD)?;
        if page.rows.is_empty() {
            return Ok(found);
        }
        for row in page.rows {
            let log = page.names[row.name].clone();
            let payload = page.payloads[row.payload].to_vec();
            let before = heads.get(&log).copied();
            assert_eq!(row.position, 1 + i64::try_from(found.len()).unwrap());
            assert_eq!(row.seq, 1 + before.map_or(0, |head| head.0));
            assert_eq!(row.content_hash, chain::hash(before.map(|head| head.1).as_ref(), &payload));
            heads.insert(log.clone(), (row.seq, row.content_hash));
            found.push(Found { log, payload });
        }
    }
}
