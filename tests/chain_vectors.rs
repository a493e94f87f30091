//! The chain's known answers, which the Python tests check too.

#![allow(clippy::unwrap_used)]

use _core::chain::{Hash, extend, hash, hex};

const VECTORS: &str = include_str!("data/chain_vectors.json");

/// What stands behind a key of a line, which holds one entry.
fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("\"{key}\": "))?;
    let rest = rest.split([',', '}']).next()?;
    (rest != "null").then(|| rest.trim_matches('"'))
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn payload(line: &str) -> Vec<u8> {
    match value(line, "payload") {
        Some(hex) => bytes(hex),
        None => (0..value(line, "length").unwrap().parse().unwrap()).map(|i: u32| (i % 251) as u8).collect(),
    }
}

#[test]
fn each_entry_has_its_hash() {
    let lines: Vec<&str> = VECTORS.lines().filter(|line| line.contains("content_hash\":")).collect();
    assert!(lines.len() > 20);
    let mut chain: Vec<Vec<u8>> = Vec::new();
    for line in lines {
        let prev: Option<Hash> = value(line, "prev_hash").map(|hash| bytes(hash).try_into().unwrap());
        let expected = value(line, "content_hash").unwrap();
        assert_eq!(hex(&hash(prev.as_ref(), &payload(line))), expected);
        if prev.is_none() {
            chain.clear();
        }
        chain.push(payload(line));
        let last = extend(None, chain.iter().map(Vec::as_slice)).last().unwrap();
        assert_eq!(hex(&last), expected);
    }
}
