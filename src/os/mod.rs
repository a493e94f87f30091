//! What Rust's own library does not offer of the system. All `unsafe` of the crate is in here, each with its reason.
//!
//! - `sys`: system calls, safe to call;
//! - `descriptors`: what SQLite and we have open, and which description of each file bears its locks;
//! - `event`: a descriptor for an event loop;
//! - `files`: what of files is not the same everywhere;
//! - `futex`: a number in a file, on which processes sleep;
//! - `locks`: SQLite's locks, put where no other library of the process can drop them;
//! - `fork`: the gate that a fork waits at, and what a forked child lets go of;
//! - `threads`: threads that borrow, which a forked child does not wait for;
//! - `tickets`: a line of processes;
//! - `wal`: a write-ahead log written over itself.
#![allow(unsafe_code)]

#[cfg(unix)]
#[cfg_attr(not(all(target_os = "linux", target_pointer_width = "64")), allow(dead_code))]
mod descriptors;
pub mod event;
pub mod files;
pub mod fork;
pub mod futex;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod hooks;
pub mod locks;
#[cfg(unix)]
#[cfg_attr(not(all(target_os = "linux", target_pointer_width = "64")), allow(dead_code))]
mod sys;
pub mod threads;
pub mod tickets;
pub mod wal;
