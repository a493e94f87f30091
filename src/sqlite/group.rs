//! Group commit: small writes of many threads in one transaction, with one sync.
//!
//! The thread whose turn it is takes along what the others in the line want to write, and tells each what came of it. A
//! write that fails before it changed anything only gets its error; whatever else goes wrong undoes all, and then each
//! thread writes its own, alone, with its own time to wait and its own signals.

use std::sync::Arc;

use super::conn::Conn;
use super::line::{self, End, Waiter};
use super::op::{Op, Outcome};
use super::pool::{Pool, Turn};
use super::transaction;
use super::wait::Patience;
use crate::error::{Error, Result};
use crate::options;

/// Write `op`, durable on return, with whatever others have waiting.
pub fn write(pool: &Arc<Pool>, op: &Op<'_>, patience: &Patience<'_>) -> Result<Outcome> {
    let mut lease = match pool.turn(|| op.keep().filter(|_| options::QUEUE.is_on()), patience)? {
        Turn::Mine(lease) => lease,
        Turn::Done(result) => return result,
    };
    let conn = lease.conn()?;
    transaction::begin_on(pool, conn, false, patience)?;
    let mut others = Others::default();
    let mut told = together(pool, conn, op, &mut others);
    if told.is_err() && !others.0.is_empty() {
        others.send_back();
        told = transaction::begin_on(pool, conn, false, patience).and_then(|()| alone(pool, conn, op));
    }
    let told = told?;
    drop(lease); // The next group begins while this one is being told.
    others.tell(told)
}

/// All in the transaction that was begun, with those who come while it runs. An error: nothing of it was kept.
fn together(pool: &Arc<Pool>, conn: &mut Conn, op: &Op<'_>, others: &mut Others) -> Result<Vec<Result<Outcome>>> {
    let mut results = vec![run(conn, op)?];
    loop {
        let from = others.0.len();
        others.0.extend(pool.take_group(from));
        if others.0.len() == from {
            return commit(pool, conn, op, others, results);
        }
        for other in others.0[from..].iter().filter_map(|waiter| waiter.op.as_ref()) {
            results.push(other.with(|op| run(conn, op))?);
        }
    }
}

/// The same, by itself.
fn alone(pool: &Arc<Pool>, conn: &mut Conn, op: &Op<'_>) -> Result<Vec<Result<Outcome>>> {
    let results = vec![run(conn, op)?];
    commit(pool, conn, op, &Others::default(), results)
}

/// What is known of each now.
fn commit(
    pool: &Arc<Pool>,
    conn: &mut Conn,
    op: &Op<'_>,
    others: &Others,
    results: Vec<Result<Outcome>>,
) -> Result<Vec<Result<Outcome>>> {
    match transaction::commit(pool, conn) {
        Ok(()) => Ok(results),
        Err(Error::OutcomeUnknown { detail, .. }) => {
            let mut results = results.into_iter();
            Ok(others.with(op, |op| {
                let outcome = results.next().unwrap_or(Err(Error::Closed))?;
                let heads: Vec<_> = op.last_entry(&outcome).into_iter().collect();
                Err(Error::OutcomeUnknown { detail: detail.clone(), count: heads.len() as u64, heads })
            }))
        }
        Err(error) => Err(error),
    }
}

/// What came of it. An error of `run` itself: it had changed something already, and all is undone.
fn run(conn: &mut Conn, op: &Op<'_>) -> Result<Result<Outcome>> {
    let before = (conn.sqlite.total_changes(), conn.heads.position());
    let result = op.run(conn);
    // A position is counted before its row is refused: the next entry would leave it out.
    let now = (conn.sqlite.total_changes(), conn.heads.position());
    if result.is_err() && (now != before || conn.sqlite.is_autocommit()) {
        transaction::rollback(conn);
        return result.map(Ok);
    }
    Ok(result)
}

/// Those whose writes were taken along. Each is told, whatever happens.
#[derive(Default)]
struct Others(Vec<Arc<Waiter>>);

impl Others {
    /// What `call` says of one's own write, and of each of theirs.
    fn with<T>(&self, own: &Op<'_>, mut call: impl FnMut(&Op<'_>) -> T) -> Vec<T> {
        let mut all = vec![call(own)];
        all.extend(self.0.iter().filter_map(|waiter| waiter.op.as_ref()).map(|op| op.with(&mut call)));
        all
    }

    /// All was undone: each is to write its own.
    fn send_back(&mut self) {
        line::end_all(self.0.drain(..).map(|waiter| (waiter, End::Alone)));
    }

    /// One's own result is the first.
    fn tell(mut self, results: Vec<Result<Outcome>>) -> Result<Outcome> {
        let mut results = results.into_iter();
        let own = results.next().unwrap_or(Err(Error::Closed));
        line::end_all(self.0.drain(..).zip(results.map(End::Done)));
        own
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        for waiter in self.0.drain(..) {
            let lost = Error::Backend(
                "the thread that was to write this ended before it had: look whether it is there".into(),
            );
            waiter.end(End::Done(Err(lost)));
        }
    }
}
