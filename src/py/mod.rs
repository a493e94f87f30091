//! Python's side of the core: frozen classes, conversions, and letting go of the interpreter around disk and hashing.
// What Python hands over comes by value, and a Python method has a self.
#![allow(clippy::unused_self, clippy::needless_pass_by_value, clippy::too_many_arguments)]

mod backend;
mod block;
mod checker;
mod entry;
mod errors;
mod evidence;
mod findings;
mod follow;
mod found;
mod head;
mod input;
mod options;
mod pages;
mod rows;
mod transaction;
mod values;
mod waiter;

pub use backend::Sqlite;
pub use block::TransactionBlock;
pub use checker::Checker;
pub use entry::Entry;
pub use evidence::{
    Ed25519, check_consistency, consistency, consistency_needs, ed25519_verify, edge_of, empty_root, grow, inclusion,
    inclusion_needs, leaf, leaf_hash, new_seed, root_from_inclusion, root_of, unbundle,
};
pub use findings::Findings;
pub use follow::Follower;
pub use head::{Appended, CommitEvent, Fingerprint, Head};
pub use input::{as_payload, check_name, check_statement, check_writable, draw_payloads, draw_rows};
pub use options::_options;
pub use pages::Pages;
pub use rows::{copy_block, extend, extend_rows};
pub use transaction::Transaction;
pub use values::check_options;
pub use waiter::{Waiter, ring_file};

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::chain::{self, Hash};

/// 32 bytes, or ValueError.
fn hash(bytes: &[u8], what: &str) -> PyResult<Hash> {
    Hash::try_from(bytes)
        .map_err(|_| pyo3::exceptions::PyValueError::new_err(format!("{what} must be 32 bytes, not {}", bytes.len())))
}

fn bytes<'py>(py: Python<'py>, hash: &Hash) -> Bound<'py, PyBytes> {
    PyBytes::new(py, hash)
}

/// As reprs show it.
fn short(hash: &Hash) -> String {
    chain::hex(&hash[..4]) + "…"
}
