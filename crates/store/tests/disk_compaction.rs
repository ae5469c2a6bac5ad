//! Small segments of a recording on disk become few: while it is written, read by others, evicted from, and cut off at any step.
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
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use kinescope_store::compaction::{MergeLimits, Piece, next_run};
use kinescope_store::{
    Durability, LossCause, Probe, Retention, Store, StoreOptions, VerifiedSegment, verify,
};
use proptest::prelude::*;
use support::disk::{CrashPoints, Scratch, disk, files, image, later, open_on_disk};
use support::model::Model;
use support::program::program;
use support::small_segments::record;
use support::{EventRow, eventually, log, look, options, plain, producer, rows};

/// Rows of a segment of the log, which no test here fills, so that all segments are small.
const SEGMENT: usize = 1000;

fn small_segments(path: &Path, lives: &[usize]) -> Vec<EventRow> {
    support::small_segments::small_segments(path, lives, &plain(SEGMENT))
}

/// Rows of the segments in files.
fn pieces(path: &Path) -> Vec<Piece> {
    let found = verify(path).unwrap().segments;
    let sealed = found.iter().filter(|segment| segment.is_sealed);
    let piece = |segment: &VerifiedSegment| Piece {
        base_seq: segment.base_seq,
        rows: segment.rows.unwrap_or(0),
        bytes: 0,
        since: 0,
        until: 0,
        may_move: true,
    };
    sealed.map(piece).collect()
}

fn next(pieces: &[Piece], rows: usize) -> Option<Range<usize>> {
    let limits = MergeLimits {
        rows: rows as u64,
        bytes: u64::MAX,
        span_ns: i64::MAX,
    };
    next_run(pieces, &limits)
}

/// Whether the segments in files are as many as the policy leaves.
fn is_settled(path: &Path) -> bool {
    next(&pieces(path), SEGMENT).is_none()
}

/// How many of these segments the policy leaves.
fn left_of(mut pieces: Vec<Piece>, rows: usize) -> usize {
    while let Some(run) = next(&pieces, rows) {
        let merged = Piece {
            rows: pieces[run.clone()].iter().map(|piece| piece.rows).sum(),
            ..pieces[run.start]
        };
        pieces.splice(run, [merged]);
    }
    pieces.len()
}

fn assert_intact(path: &Path, segments: usize) {
    let found = verify(path).unwrap();
    assert!(found.is_intact(), "{found:?}");
    assert_eq!(found.segments.len(), segments);
    assert_eq!(files(path, ".index"), files(path, ".arrow"));
}

#[test]
fn small_segments_become_one_and_all_who_read_see_each_row_once() {
    let scratch = Scratch::new();
    let lives = [3, 1, 40, 7, 1, 1, 12, 30];
    let all = small_segments(scratch.path(), &lives);
    let reader = Store::open_to_read(plain(SEGMENT), scratch.path()).unwrap();
    let held = reader.snapshot().unwrap();
    let store = open_on_disk(later(plain(SEGMENT), 9), scratch.path());
    let held_by_writer = store.snapshot().unwrap();
    eventually("one file", || files(scratch.path(), ".arrow") == 1);
    // What it takes to have whoever follows look again.
    let closed = reader.add_producer("none").unwrap();
    eventually("one segment", || {
        look(&reader, &closed);
        reader.snapshot().unwrap().segment_count() <= 2
    });
    for (who, found) in [("writer", log(&store)), ("reader", log(&reader))] {
        assert_eq!(found, all, "{who}");
    }
    for (who, held) in [("writer", held_by_writer), ("reader", held)] {
        assert_eq!(rows(&held), all, "{who}");
    }
    for store in [&store, &reader] {
        assert_eq!(store.shared().lost_between(i64::MIN, i64::MAX), []);
    }
    assert_eq!(store.snapshot().unwrap().segment_count(), 2);
    // Its index came with it.
    assert_eq!(store.stats().indexed as usize, all.len());
    store.close();
    assert_intact(scratch.path(), 1);
    let again = open_on_disk(later(plain(SEGMENT), 10), scratch.path());
    assert_eq!(log(&again), all);
    let found = again.snapshot().unwrap();
    let (segment, _) = found.segments().next().unwrap();
    assert!(segment.index().is_some_and(|index| index.is_in_file()));
    again.close();
}

