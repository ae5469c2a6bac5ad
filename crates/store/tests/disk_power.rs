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

use kinescope_store::{Durability, LossCause, Store, StoreOptions, verify};
use proptest::prelude::*;
use support::disk::{Scratch, disk, files, later, open_on_disk};
use support::power::PowerLosses;
use support::small_segments::small_segments;
use support::{EventRow, cases, eventually, log, plain};

/// Crashes that are tried of each recording that is merged.
const LOSSES: usize = 24;

fn with(durability: Durability, life: i64) -> StoreOptions {
    let options = StoreOptions {
        durability,
        ..plain(1000)
    };
    later(options, life)
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
    #![proptest_config(cases(6))]

    #[test]
    fn a_loss_of_power_while_segments_are_merged_changes_no_row(
        lives in prop::collection::vec(1usize..20, 4..9),
        durability in prop::sample::select(vec![Durability::Process, Durability::Interval, Durability::Sync]),
        choices in prop::collection::vec(any::<prop::sample::Index>(), 2048),
    ) {
        let scratch = Scratch::new();
        let all = small_segments(scratch.path(), &lives, &with(Durability::Sync, 0));
        let losses = PowerLosses::of(scratch.path());
        let store = Store::open_on_disk(with(durability, 20), &disk(scratch.path(), Some(losses.probe()))).unwrap();
        // With what is left to be removed, closing goes on.
        eventually("fewer files", || files(scratch.path(), ".arrow") < lives.len());
        store.close();
        let mut choices = choices.iter().cycle();
        let mut below = |end: usize| choices.next().map_or(0, |choice| choice.index(end));
        for _ in 0..LOSSES {
            let lost = Scratch::new();
            let at = 1 + below(losses.steps() - 1);
            // Nothing of it, all of it, or any part has reached the disk.
            let reached = below(4);
            losses.lose(at, lost.path(), |end| match reached {
                0 => 0,
                1 => end - 1,
                _ => below(end),
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
