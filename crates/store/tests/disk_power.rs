//! Losses of power while small segments are merged: whatever has reached the disk of what was not synced, each row is there
//! once.
#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use kinescope_ring::{Outcome, Priority};
use kinescope_store::{Durability, LossCause, Probe, Retention, Store, StoreOptions, verify};
use proptest::prelude::*;
use support::disk::{Scratch, disk, later, open_on_disk};
use support::power::PowerLosses;
use support::{EventRow, eventually, head_at, of_type, options, producer, rows, settle};

/// Crashes that are tried of each recording that is merged.
const LOSSES: usize = 24;

fn with(durability: Durability, life: i64) -> StoreOptions {
    let options = options(1000, Retention::default());
    later(
        StoreOptions {
            durability,
            ..options
        },
        life,
    )
}

fn log(store: &Store) -> Vec<EventRow> {
    rows(&store.snapshot().unwrap())
}

fn arrow_files(path: &Path) -> usize {
    let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".arrow")).count()
}

/// A recording of as many segments as it was opened, none of which has been merged.
fn small_segments(path: &Path, lives: &[usize]) -> Vec<EventRow> {
    let mut all = Vec::new();
    for (life, count) in (0..).zip(lives) {
        let refusing: Probe = Arc::new(|_| match std::thread::current().name() {
            Some("kinescope-merger") => Err(std::io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        });
        let options = with(Durability::Sync, life);
        let store = Store::open_on_disk(options, &disk(path, Some(refusing))).unwrap();
        let (mut writer, _ring) = producer(&store, "thread");
        for number in all.len()..all.len() + count {
            let event_type = format!("type-{}", number * 7 % 5);
            let head = head_at(number as i64);
            let outcome = writer.event(head, &of_type(&event_type), Priority::Normal);
            assert!(matches!(outcome, Outcome::Stored(_)));
        }
        settle(&store, &mut writer);
        all = log(&store);
        drop(writer);
        store.close();
    }
    assert_eq!(arrow_files(path), lives.len());
    all
}

/// Numbers as chance gives them, the same for a seed.
struct Dice(u64);

impl Dice {
    /// A number below `end`, as xorshift64* (Vigna, 2016) makes them.
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
    }
}

/// All rows, and nothing said to be missing but what might have been recorded since the last sync.
fn check(store: &Store, all: &[EventRow], context: &str) -> Result<(), TestCaseError> {
    let seqs = |rows: &[EventRow]| rows.iter().map(|row| row.seq).collect::<Vec<_>>();
    let found = log(store);
    prop_assert!(
        found == all,
        "{:?} of {:?}, {}",
        seqs(&found),
        seqs(all),
        context
    );
    let lost = store.shared().lost_between(i64::MIN, i64::MAX);
    let causes: BTreeSet<_> = lost.iter().map(|range| range.cause.as_str()).collect();
    prop_assert!(
        causes
            .iter()
            .all(|cause| *cause == LossCause::Restart.as_str()),
        "{:?} are missing, {}",
        lost,
        context
    );
    prop_assert!(lost.iter().all(|range| range.first >= all.len() as u64));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn a_loss_of_power_while_segments_are_merged_changes_no_row(
        lives in prop::collection::vec(1usize..20, 4..9),
        durability in prop::sample::select(vec![Durability::Process, Durability::Interval, Durability::Sync]),
        seed in 1u64..,
    ) {
        let scratch = Scratch::new();
        let all = small_segments(scratch.path(), &lives);
        let losses = PowerLosses::of(scratch.path());
        let store = Store::open_on_disk(with(durability, 20), &disk(scratch.path(), Some(losses.probe()))).unwrap();
        // With what is left to be removed, closing goes on.
        eventually("fewer files", || arrow_files(scratch.path()) < lives.len());
        store.close();
        let mut dice = Dice(seed);
        for _ in 0..LOSSES {
            let lost = Scratch::new();
            let at = 1 + dice.below(losses.steps() - 1);
            // Nothing of it, all of it, or any part has reached the disk.
            let reached = dice.below(4);
            losses.lose(at, lost.path(), |end| match reached {
                0 => 0,
                1 => end - 1,
                _ => dice.below(end),
            });
            let context = format!("power was lost before step {at}, {}", losses.step(at));
            for life in 21..23 {
                let again = open_on_disk(with(durability, life), lost.path());
                check(&again, &all, &context)?;
                again.close();
            }
            let found = verify(lost.path()).unwrap();
            prop_assert!(found.is_intact(), "{}: {:?}", context, found);
        }
    }
}
