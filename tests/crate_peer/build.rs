//! Refuses a build in which flags of the project around this one reached the crate's `SQLite`: Cargo reads
//! `.cargo/config.toml` from where it is started, not from where the manifest is.

fn main() {
    println!("cargo:rerun-if-env-changed=LIBSQLITE3_FLAGS");
    let flags = std::env::var("LIBSQLITE3_FLAGS").unwrap_or_default();
    assert!(flags.is_empty(), "start cargo in tests/crate_peer: its SQLite must be built without {flags}");
}
