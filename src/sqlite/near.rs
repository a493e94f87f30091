//! A few positions looked at one by one, for those of selected logs: what is paid for is what came since, however many
//! logs are selected, and no payload is read but of what is returned.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rusqlite::Connection;

use super::rows::{self, Name, Page, Row};
use super::select::Select;
use super::sql;
use crate::chain::Hash;
use crate::error::Result;

/// So many positions cost less than to look into a few hundred logs.
const NEAR: i64 = 1_024;

/// Positions above `low` up to `high` are still to come.
pub struct Near {
    low: i64,
    high: i64,
    /// Those that were met; `None` is not selected.
    logs: HashMap<i64, Option<Log>>,
}

struct Log {
    name: Name,
    /// Seq and hash of the entry read last.
    last: Option<(i64, Hash)>,
}

impl Near {
    /// Not where reading begins with the first entry: then the logs are what is read.
    pub fn is_for(select: &Select, upto: i64) -> bool {
        select.after > 0 && upto.saturating_sub(select.after) <= NEAR
    }

    pub fn new(select: &Select, upto: i64) -> Self {
        Self { low: select.after, high: upto, logs: HashMap::new() }
    }

    pub fn page(&mut self, conn: &Connection, page: &mut Page, limit: usize, select: &Select) -> Result<()> {
        if self.low >= self.high {
            return Ok(());
        }
        let mut names = HashMap::new();
        let mut contents = conn.prepare_cached(sql::CONTENT)?;
        let mut statement =
            conn.prepare_cached(if select.reverse { sql::PLACES_REVERSE } else { sql::PLACES_FORWARD })?;
        let mut found = statement.query([self.low, self.high])?;
        while !page.is_full(limit) {
            let Some(row) = found.next()? else {
                self.low = self.high;
                return Ok(());
            };
            let position: i64 = row.get(0)?;
            // What is of no log, or of none that is listed, is of none that can be selected.
            if let Ok(log) = row.get(1)
                && let Some(chain) = self.log(conn, log, select)?
            {
                let name = &chain.name;
                let mut content = contents.query([position])?;
                let content = content.next()?;
                let (Ok(seq), Some(content_hash), Some(payload)) = (
                    row.get(2),
                    content.and_then(|content| rows::hash(content, 0)),
                    content.and_then(|content| rows::blob(content, 1)),
                ) else {
                    return Err(rows::malformed(
                        name,
                        row.get(2).ok(),
                        "content_hash is not a blob of 32 bytes, or payload is no blob",
                    ));
                };
                let prev_hash = match chain.last {
                    Some((last, hash)) if last.checked_add(1) == Some(seq) => Some(hash),
                    _ => rows::prev_hash(conn, log, name, seq)?,
                };
                let index = *names.entry(log).or_insert_with(|| {
                    page.names.push(name.clone());
                    page.names.len() - 1
                });
                let payload = page.keep(payload);
                page.rows.push(Row { position, name: index, seq, prev_hash, content_hash, payload });
                chain.last = Some((seq, content_hash));
            }
            if select.reverse {
                self.high = position - 1;
            } else {
                self.low = position;
            }
        }
        Ok(())
    }

    fn log(&mut self, conn: &Connection, log: i64, select: &Select) -> Result<Option<&mut Log>> {
        let known = match self.logs.entry(log) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let mut statement = conn.prepare_cached(sql::LOG_NAME)?;
                let mut found = statement.query([log])?;
                let name = match found.next()? {
                    Some(row) if select.has(row.get_ref(0)?, row.get_ref(1)?) => Some((row.get(0)?, row.get(1)?)),
                    _ => None,
                };
                new.insert(name.map(|name| Log { name, last: None }))
            }
        };
        Ok(known.as_mut())
    }
}
