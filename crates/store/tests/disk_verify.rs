//! What is said of a recording's files: that they are whole while they are, also while they are written, and which are not.
#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::fs;
use std::ops::Range;
use std::path::Path;

use kinescope_ring::{EventFields, Priority};
use kinescope_store::{LossCause, Retention, Store, Verification, verify};
use proptest::prelude::*;
use support::disk::{Scratch, image, open_on_disk};
use support::value::Value;
use support::{head_at, log, of_type, options, plain, producer, settle};

const SEGMENT_ROWS: usize = 4;
const ROWS: i64 = 10;

fn record(store: &Store, numbers: Range<i64>) {
    let (mut writer, _ring) = producer(store, "thread");
    for number in numbers {
        let data = Value::Text(format!("event {number}")).tagged();
        let event = EventFields {
            data: Some(&data),
            ..of_type("e")
        };
        writer.event(head_at(number), &event, Priority::Normal);
    }
    settle(store, &mut writer);
}

/// A recording of three sealed segments.
fn closed(path: &Path) {
    let store = open_on_disk(plain(SEGMENT_ROWS), path);
    record(&store, 0..ROWS);
    store.close();
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    let mut names: Vec<_> = files
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn damaged(found: &Verification) -> Vec<&str> {
    let damaged = found.files.iter().filter(|file| file.damage.is_some());
    damaged.map(|file| file.name.as_str()).collect()
}

/// Whether an answer lacks rows.
fn is_incomplete(path: &Path) -> bool {
    let Ok(store) = Store::open_to_read(plain(SEGMENT_ROWS), path) else {
        return true;
    };
    let rows = log(&store).len();
    let lost = store.shared().lost_between(i64::MIN, i64::MAX);
    rows != ROWS as usize || lost.iter().any(|range| range.cause == LossCause::Corrupt)
}

#[test]
fn what_is_whole_is_said_to_be() {
    let scratch = Scratch::new();
    closed(scratch.path());
    let found = verify(scratch.path()).unwrap();
    assert!(found.is_intact(), "{found:?}");
    assert!(!found.is_live);
    assert_eq!(found.next_seq, ROWS as u64);
    let segments = found.segments.iter();
    let segments: Vec<_> = segments
        .map(|segment| (segment.base_seq, segment.rows, segment.is_sealed))
        .collect();
    assert_eq!(
        segments,
        [(0, Some(4), true), (4, Some(4), true), (8, Some(2), true)]
    );
    let looked_at: Vec<_> = found.files.iter().map(|file| file.name.clone()).collect();
    for name in names(scratch.path()) {
        assert!(looked_at.contains(&name) || name == "lock", "{name}");
    }
}

#[test]
fn a_recording_that_is_written_is_whole_all_the_while() {
    let scratch = Scratch::new();
    let retention = Retention {
        max_events: Some(40),
        ..Retention::default()
    };
    let store = open_on_disk(options(SEGMENT_ROWS, retention), scratch.path());
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for turn in 0..100 {
                record(&store, turn * ROWS..(turn + 1) * ROWS);
            }
        });
        while !writing.is_finished() {
            let found = verify(scratch.path()).unwrap();
            assert!(found.is_live && found.is_intact(), "{found:?}");
        }
    });
    store.close();
    assert!(verify(scratch.path()).unwrap().is_intact());
}

#[test]
fn what_a_killed_process_leaves_is_whole() {
    let (scratch, killed) = (Scratch::new(), Scratch::new());
    let store = open_on_disk(plain(SEGMENT_ROWS), scratch.path());
    record(&store, 0..ROWS);
    image(scratch.path(), killed.path());
    store.close();
    let found = verify(killed.path()).unwrap();
    assert!(found.is_intact() && !found.is_live, "{found:?}");
    let rows: u64 = found
        .segments
        .iter()
        .filter_map(|segment| segment.rows)
        .sum();
    assert_eq!(rows, ROWS as u64);
    assert!(found.segments.iter().any(|segment| !segment.is_sealed));
}

/// What is said of a recording one of whose files has been changed.
fn check_changed(path: &Path, name: &str, what: &str) {
    let found = verify(path);
    let is_said = found.as_ref().map_or(true, |found| !found.is_intact());
    assert!(is_said || !is_incomplete(path), "{what}: {found:?}");
    if name.ends_with(".arrow") || name.ends_with(".index") || name == "recording" {
        assert!(is_said, "{what}: {found:?}");
    }
    if let Ok(found) = found {
        assert!(damaged(&found).iter().all(|found| *found == name), "{what}");
    }
}

#[test]
fn every_flipped_bit_that_matters_is_told() {
    let scratch = Scratch::new();
    closed(scratch.path());
    for name in names(scratch.path()) {
        let path = scratch.join(&name);
        let bytes = fs::read(&path).unwrap();
        let step = (bytes.len() / 400).max(1);
        for at in (0..bytes.len()).step_by(step) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            fs::write(&path, changed).unwrap();
            check_changed(scratch.path(), &name, &format!("{name} changed at {at}"));
        }
        fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn a_file_that_is_cut_or_gone_is_told() {
    let scratch = Scratch::new();
    closed(scratch.path());
    for name in names(scratch.path()) {
        let path = scratch.join(&name);
        let bytes = fs::read(&path).unwrap();
        for len in (0..bytes.len()).step_by((bytes.len() / 100).max(1)) {
            fs::write(&path, &bytes[..len]).unwrap();
            check_changed(scratch.path(), &name, &format!("{name} cut at {len}"));
        }
        fs::remove_file(&path).unwrap();
        let found = verify(scratch.path());
        let is_said = found.as_ref().map_or(true, |found| !found.is_intact());
        assert!(
            is_said || !is_incomplete(scratch.path()),
            "{name}: {found:?}"
        );
        fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn a_missing_segment_is_a_hole() {
    let scratch = Scratch::new();
    closed(scratch.path());
    for kind in ["arrow", "index"] {
        fs::remove_file(scratch.join(&format!("{:020}.{kind}", 4))).unwrap();
    }
    let found = verify(scratch.path()).unwrap();
    assert_eq!((found.holes.len(), &found.holes[0]), (1, &(4..8)));
    assert!(!found.is_intact());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn nothing_that_is_written_into_files_does_harm(
        writes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 1..64)), 1..20),
        killed in any::<bool>(),
    ) {
        let scratch = Scratch::new();
        let store = open_on_disk(plain(SEGMENT_ROWS), scratch.path());
        record(&store, 0..ROWS);
        let left = Scratch::new();
        if killed {
            image(scratch.path(), left.path());
            store.close();
        } else {
            store.close();
            image(scratch.path(), left.path());
        }
        for (file, at, bytes) in writes {
            let names = names(left.path());
            let path = left.join(&names[file.index(names.len())]);
            let mut all = fs::read(&path).unwrap();
            let at = at.index(all.len().clamp(1, 8192));
            all.resize(all.len().max(at + bytes.len()), 0);
            all[at..at + bytes.len()].copy_from_slice(&bytes);
            fs::write(&path, all).unwrap();
        }
        let _ = verify(left.path());
    }
}
