//! One row judged against the one before it, and its hash recomputed with others'.

use crate::chain::{self, Hash};
use crate::error::{Error, Result};
use crate::findings::{Break, Findings, Gap, Kind};
use crate::many::Many;
use crate::row::{Lookup, Row, State, StoredPrev};

pub struct Judge {
    pub findings: Findings,
    /// Entries that are still to be hashed.
    hashes: Many<Stored>,
    /// Breaks since the last `settle`, each with the number of its row.
    found: Vec<(u64, Break)>,
}

/// An entry whose hash is being recomputed.
struct Stored {
    number: u64,
    log: i64,
    seq: i64,
    position: i64,
    content_hash: Hash,
    /// Something else was found wrong with it.
    broken: bool,
}

impl Judge {
    pub fn new() -> Self {
        Self { findings: Findings::default(), hashes: Many::new(), found: Vec::new() }
    }

    /// `known` is the row of the log that came last.
    pub fn row(
        &mut self,
        row: &Row<'_>,
        (log, seq): (i64, i64),
        stored: Option<&Hash>,
        known: Option<&State>,
        lookup: &dyn Lookup,
    ) -> Result<()> {
        if !self.is_hashed(row, (log, seq), stored, known, lookup)? {
            self.findings.unheld(log);
        }
        Ok(())
    }

    /// False where it does not hold whatever its hash.
    fn is_hashed(
        &mut self,
        row: &Row<'_>,
        (log, seq): (i64, i64),
        stored: Option<&Hash>,
        known: Option<&State>,
        lookup: &dyn Lookup,
    ) -> Result<bool> {
        let (Some(&content_hash), Some(payload), true) = (stored, row.payload, seq > 0 && row.position > 0) else {
            self.report(Kind::Malformed, row, row.seq, shape(row, seq, stored));
            return Ok(false);
        };
        let looked_up;
        let before = match known {
            // Whatever else there is below it is malformed, and nothing that it could follow.
            _ if seq == 1 => None,
            Some(state) if state.seq == seq - 1 => Some(state),
            _ => {
                looked_up = match lookup.before(log, seq) {
                    Err(Error::Corrupt(_)) => return Ok(false), // What it must be judged against is reported there.
                    other => other?.filter(|state| state.seq > 0),
                };
                looked_up.as_ref()
            }
        };
        let reached = before.map_or(0, |state| state.seq);
        if reached != seq - 1 {
            let first = reached + 1;
            let detail = match seq - 1 {
                last if last == first => format!("entry {first} is missing"),
                last => format!("entries {first} to {last} are missing"),
            };
            self.report(Kind::Gap, row, Some(first), detail);
            self.findings.gap(Gap {
                after: before.map_or(0, |state| state.position),
                before: row.position,
                missing: seq.abs_diff(first),
            });
            return Ok(false);
        }
        let mut broken = false;
        if let Some(before) = before.filter(|state| state.position >= row.position) {
            let detail =
                format!("it stands at position {}, before entry {} at {}", row.position, before.seq, before.position);
            self.report(Kind::Order, row, row.seq, detail);
            broken = true;
        }
        let prev = match before.map(|state| &state.content_hash) {
            None => None,
            Some(Some(hash)) => Some(hash),
            Some(None) => {
                let detail = "the entry before it has no hash of 32 bytes to link to".to_owned();
                self.report(Kind::Link, row, row.seq, detail);
                return Ok(false);
            }
        };
        if let StoredPrev::Column(column) = row.prev
            && column != prev.map(|hash| &hash[..])
        {
            let detail = "prev_hash is not the content_hash of the entry before".to_owned();
            self.report(Kind::Link, row, row.seq, detail);
            broken = true;
        }
        let number = self.findings.entries;
        let stored = Stored { number, log, seq, position: row.position, content_hash, broken };
        let Self { findings, hashes, found } = self;
        hashes.push(prev, payload, stored, &mut |stored, computed| stored.compare(&computed, findings, found));
        Ok(true)
    }

    pub fn into_findings(mut self) -> Findings {
        self.settle();
        self.findings
    }

    pub fn settle(&mut self) {
        for found in self.take_found() {
            self.findings.report(found);
        }
    }

    /// What `settle` would report.
    pub fn take_found(&mut self) -> Vec<Break> {
        let Self { findings, hashes, found } = self;
        hashes.flush(&mut |stored, computed| stored.compare(&computed, findings, found));
        found.sort_by_key(|(number, _)| *number);
        found.drain(..).map(|(_, found)| found).collect()
    }

    pub fn report(&mut self, kind: Kind, row: &Row<'_>, seq: Option<i64>, detail: String) {
        let found = Break { kind, log: row.log, name: None, seq, position: Some(row.position), detail };
        self.found.push((self.findings.entries, found));
    }
}

impl Stored {
    fn compare(&self, computed: &Hash, findings: &mut Findings, found: &mut Vec<(u64, Break)>) {
        let same = *computed == self.content_hash;
        if same && !self.broken {
            findings.entries_hold += 1;
        } else {
            findings.unheld(self.log);
        }
        if same {
            return;
        }
        let detail = format!(
            "content_hash is {}…, recomputed from the payload and the entry before it is {}…",
            chain::hex(&self.content_hash[..4]),
            chain::hex(&computed[..4])
        );
        let (log, seq, position) = (Some(self.log), Some(self.seq), Some(self.position));
        found.push((self.number, Break { kind: Kind::Hash, log, name: None, seq, position, detail }));
    }
}

fn shape(row: &Row<'_>, seq: i64, stored: Option<&Hash>) -> String {
    if stored.is_none() {
        match row.content_hash {
            Some(hash) => format!("content_hash has {} bytes instead of 32", hash.len()),
            None => "content_hash is not a blob".to_owned(),
        }
    } else if row.payload.is_none() {
        "payload is not a blob".to_owned()
    } else if seq <= 0 {
        format!("seq is {seq}, below 1")
    } else {
        format!("position is {}, below 1", row.position)
    }
}
