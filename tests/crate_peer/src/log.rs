//! Commands on one log.

use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_store::{Entry, SqliteBackend, WriterLog};
use serde_json::{json, Value};

use crate::{out, Result};

/// Errors after which `loop` gives up, and the pause after each, so that a store that refuses everything at once does
/// not use them up within a moment that a test means to outlast.
const MAX_ERRORS: u64 = 1_000;
const PAUSE: Duration = Duration::from_millis(10);

pub fn append(db: &SqliteBackend, stream: &str, writer: &str) -> Result<()> {
    for line in std::io::stdin().lock().lines() {
        let payload = out::unhex(line?.trim())?;
        let entry = WriterLog::append(db, stream, writer, &payload)?;
        out::line(&json!({"seq": entry.seq, "hash": out::hex(&entry.content_hash)}))?;
    }
    Ok(())
}

pub fn keep_appending(db: &SqliteBackend, stream: &str, writer: &str, seconds: f64) -> Result<()> {
    let time = Duration::try_from_secs_f64(seconds)?;
    let closed = watch_stdin();
    let began = Instant::now();
    let (mut appended, mut errors) = (0, 0);
    while began.elapsed() < time && errors < MAX_ERRORS && !closed.load(Ordering::Relaxed) {
        // Every attempt has a number of its own, so that a payload which was refused and yet is there would show.
        let n = appended + errors + 1;
        match WriterLog::append(db, stream, writer, format!("payload-{n}").as_bytes()) {
            Ok(entry) => {
                appended += 1;
                out::line(&json!({"n": n, "seq": entry.seq, "hash": out::hex(&entry.content_hash)}))?;
            }
            Err(error) => {
                errors += 1;
                out::line(&json!({"n": n, "error": error.to_string()}))?;
                std::thread::sleep(PAUSE);
            }
        }
    }
    out::line(&json!({"done": true, "appended": appended, "errors": errors}))
}

fn watch_stdin() -> Arc<AtomicBool> {
    let closed = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&closed);
    // Never joined: it may wait for stdin for as long as the process lives.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        seen.store(true, Ordering::Relaxed);
    });
    closed
}

pub fn entries(db: &SqliteBackend, stream: &str, writer: &str) -> Result<()> {
    let mut stdout = std::io::BufWriter::new(std::io::stdout().lock());
    for entry in WriterLog::entries(db, stream, writer)? {
        writeln!(stdout, "{}", as_json(&entry))?;
    }
    stdout.flush()?;
    Ok(())
}

pub fn head(db: &SqliteBackend, stream: &str, writer: &str) -> Result<()> {
    let head = WriterLog::head(db, stream, writer)?;
    out::line(&head.as_ref().map_or(Value::Null, as_json))
}

pub fn verify(db: &SqliteBackend, stream: &str, writer: &str) -> Result<bool> {
    let verdict = WriterLog::verify(db, stream, writer);
    out::line(&match &verdict {
        Ok(()) => json!({"ok": true}),
        Err(error) => json!({"ok": false, "error": error.to_string()}),
    })?;
    Ok(verdict.is_ok())
}

fn as_json(entry: &Entry) -> Value {
    json!({
        "seq": entry.seq,
        "prev_hash": entry.prev_hash.as_ref().map(|hash| out::hex(hash)),
        "content_hash": out::hex(&entry.content_hash),
        "payload": out::hex(&entry.payload),
    })
}
