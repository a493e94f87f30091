//! The index of entries in its own order: log by log, each by seq.

use std::hash::{BuildHasher, RandomState};

use rusqlite::functions::Context;

use super::taker::{Take, integer};

/// Index rows of one short read.
const ROWS: u32 = 65_536;

/// Keys of a hash over log, seq and position, new for each verification: a file cannot be made to fit them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keys([u64; 4]);

impl Keys {
    pub fn random() -> Self {
        let random = RandomState::new();
        Self(std::array::from_fn(|number| random.hash_one(number)))
    }

    /// Mixed by multiplications to 128 bits, both halves of which count.
    #[allow(clippy::cast_possible_truncation)]
    pub fn mark(&self, log: Option<i64>, seq: Option<i64>, position: i64) -> u64 {
        let number = |value: Option<i64>| value.unwrap_or(0).cast_unsigned();
        let fold = |x: u64, y: u64| {
            let product = u128::from(x) * u128::from(y);
            (product as u64) ^ ((product >> 64) as u64)
        };
        let Self([a, b, c, d]) = self;
        let place = fold(number(log) ^ a, number(seq) ^ b);
        fold(place ^ position.cast_unsigned() ^ c, *d)
    }
}

/// Rows of position, log and seq, summed up.
#[derive(Debug, Default)]
pub struct Indexed {
    keys: Keys,
    /// Rows of later positions are not looked at.
    upto: i64,
    /// Rows of this read.
    rows: u32,
    /// The last log and seq.
    pub last: Option<(i64, i64)>,
    pub sum: u64,
    pub logs: Vec<Run>,
    pub out_of_order: bool,
}

/// Entries of one log, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub log: i64,
    /// Of the first.
    pub seq: i64,
    pub position: i64,
    pub count: u64,
}

impl Indexed {
    pub fn new(keys: Keys, upto: i64) -> Self {
        Self { keys, upto, ..Self::default() }
    }

    /// To go on in another read.
    #[must_use]
    pub fn next(&self) -> Self {
        Self { rows: 0, logs: Vec::new(), ..*self }
    }
}

impl Take for Indexed {
    const NAME: &'static str = "agent_store_index";
    const ARGUMENTS: &'static [i32] = &[3];

    fn is_full(&self) -> bool {
        self.rows >= ROWS || self.out_of_order
    }

    fn take(&mut self, values: &Context<'_>) {
        self.rows += 1;
        let (position, log, seq) = (integer(values, 0).unwrap_or(0), integer(values, 1), integer(values, 2));
        let counts = position <= self.upto;
        if counts {
            self.sum = self.sum.wrapping_add(self.keys.mark(log, seq, position));
        }
        // Of another type: the table's row is found malformed.
        let (Some(log), Some(seq)) = (log, seq) else { return };
        let here = Some((log, seq));
        if here <= self.last {
            self.out_of_order = true;
            return;
        }
        self.last = here;
        match self.logs.last_mut() {
            _ if !counts => {}
            Some(run) if run.log == log => run.count += 1,
            _ => self.logs.push(Run { log, seq, position, count: 1 }),
        }
    }
}
