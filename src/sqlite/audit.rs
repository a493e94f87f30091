//! What the rows alone do not show: indexes that disagree with their tables, logs without entries and entries without a
//! log, counters of the wrong shape.
//!
//! An index is compared with its table by a sum over keyed hashes of their rows, order aside: one pass over each, and no
//! look-up for each row. The keys are new for each verification, so a file cannot be made to fit them.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, params_from_iter};

use super::block::By;
use super::via::Via;
use crate::checker::Row;
use crate::error::{Error, Result};
use crate::findings::{Break, Findings, Kind};

const INDEX: &str = "SELECT agent_store_block(position, log, seq)
FROM _agent_store_entries INDEXED BY sqlite_autoindex__agent_store_entries_1 WHERE log > ?1";
/// Two statements: one for both would compare each row with the place where it began.
const INDEX_OF_LOG: &str = "SELECT agent_store_block(position, log, seq)
FROM _agent_store_entries INDEXED BY sqlite_autoindex__agent_store_entries_1 WHERE log = ?1 AND seq > ?2";
/// The whole index is looked through: it is not in order of position.
pub const NEWEST_IN_INDEX: &str =
    "SELECT coalesce(max(position), 0) FROM _agent_store_entries INDEXED BY sqlite_autoindex__agent_store_entries_1";
const LOGS: &str = "SELECT id FROM _agent_store_logs WHERE id > ?1 AND id <= ?2 ORDER BY id";
const LOG_TABLE: &str = "SELECT id, stream, writer FROM _agent_store_logs WHERE id <= ?1 ORDER BY id";
const LOG_INDEX: &str =
    "SELECT id, stream, writer FROM _agent_store_logs INDEXED BY sqlite_autoindex__agent_store_logs_1
WHERE id <= ?1 ORDER BY stream, writer";

/// Two sums that are equal where table and index have the same rows.
pub struct Marks {
    keys: [u64; 4],
    table: AtomicU64,
    index: AtomicU64,
    /// The index was found wrong already, or could not be read.
    reported: AtomicU64,
}

impl Marks {
    pub fn new() -> Self {
        let random = RandomState::new();
        let keys = std::array::from_fn(|number| random.hash_one(number));
        Self { keys, table: AtomicU64::default(), index: AtomicU64::default(), reported: AtomicU64::default() }
    }

    /// Log, seq and position, mixed by multiplications to 128 bits, both halves of which count.
    #[allow(clippy::cast_possible_truncation)]
    pub fn of(&self, row: &Row<'_>) -> u64 {
        let (log, seq, position) = (row.log.unwrap_or(0), row.seq.unwrap_or(0), row.position);
        let [a, b, c, d] = self.keys;
        let fold = |x: u64, y: u64| {
            let product = u128::from(x) * u128::from(y);
            (product as u64) ^ ((product >> 64) as u64)
        };
        let place = fold(log.cast_unsigned() ^ a, seq.cast_unsigned() ^ b);
        fold(place ^ position.cast_unsigned() ^ c, d)
    }

    pub fn table(&self, sum: u64) {
        self.table.fetch_add(sum, Ordering::Relaxed);
    }

    pub fn compare(&self, findings: &mut Findings) {
        let same = self.table.load(Ordering::Relaxed) == self.index.load(Ordering::Relaxed);
        if !same && self.reported.load(Ordering::Relaxed) == 0 {
            findings.report(whole(Kind::Index, "the index of _agent_store_entries disagrees with its table"));
        }
    }
}

pub fn whole(kind: Kind, detail: impl Into<String>) -> Break {
    Break { kind, log: None, name: None, seq: None, position: None, detail: detail.into() }
}

/// `upto` and `logs` are the newest position and log as the verification began.
pub fn run(
    via: &Via<'_>,
    marks: &Marks,
    upto: i64,
    logs: i64,
    findings: &mut Findings,
    step: &mut dyn FnMut() -> Result<()>,
) -> Result<()> {
    match entries(via, marks, upto, logs, findings, step) {
        Err(Error::Corrupt(detail)) => {
            marks.reported.store(1, Ordering::Relaxed);
            findings.report(whole(
                Kind::Corrupt,
                format!("the index of _agent_store_entries, or the logs, cannot be read: {detail}"),
            ));
        }
        other => other?,
    }
    for (what, check) in [
        ("_agent_store_logs", log_table as fn(&Connection, i64, &mut Findings) -> Result<()>),
        ("_agent_store_meta", counters),
    ] {
        step()?;
        match via.read(|conn| check(&conn.sqlite, logs, findings)) {
            Err(Error::Corrupt(detail)) => {
                findings.report(whole(Kind::Corrupt, format!("{what} cannot be read: {detail}")));
            }
            other => other?,
        }
    }
    Ok(())
}

