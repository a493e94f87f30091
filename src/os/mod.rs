//! What Rust's own library does not offer of the system. All `unsafe` of the crate is in here, each with its reason.
#![allow(unsafe_code)]

pub mod wal;
