//! What the rows alone do not show: indexes that disagree with their tables, logs without entries and entries without a
//! log, counters of the wrong shape.
//!
//! An index is compared with its table by a sum over keyed hashes of their rows, order aside: one pass over each, and no
//! look-up for each row. The keys are new for each verification, so a file cannot be made to fit them.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;

use super::erasures;
use super::index::{Indexed, Keys, Run};
use super::via::Via;
use crate::error::{Error, Result};
use crate::findings::{Break, Findings, Kind};

const INDEX: &str = "SELECT agent_store_index(position, log, seq)
FROM _agent_store_entries INDEXED BY sqlite_autoindex__agent_store_entries_1 WHERE log > ?1";
/// Two statements: one for both would compare each row with the place where it began.
const INDEX_OF_LOG: &str = "SELECT agent_store_index(position, log, seq)
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
    pub keys: Keys,
    table: AtomicU64,
    index: AtomicU64,
    /// The index was found wrong already, or could not be read.
    reported: AtomicU64,
}

impl Marks {
    pub fn new() -> Self {
        Self {
            keys: Keys::random(),
            table: AtomicU64::default(),
            index: AtomicU64::default(),
            reported: AtomicU64::default(),
        }
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
        match via.snapshot(|conn| check(&conn.sqlite, logs, findings)) {
            Err(Error::Corrupt(detail)) => {
                findings.report(whole(Kind::Corrupt, format!("{what} cannot be read: {detail}")));
            }
            other => other?,
        }
    }
    match erasures::audit(via, findings, step) {
        Err(Error::Corrupt(detail)) => {
            findings.report(whole(Kind::Corrupt, format!("_agent_store_erasures cannot be read: {detail}")));
            Ok(())
        }
        other => other,
    }
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
    let mut walk = Walk { listed: i64::MIN, ahead: None, current: None, orphan: false, findings };
    let mut indexed = Indexed::new(marks.keys, upto);
    loop {
        step()?;
        let from = indexed.last;
        let (read, more) = via.snapshot(|conn| {
            let (mut read, mut more) = match from {
                Some((log, seq)) => conn.index.run(&conn.sqlite, INDEX_OF_LOG, (log, seq), indexed.next()),
                None => (indexed.next(), Ok(false)),
            };
            if matches!(more, Ok(false)) {
                let log = from.map_or(i64::MIN, |(log, _)| log);
                (read, more) = conn.index.run(&conn.sqlite, INDEX, [log], read);
            }
            let mut listed = conn.sqlite.prepare_cached(LOGS)?;
            let mut listed = listed.query([walk.listed, logs])?;
            for run in &read.logs {
                walk.run(*run, &mut || Ok(listed.next()?.map(|row| row.get(0)).transpose()?))?;
            }
            Ok((read, more?))
        })?;
        indexed = read;
        if indexed.out_of_order {
            marks.reported.store(1, Ordering::Relaxed);
            let (log, seq) = indexed.last.unwrap_or_default();
            let detail = format!("the index of _agent_store_entries is out of order after log {log}, seq {seq}");
            walk.findings.report(whole(Kind::Index, detail));
        }
        if !more || indexed.out_of_order || indexed.last == from {
            break;
        }
    }
    let rest = via.read(|conn| {
        let mut statement = conn.sqlite.prepare_cached(LOGS)?;
        let ids = statement.query_map([walk.listed, logs], |row| row.get(0))?;
        Ok(ids.collect::<rusqlite::Result<Vec<i64>>>()?)
    })?;
    walk.findings.logs += rest.len() as u64;
    // Out of order, it was not looked through to its end: the rest may have entries.
    if !indexed.out_of_order {
        for log in walk.ahead.into_iter().chain(rest) {
            walk.findings.report_empty(log);
        }
    }
    marks.index.store(indexed.sum, Ordering::Relaxed);
    Ok(())
}

/// The list of logs and the logs that have entries, both in order of id, side by side.
struct Walk<'a> {
    /// The newest id taken from the list.
    listed: i64,
    /// Taken, and not yet met in the index.
    ahead: Option<i64>,
    /// The log met last, and whether it is in the list.
    current: Option<i64>,
    orphan: bool,
    findings: &'a mut Findings,
}

impl Walk<'_> {
    /// Entries of a log; `next` gives the next id of the list.
    fn run(&mut self, run: Run, next: &mut dyn FnMut() -> Result<Option<i64>>) -> Result<()> {
        if self.current != Some(run.log) {
            self.current = Some(run.log);
            self.orphan = !self.is_listed(run.log, next)?;
            if self.orphan {
                self.findings.report_orphans(run.log, run.seq, run.position, run.count);
                return Ok(());
            }
        }
        if self.orphan {
            self.findings.orphans(run.log, run.count);
        }
        Ok(())
    }

    fn is_listed(&mut self, log: i64, next: &mut dyn FnMut() -> Result<Option<i64>>) -> Result<bool> {
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
                    return Ok(true);
                }
                _ => return Ok(false),
            }
        }
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
