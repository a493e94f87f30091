//! A store on a disk that fails: each call of the disk in turn, and power cuts at any moment.
#![allow(unsafe_code, clippy::unwrap_used, clippy::panic)]

mod account;
mod chance;
mod disk;
mod file;
mod io;
mod locks;
mod power;
mod session;
mod turns;
mod vfs;
