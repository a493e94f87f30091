//! Reading entries in pages: one log by seq, a few logs merged by position, or the whole store by position.
//!
//! A reading goes up to the position that was newest when it began. Each page is a short read of its own.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::Store;
use super::conn::Conn;
use super::erasures;
use super::merge::Merge;
use super::rows::{self, Name, Page, Row};
use super::select::{Place, Select};
use super::span::Span;
use super::sql;
use super::trail::Trails;
use super::transaction::{Fate, Transaction};
use super::via::Via;
use super::wait::Check;
use crate::chain::Hash;
use crate::error::{Error, Result};

/// A reading under way.
pub struct Reading {
    select: Select,
    source: Option<Source>,
    newest: Option<Place>,
    /// The transaction that it began in.
    began_in: Option<Arc<Fate>>,
}

enum Source {
    Log(Log),
    Merge(Merge),
    Span(Span),
    Nothing,
}

impl Reading {
    #[must_use]
    pub fn new(select: Select) -> Self {
        Self { select, source: None, newest: None, began_in: None }
    }

    /// To be called before each page: the transaction that the page is read in, if there is one.
    pub fn enter(&mut self, transaction: Option<&Transaction>) -> Result<()> {
        if self.source.is_none() {
            self.began_in = transaction.map(Transaction::fate);
        } else if let Some(began_in) = &self.began_in {
            if began_in.is_undone() {
                return Err(Error::Conflict(
                    "this iteration began in a transaction that was rolled back: begin it anew".into(),
                ));
            }
            if transaction.is_none() && began_in.is_open() {
                return Err(Error::Conflict(
                    "this iteration began in a transaction that is still open in another thread: only that one sees it"
                        .into(),
                ));
            }
        }
        Ok(())
    }

    /// What was newest in the store when it began, and where it ends; `None` before.
    #[must_use]
    pub fn newest(&self) -> Option<Place> {
        self.newest
    }

    /// The next page of it, read by `via`.
    pub fn page(&mut self, via: &Via<'_>, limit: usize, path: Option<&Path>, trails: &Trails) -> Result<Page> {
        via.read(|conn: &Conn| self.next(&conn.sqlite, limit, path, trails, i64::MAX)).map(Option::unwrap_or_default)
    }

    /// The first page, if no more than `near` positions are to be looked through.
    pub fn near(
        &mut self,
        via: &Via<'_>,
        limit: usize,
        path: Option<&Path>,
        trails: &Trails,
        near: i64,
    ) -> Result<Option<Page>> {
        if self.source.is_some() {
            return Ok(None);
        }
        via.read(|conn: &Conn| self.next(&conn.sqlite, limit, path, trails, near))
    }

    /// At most `limit` entries more; none when the reading is over. The first ones are all read of one state of the
    /// database; `None` where more than `near` positions came since. `path` is of the store, `trails` of what others have
    /// read of it.
    fn next(
        &mut self,
        conn: &Connection,
        limit: usize,
        path: Option<&Path>,
        trails: &Trails,
        near: i64,
    ) -> Result<Option<Page>> {
        if let Some(source) = &mut self.source {
            let page = source.page(conn, limit, &self.select)?;
            // After it: where that is as it was, so was what was read.
            if let Some(newest) = self.newest {
                newest.check(conn, path)?;
            }
            return Ok(Some(page));
        }
        // Until it is dropped all statements are of one state of the database, and no BEGIN and no end of it is needed.
        let mut first = conn.prepare_cached(sql::NEWEST)?;
        let mut first = first.query(())?;
        let newest = Place::of(first.next()?)?;
        self.select.check(newest, conn, path)?;
        if newest.position.saturating_sub(self.select.after) > near {
            return Ok(None);
        }
        let mut source = begin(conn, &self.select, newest.position, trails)?;
        let page = source.page(conn, limit, &self.select)?;
        if let Source::Span(span) = &mut source
            && Span::is_near(&self.select, newest.position)
            && let Some(lasts) = span.end()
        {
            trails.keep(newest, lasts);
        }
        self.newest = Some(newest);
        self.source = Some(source);
        Ok(Some(page))
    }
}

impl Store {
    /// The next page of a reading.
    pub fn read(
        &self,
        reading: &mut Reading,
        limit: usize,
        tx: Option<&Transaction>,
        check: Check<'_>,
    ) -> Result<Page> {
        reading.enter(tx)?;
        reading.page(&self.via(tx, check), limit, self.pool.settings.path.as_deref(), &self.trails)
    }
}

