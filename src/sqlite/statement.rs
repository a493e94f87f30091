//! The caller's own SQL: what it may not be, and running it.

use rusqlite::types::Value;
use rusqlite::{Connection, Statement};

use crate::error::{Error, Result};

pub enum Params {
    Positional(Vec<Value>),
    /// Names as the statement writes them, without the `:`, `@` or `$`.
    Named(Vec<(String, Value)>),
}

/// Pragmas whose other values would undo what the store promises, or what its own statements count on.
const KEPT_PRAGMAS: [&str; 15] = [
    "cell_size_check",
    "checkpoint_fullfsync",
    "count_changes",
    "fullfsync",
    "ignore_check_constraints",
    "query_only",
    "journal_mode",
    "synchronous",
    "locking_mode",
    "mmap_size",
    "recursive_triggers",
    "reverse_unordered_selects",
    "trusted_schema",
    "wal_autocheckpoint",
    "writable_schema",
];

/// The first words of a statement, comments and quotes left out.
fn words(sql: &str) -> impl Iterator<Item = &str> {
    let mut rest = sql;
    std::iter::from_fn(move || {
        loop {
            // A vertical tab is white space to SQLite too where it follows other white space.
            rest =
                rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || matches!(c, ';' | '\u{b}' | '\u{feff}'));
            if let Some(comment) = rest.strip_prefix("--") {
                rest = comment.split_once('\n').map_or("", |(_, after)| after);
            } else if let Some(comment) = rest.strip_prefix("/*") {
                rest = comment.split_once("*/").map_or("", |(_, after)| after);
            } else {
                break;
            }
        }
        let close = match rest.as_bytes().first() {
            Some(quote @ (b'"' | b'\'' | b'`')) => char::from(*quote),
            Some(b'[') => ']',
            _ => '\0',
        };
        if close != '\0' {
            let (word, after) = rest[1..].split_once(close).unwrap_or((&rest[1..], ""));
            rest = after;
            return Some(word);
        }
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let end = if end == 0 { rest.chars().next().map_or(0, char::len_utf8) } else { end };
        let (word, after) = rest.split_at(end);
        rest = after;
        (!word.is_empty()).then_some(word)
    })
}

/// True for a PRAGMA, which SQLite may ignore inside a transaction.
pub fn is_pragma(sql: &str) -> bool {
    words(sql).next().is_some_and(|word| word.eq_ignore_ascii_case("PRAGMA"))
}

/// Refuse what would take the transaction, the file or the guards out of our hands.
pub fn check(sql: &str) -> Result<()> {
    if sql.contains('\0') {
        return Err(Error::Invalid("the SQL contains a NUL character, behind which SQLite reads nothing".into()));
    }
    // SQLite carries out some pragmas while it prepares them, explained or not.
    let explain = |word: &String| matches!(word.as_str(), "EXPLAIN" | "QUERY" | "PLAN");
    let mut words = words(sql).map(str::to_ascii_uppercase).skip_while(explain);
    let first = words.next().unwrap_or_default();
    let instead = match first.as_str() {
        "" => return Err(Error::Invalid("the SQL is empty".into())),
        "BEGIN" | "COMMIT" | "END" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" => {
            "use `with store.transaction():`, which nests"
        }
        "VACUUM" => "it renumbers rows that others count on; close the store and run it with the sqlite3 shell",
        "ATTACH" | "DETACH" => "a commit over two files is not one commit; open a second store",
        "PRAGMA" => {
            let rest: Vec<String> = words.take(5).collect();
            let name = if rest.get(1).is_some_and(|dot| dot == ".") { rest.get(2..) } else { rest.get(..) };
            let (name, sets) = match name.unwrap_or_default() {
                [name, rest @ ..] => (name.to_ascii_lowercase(), !rest.is_empty()),
                [] => return Ok(()),
            };
            if sets && KEPT_PRAGMAS.contains(&name.as_str()) {
                return Err(Error::Invalid(format!(
                    "PRAGMA {name} is the store's own: durability= and read_only= of open() are the ways to choose"
                )));
            }
            return Ok(());
        }
        _ => return Ok(()),
    };
    Err(Error::Invalid(format!("{first} is not for execute() or query(): {instead}")))
}

