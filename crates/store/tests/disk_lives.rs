//! A recording whose lives end in crashes and otherwise, while segments are sealed, merged and evicted.
#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::time::Duration;

use kinescope_ring::{Outcome, Priority, RingWriter};
use kinescope_store::{Durability, LossCause, Retention, Store, StoreOptions, verify};
use proptest::prelude::*;
use support::disk::{CrashPoints, Scratch, disk, image, later, open_on_disk};
use support::{EventRow, head_at, log, of_type, options, producer, settle};

const KEPT_EVENTS: u64 = 320;
/// An eighth of what retention keeps.
const SEGMENT_EVENTS: u64 = KEPT_EVENTS / 8;

/// Those that change files without being asked to.
const THREADS: [&str; 3] = ["kinescope-writer", "kinescope-sealer", "kinescope-merger"];

/// One opening of the recording.
#[derive(Clone, Debug)]
enum Life {
    /// Records so many events and closes the recording, which leaves a small segment.
    Closes(u64),
    /// Crashes before so many more steps of one of [`THREADS`] after `settled` events are in the log and `in_ring` are only in
    /// a ring, or when nothing is done any more.
    Records {
        settled: u64,
        in_ring: u64,
        thread: usize,
        steps: u32,
    },
    /// The same, from before the opening on, and nothing is recorded.
    Opens { thread: usize, steps: u32 },
}

impl Life {
    fn recorded(&self) -> u64 {
        match self {
            Self::Closes(count) => *count,
            Self::Records {
                settled, in_ring, ..
            } => settled + in_ring,
            Self::Opens { .. } => 0,
        }
    }
}

/// Mostly few events, so that there are small segments to be merged, and sometimes many, which are sealed and evicted.
fn life() -> impl Strategy<Value = Life> {
    let count = || prop_oneof![2 => 0u64..8, 1 => 0u64..200];
    // Only the writer and the sealer take many steps.
    let point = || {
        (0..THREADS.len(), 0u32..16).prop_map(|(thread, steps)| match THREADS[thread] {
            "kinescope-merger" => (thread, steps % 4),
            _ => (thread, steps),
        })
    };
    prop_oneof![
        2 => count().prop_map(Life::Closes),
        1 => (count(), count(), point()).prop_map(|(settled, in_ring, (thread, steps))| {
            Life::Records { settled, in_ring, thread, steps }
        }),
        1 => point().prop_map(|(thread, steps)| Life::Opens { thread, steps }),
    ]
}

fn with(durability: Durability, life: i64) -> StoreOptions {
    let retention = Retention {
        max_events: Some(KEPT_EVENTS),
        ..Retention::default()
    };
    let options = options(1000, retention);
    later(
        StoreOptions {
            durability,
            ..options
        },
        life,
    )
}

/// Events whose positions are in their types.
fn record(writer: &mut RingWriter, first: u64, count: u64) {
    for number in first..first + count {
        let event_type = number.to_string();
        let outcome = writer.event(
            head_at(number as i64),
            &of_type(&event_type),
            Priority::Normal,
        );
        assert!(matches!(outcome, Outcome::Stored(_)));
    }
}

/// Each row is where its type says, and none is missing between the first and the last. Gives the first position.
fn check_row_by_row(found: &[EventRow], context: &str) -> Result<u64, TestCaseError> {
    let first = found.first().map_or(0, |row| row.seq);
    for (seq, row) in (first..).zip(found) {
        prop_assert_eq!(
            (row.seq, &row.event_type),
            (seq, &seq.to_string()),
            "{}",
            context
        );
    }
    Ok(first)
}