impl Source {
    fn page(&mut self, conn: &Connection, limit: usize, select: &Select) -> Result<Page> {
        let mut page = Page::default();
        match self {
            Self::Log(log) if select.reverse => log.backward(conn, &mut page, limit)?,
            Self::Log(log) => log.forward(conn, &mut page, limit)?,
            Self::Merge(merge) => merge.page(conn, &mut page, limit)?,
            Self::Span(span) => span.page(conn, &mut page, limit, select)?,
            Self::Nothing => {}
        }
        Ok(page)
    }
}

fn begin(conn: &Connection, select: &Select, upto: i64, trails: &Trails) -> Result<Source> {
    if upto <= select.after {
        return Ok(Source::Nothing);
    }
    if Span::is_near(select, upto) || select.is_everything() {
        let told = select.known.and_then(|known| trails.take(known));
        return Ok(Source::Span(Span::new(select, upto, told.unwrap_or_default())));
    }
    let mut logs = select.logs(conn)?;
    if logs.len() != 1 {
        return Ok(Source::Merge(Merge::new(conn, logs, select.after, upto, select.reverse)?));
    }
    let Some((id, name)) = logs.pop() else {
        return Ok(Source::Nothing);
    };
    let Some(head) = rows::head(conn, id)? else {
        return Ok(Source::Nothing);
    };
    let low = rows::first_after(conn, id, select.after, &head)?.max(select.start);
    let high = select.stop.unwrap_or(i64::MAX).min(head.seq.saturating_add(1));
    Ok(Source::Log(Log { id, name, low, high, prev: None }))
}

/// One log, of which the entries from `low` to below `high` are still to come.
struct Log {
    id: i64,
    name: Name,
    low: i64,
    high: i64,
    /// The hash that entry `low` links to, once it is known.
    prev: Option<Hash>,
}

impl Log {
    fn forward(&mut self, conn: &Connection, page: &mut Page, limit: usize) -> Result<()> {
        if self.low >= self.high {
            return Ok(());
        }
        page.names.push(self.name.clone());
        if self.prev.is_none() {
            self.prev = rows::prev_hash(conn, self.id, &self.name, self.low)?;
        }
        let mut statement = conn.prepare_cached(sql::LOG_FORWARD)?;
        let mut found = statement.query((self.id, self.low, self.high))?;
        while !page.is_full(limit) {
            let Some(row) = found.next()? else {
                return if self.low < self.high { Err(rows::missing(&self.name, self.low)) } else { Ok(()) };
            };
            let entry = self.entry(conn, row, page, self.low)?;
            page.rows.push(Row { prev_hash: self.prev, ..entry });
            self.prev = page.rows.last().map(|row| row.content_hash);
            self.low += 1;
        }
        Ok(())
    }

    fn backward(&mut self, conn: &Connection, page: &mut Page, limit: usize) -> Result<()> {
        if self.low >= self.high {
            return Ok(());
        }
        page.names.push(self.name.clone());
        let mut statement = conn.prepare_cached(sql::LOG_REVERSE)?;
        let mut found = statement.query((self.id, self.low, self.high))?;
        while !page.is_full(limit) {
            let Some(row) = found.next()? else {
                if self.low < self.high {
                    return Err(rows::missing(&self.name, self.high - 1));
                }
                break;
            };
            let entry = self.entry(conn, row, page, self.high - 1)?;
            // What comes next in this direction is what the last one links to.
            if let Some(last) = page.rows.last_mut() {
                last.prev_hash = Some(entry.content_hash);
            }
            page.rows.push(entry);
            self.high -= 1;
        }
        if let Some(last) = page.rows.last_mut() {
            last.prev_hash = rows::prev_hash(conn, self.id, &self.name, last.seq)?;
        }
        Ok(())
    }

    fn entry(&self, conn: &Connection, row: &rusqlite::Row<'_>, page: &mut Page, expected: i64) -> Result<Row> {
        let seq = row.get(1).unwrap_or(0);
        if seq != expected {
            return Err(rows::missing(&self.name, expected));
        }
        let Some(content_hash) = rows::hash(row, 2) else {
            return Err(rows::malformed(&self.name, Some(seq), "content_hash is not a blob of 32 bytes"));
        };
        let Some(payload) = rows::blob(row, 3) else {
            return Err(rows::malformed(&self.name, Some(seq), "payload is not a blob"));
        };
        let payload = page.keep(payload);
        let position = row.get(0)?;
        let row = Row { position, name: 0, seq, prev_hash: None, content_hash, payload, erased: None };
        erasures::marked(conn, &self.name, row)
    }
}
