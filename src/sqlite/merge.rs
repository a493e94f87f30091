//! Several logs read as one, in commit order: what is returned is paid for, whatever else the store holds.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use rusqlite::Connection;

use super::erasures;
use super::rows::{self, Name, Page, Row};
use super::sql;
use crate::chain::Hash;
use crate::error::Result;
use crate::row::State;

pub struct Merge {
    names: Vec<Name>,
    /// The next entry of each log.
    next: BinaryHeap<Next>,
    /// Positions above `after` up to `upto`.
    after: i64,
    upto: i64,
}

struct Next {
    state: State,
    log: i64,
    name: usize,
    /// Read forwards: the hash before it.
    prev: Option<Hash>,
    reverse: bool,
}

impl Merge {
    /// Begin; the caller holds a snapshot.
    pub fn new(conn: &Connection, logs: Vec<(i64, Name)>, after: i64, upto: i64, reverse: bool) -> Result<Self> {
        let mut merge =
            Self { names: Vec::with_capacity(logs.len()), next: BinaryHeap::with_capacity(logs.len()), after, upto };
        for (log, name) in logs {
            merge.names.push(name);
            let index = merge.names.len() - 1;
            let Some(head) = rows::head(conn, log)? else {
                continue;
            };
            if head.position <= after {
                continue;
            }
            if reverse {
                merge.push(head, log, index, None, true);
            } else {
                let seq = rows::first_after(conn, log, after, &head)?;
                merge.forward(conn, log, index, seq, None)?;
            }
        }
        Ok(merge)
    }

    fn push(&mut self, state: State, log: i64, name: usize, prev: Option<Hash>, reverse: bool) {
        if state.position > self.after && state.position <= self.upto {
            self.next.push(Next { state, log, name, prev, reverse });
        }
    }

    /// Line up entry `seq` of a log, which links to `prev`.
    fn forward(&mut self, conn: &Connection, log: i64, name: usize, seq: i64, prev: Option<Hash>) -> Result<()> {
        let Some(state) = rows::from_seq(conn, log, seq)? else {
            return Ok(());
        };
        if state.seq != seq {
            return Err(rows::missing(&self.names[name], seq));
        }
        let prev = match prev {
            None => rows::prev_hash(conn, log, &self.names[name], seq)?,
            known => known,
        };
        self.push(state, log, name, prev, false);
        Ok(())
    }

    pub fn page(&mut self, conn: &Connection, page: &mut Page, limit: usize) -> Result<()> {
        let mut payloads = conn.prepare_cached(sql::PAYLOAD)?;
        let mut names = std::collections::HashMap::new();
        while !page.is_full(limit) {
            let Some(next) = self.next.pop() else {
                return Ok(());
            };
            let name = &self.names[next.name];
            let seq = next.state.seq;
            let Some(content_hash) = next.state.content_hash else {
                return Err(rows::malformed(name, Some(seq), "content_hash is not a blob of 32 bytes"));
            };
            let mut found = payloads.query([next.state.position])?;
            let row = found.next()?.ok_or_else(|| rows::missing(name, seq))?;
            let payload =
                rows::blob(row, 0).ok_or_else(|| rows::malformed(name, Some(seq), "payload is not a blob"))?;
            let payload = page.keep(payload);
            let index = *names.entry(next.name).or_insert_with(|| {
                page.names.push(name.clone());
                page.names.len() - 1
            });
            let prev_hash = if next.reverse { self.back(conn, &next)? } else { next.prev };
            let position = next.state.position;
            let row = Row { position, name: index, seq, prev_hash, content_hash, payload, erased: None };
            page.rows.push(erasures::marked(conn, &self.names[next.name], row)?);
            if !next.reverse
                && let Some(after) = seq.checked_add(1)
            {
                self.forward(conn, next.log, next.name, after, Some(content_hash))?;
            }
        }
        Ok(())
    }

    /// Line up the entry before `next`, whose hash is what `next` links to.
    fn back(&mut self, conn: &Connection, next: &Next) -> Result<Option<Hash>> {
        let seq = next.state.seq;
        if seq == 1 {
            return Ok(None);
        }
        let name = &self.names[next.name];
        let state = match rows::before(conn, next.log, seq)? {
            Some(state) if state.seq == seq - 1 => state,
            other => return Err(rows::missing(name, other.map_or(1, |state| state.seq + 1))),
        };
        let Some(hash) = state.content_hash else {
            return Err(rows::malformed(name, Some(state.seq), "content_hash is not a blob of 32 bytes"));
        };
        self.push(state, next.log, next.name, None, true);
        Ok(Some(hash))
    }
}

impl Ord for Next {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = self.state.position.cmp(&other.state.position);
        if self.reverse { order } else { order.reverse() }
    }
}

impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Next {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Next {}