/// The end of the log is there, as much of it as retention keeps, and what is gone before is said.
fn check(store: &Store, recorded: u64, context: &str) -> Result<(), TestCaseError> {
    let found = log(store);
    let first = check_row_by_row(&found, context)?;
    prop_assert_eq!(first + found.len() as u64, recorded, "{}", context);
    let kept = found.len() as u64;
    prop_assert!(
        kept >= recorded.min(KEPT_EVENTS),
        "{} are kept, {}",
        kept,
        context
    );
    prop_assert!(
        kept <= KEPT_EVENTS + SEGMENT_EVENTS,
        "{} are kept, {}",
        kept,
        context
    );
    let gone = store.shared().lost_between(i64::MIN, i64::MAX);
    let gone: Vec<_> = gone
        .iter()
        .map(|range| (range.cause, range.first, range.last, range.count))
        .collect();
    let evicted = (first > 0).then_some((LossCause::Retention, 0, first.wrapping_sub(1), first));
    prop_assert_eq!(gone, Vec::from_iter(evicted), "{}", context);
    Ok(())
}

/// Whether the directory has been the same for a while; asked again and again.
fn is_quiet(path: &Path) -> impl Fn() -> bool {
    let (files_before, quiet) = (Cell::new(0), Cell::new(0));
    move || {
        let files = fs::read_dir(path).unwrap().count();
        std::thread::sleep(Duration::from_millis(10));
        let is_same = files_before.replace(files) == files;
        quiet.set(if is_same { quiet.get() + 1 } else { 0 });
        quiet.get() >= 3
    }
}

/// Opens, records, and ends as `life` says; with a crash, the recording is in `crashed` then. Gives the step before which that
/// happened.
fn live(
    path: &Path,
    crashed: &Path,
    options: StoreOptions,
    life: &Life,
    recorded: u64,
) -> Result<Option<&'static str>, TestCaseError> {
    let points = CrashPoints::new(path, crashed);
    let open = || Store::open_on_disk(options.clone(), &disk(path, Some(points.probe()))).unwrap();
    let mut opened = None;
    let step = match *life {
        Life::Closes(count) => {
            let store = open();
            check(&store, recorded, "opened")?;
            let (mut writer, _ring) = producer(&store, "thread");
            record(&mut writer, recorded, count);
            drop(writer);
            store.close();
            return Ok(None);
        }
        Life::Records {
            settled,
            in_ring,
            thread,
            steps,
        } => {
            let store = opened.insert(open());
            check(store, recorded, "opened")?;
            let (mut writer, _ring) = producer(store, "thread");
            record(&mut writer, recorded, settled);
            settle(store, &mut writer);
            let work = || record(&mut writer, recorded + settled, in_ring);
            points.crash(THREADS[thread], steps, work, is_quiet(path))
        }
        Life::Opens { thread, steps } => {
            let work = || opened = Some(open());
            points.crash_during(THREADS[thread], steps, work, is_quiet(path))
        }
    };
    if step.is_none() {
        // No step begins while the image is taken.
        points.crash("nobody", 0, || image(path, crashed), || true);
    }
    Ok(step)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn lives_that_end_in_crashes_and_otherwise_leave_what_was_recorded_less_what_retention_took(
        lives in prop::collection::vec(life(), 2..16),
        durability in prop::sample::select(vec![Durability::Process, Durability::Interval, Durability::Sync]),
    ) {
        let mut scratch = Scratch::new();
        let mut recorded = 0;
        let mut crashes = Vec::new();
        for (number, life) in (0..).zip(&lives) {
            let crashed = Scratch::new();
            crashes.push(live(scratch.path(), crashed.path(), with(durability, number), life, recorded)?);
            recorded += life.recorded();
            if !matches!(life, Life::Closes(_)) {
                scratch = crashed;
            }
            let context = format!("crashed before {crashes:?}");
            let reader = Store::open_to_read(with(durability, number), scratch.path()).unwrap();
            check_row_by_row(&log(&reader), &context)?;
            reader.close();
        }
        let context = format!("crashed before {crashes:?}");
        for life in 0..2 {
            let again = open_on_disk(with(durability, lives.len() as i64 + life), scratch.path());
            check(&again, recorded, &context)?;
            again.close();
        }
        let found = verify(scratch.path()).unwrap();
        prop_assert!(found.is_intact(), "{}: {:?}", context, found);
    }
}