#[test]
fn a_recording_that_is_opened_often_and_for_a_moment_has_few_files() {
    let scratch = Scratch::new();
    let mut all = Vec::new();
    open_on_disk(plain(SEGMENT), scratch.path()).close();
    let reader = Store::open_to_read(plain(SEGMENT), scratch.path()).unwrap();
    for life in 1..101 {
        let store = open_on_disk(later(plain(SEGMENT), life), scratch.path());
        let (mut writer, _ring) = producer(&store, "thread");
        record(&store, &mut writer, all.len(), 2);
        all = log(&store);
        drop(writer);
        store.close();
        assert!(
            files(scratch.path(), ".arrow") <= 12,
            "life {life}: {} files",
            files(scratch.path(), ".arrow")
        );
    }
    assert_eq!(all.len(), 200);
    assert_intact(scratch.path(), files(scratch.path(), ".arrow"));
    let closed = reader.add_producer("none").unwrap();
    look(&reader, &closed);
    assert_eq!(log(&reader), all);
    assert_eq!(reader.shared().lost_between(i64::MIN, i64::MAX), []);
    let again = open_on_disk(later(plain(SEGMENT), 101), scratch.path());
    assert_eq!(log(&again), all);
    again.close();
}

#[test]
fn rows_behind_a_hole_stay_behind_it() {
    let scratch = Scratch::new();
    let all = small_segments(scratch.path(), &[5, 5, 5, 5, 5]);
    fs::remove_file(scratch.join(&format!("{:020}.arrow", 10))).unwrap();
    let store = open_on_disk(later(plain(SEGMENT), 9), scratch.path());
    eventually("two files", || files(scratch.path(), ".arrow") == 2);
    store.close();
    let again = open_on_disk(later(plain(SEGMENT), 10), scratch.path());
    let left = [&all[..10], &all[15..]].concat();
    assert_eq!(log(&again), left);
    let lost = again.shared().lost_between(i64::MIN, i64::MAX);
    let lost: Vec<_> = lost
        .iter()
        .map(|range| (range.cause, range.first, range.last, range.count))
        .collect();
    assert_eq!(lost, [(LossCause::Corrupt, 10, 14, 5)]);
    again.close();
}

#[test]
fn what_is_damaged_is_left_as_it_is() {
    let scratch = Scratch::new();
    let all = small_segments(scratch.path(), &[5, 5, 5, 5, 5]);
    let damaged = scratch.join(&format!("{:020}.arrow", 10));
    let mut bytes = fs::read(&damaged).unwrap();
    // A value in the middle of the columns.
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&damaged, &bytes).unwrap();
    let store = open_on_disk(later(plain(SEGMENT), 9), scratch.path());
    eventually("three files", || files(scratch.path(), ".arrow") == 3);
    assert_eq!(fs::read(&damaged).unwrap(), bytes);
    let left = [&all[..10], &all[15..]].concat();
    assert_eq!(log(&store), left);
    store.close();
    assert_eq!(fs::read(&damaged).unwrap(), bytes);
}

#[test]
fn a_disk_that_takes_no_merged_file_has_what_it_had() {
    for failing in ["seal.write", "seal.index", "seal.sync"] {
        let scratch = Scratch::new();
        let all = small_segments(scratch.path(), &[5, 5, 5]);
        let tried = Arc::new(AtomicBool::new(false));
        let has_tried = Arc::clone(&tried);
        let full: Probe = Arc::new(move |step| {
            let is_merger = std::thread::current().name() == Some("kinescope-merger");
            if is_merger && step == failing {
                has_tried.store(true, Ordering::SeqCst);
                return Err(io::ErrorKind::StorageFull.into());
            }
            Ok(())
        });
        let with = |probe| disk(scratch.path(), Some(probe));
        let store = Store::open_on_disk(later(plain(SEGMENT), 9), &with(full)).unwrap();
        eventually("an attempt", || tried.load(Ordering::SeqCst));
        eventually("nothing unfinished", || files(scratch.path(), ".new") == 0);
        assert_eq!(log(&store), all);
        store.close();
        assert_intact(scratch.path(), 3);
        let again = open_on_disk(later(plain(SEGMENT), 10), scratch.path());
        assert_eq!(log(&again), all);
        eventually("one file", || files(scratch.path(), ".arrow") == 1);
        again.close();
    }
}

