//! Many rows: files for tests, and the crate timed in its own process.

use std::hint::black_box;
use std::time::{Duration, Instant};

use agent_store::{Backend, Fingerprint, SqliteBackend, Value, WriterLog};
use serde_json::json;

use crate::{out, Result};

/// As long as the names of real programs: "conv:" with an undashed UUID, and a fingerprint (see `writer`).
const STREAM: &str = "conv:0190f3c27b1a7c3e9d550242ac120002";
const ROWS_A_COMMIT: u64 = 1_000;

fn writer(number: u64) -> String {
    Fingerprint::from_ed25519_pubkey(&number.to_le_bytes()).to_hex()
}

/// Payloads that differ in their first eight bytes: one buffer, so that the bench times the crate and not this.
struct Payload(Vec<u8>);

impl Payload {
    fn new(bytes: usize) -> Self {
        Self((0..=u8::MAX).cycle().take(bytes).collect())
    }

    fn of(&mut self, row: u64) -> &[u8] {
        for (byte, new) in self.0.iter_mut().zip(row.to_le_bytes()) {
            *byte = new;
        }
        &self.0
    }
}

/// Rows in turn over the writers.
fn append_bulk(db: &SqliteBackend, rows: u64, writers: &[String], payload: &mut Payload) -> Result<()> {
    let mut open = false;
    for (row, writer) in (0..rows).zip(writers.iter().cycle()) {
        if row % ROWS_A_COMMIT == 0 {
            if open {
                db.exec("COMMIT", &[])?;
            }
            db.exec("BEGIN", &[])?;
            open = true;
        }
        WriterLog::append(db, STREAM, writer, payload.of(row))?;
    }
    if open {
        db.exec("COMMIT", &[])?;
    }
    Ok(())
}

fn append_one(db: &SqliteBackend, rows: u64, writer: &str, payload: &mut Payload) -> Result<()> {
    for row in 0..rows {
        WriterLog::append(db, STREAM, writer, payload.of(row))?;
    }
    Ok(())
}

pub fn make(db: &SqliteBackend, rows: u64, logs: u64, bytes: usize) -> Result<()> {
    if logs == 0 {
        return Err("LOGS must be at least 1".into());
    }
    // A cut of power may spoil a file that a test makes anew; a cache of 256 MB spares many logs a read per row.
    synchronous(db, "OFF", 0)?;
    db.exec("PRAGMA cache_size=-262144", &[])?;
    let writers: Vec<String> = (0..logs).map(writer).collect();
    let began = Instant::now();
    append_bulk(db, rows, &writers, &mut Payload::new(bytes))?;
    out::line(&json!({
        "rows": rows,
        "logs": logs,
        "stream": STREAM,
        "first_writer": writers[0],
        "seconds": began.elapsed().as_secs_f64(),
    }))
}

/// `None` where the cell or the durability is not one of those in the usage.
pub fn bench(db: &SqliteBackend, cell: &str, rows: u64, bytes: usize, durability: &str) -> Result<Option<bool>> {
    match durability {
        "normal" => synchronous(db, "NORMAL", 1)?,
        "full" => synchronous(db, "FULL", 2)?,
        _ => return Ok(None),
    }
    let writer = writer(0);
    // The chain must be of ROWS, or the number would not say what was measured.
    if WriterLog::head(db, STREAM, &writer)?.is_some() {
        return Err("bench needs a new file: its log is not empty".into());
    }
    let mut payload = Payload::new(bytes);
    let writers = std::slice::from_ref(&writer);
    let taken = match cell {
        "append_one" => timed(|| append_one(db, rows, &writer, &mut payload))?,
        "append_bulk" => timed(|| append_bulk(db, rows, writers, &mut payload))?,
        "verify" => {
            append_bulk(db, rows, writers, &mut payload)?;
            timed(|| Ok(WriterLog::verify(db, STREAM, &writer)?))?
        }
        "entries" => {
            append_bulk(db, rows, writers, &mut payload)?;
            timed(|| {
                black_box(WriterLog::entries(db, STREAM, &writer)?);
                Ok(())
            })?
        }
        _ => return Ok(None),
    };
    out::line(&json!({
        "cell": cell,
        "rows": rows,
        "payload_bytes": bytes,
        "durability": durability,
        "seconds": taken.as_secs_f64(),
    }))?;
    Ok(Some(true))
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed())
}

fn synchronous(db: &SqliteBackend, name: &str, number: i64) -> Result<()> {
    db.exec(&format!("PRAGMA synchronous={name}"), &[])?;
    // Read back: SQLite ignores a pragma it does not understand, and the bench would time something else.
    if db.query("PRAGMA synchronous", &[])? != [[Value::Int(number)]] {
        return Err(format!("SQLite did not take synchronous={name}").into());
    }
    Ok(())
}
