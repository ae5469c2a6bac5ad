//! Files that are cut off, changed or made up: a clear error, or an answer that has only what was recorded and says what is
//! missing.
#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use kinescope_ring::{EventFields, Priority};
use kinescope_store::{ErrorCode, LossCause, Store};
use proptest::prelude::*;
use support::disk::{CrashPoints, Scratch, disk, image, later, open_on_disk};
use support::value::Value;
use support::{EventRow, head_at, log, of_type, plain, producer, settle};

/// A recording of three sealed segments, as `close` leaves it; what it holds.
fn closed(path: &Path) -> Vec<EventRow> {
    let store = open_on_disk(plain(4), path);
    let all = record(&store, 10);
    store.close();
    all
}

fn record(store: &Store, events: i64) -> Vec<EventRow> {
    let (mut writer, _ring) = producer(store, "thread");
    writer.context(1, Some(7), None, None, &[("key", "value")]);
    for number in 0..events {
        let data = Value::Text(format!("event {number}")).tagged();
        let mut head = head_at(number);
        head.slot = (number % 2) as u16;
        let event = EventFields {
            data: Some(&data),
            ..of_type("e")
        };
        writer.event(head, &event, Priority::Normal);
    }
    settle(store, &mut writer);
    log(store)
}

/// Codes that opening a damaged recording may give.
const CODES: [ErrorCode; 4] = [
    ErrorCode::CorruptRecording,
    ErrorCode::UnsupportedVersion,
    ErrorCode::Io,
    ErrorCode::NotFound,
];