/// Refuses every step of putting merged files in place from a certain one on, for as long as it is told to.
fn placing_fails(after: u32, fails: &Arc<AtomicBool>) -> Probe {
    let (fails, passed) = (Arc::clone(fails), AtomicU32::new(0));
    Arc::new(move |step| {
        let is_placing = ["remove", "merge.rename-arrow", "merge.rename-index"].contains(&step);
        let is_sealer = std::thread::current().name() == Some("kinescope-sealer");
        if is_placing && is_sealer && fails.load(Ordering::SeqCst) {
            if passed.load(Ordering::SeqCst) >= after {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            passed.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    })
}

#[test]
fn while_files_cannot_be_replaced_the_log_goes_on_and_they_are_later() {
    for after in 0..7 {
        for recovers in [false, true] {
            let scratch = Scratch::new();
            let all = small_segments(scratch.path(), &[5, 5, 5]);
            let fails = Arc::new(AtomicBool::new(true));
            let probe = placing_fails(after, &fails);
            let disk = disk(scratch.path(), Some(probe));
            let store = Store::open_on_disk(later(plain(SEGMENT), 9), &disk).unwrap();
            eventually("a merged segment", || {
                store.snapshot().unwrap().segment_count() == 2
            });
            assert_eq!(log(&store), all);
            let fresh = Store::open_to_read(plain(SEGMENT), scratch.path()).unwrap();
            assert_eq!(log(&fresh), all, "after {after}");
            fresh.close();
            fails.store(!recovers, Ordering::SeqCst);
            if recovers {
                eventually("one file", || files(scratch.path(), ".arrow") == 1);
            }
            store.close();
            assert_eq!(files(scratch.path(), ".new"), 0);
            let again = open_on_disk(later(plain(SEGMENT), 10), scratch.path());
            assert_eq!(log(&again), all, "after {after}");
            assert_eq!(again.shared().lost_between(i64::MIN, i64::MAX), []);
            eventually("one file", || files(scratch.path(), ".arrow") == 1);
            again.close();
            assert_intact(scratch.path(), 1);
        }
    }
}

#[test]
fn what_is_evicted_before_its_files_are_replaced_does_not_come_back() {
    for after in 0..7 {
        let scratch = Scratch::new();
        small_segments(scratch.path(), &[5, 5, 5]);
        let fails = Arc::new(AtomicBool::new(true));
        let disk = disk(scratch.path(), Some(placing_fails(after, &fails)));
        let with = || {
            let retention = Retention {
                max_events: Some(400),
                ..Retention::default()
            };
            options(SEGMENT, retention)
        };
        let store = Store::open_on_disk(later(with(), 9), &disk).unwrap();
        eventually("a merged segment", || {
            store.snapshot().unwrap().segment_count() == 2
        });
        let (mut writer, _ring) = producer(&store, "thread");
        for round in 0..10 {
            record(&store, &mut writer, 15 + round * 50, 50);
        }
        let kept = log(&store);
        assert!(kept[0].seq >= 15);
        fails.store(false, Ordering::SeqCst);
        store.close();
        let again = open_on_disk(later(with(), 10), scratch.path());
        assert_eq!(log(&again), kept, "after {after}");
        let gone = again.shared().lost_between(i64::MIN, i64::MAX);
        let gone: Vec<_> = gone
            .iter()
            .map(|range| (range.cause, range.first, range.last))
            .collect();
        assert_eq!(gone, [(LossCause::Retention, 0, kept[0].seq - 1)]);
        again.close();
        assert!(files(scratch.path(), ".index") == files(scratch.path(), ".arrow"));
    }
}

#[test]
fn closing_does_not_wait_for_what_takes_long_and_leaves_nothing_unfinished() {
    const ROWS: usize = 1 << 20;
    let scratch = Scratch::new();
    let with = |life| later(plain(ROWS), life);
    let mut all = Vec::new();
    for life in 0..4 {
        let store = open_on_disk(with(life), scratch.path());
        assert_eq!(store.snapshot().unwrap().watermark as usize, all.len());
        let (mut writer, _ring) = producer(&store, "thread");
        let first = all.len();
        // More than are waited for, as soon as there are two segments.
        for chunk in 0..170 {
            record(&store, &mut writer, first + chunk * 200, 200);
        }
        all = log(&store);
        drop(writer);
        store.close();
        assert_eq!(files(scratch.path(), ".new"), 0);
    }
    // One, unless a merge was done before the life in which it began had ended, as may be when that takes long.
    let left = left_of(pieces(scratch.path()), ROWS);
    let again = open_on_disk(with(4), scratch.path());
    assert_eq!(log(&again), all);
    eventually("few files", || files(scratch.path(), ".arrow") == left);
    assert_eq!(log(&again), all);
    again.close();
    assert_intact(scratch.path(), left);
}

#[test]
fn segments_that_were_written_at_times_too_far_apart_stay_apart() {
    // Lives of these are a thousand seconds apart; what is merged is of an eighth of the age.
    for (eighth_s, segments) in [(3500, 2), (4500, 1)] {
        let scratch = Scratch::new();
        let all = small_segments(scratch.path(), &[5, 5, 5, 5]);
        let retention = Retention {
            max_age: Some(Duration::from_secs(8 * eighth_s)),
            ..Retention::default()
        };
        let with = later(options(SEGMENT, retention), 4);
        let store = open_on_disk(with, scratch.path());
        let (mut writer, _ring) = producer(&store, "thread");
        record(&store, &mut writer, all.len(), 20);
        drop(writer);
        store.close();
        let store = open_on_disk(later(options(SEGMENT, retention), 4), scratch.path());
        eventually("as few as may be", || {
            files(scratch.path(), ".arrow") == segments
        });
        store.close();
        assert_eq!(files(scratch.path(), ".arrow"), segments);
    }
}

fn crash_options(durability: Durability) -> StoreOptions {
    StoreOptions {
        durability,
        ..plain(SEGMENT)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_crash_at_any_step_of_merging_changes_nothing(
        lives in prop::collection::vec(1usize..20, 2..6),
        steps in 0u32..16,
        placing in any::<bool>(),
        synced in any::<bool>(),
    ) {
        // Writing takes fewer steps than putting in place.
        let steps = if placing { steps } else { steps % 4 };
        let (scratch, crashed) = (Scratch::new(), Scratch::new());
        let all = small_segments(scratch.path(), &lives);
        let points = CrashPoints::new(scratch.path(), crashed.path());
        let durability = if synced { Durability::Sync } else { Durability::Process };
        let with = |life| later(crash_options(durability), life);
        let thread = if placing { "kinescope-sealer" } else { "kinescope-merger" };
        let mut store = None;
        let files_before = Cell::new(0);
        let quiet = Cell::new(0);
        let step = points.crash_during(thread, steps, || {
            store = Some(Store::open_on_disk(with(20), &disk(scratch.path(), Some(points.probe()))).unwrap());
        }, || {
            let files = fs::read_dir(scratch.path()).unwrap().count();
            std::thread::sleep(Duration::from_millis(60));
            quiet.set(if files_before.replace(files) == files { quiet.get() + 1 } else { 0 });
            quiet.get() >= 3
        });
        if step.is_none() {
            image(scratch.path(), crashed.path());
        }
        prop_assert_eq!(log(store.as_ref().unwrap()), all.clone());
        let reader = Store::open_to_read(plain(SEGMENT), crashed.path()).unwrap();
        prop_assert_eq!(log(&reader), all.clone(), "a reader, crashed before {:?}", step);
        reader.close();
        for life in 21..23 {
            let again = open_on_disk(with(life), crashed.path());
            prop_assert_eq!(log(&again), all.clone(), "crashed before {:?}", step);
            prop_assert_eq!(again.shared().lost_between(i64::MIN, i64::MAX), vec![]);
            again.close();
            prop_assert_eq!(files(crashed.path(), ".new"), 0);
            prop_assert_eq!(files(crashed.path(), ".index"), files(crashed.path(), ".arrow"));
        }
        prop_assert!(verify(crashed.path()).unwrap().is_intact());
    }

    #[test]
    fn whatever_is_recorded_is_the_same_when_it_has_been_merged(
        lives in prop::collection::vec(program(12), 2..6),
    ) {
        let scratch = Scratch::new();
        let mut model = Model::new(open_on_disk(plain(SEGMENT), scratch.path()));
        for (life, program) in (1..).zip(&lives) {
            model.run(program);
            model.store.close();
            drop(model.reopen(open_on_disk(later(plain(SEGMENT), life), scratch.path())));
            model.check(None);
        }
        eventually("nothing to merge", || is_settled(scratch.path()));
        model.check(None);
        model.finish().close();
    }
}
