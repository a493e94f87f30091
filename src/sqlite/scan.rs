//! Feeding the checker from SQLite: one log by seq, or the whole store by position, on all cores.
//!
//! A verification is as of the position that was newest when it began. Rows are read in chunks, each a short read of its
//! own: a long one would keep the WAL from being reset. Entries are never changed or removed, so chunks agree.

use rusqlite::Connection;

use super::audit::{self, whole};
use super::heads::last_position;
use super::layout::Layout;
use super::rows;
use super::share::{self, Progress};
use super::tree::{self, Wanted};
use super::via::Via;
use super::work::{CHUNK, Job, Scan, split};
use crate::error::{Error, Head, Result};
use crate::findings::{Break, Findings, Kind};
use crate::row::State;
use crate::sealed::check_given;

/// Fewer are not worth a range of their own that looks up what goes before the first row of each log, and their names.
const LOOKED_UP: i64 = 1 << 16;
/// Fewer rows than this are not worth a thread.
const WORTH_A_THREAD: i64 = 2 * CHUNK;

/// The whole store, its first `sealed` positions also compared with the tree.
pub fn store(via: &Via<'_>, sealed: i64, progress: Progress<'_>) -> Result<Findings> {
    let mut findings = Findings::default();
    via.snapshot(|conn| match conn.layout {
        Layout::Compact => super::layout::check(&conn.sqlite, &mut findings),
        Layout::Crate | Layout::Nothing => Ok(()),
    })?;
    let altered = findings.breaks_total > 0;
    match tables(via, &mut findings, sealed, progress) {
        Err(Error::Backend(detail) | Error::Malformed { detail, .. }) if altered => {
            findings.report(whole(Kind::Schema, format!("the tables cannot be looked through as they are: {detail}")));
        }
        other => other?,
    }
    findings.settle();
    name(via, &mut findings)?;
    findings.breaks.sort_by_key(|found| (found.position.is_some(), found.position));
    Ok(findings)
}

/// All rows of the store.
fn tables(via: &Via<'_>, findings: &mut Findings, sealed: i64, progress: Progress<'_>) -> Result<()> {
    let (upto, logs, layout) = bounds(via, findings)?;
    let mut jobs = vec![Job::Audit { upto, logs }, Job::BelowOne];
    let cores = threads(via, upto);
    let pieces = if sealed > 0 { pieces(cores).min((upto / LOOKED_UP).max(one_each(cores))) } else { pieces(cores) };
    jobs.extend(split(1, upto, pieces).map(|(from, to)| Job::Positions { from, to }));
    let mut scan = Scan::new(via, layout);
    if sealed > 0 && via.snapshot(tree::is_there)? {
        scan.tree = Wanted::Compared(sealed.unsigned_abs());
    } else if sealed > 0 {
        findings.report(whole(Kind::Seal, "the tiles are missing, all of them"));
    }
    findings.merge(share::run(&scan, jobs, cores, upto.unsigned_abs(), progress)?);
    if upto < sealed {
        findings.hole(upto + 1, sealed);
    }
    let unread = findings.breaks.iter().any(|found| found.kind == Kind::Corrupt);
    if layout == Layout::Compact && !unread {
        scan.marks.compare(findings);
    }
    Ok(())
}

/// The leaves of these positions, one after the other, and what was found wrong with them.
pub fn leaves(via: &Via<'_>, first: i64, last: i64, progress: Progress<'_>) -> Result<(Findings, Vec<u8>)> {
    let layout = via.read(|conn| Ok(conn.layout))?;
    let mut scan = Scan::new(via, layout);
    scan.tree = Wanted::Given;
    let rows = last.saturating_add(1).saturating_sub(first);
    let cores = threads(via, rows);
    let jobs = split(first, last, one_each(cores)).map(|(from, to)| Job::Positions { from, to });
    let total = rows.max(0).unsigned_abs();
    let (mut findings, leaves) = share::leaves(&scan, jobs.collect(), cores, total, progress)?;
    findings.settle();
    check_given(&leaves, (first, last), &mut findings);
    name(via, &mut findings)?;
    findings.breaks.sort_by_key(|found| (found.position.is_some(), found.position));
    Ok((findings, leaves))
}

/// The newest position, the newest log, and the layout. Where the page with the newest entry cannot be read, the index
/// knows its position; where that cannot be read either, nothing is left to look at.
fn bounds(via: &Via<'_>, findings: &mut Findings) -> Result<(i64, i64, Layout)> {
    via.snapshot(|conn| {
        let number = |sql: &str| -> Result<i64> { Ok(conn.sqlite.query_row(sql, (), |row| row.get(0))?) };
        let mut or = |what: &str, found: Result<i64>| match found {
            Err(Error::Corrupt(detail)) => {
                findings.report(whole(Kind::Corrupt, format!("{what} cannot be read: {detail}")));
                Ok(0)
            }
            other => other,
        };
        let position = match last_position(&conn.sqlite) {
            Err(Error::Corrupt(_)) => number(audit::NEWEST_IN_INDEX),
            other => other,
        };
        let position = or("_agent_store_entries", position)?;
        let log = or("_agent_store_logs", number("SELECT coalesce(max(id), 0) FROM _agent_store_logs"))?;
        Ok((position, log, conn.layout))
    })
}

