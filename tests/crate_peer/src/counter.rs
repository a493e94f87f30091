//! Commands on one generation.

use agent_store::{Generation, SqliteBackend};
use serde_json::json;

use crate::{out, Result};

pub fn bump(db: &SqliteBackend, key: &str, times: u64) -> Result<()> {
    let generation = Generation::new(key);
    for _ in 0..times {
        print(generation.bump(db)?)?;
    }
    Ok(())
}

pub fn set(db: &SqliteBackend, key: &str, value: u64) -> Result<()> {
    Generation::new(key).set(db, value)?;
    print(value)
}

pub fn current(db: &SqliteBackend, key: &str) -> Result<()> {
    print(Generation::new(key).current(db)?)
}

fn print(value: u64) -> Result<()> {
    out::line(&json!({"value": value}))
}
