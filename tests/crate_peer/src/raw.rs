//! Statements of the tests' own, through the `SQLite` inside the crate.

use std::io::BufRead;

use agent_store::{Backend, SqliteBackend, Value};
use serde_json::{json, Value as Json};

use crate::{out, Result};

/// A statement that fails is an answer, not the end: what a store does after one is often the question.
pub fn run(db: &SqliteBackend) -> Result<()> {
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if !line.trim().is_empty() {
            let answer = answer(db, &line);
            out::line(&answer.unwrap_or_else(|error| json!({"error": error.to_string()})))?;
        }
    }
    Ok(())
}

fn answer(db: &SqliteBackend, line: &str) -> Result<Json> {
    let request: Json = serde_json::from_str(line)?;
    let sql = request["sql"].as_str().ok_or("\"sql\" must be a string")?;
    let params: Vec<Value> = match &request["params"] {
        Json::Null => Vec::new(),
        Json::Array(params) => params.iter().map(from_json).collect::<Result<_>>()?,
        _ => return Err("\"params\" must be an array".into()),
    };
    // "query" is for the rest that gives rows: RETURNING, PRAGMA, WITH.
    if request["query"] == true || starts_with_select(sql) {
        let rows = db.query(sql, &params)?;
        let rows: Vec<Vec<Json>> = rows.iter().map(|row| row.iter().map(to_json).collect()).collect();
        return Ok(json!({"rows": rows}));
    }
    Ok(json!({"changes": db.exec(sql, &params)?}))
}

fn starts_with_select(sql: &str) -> bool {
    let word = sql.trim_start().get(..6);
    word.is_some_and(|word| word.eq_ignore_ascii_case("select"))
}

fn from_json(param: &Json) -> Result<Value> {
    Ok(match param {
        Json::Null => Value::Null,
        Json::String(text) => Value::Text(text.clone()),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(int), _) => Value::Int(int),
            (None, Some(real)) if number.is_f64() => Value::Real(real),
            _ => return Err(format!("not a 64-bit integer: {number}").into()),
        },
        Json::Object(object) => match object.get("hex").and_then(Json::as_str) {
            Some(hex) if object.len() == 1 => Value::Blob(out::unhex(hex)?),
            _ => return Err("an object must be {\"hex\": \"…\"}".into()),
        },
        Json::Bool(_) | Json::Array(_) => return Err(format!("not bindable: {param}").into()),
    })
}

fn to_json(cell: &Value) -> Json {
    match cell {
        Value::Null => Json::Null,
        Value::Int(int) => json!(int),
        Value::Real(real) => json!(real),
        Value::Text(text) => json!(text),
        Value::Blob(blob) => json!({"hex": out::hex(blob)}),
    }
}
