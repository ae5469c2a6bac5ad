//! Bad days of a recording on disk: crashes of the threads behind the writer, power losses, steps that fail, retention.
#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use kinescope_ring::{Outcome, Priority, RingWriter};
use kinescope_store::{Durability, EventId, LossCause, Retention, Store, StoreOptions};
use proptest::prelude::*;
use support::disk::{CrashPoints, Scratch, disk, files, image, later, open_on_disk};
use support::{eventually, head_at, log, look, of_type, options, plain, producer, rows, settle};

fn events(writer: &mut RingWriter, count: i64) {
    for number in 0..count {
        let outcome = writer.event(head_at(number), &of_type("e"), Priority::Normal);
        assert!(matches!(outcome, Outcome::Stored(_)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_crash_at_any_step_of_sealing_and_syncing_changes_nothing(
        steps in 0u32..40,
        sealing in any::<bool>(),
        segment_events in 1usize..8,
    ) {
        let (scratch, crashed) = (Scratch::new(), Scratch::new());
        let points = CrashPoints::new(scratch.path(), crashed.path());
        let with = || StoreOptions { durability: Durability::Interval, ..plain(segment_events) };
        let store = Store::open_on_disk(with(), &disk(scratch.path(), Some(points.probe()))).unwrap();
        let (mut writer, _ring) = producer(&store, "thread");
        let thread = if sealing { "kinescope-sealer" } else { "kinescope-syncer" };
        let quiet = std::cell::Cell::new(0);
        let step = points.crash(thread, steps, || events(&mut writer, 30), || {
            let sealed = files(scratch.path(), ".arrow");
            std::thread::sleep(std::time::Duration::from_millis(100));
            quiet.replace(sealed) == sealed && sealed > 0
        });
        settle(&store, &mut writer);
        let all = log(&store);
        prop_assert_eq!(all.len(), 30);
        if step.is_none() {
            image(scratch.path(), crashed.path());
        }
        let again = open_on_disk(later(with(), 1), crashed.path());
        prop_assert_eq!(log(&again), all, "crashed before {:?}", step);
        again.close();
        let once_more = open_on_disk(later(with(), 2), crashed.path());
        prop_assert_eq!(log(&once_more).len(), 30);
    }
}

/// As the machine would leave it: what only its memory knew is gone.
fn lose_power(path: &Path) {
    let state = path.join("state");
    let mut bytes = fs::read(&state).unwrap();
    bytes[4096..].fill(0);
    fs::write(state, bytes).unwrap();
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("live-") {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
}

#[test]
fn after_a_power_loss_what_was_synced_is_there_and_nothing_comes_twice() {
    for durability in [Durability::Process, Durability::Interval, Durability::Sync] {
        let (scratch, lost) = (Scratch::new(), Scratch::new());
        let with = || StoreOptions {
            durability,
            ..plain(10)
        };
        let store = open_on_disk(with(), scratch.path());
        let (mut writer, ring) = producer(&store, "thread");
        events(&mut writer, 25);
        settle(&store, &mut writer);
        store.wait_durable().unwrap();
        let synced = log(&store);
        events(&mut writer, 3);
        settle(&store, &mut writer);
        let handed_out = log(&store);
        eventually("sealed segments", || files(scratch.path(), ".arrow") == 2);
        image(scratch.path(), lost.path());
        lose_power(lost.path());
        let again = open_on_disk(later(with(), 1), lost.path());
        let found = log(&again);
        assert_eq!(found, handed_out[..found.len()], "{durability:?}");
        // Sealed segments are files in any case.
        assert!(found.len() >= 20, "{durability:?}");
        if durability == Durability::Sync {
            assert!(found.len() >= synced.len());
        }
        let watermark = again.snapshot().unwrap().watermark;
        assert!(watermark >= handed_out.len() as u64);
        let gap = again.shared().lost_between(i64::MIN, i64::MAX);
        let gap = gap
            .iter()
            .find(|range| range.cause == LossCause::Restart)
            .unwrap();
        assert_eq!((gap.first, gap.last), (found.len() as u64, watermark - 1));
        let (mut writer, second) = producer(&again, "thread");
        assert!(second.first_sequence() >= ring.attempts());
        events(&mut writer, 2);
        settle(&again, &mut writer);
        let ids: HashSet<u64> = log(&again).iter().map(|row| row.event_id).collect();
        assert_eq!(ids.len(), found.len() + 2);
        assert!(
            log(&again)
                .iter()
                .all(|row| EventId(row.event_id).producer() == 1)
        );
        again.close();
        // Closed cleanly: nothing more is missing, whether the machine is the same or another.
        lose_power(lost.path());
        let third = open_on_disk(later(with(), 2), lost.path());
        assert_eq!(log(&third).len(), found.len() + 2);
        assert_eq!(third.snapshot().unwrap().watermark, watermark + 2);
    }
}

#[test]
fn while_there_is_no_space_recording_goes_on_in_memory() {
    let scratch = Scratch::new();
    let is_full = Arc::new(AtomicBool::new(false));
    let full = Arc::clone(&is_full);
    let probe: kinescope_store::Probe = Arc::new(move |step| {
        let takes_space =
            ["head.create", "head.allocate", "seal.write", "seal.index"].contains(&step);
        if takes_space && full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    });
    let store = Store::open_on_disk(plain(10), &disk(scratch.path(), Some(probe))).unwrap();
    let (mut writer, _ring) = producer(&store, "thread");
    events(&mut writer, 15);
    settle(&store, &mut writer);
    is_full.store(true, Ordering::SeqCst);
    events(&mut writer, 100);
    settle(&store, &mut writer);
    let all = log(&store);
    assert_eq!(all.len(), 115);
    assert_eq!(store.stats().lost, [0; 5]);
    is_full.store(false, Ordering::SeqCst);
    eventually("files", || files(scratch.path(), ".arrow") >= 10);
    events(&mut writer, 20);
    settle(&store, &mut writer);
    store.close();
    let again = open_on_disk(later(plain(10), 1), scratch.path());
    let found = log(&again);
    assert_eq!(found[..115], all);
    assert_eq!(found.len(), 135);
}

#[test]
fn whichever_step_fails_nothing_is_lost_that_is_not_said() {
    // Each step in turn fails once, and then for good.
    for failing in 0..60 {
        for lasting in [false, true] {
            let scratch = Scratch::new();
            let count = Arc::new(AtomicU32::new(0));
            let steps = Arc::clone(&count);
            let probe: kinescope_store::Probe = Arc::new(move |_| {
                let step = steps.fetch_add(1, Ordering::SeqCst);
                if step == failing || (lasting && step > failing) {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                Ok(())
            });
            let opened = Store::open_on_disk(plain(5), &disk(scratch.path(), Some(probe)));
            let recorded = match opened {
                Err(_) => 0,
                Ok(store) => {
                    let (mut writer, _ring) = producer(&store, "thread");
                    events(&mut writer, 22);
                    settle(&store, &mut writer);
                    assert_eq!(log(&store).len(), 22, "step {failing}");
                    store.close();
                    22
                }
            };
            let again = open_on_disk(later(plain(5), 1), scratch.path());
            let found = log(&again);
            let missing: u64 = again
                .shared()
                .lost_between(i64::MIN, i64::MAX)
                .iter()
                .map(|range| range.count)
                .sum();
            assert!(
                found.len() as u64 + missing >= recorded,
                "step {failing}: {} of {recorded}, {missing} said to be missing",
                found.len()
            );
            if !lasting {
                assert_eq!(found.len() as u64, recorded, "step {failing}");
            }
            again.close();
        }
    }
}

#[test]
fn retention_removes_files_and_readers_keep_what_they_hold() {
    let scratch = Scratch::new();
    let with = || {
        let retention = Retention {
            max_events: Some(80),
            ..Retention::default()
        };
        options(10, retention)
    };
    let store = open_on_disk(with(), scratch.path());
    let reader = Store::open_to_read(plain(1), scratch.path()).unwrap();
    let (mut writer, _ring) = producer(&store, "thread");
    let mut held = Vec::new();
    for round in 0..30 {
        events(&mut writer, 10);
        settle(&store, &mut writer);
        let closed = reader.add_producer("none").unwrap();
        look(&reader, &closed);
        let snapshot = reader.snapshot().unwrap();
        assert_eq!(snapshot.watermark, (round + 1) * 10);
        held.push((snapshot.clone(), rows(&snapshot)));
    }
    eventually("evicted files", || files(scratch.path(), ".arrow") <= 10);
    for (snapshot, all) in &held {
        assert_eq!(&rows(snapshot), all);
    }
    let evicted = reader.shared().lost_between(i64::MIN, i64::MAX);
    assert_eq!(evicted, store.shared().lost_between(i64::MIN, i64::MAX));
    store.close();
    let again = open_on_disk(later(with(), 1), scratch.path());
    let found = log(&again);
    assert_eq!(found.first().unwrap().seq, evicted[0].last + 1);
    assert_eq!(found.last().unwrap().seq, 299);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_crash_at_any_step_of_retention_leaves_the_end_of_the_log_and_says_what_is_gone(
        steps in 0u32..60,
        sealing in any::<bool>(),
        segment_events in 1usize..6,
    ) {
        let (scratch, crashed) = (Scratch::new(), Scratch::new());
        let points = CrashPoints::new(scratch.path(), crashed.path());
        let with = || {
            let retention = Retention { max_events: Some(40), ..Retention::default() };
            options(segment_events, retention)
        };
        let store = Store::open_on_disk(with(), &disk(scratch.path(), Some(points.probe()))).unwrap();
        let (mut writer, _ring) = producer(&store, "thread");
        events(&mut writer, 60);
        settle(&store, &mut writer);
        let thread = if sealing { "kinescope-sealer" } else { "kinescope-writer" };
        let quiet = std::cell::Cell::new(0);
        let step = points.crash(thread, steps, || events(&mut writer, 60), || {
            let files = fs::read_dir(scratch.path()).unwrap().count();
            std::thread::sleep(std::time::Duration::from_millis(100));
            quiet.replace(files) == files
        });
        settle(&store, &mut writer);
        if step.is_none() {
            image(scratch.path(), crashed.path());
        }
        store.close();
        let mut before = Vec::new();
        for life in 1..3 {
            let again = open_on_disk(later(with(), life), crashed.path());
            let found = log(&again);
            let first = found.first().unwrap().seq;
            // One producer, whose numbers are the positions.
            for (seq, row) in (first..).zip(&found) {
                prop_assert_eq!((row.seq, EventId(row.event_id).sequence()), (seq, seq), "crashed before {:?}", step);
            }
            prop_assert_eq!(found.last().unwrap().seq, 119, "crashed before {:?}", step);
            prop_assert!(found.len() <= 45, "{} are kept", found.len());
            let gone = again.shared().lost_between(i64::MIN, i64::MAX);
            let gone: Vec<_> = gone.iter().map(|range| (range.cause, range.first, range.last, range.count)).collect();
            prop_assert_eq!(gone, vec![(LossCause::Retention, 0, first - 1, first)], "crashed before {:?}", step);
            prop_assert!(before.is_empty() || found == before[before.len() - found.len()..]);
            before = found;
            again.close();
        }
    }
}
