//! The last hashes of logs, which a reading has read and the next one that goes on from it need not look up: after each
//! commit of another connection SQLite reads anew every page that it looks into.
//!
//! They are believed no further than they prove themselves: a hash that makes the content hash of the next entry out of
//! its payload is the one that it links to, in whatever history.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashlink::LruCache;

use super::select::Place;
use crate::chain::Hash;

/// Of so many who follow a store, each with a reading after the other, something is remembered.
const TRAILS: usize = 8;
/// Logs of each of these.
const LOGS: usize = 1_024;

/// Seq and hash of the entry of a log that was read last, by the log's id.
pub struct Lasts(LruCache<i64, (i64, Hash)>);

impl Default for Lasts {
    fn default() -> Self {
        Self(LruCache::new(LOGS))
    }
}

impl Lasts {
    /// The hash of the entry before `seq`, if that was the last.
    pub fn before(&mut self, log: i64, seq: i64) -> Option<Hash> {
        self.0.get(&log).and_then(|(last, hash)| (last.checked_add(1) == Some(seq)).then_some(*hash))
    }

    pub fn put(&mut self, log: i64, last: (i64, Hash)) {
        self.0.insert(log, last);
    }
}

/// What readings have left behind that came to their ends, by what was newest there.
#[derive(Default)]
pub struct Trails(Mutex<VecDeque<(Place, Lasts)>>);

impl Trails {
    /// What the reading left behind that ended at `known`.
    pub fn take(&self, known: Place) -> Option<Lasts> {
        let mut trails = self.lock();
        let at = trails.iter().position(|(newest, _)| *newest == known)?;
        trails.remove(at).map(|(_, lasts)| lasts)
    }

    pub fn keep(&self, newest: Place, lasts: Lasts) {
        let mut trails = self.lock();
        trails.truncate(TRAILS - 1);
        trails.push_front((newest, lasts));
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Place, Lasts)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
