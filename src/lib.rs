//! The native core of agent-store.
//!
//! - `chain`: the hash rule, nothing else;
//! - `many`: the same hashes, of many entries at once;
//! - `row`: what a verification is fed with; `checker`: the one there is, which has `judge` look at each row and keeps those
//!   `held` whose predecessor is not known yet; `findings`: what it found;
//! - `sealed`: leaves made of the rows that are judged, given out or compared with the tiles;
//! - `copy`: rows as PostgreSQL copies them in and out;
//! - `erasure`: the record of an erased payload beside its entry;
//! - `follow`: entries on their way into another store;
//! - `evidence`: what is signed of a store: its tree, and keys;
//! - `os`: what the system offers beyond Rust's own library; `options`: switches for tests and benches;
//! - `sqlite`: the store on an SQLite file, one file per verb;
//! - `py`: the only place that knows Python.

pub mod chain;
pub mod checker;
pub mod copy;
pub mod erasure;
pub mod error;
pub mod evidence;
pub mod findings;
pub mod follow;
mod held;
mod judge;
mod kind;
mod many;
pub mod options;
mod os;
pub mod row;
mod sealed;
pub mod sqlite;

#[cfg(feature = "python")]
mod py;

/// The flat extension module that the package's Python half imports as `agent_store._core`.
#[cfg(feature = "python")]
#[pyo3::pymodule]
mod _core {
    /// Here, where nobody forks: a first connection may be amid other threads.
    #[pymodule_init]
    #[allow(clippy::unnecessary_wraps)]
    fn init(_module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        crate::os::locks::install();
        Ok(())
    }

    #[pymodule_export]
    use crate::py::{
        _options, Appended, Checker, CommitEvent, Ed25519, Entry, Findings, Fingerprint, Follower, Head, Pages, Sqlite,
        Transaction, TransactionBlock, Waiter, as_payload, check_consistency, check_name, check_options,
        check_statement, check_writable, consistency, consistency_needs, copy_block, draw_payloads, draw_rows,
        ed25519_verify, edge_of, empty_root, extend, extend_rows, grow, inclusion, inclusion_needs, leaf, leaf_hash,
        new_seed, ring_file, root_from_inclusion, root_of, unbundle,
    };
}