/// One log, `None` where it is empty. Nothing up to `since` is looked at but its own hash; `contains` must be in the log.
pub fn log(
    via: &Via<'_>,
    stream: &str,
    writer: &str,
    since: Option<&Head>,
    contains: Option<&Head>,
    progress: Progress<'_>,
) -> Result<Findings> {
    let (log, last, layout) = via.snapshot(|conn| {
        let log = rows::find_log(&conn.sqlite, stream, writer)?;
        let head = log.map(|log| rows::head(&conn.sqlite, log)).transpose()?.flatten();
        for (head, role) in [(since, "since"), (contains, "contains")] {
            if let Some(head) = head {
                in_place(&conn.sqlite, log, head, role)?;
            }
        }
        Ok((log, head, conn.layout))
    })?;
    let mut findings = Findings::default();
    let Some(log) = log else { return Ok(findings) };
    let Some(last) = last else {
        findings.report_empty(log);
        name(via, &mut findings)?;
        return Ok(findings);
    };
    let head = last.content_hash.map(|hash| (last.seq, hash));
    let Some(first) = since.map_or(Some(1), |head| head.seq.checked_add(1)) else {
        (findings.logs, findings.head) = (1, head);
        return Ok(findings);
    };
    let below_one = since.is_none().then_some(Job::Seqs { log, from: i64::MIN, to: 0 });
    let rows = last.seq.abs_diff(first.saturating_sub(1));
    let cores = threads(via, i64::try_from(rows).unwrap_or(i64::MAX));
    let run = |from: i64, to: i64, job: fn(i64, i64, i64) -> Job, progress: Progress<'_>| {
        let pieces = split(from, to, pieces(cores)).map(|(from, to)| job(log, from, to));
        let jobs = below_one.into_iter().chain(pieces).collect();
        share::run(&Scan::new(via, layout), jobs, cores, to.abs_diff(from) + 1, progress)
    };
    if let Some(place) = place(via, layout, log, first, &last, rows)? {
        findings = run(place, last.position, |log, from, to| Job::Places { log, from, to }, progress)?;
    }
    let mut whole_so_far = findings.entries == rows && findings.breaks_total == 0;
    if whole_so_far {
        // The table has them all. What reads one by its seq goes through the index, which must have them too.
        let mut at_the_end = |_, _| progress(rows, rows);
        let counted = run(first, last.seq, |log, from, to| Job::Counted { log, from, to }, &mut at_the_end)?;
        whole_so_far = counted.entries == rows;
    }
    if !whole_so_far {
        let mut by_seq = run(first, last.seq, |log, from, to| Job::Seqs { log, from, to }, progress)?;
        if by_seq.breaks_total == 0 && by_seq.entries != rows {
            let detail = format!("its index gives {} entries where there must be {rows}", by_seq.entries);
            by_seq.report(Break { log: Some(log), ..whole(Kind::Index, detail) });
        }
        // What only the table shows counts too: the index may be what was forged.
        if by_seq.breaks_total > 0 || findings.breaks_total == 0 {
            findings = by_seq;
        }
    }
    (findings.logs, findings.head) = (1, head);
    findings.breaks.sort_by_key(|found| found.seq);
    name(via, &mut findings)?;
    Ok(findings)
}

/// The position of entry `first`, where reading the table from there on is faster than by its index: there is not too
/// much of other logs in between.
fn place(via: &Via<'_>, layout: Layout, log: i64, first: i64, last: &State, rows: u64) -> Result<Option<i64>> {
    if layout != Layout::Compact {
        return Ok(None);
    }
    let found = via.read(|conn| rows::from_seq(&conn.sqlite, log, first))?;
    let place = found.map(|found| found.position).filter(|place| *place <= last.position);
    Ok(place.filter(|place| last.position.abs_diff(*place) / 2 <= rows))
}

fn in_place(conn: &Connection, log: Option<i64>, head: &Head, role: &str) -> Result<()> {
    let found = match log {
        Some(log) => rows::from_seq(conn, log, head.seq)?.filter(|found| found.seq == head.seq),
        None => None,
    };
    match found {
        Some(found) if found.content_hash == Some(head.content_hash) => Ok(()),
        found => Err(Error::ChainBroken {
            stream: head.stream.clone(),
            writer: head.writer.clone(),
            seq: head.seq,
            detail: format!(
                "the head given as {role} is not in the log: {}",
                if found.is_some() { "another entry stands there" } else { "the log has no such entry" }
            ),
        }),
    }
}

/// Say the names of the logs that the breaks are of.
fn name(via: &Via<'_>, findings: &mut Findings) -> Result<()> {
    via.snapshot(|conn| {
        for found in &mut findings.breaks {
            if let (Some(log), None) = (found.log, &found.name) {
                found.name = match rows::log_name(&conn.sqlite, log) {
                    Err(busy @ Error::Busy { .. }) => return Err(busy),
                    name => name.ok().flatten(),
                };
            }
        }
        Ok(())
    })
}

fn one_each(cores: usize) -> i64 {
    i64::try_from(cores).unwrap_or(1)
}

/// More than cores: one with large payloads does not keep the others waiting at the end.
fn pieces(cores: usize) -> i64 {
    if cores > 1 { i64::try_from(cores * 4).unwrap_or(1) } else { 1 }
}

fn threads(via: &Via<'_>, rows: i64) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if via.is_shared() && rows >= WORTH_A_THREAD { cores } else { 1 }
}