/// What a recording holds.
#[derive(Clone, Copy)]
enum Held<'a> {
    All(&'a [EventRow]),
    /// And perhaps [`LATE`] ones. None: nobody knows.
    AtLeast(&'a [EventRow]),
}

/// What is there was recorded, and what is missing is told.
fn assert_honest(store: &Store, held: Held<'_>, what: &str) {
    let (Held::All(all) | Held::AtLeast(all)) = held;
    let found = log(store);
    for row in found.iter().filter(|row| row.event_type != "events_lost") {
        match (all.get(row.seq as usize), held) {
            (Some(recorded), Held::All(_)) => assert_eq!(row, recorded, "{what}"),
            // Where the last commit is damaged, records are taken from their ring once more, at another time.
            (Some(recorded), Held::AtLeast(_)) => {
                let wall_time = row.wall_time;
                let recorded = recorded.clone();
                assert_eq!(
                    row,
                    &EventRow {
                        wall_time,
                        ..recorded
                    },
                    "{what}"
                );
            }
            (None, Held::All(_)) => panic!("{what}: {row:?} was not recorded"),
            (None, Held::AtLeast(_)) => assert!(all.is_empty() || row.event_type == LATE, "{what}"),
        }
    }
    let lost = store.shared().lost_between(i64::MIN, i64::MAX);
    let is_told = |seq: u64| {
        lost.iter().any(|range| {
            matches!(range.cause, LossCause::Corrupt | LossCause::Restart)
                && (range.first..=range.last).contains(&seq)
        })
    };
    let watermark = store.snapshot().unwrap().watermark;
    for row in all {
        let is_there = found.iter().any(|found| found.seq == row.seq);
        assert!(
            is_there || is_told(row.seq) || row.seq >= watermark,
            "{what}: {} is missing, and nobody says so: {lost:?}",
            row.seq
        );
    }
}

fn open_all_ways(path: &Path, held: Held<'_>, what: &str, writing: bool) {
    match Store::open_to_read(plain(4), path) {
        Ok(store) => assert_honest(&store, held, what),
        Err(error) => assert!(CODES.contains(&error.code), "{what}: {error}"),
    }
    if writing {
        match Store::open_on_disk(later(plain(4), 1), &disk(path, None)) {
            Ok(store) => {
                assert_honest(&store, held, what);
                store.close();
            }
            Err(error) => assert!(CODES.contains(&error.code), "{what}: {error}"),
        }
    }
}

/// Puts a file in place of another, which who has it mapped keeps: a mapping of a file that is cut is no memory any more.
fn put(path: &Path, bytes: &[u8]) {
    let new = path.with_extension("changed");
    fs::write(&new, bytes).unwrap();
    fs::rename(new, path).unwrap();
}

fn files(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect();
    files.sort();
    files
}

/// Opens a closed recording with each of its files damaged at one place after the other: wherever something is, and at
/// every so many elsewhere.
fn damage_closed(what: &str, change: impl Fn(&[u8], usize) -> Vec<u8>) {
    let (whole, scratch) = (Scratch::new(), Scratch::new());
    let all = closed(whole.path());
    let mut opened = 0;
    for (index, file) in files(whole.path()).into_iter().enumerate() {
        let name = file.file_name().unwrap().to_owned();
        let bytes = fs::read(&file).unwrap();
        for at in (0..bytes.len()).filter(|&at| bytes[at] != 0 || at % 512 == 0) {
            opened += 1;
            let writing = opened % 97 == 0;
            let path = if writing {
                scratch.join(&format!("{index}-{at}"))
            } else {
                whole.path().to_owned()
            };
            if writing {
                image(whole.path(), &path);
            }
            let damaged = path.join(&name);
            put(&damaged, &change(&bytes, at));
            let what = format!("{name:?} {what} at {at}");
            open_all_ways(&path, Held::All(&all), &what, writing);
            put(&damaged, &bytes);
        }
    }
    open_all_ways(whole.path(), Held::All(&all), "whole", true);
}

fn cut(bytes: &[u8], at: usize) -> Vec<u8> {
    bytes[..at].to_vec()
}

fn flip(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    changed[at] ^= 1 << (at % 8);
    changed
}

#[test]
fn a_closed_recording_with_a_file_cut_at_any_length() {
    damage_closed("cut", cut);
}

#[test]
fn a_closed_recording_with_any_byte_changed() {
    damage_closed("changed", flip);
}

/// Events that were in a ring when the process was killed.
const LATE: &str = "late";

/// What a process that is killed leaves behind: sealed segments, an open one, and records that no commit has drained yet. What
/// is certain: the rows that were committed.
fn crashed(path: &Path) -> Vec<EventRow> {
    let scratch = Scratch::new();
    let points = CrashPoints::new(scratch.path(), path);
    let plain = plain(4);
    let store = Store::open_on_disk(plain, &disk(scratch.path(), Some(points.probe()))).unwrap();
    let committed = record(&store, 10);
    let (mut writer, _ring) = producer(&store, "another");
    let step = points.crash(
        "kinescope-writer",
        0,
        || {
            writer.context(1, Some(9), None, None, &[("other", "tag")]);
            for number in 0..3 {
                let mut head = head_at(number);
                head.slot = 1;
                writer.event(head, &of_type(LATE), Priority::Normal);
            }
            writer.publish();
            store.wake();
        },
        || false,
    );
    assert!(step.is_some());
    store.close();
    committed
}

/// Opens a crashed recording with one place after the other of each of its files damaged.
fn damage_crashed(
    what: &str,
    change: impl Fn(&[u8], usize) -> Vec<u8>,
    is_certain: impl Fn(&str) -> bool,
) {
    // Of each file, spread over what is not zero.
    let places = if std::env::var_os("KINESCOPE_PLACES").is_some_and(|places| places == "all") {
        usize::MAX
    } else {
        40
    };
    let (whole, scratch) = (Scratch::new(), Scratch::new());
    let committed = crashed(whole.path());
    let mut opened = 0;
    for file in files(whole.path()) {
        let relative = file.strip_prefix(whole.path()).unwrap().to_owned();
        let name = relative.to_string_lossy().into_owned();
        let bytes = fs::read(&file).unwrap();
        let is_filled = |&at: &usize| bytes[at] != 0 || places == usize::MAX && at % 512 == 0;
        let filled: Vec<usize> = (0..bytes.len()).filter(is_filled).collect();
        for &at in filled.iter().step_by(filled.len().div_ceil(places).max(1)) {
            opened += 1;
            let path = scratch.join(&format!("{opened}"));
            image(whole.path(), &path);
            fs::write(path.join(&relative), change(&bytes, at)).unwrap();
            let certain = if is_certain(&name) {
                &committed[..]
            } else {
                &[]
            };
            let what = format!("{name} {what} at {at}");
            open_all_ways(&path, Held::AtLeast(certain), &what, true);
            fs::remove_dir_all(&path).unwrap();
        }
    }
    assert!(opened > 200, "{opened}");
}

#[test]
fn a_crashed_recording_with_a_file_cut_anywhere() {
    damage_crashed("cut", cut, |_| true);
}

#[test]
fn a_crashed_recording_with_a_byte_changed_anywhere() {
    // Rows of an open segment have no checksum, and records in a ring have none.
    damage_crashed("changed", flip, |name| {
        !name.ends_with(".head") && !name.contains("ring-")
    });
}

#[test]
fn a_missing_index_is_made_again() {
    let scratch = Scratch::new();
    let all = closed(scratch.path());
    for file in files(scratch.path()) {
        if file
            .extension()
            .is_some_and(|extension| extension == "index")
        {
            fs::remove_file(file).unwrap();
        }
    }
    for life in 1..3 {
        let store = open_on_disk(later(plain(4), life), scratch.path());
        assert_eq!(log(&store), all);
        store.close();
    }
}

/// Bytes of a crashed recording's files, changed in many places at once.
#[derive(Clone, Debug)]
struct Damage {
    file: prop::sample::Index,
    kind: u8,
    at: prop::sample::Index,
    bytes: Vec<u8>,
}

fn damage() -> impl Strategy<Value = Damage> {
    let bytes = prop::collection::vec(any::<u8>(), 1..16);
    (
        any::<prop::sample::Index>(),
        0u8..4,
        any::<prop::sample::Index>(),
        bytes,
    )
        .prop_map(|(file, kind, at, bytes)| Damage {
            file,
            kind,
            at,
            bytes,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_crashed_recording_with_stray_bytes_opens_or_says_why_not(damages in prop::collection::vec(damage(), 1..6)) {
        let (scratch, crashed) = (Scratch::new(), Scratch::new());
        let store = open_on_disk(plain(4), scratch.path());
        record(&store, 10);
        image(scratch.path(), crashed.path());
        store.close();
        for Damage { file, kind, at, bytes } in &damages {
            let all = files(crashed.path());
            let path = &all[file.index(all.len())];
            let mut content = fs::read(path).unwrap();
            if content.is_empty() {
                continue;
            }
            // Where something is, mostly.
            let filled: Vec<usize> = (0..content.len()).filter(|&at| content[at] != 0).collect();
            let at = if filled.is_empty() || *kind == 3 { at.index(content.len()) } else { filled[at.index(filled.len())] };
            if *kind == 0 {
                content.truncate(at);
            } else {
                let end = (at + bytes.len()).min(content.len());
                content[at..end].copy_from_slice(&bytes[..end - at]);
            }
            fs::write(path, content).unwrap();
        }
        for writing in [false, true] {
            let opened = if writing {
                Store::open_on_disk(later(plain(4), 1), &disk(crashed.path(), None))
            } else {
                Store::open_to_read(plain(4), crashed.path())
            };
            match opened {
                // Rows of an open segment have no checksum, but they are rows.
                Ok(store) => {
                    log(&store);
                    store.close();
                }
                Err(error) => prop_assert!(CODES.contains(&error.code), "{}", error),
            }
        }
    }
}