/// The index of entries in its own order, beside the list of logs.
fn entries(
    via: &Via<'_>,
    marks: &Marks,
    upto: i64,
    logs: i64,
    findings: &mut Findings,
    step: &mut dyn FnMut() -> Result<()>,
) -> Result<()> {
    let mut last = (i64::MIN, i64::MIN);
    let mut sum = 0u64;
    let mut walk = Walk { listed: i64::MIN, ahead: None, orphan: None, findings };
    loop {
        step()?;
        let from = last;
        let ended = via.read(|conn| {
            let mut listed = conn.sqlite.prepare_cached(LOGS)?;
            let mut listed = listed.query([walk.listed, logs])?;
            let mut out_of_order = false;
            let mut row = |row: &Row<'_>| {
                if out_of_order {
                    return Ok(());
                }
                if row.position <= upto {
                    sum = sum.wrapping_add(marks.of(row));
                }
                // Of another type: the table's row is found malformed.
                let (Some(log), Some(seq)) = (row.log, row.seq) else { return Ok(()) };
                if (log, seq) <= last {
                    out_of_order = true;
                    marks.reported.store(1, Ordering::Relaxed);
                    walk.findings.report(whole(
                        Kind::Index,
                        format!("the index of _agent_store_entries is out of order at log {log}, seq {seq}"),
                    ));
                    return Ok(());
                }
                if row.position <= upto {
                    if log != last.0 {
                        let mut next = || Ok(listed.next()?.map(|row| row.get(0)).transpose()?);
                        walk.log(log, seq, row.position, &mut next)?;
                    }
                    if walk.orphan == Some(log) {
                        walk.findings.orphaned += 1;
                    }
                }
                last = (log, seq);
                Ok(())
            };
            let read = |sql, params: &[i64], row: &mut dyn FnMut(&Row<'_>) -> Result<()>| {
                conn.blocks.read(&conn.sqlite, sql, params_from_iter(params), By::Read, row)
            };
            let more = read(INDEX_OF_LOG, &[from.0, from.1], &mut row)? || read(INDEX, &[from.0], &mut row)?;
            Ok(out_of_order || !more || last == from)
        })?;
        if ended {
            break;
        }
    }
    let rest = via.read(|conn| {
        let mut statement = conn.sqlite.prepare_cached(LOGS)?;
        let ids = statement.query_map([walk.listed, logs], |row| row.get(0))?;
        Ok(ids.collect::<rusqlite::Result<Vec<i64>>>()?)
    })?;
    walk.findings.logs += rest.len() as u64;
    for log in walk.ahead.into_iter().chain(rest) {
        walk.findings.report_empty(log);
    }
    marks.index.store(sum, Ordering::Relaxed);
    Ok(())
}

/// The list of logs and the logs that have entries, both in order of id, side by side.
struct Walk<'a> {
    /// The newest id taken from the list.
    listed: i64,
    /// Taken, and not yet met in the index.
    ahead: Option<i64>,
    orphan: Option<i64>,
    findings: &'a mut Findings,
}

impl Walk<'_> {
    /// `log` has entries, the first of them `seq` at `position`; `next` gives the next id of the list.
    fn log(&mut self, log: i64, seq: i64, position: i64, next: &mut dyn FnMut() -> Result<Option<i64>>) -> Result<()> {
        loop {
            if self.ahead.is_none() {
                self.ahead = next()?;
                if let Some(id) = self.ahead {
                    self.listed = id;
                    self.findings.logs += 1;
                }
            }
            match self.ahead {
                Some(id) if id < log => {
                    self.ahead = None;
                    self.findings.report_empty(id);
                }
                Some(id) if id == log => {
                    self.ahead = None;
                    return Ok(());
                }
                _ => break,
            }
        }
        self.orphan = Some(log);
        self.findings.report(Break {
            kind: Kind::Orphan,
            log: Some(log),
            name: None,
            seq: Some(seq),
            position: Some(position),
            detail: format!("entries of log {log}, which is not in _agent_store_logs: nobody can say whose they are"),
        });
        Ok(())
    }
}

fn log_table(conn: &Connection, logs: i64, findings: &mut Findings) -> Result<()> {
    let key = RandomState::new();
    let mut sums = [0u64; 2];
    for (sum, sql) in sums.iter_mut().zip([LOG_TABLE, LOG_INDEX]) {
        let mut statement = conn.prepare_cached(sql)?;
        let mut rows = statement.query([logs])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            if id < 1 && sql == LOG_TABLE {
                let mut found = whole(Kind::Malformed, format!("the id of a log is {id}, below 1"));
                found.log = Some(id);
                findings.report(found);
            }
            let text = |column| row.get_ref(column).ok().and_then(|value| value.as_str().ok());
            let (Some(stream), Some(writer)) = (text(1), text(2)) else {
                if sql == LOG_TABLE {
                    let mut found = whole(Kind::Malformed, format!("stream or writer of log {id} is not text"));
                    found.log = Some(id);
                    findings.report(found);
                }
                continue;
            };
            *sum = sum.wrapping_add(key.hash_one((id, stream, writer)));
        }
    }
    if sums[0] != sums[1] {
        findings.report(whole(Kind::Index, "the index of _agent_store_logs disagrees with its table"));
    }
    Ok(())
}

fn counters(conn: &Connection, _logs: i64, findings: &mut Findings) -> Result<()> {
    let mut statement = conn.prepare("PRAGMA main.integrity_check('_agent_store_meta')")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let found: String = row.get(0)?;
        if found != "ok" {
            findings.report(whole(Kind::Index, format!("_agent_store_meta: {found}")));
        }
    }
    let mut statement = conn.prepare(
        "SELECT quote(key), quote(ival) FROM main._agent_store_meta
         WHERE typeof(key) <> 'text' OR typeof(ival) <> 'integer' OR ival < 0",
    )?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let (key, value): (String, String) = (row.get(0)?, row.get(1)?);
        findings.report(whole(
            Kind::Malformed,
            format!("generation {key} holds {value}, not an integer from 0 to 2^63 - 1"),
        ));
    }
    Ok(())
}
