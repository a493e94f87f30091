//! The published crate `agent-store` 0.1.2, unmodified, in a process of its own.
//!
//! Every command prints one JSON value a line. A failure prints `{"error": "…"}` and exits 1; wrong arguments exit 2.

mod bulk;
mod counter;
mod log;
mod out;
mod raw;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use agent_store::{Generation, SqliteBackend, WriterLog};
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "crate-peer [--no-schema] COMMAND DB …
  append  DB STREAM WRITER             payloads from stdin, one in hex a line (an empty line is an empty payload)
  loop    DB STREAM WRITER SECONDS     append until the time is over or stdin closes
  entries DB STREAM WRITER
  head    DB STREAM WRITER             null if the log is empty
  verify  DB STREAM WRITER
  bump    DB KEY [N]
  set     DB KEY VALUE
  current DB KEY
  make    DB ROWS LOGS PAYLOAD_BYTES
  bench   DB append_one|append_bulk|verify|entries ROWS PAYLOAD_BYTES [normal|full]
  raw     DB                           from stdin, one a line: {\"sql\": \"…\", \"params\": […], \"query\": false}";

/// Whether a command creates the tables before it begins, as a program that writes through the crate does.
#[derive(Clone, Copy)]
enum Schema {
    Ensure,
    Leave,
}

fn open(path: &str, schema: Schema) -> Result<SqliteBackend> {
    let db = SqliteBackend::open(Path::new(path))?;
    if let Schema::Ensure = schema {
        Generation::ensure_schema(&db)?;
        WriterLog::ensure_schema(&db)?;
    }
    Ok(db)
}

/// `None` where the arguments are not a command; else whether what was asked for holds.
fn run(args: &[&str], writing: Schema) -> Result<Option<bool>> {
    let reading = Schema::Leave;
    match *args {
        ["append", db, stream, writer] => log::append(&open(db, writing)?, stream, writer)?,
        ["loop", db, stream, writer, seconds] => {
            log::keep_appending(&open(db, writing)?, stream, writer, seconds.parse()?)?;
        }
        ["entries", db, stream, writer] => log::entries(&open(db, reading)?, stream, writer)?,
        ["head", db, stream, writer] => log::head(&open(db, reading)?, stream, writer)?,
        ["verify", db, stream, writer] => {
            return log::verify(&open(db, reading)?, stream, writer).map(Some);
        }
        ["bump", db, key] => counter::bump(&open(db, writing)?, key, 1)?,
        ["bump", db, key, n] => counter::bump(&open(db, writing)?, key, n.parse()?)?,
        ["set", db, key, value] => counter::set(&open(db, writing)?, key, value.parse()?)?,
        ["current", db, key] => counter::current(&open(db, reading)?, key)?,
        ["make", db, rows, logs, bytes] => {
            bulk::make(&open(db, writing)?, rows.parse()?, logs.parse()?, bytes.parse()?)?;
        }
        ["bench", db, cell, rows, bytes, ref durability @ ..] if durability.len() < 2 => {
            let durability = durability.first().copied().unwrap_or("normal");
            let db = open(db, writing)?;
            return bulk::bench(&db, cell, rows.parse()?, bytes.parse()?, durability);
        }
        ["raw", db] => raw::run(&open(db, reading)?)?,
        _ => return Ok(None),
    }
    Ok(Some(true))
}

fn main() -> ExitCode {
    let mut args = Vec::new();
    let mut writing = Schema::Ensure;
    for arg in std::env::args_os().skip(1) {
        match arg.into_string() {
            Ok(arg) if arg == "--no-schema" => writing = Schema::Leave,
            Ok(arg) => args.push(arg),
            Err(arg) => return usage(&format!("not UTF-8: {}", arg.display())),
        }
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args, writing) {
        Ok(Some(true)) => ExitCode::SUCCESS,
        Ok(Some(false)) => ExitCode::FAILURE,
        Ok(None) => usage("no such command, or not with these arguments"),
        Err(error) => {
            // If stdout is what failed, nobody is left to tell.
            let _ = out::line(&json!({"error": error.to_string()}));
            ExitCode::FAILURE
        }
    }
}

fn usage(why: &str) -> ExitCode {
    eprintln!("{why}\n{USAGE}");
    let _ = out::line(&json!({"error": why}));
    ExitCode::from(2)
}
