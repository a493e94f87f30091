//! Positions looked at one by one: of the whole store, or, where few came since, for those of selected logs. What is paid
//! for is then what came since, however many logs are selected, and no payload is read but of what is returned.

use std::collections::HashMap;

use hashlink::LruCache;
use rusqlite::Connection;

use super::erasures;
use super::rows::{self, Name, Page, Row};
use super::select::Select;
use super::sql;
use super::trail::Lasts;
use crate::chain::{self, Hash};
use crate::error::{Error, Result};

/// So many positions cost less than to look into a few hundred logs.
const NEAR: i64 = 1_024;
/// So many cost less than to look into one.
const VERY_NEAR: i64 = 32;

/// Logs whose names and last hashes a reading remembers.
const LOGS: usize = 16_384;
/// Bytes of payload that are hashed sooner than another page is read.
const SHORT: usize = 4_096;

/// Positions above `low` up to `high` are still to come.
pub struct Span {
    low: i64,
    high: i64,
    chains: LruCache<i64, Chain>,
    /// What the reading before this one has read.
    told: Lasts,
}

struct Chain {
    name: Name,
    /// Seq and hash of the entry read last.
    last: Option<(i64, Hash)>,
}

enum Found<'a> {
    /// No log is listed under this id.
    Nothing,
    /// It is not selected.
    Other,
    Selected(&'a mut Chain),
}

impl Span {
    /// Not where reading begins with the first entry: then the logs are what is read.
    pub fn is_near(select: &Select, upto: i64) -> bool {
        let near = if select.is_one_log() { VERY_NEAR } else { NEAR };
        select.after > 0 && upto.saturating_sub(select.after) <= near && select.start <= 1 && select.stop.is_none()
    }

    pub fn new(select: &Select, upto: i64, told: Lasts) -> Self {
        Self { low: select.after, high: upto, chains: LruCache::new(LOGS), told }
    }

    /// What was read, once nothing is still to come.
    pub fn end(&mut self) -> Option<Lasts> {
        if self.low < self.high {
            return None;
        }
        for (log, chain) in &self.chains {
            if let Some(last) = chain.last {
                self.told.put(*log, last);
            }
        }
        Some(std::mem::take(&mut self.told))
    }

    pub fn page(&mut self, conn: &Connection, page: &mut Page, limit: usize, select: &Select) -> Result<()> {
        if self.low >= self.high {
            return Ok(());
        }
        let everything = select.is_everything();
        let sql = match (everything, select.reverse) {
            (true, false) => sql::STORE_FORWARD,
            (true, true) => sql::STORE_REVERSE,
            (false, false) => sql::PLACES_FORWARD,
            (false, true) => sql::PLACES_REVERSE,
        };
        let (seq_at, log_at) = if everything { (1, 4) } else { (2, 1) };
        let mut names = HashMap::new();
        let mut contents = if everything { None } else { Some(conn.prepare_cached(sql::CONTENT)?) };
        let mut statement = conn.prepare_cached(sql)?;
        let mut found = statement.query([self.low, self.high])?;
        while !page.is_full(limit) {
            let Some(row) = found.next()? else {
                self.low = self.high;
                return Ok(());
            };
            let position: i64 = row.get(0)?;
            let log: i64 = match row.get(log_at) {
                Err(error) if everything => return Err(error.into()),
                log => log.unwrap_or(0), // of no log that could be selected
            };
            match find(conn, &mut self.chains, log, select)? {
                Found::Nothing if everything => {
                    return Err(Error::malformed(format!(
                        "the entry at position {position} is of log {log}, which is not there; verify the store"
                    )));
                }
                Found::Nothing | Found::Other => {}
                Found::Selected(chain) => {
                    let name = &chain.name;
                    let mut content;
                    let (stored, hash_at) = match &mut contents {
                        None => (Some(row), 2),
                        Some(contents) => {
                            content = contents.query([position])?;
                            (content.next()?, 0)
                        }
                    };
                    let hash = stored.and_then(|stored| rows::hash(stored, hash_at));
                    let payload = stored.and_then(|stored| rows::blob(stored, hash_at + 1));
                    let (Ok(seq), Some(content_hash), Some(payload)) = (row.get(seq_at), hash, payload) else {
                        return Err(rows::malformed(
                            name,
                            row.get(seq_at).ok(),
                            "content_hash is not a blob of 32 bytes, or payload is no blob",
                        ));
                    };
                    let read = chain.last.filter(|(last, _)| last.checked_add(1) == Some(seq)).map(|(_, hash)| hash);
                    let told = || self.told.before(log, seq).filter(|prev| is_next(prev, payload, &content_hash));
                    let prev_hash = match read.or_else(told) {
                        None => rows::prev_hash(conn, log, name, seq)?,
                        known => known,
                    };
                    let index = *names.entry(log).or_insert_with(|| {
                        page.names.push(name.clone());
                        page.names.len() - 1
                    });
                    let payload = page.keep(payload);
                    let row = Row { position, name: index, seq, prev_hash, content_hash, payload, erased: None };
                    page.rows.push(erasures::marked(conn, name, row)?);
                    chain.last = Some((seq, content_hash));
                }
            }
            if select.reverse {
                self.high = position - 1;
            } else {
                self.low = position;
            }
        }
        Ok(())
    }
}

fn find<'a>(conn: &Connection, chains: &'a mut LruCache<i64, Chain>, log: i64, select: &Select) -> Result<Found<'a>> {
    if !chains.contains_key(&log) {
        let mut statement = conn.prepare_cached(sql::LOG_NAME)?;
        let mut found = statement.query([log])?;
        let Some(row) = found.next()? else {
            return Ok(Found::Nothing);
        };
        let (stream, writer) = (row.get_ref(0)?, row.get_ref(1)?);
        // Of a name that is no text it is enough to know that it is another.
        if !select.has(stream, writer) && (stream.as_str().is_err() || writer.as_str().is_err()) {
            return Ok(Found::Other);
        }
        chains.insert(log, Chain { name: (row.get(0)?, row.get(1)?), last: None });
    }
    Ok(match chains.get_mut(&log) {
        Some(chain) if select.has(chain.name.0.as_str().into(), chain.name.1.as_str().into()) => Found::Selected(chain),
        _ => Found::Other,
    })
}

/// True where an entry with this payload and content hash links to `prev`, as far as that is quickly found.
fn is_next(prev: &Hash, payload: &[u8], content_hash: &Hash) -> bool {
    payload.len() <= SHORT && chain::hash(Some(prev), payload) == *content_hash
}