fn prepare<'a>(conn: &'a Connection, sql: &str) -> Result<Statement<'a>> {
    match conn.prepare(sql) {
        Err(rusqlite::Error::MultipleStatement) => {
            Err(Error::Invalid("more than one statement: call once for each, in one transaction()".into()))
        }
        other => Ok(other?),
    }
}

fn bind(statement: &mut Statement<'_>, params: &Params) -> Result<()> {
    let wanted = statement.parameter_count();
    match params {
        Params::Positional(values) => {
            if values.len() != wanted {
                return Err(Error::Invalid(format!(
                    "the statement has {wanted} placeholders and {} parameters were given",
                    values.len()
                )));
            }
            for (index, value) in (1..).zip(values) {
                statement.raw_bind_parameter(index, value)?;
            }
        }
        Params::Named(values) => {
            for index in 1..=wanted {
                let name = statement.parameter_name(index).map(|name| name[1..].to_owned());
                let value = name.as_ref().and_then(|name| values.iter().find(|(given, _)| given == name));
                let Some((_, value)) = value else {
                    return Err(Error::Invalid(format!(
                        "no parameter was given for placeholder {}",
                        name.map_or_else(|| index.to_string(), |name| format!(":{name}"))
                    )));
                };
                statement.raw_bind_parameter(index, value)?;
            }
        }
    }
    Ok(())
}

/// On which connection a query runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Read,
    /// It changes rows (RETURNING): the writing connection, in a transaction.
    Write,
}

pub fn way(conn: &Connection, sql: &str) -> Result<Way> {
    Ok(if prepare(conn, sql)?.readonly() { Way::Read } else { Way::Write })
}

/// Run to the end; the number of rows changed, 0 where the statement changes no rows.
pub fn execute(conn: &Connection, sql: &str, params: &Params) -> Result<u64> {
    check(sql)?;
    let before = conn.total_changes();
    let mut statement = prepare(conn, sql)?;
    bind(&mut statement, params)?;
    let mut rows = statement.raw_query();
    while rows.next()?.is_some() {}
    drop(rows);
    Ok(if conn.total_changes() == before { 0 } else { conn.changes() })
}

/// All rows.
pub fn query(conn: &Connection, sql: &str, params: &Params) -> Result<Vec<Vec<Value>>> {
    rows(&mut prepare(conn, sql)?, params)
}

/// All rows of a statement that is prepared.
pub fn rows(statement: &mut Statement<'_>, params: &Params) -> Result<Vec<Vec<Value>>> {
    bind(statement, params)?;
    let columns = statement.column_count();
    let mut rows = statement.raw_query();
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push((0..columns).map(|column| row.get(column)).collect::<rusqlite::Result<_>>()?);
    }
    Ok(all)
}

pub fn while_drawing() -> Error {
    Error::Conflict(
        "a query that writes, from inside the iterable of an append_many, which holds the write lock".into(),
    )
}

#[cfg(test)]
mod tests {
    use super::{check, words};

    #[test]
    fn comments_and_semicolons_hide_nothing() {
        for sql in [
            "BEGIN",
            "  commit",
            "-- x\n ROLLBACK",
            "/* a */;/* b */ vacuum",
            "attach 'x' as y",
            "PRAGMA journal_mode=delete",
            "pragma main . synchronous ( 0 )",
            "pragma \"synchronous\"=0",
            "pragma [main].`locking_mode` = exclusive",
            "explain query plan pragma query_only=1",
            "\u{feff}SAVEPOINT a",
            " \u{b}COMMIT",
            "PRAGMA\n\u{b}synchronous=0",
            "",
            " -- only a comment",
        ] {
            assert!(check(sql).is_err(), "{sql}");
        }
        for sql in
            ["SELECT 1", "PRAGMA journal_mode", "pragma user_version = 3", "WITH a AS (SELECT 1) SELECT * FROM a"]
        {
            assert!(check(sql).is_ok(), "{sql}");
        }
        assert_eq!(words("PRAGMA main.x=1").collect::<Vec<_>>(), ["PRAGMA", "main", ".", "x", "=", "1"]);
    }
}
