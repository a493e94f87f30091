//! What is signed of a store: the bytes of it. Who signs what, and when, is decided in Python.
//!
//! - `sha`: SHA-256 of short inputs;
//! - `leaf`: an entry as a leaf of the tree; `start`: what all leaves of a log begin with, hashed once;
//! - `tree`: the tree of RFC 6962, which proofs it has and what they prove;
//! - `tile`: the tree as it is stored;
//! - `key`: Ed25519.

pub mod key;
pub mod leaf;
mod sha;
pub mod start;
pub mod tile;
pub mod tree;
