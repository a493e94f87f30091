//! The power goes at any moment, or all programs are killed.

use _core::sqlite::Durability;

use rusqlite::ffi;

use super::account::Lost;
use super::chance::Chance;
use super::disk::{Call, Fault};
use super::file::Luck;
use super::session::Session;

/// How often, unless `FAULT_CUTS` says.
const CUTS: usize = 120;
/// So many on one disk: what was recovered is written on.
const ON_ONE_DISK: usize = 6;

/// A seed that failed: `FAULT_SEED=… cargo test --no-default-features --test faults` runs it alone.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("FAULT_SEED={}", self.0);
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

fn seeds(first: u64) -> Vec<u64> {
    let cuts = number("FAULT_CUTS").map_or(CUTS, |cuts| usize::try_from(cuts).unwrap());
    let disks = cuts.div_ceil(ON_ONE_DISK) as u64;
    number("FAULT_SEED").map_or_else(|| (first..first + disks).collect(), |seed| vec![seed])
}

/// Reopen and write on one disk, the power going now and then; before that a sync may fail.
/// How many of the transactions that were acknowledged are gone.
fn cuts(durability: Durability, seed: u64, sync_fails: bool) -> usize {
    let _told = Told(seed);
    let mut session = Session::new(seed, durability);
    let mut chance = Chance::new(seed);
    if sync_fails && chance.in_thousand(500) {
        session.disk.give_up();
    }
    let lost = if durability == Durability::Full { Lost::Nothing } else { Lost::Newest };
    let mut gone = 0;
    for _ in 0..ON_ONE_DISK {
        let steps = chance.below(60);
        session.disk.cut_at(session.disk.changes() + chance.below(10 * steps + 30));
        if sync_fails {
            let nth = 1 + chance.below(steps + 1);
            session.disk.fail(Fault { call: Call::Sync, nth, error: ffi::SQLITE_IOERR_FSYNC, lasting: false });
        }
        let mut kill_at = chance.below(3 * steps + 1);
        let mut well = session.open().is_ok();
        for step in 0..steps {
            if step == kill_at || session.is_stopped() && chance.in_thousand(300) {
                if step == kill_at || chance.in_thousand(500) {
                    session.kill();
                } else {
                    session.close();
                }
                kill_at = kill_at.max(step + 1);
                well = reopen(&mut session);
            }
            if !well {
                break;
            }
            session.step();
        }
        if chance.in_thousand(300) {
            session.close();
        }
        let luck = Luck { sectors: chance.pick(&[0, 100, 500, 900, 990, 1_000]), newest: chance.in_thousand(500) };
        session.disk.restart(luck);
        session.disk.heal();
        session.store = None;
        session.open().unwrap();
        gone += session.check(lost).unwrap();
        if chance.in_thousand(500) {
            session.close();
        } else {
            session.kill();
        }
    }
    gone
}

/// False where the power is gone, or the one sync fails now.
fn reopen(session: &mut Session) -> bool {
    session.open().is_ok() && session.check(Lost::Nothing).is_ok()
}

#[test]
fn a_power_cut_at_full_takes_nothing_that_was_acknowledged() {
    for seed in seeds(1) {
        cuts(Durability::Full, seed, false);
    }
}

#[test]
fn a_power_cut_at_normal_leaves_the_first_transactions_whole() {
    let gone: usize = seeds(1_000_000).into_iter().map(|seed| cuts(Durability::Normal, seed, false)).sum();
    assert!(gone > 0 || number("FAULT_SEED").is_some(), "no cut took anything, as at full");
}

#[test]
fn a_power_cut_after_a_failed_sync_takes_nothing_that_was_acknowledged_at_full() {
    for seed in seeds(2_000_000) {
        cuts(Durability::Full, seed, true);
    }
}

#[test]
fn a_power_cut_after_a_failed_sync_leaves_the_first_transactions_whole_at_normal() {
    for seed in seeds(3_000_000) {
        cuts(Durability::Normal, seed, true);
    }
}
