//! What happens to a recording from outside: its path comes to mean another directory, it is copied while it is written, the
//! system refuses for a moment, the machine stops at a bad moment. Nothing that was said to be kept may go.
#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::fs;
use std::io;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kinescope_ring::{EventFields, Priority, RingWriter};
use kinescope_store::{
    DiskOptions, Durability, ErrorCode, ImportBatch, ImportColumn, Integers, Probe, Retention,
    Store, StoreOptions, Texts, verify,
};
use support::disk::{Scratch, disk, image, later, open_on_disk};
use support::imports::import;
use support::value::Value;
use support::{eventually, head_at, log, look, of_type, options, plain, producer, settle};

fn record(store: &Store, writer: &mut RingWriter, numbers: std::ops::Range<i64>) {
    for number in numbers {
        writer.event(head_at(number), &of_type("e"), Priority::Normal);
    }
    settle(store, writer);
}

/// More than go into the open segment.
const ROWS: usize = 40_000;

/// Events of one time, which get a segment of their own.
fn events_at(timestamp: i64) -> ImportBatch {
    let mut batch = ImportBatch::new(ROWS);
    let codes = Integers::new(8, false, &[0; ROWS], ROWS, None, 0).unwrap();
    let offsets = [0, 1].map(i32::to_le_bytes).concat();
    let types = Texts::new()
        .push(false, &offsets, b"a", 1, None, 0)
        .unwrap();
    let types = ImportColumn::Texts(types.coded(codes).unwrap());
    batch.set("event_type", types).unwrap();
    let bytes = timestamp.to_le_bytes().repeat(ROWS);
    let times = Integers::new(64, true, &bytes, ROWS, None, 0).unwrap();
    batch
        .set("timestamp", ImportColumn::Times(times, 1))
        .unwrap();
    batch
}

fn refusing(path: &Path, refused: &'static str, is_refused: &Arc<AtomicBool>) -> DiskOptions {
    let is_refused = Arc::clone(is_refused);
    let probe: Probe = Arc::new(move |step| {
        if step == refused && is_refused.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    });
    disk(path, Some(probe))
}

fn assert_nothing_lost(store: &Store) {
    let lost = store.shared().lost_between(i64::MIN, i64::MAX);
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn an_import_that_is_repeated_after_the_disk_refused_it_stays() {
    let scratch = Scratch::new();
    let is_refused = Arc::new(AtomicBool::new(false));
    let options = refusing(scratch.path(), "head.create", &is_refused);
    let store = Store::open_on_disk(plain(100_000), &options).unwrap();
    let (mut writer, _ring) = producer(&store, "thread");
    record(&store, &mut writer, 0..10);
    is_refused.store(true, Ordering::SeqCst);
    let error = store.import(import(vec![events_at(1)])).unwrap_err();
    assert_eq!(error.code, ErrorCode::Io);
    assert_eq!(log(&store).len(), 10);
    is_refused.store(false, Ordering::SeqCst);
    store.import(import(vec![events_at(1)])).unwrap();
    record(&store, &mut writer, 10..20);
    let all = log(&store);
    assert_eq!(all.len(), 20 + ROWS);
    store.close();
    let again = open_on_disk(later(plain(100_000), 1), scratch.path());
    assert_eq!(log(&again), all);
    assert_nothing_lost(&again);
    again.close();
}

#[test]
fn a_link_that_is_switched_moves_nothing() {
    let scratch = Scratch::new();
    let (first, second, link) = (
        scratch.join("1"),
        scratch.join("2"),
        scratch.join("current"),
    );
    fs::create_dir(&first).unwrap();
    fs::create_dir(&second).unwrap();
    symlink(&first, &link).unwrap();
    let store = open_on_disk(plain(100), &link);
    let (mut writer, _ring) = producer(&store, "thread");
    record(&store, &mut writer, 0..150);
    fs::remove_file(&link).unwrap();
    symlink(&second, &link).unwrap();
    record(&store, &mut writer, 150..500);
    let all = log(&store);
    store.close();
    store.ensure_saved().unwrap();
    assert_eq!(fs::read_dir(&second).unwrap().count(), 0);
    let again = open_on_disk(later(plain(100), 1), &first);
    assert_eq!(log(&again), all);
    again.close();
}

#[test]
fn a_directory_that_takes_a_recordings_place_is_not_touched() {
    let scratch = Scratch::new();
    let (path, aside) = (scratch.join("recording"), scratch.join("aside"));
    let store = open_on_disk(plain(100), &path);
    let (mut writer, _ring) = producer(&store, "thread");
    record(&store, &mut writer, 0..150);
    fs::rename(&path, &aside).unwrap();
    let other = open_on_disk(plain(100), &path);
    let (mut others_writer, _others_ring) = producer(&other, "thread");
    record(&other, &mut others_writer, 0..150);
    record(&store, &mut writer, 150..500);
    record(&other, &mut others_writer, 150..500);
    let (all, others) = (log(&store), log(&other));
    assert!(store.stats().unsaved > 0);
    other.close();
    other.ensure_saved().unwrap();
    let again = open_on_disk(later(plain(100), 1), &path);
    assert_eq!(log(&again), others);
    assert_nothing_lost(&again);
    again.close();
    // It is back where it was.
    fs::remove_dir_all(&path).unwrap();
    fs::rename(&aside, &path).unwrap();
    eventually("everything in files", || store.stats().unsaved == 0);
    store.close();
    store.ensure_saved().unwrap();
    let again = open_on_disk(later(plain(100), 1), &path);
    assert_eq!(log(&again), all);
    again.close();
}

/// Where the rings of a recording's process are, when there is shared memory for them.
fn shared_rings(path: &Path) -> Vec<PathBuf> {
    let id = &fs::read(path.join("recording")).unwrap()[16..32];
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let entries = fs::read_dir("/dev/shm").into_iter().flatten().flatten();
    let sessions = entries.filter(|entry| entry.file_name().to_string_lossy().contains(&id));
    let rings = sessions.flat_map(|session| fs::read_dir(session.path()).unwrap().flatten());
    rings.map(|ring| ring.path()).collect()
}

#[test]
fn opening_a_copy_takes_nothing_from_the_process_that_records() {
    let (scratch, copy) = (Scratch::new(), Scratch::new());
    let in_shared_memory = |path: &Path| DiskOptions {
        rings_in_directory: false,
        ..disk(path, None)
    };
    let store = Store::open_on_disk(plain(100), &in_shared_memory(scratch.path())).unwrap();
    let (mut writer, _ring) = producer(&store, "thread");
    record(&store, &mut writer, 0..50);
    image(scratch.path(), copy.path());
    let rings = shared_rings(scratch.path());
    let of_copy =
        Store::open_on_disk(later(plain(100), 1), &in_shared_memory(copy.path())).unwrap();
    assert_eq!(log(&of_copy).len(), 50);
    of_copy.close();
    assert_eq!(shared_rings(scratch.path()), rings);
    record(&store, &mut writer, 50..80);
    assert_eq!(log(&store).len(), 80);
    store.close();
    store.ensure_saved().unwrap();
}

#[test]
fn what_the_system_refuses_while_a_recording_is_opened_is_not_lost() {
    let (scratch, crashed) = (Scratch::new(), Scratch::new());
    let store = open_on_disk(plain(100), scratch.path());
    let (mut writer, _ring) = producer(&store, "thread");
    record(&store, &mut writer, 0..250);
    eventually("two files", || files_of(scratch.path(), "arrow").len() == 2);
    let all = log(&store);
    image(scratch.path(), crashed.path());
    store.close();
    let mut files = files_of(crashed.path(), "arrow");
    // Of the open segment; others may still be there of segments that are files.
    files.extend(files_of(crashed.path(), "head").pop());
    for file in &files {
        // A link to itself is refused, as a file is when a process has too many.
        let aside = crashed.join("aside");
        fs::rename(file, &aside).unwrap();
        symlink(file, file).unwrap();
        let refused = Store::open_on_disk(later(plain(100), 1), &disk(crashed.path(), None));
        let error = refused.err().unwrap();
        assert_eq!(error.code, ErrorCode::Io, "{}: {error}", file.display());
        fs::rename(&aside, file).unwrap();
    }
    let again = open_on_disk(later(plain(100), 1), crashed.path());
    assert_eq!(log(&again), all);
    assert_nothing_lost(&again);
    again.close();
}

fn files_of(path: &Path, kind: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == kind))
        .collect();
    files.sort();
    files
}

/// Events have timestamps of any time: they do not say when the events were appended.
#[test]
fn without_an_index_neither_the_time_line_nor_retention_follows_the_events() {
    let hour = Retention {
        max_age: Some(Duration::from_secs(3600)),
        ..Retention::default()
    };
    for timestamp in [1 << 61, -1 << 61] {
        let scratch = Scratch::new();
        let store = open_on_disk(options(100_000, hour), scratch.path());
        store.import(import(vec![events_at(timestamp)])).unwrap();
        store.close();
        for index in files_of(scratch.path(), "index") {
            fs::remove_file(index).unwrap();
        }
        let again = open_on_disk(options(100_000, hour), scratch.path());
        let (mut writer, _ring) = producer(&again, "thread");
        record(&again, &mut writer, 0..1);
        let all = log(&again);
        assert_eq!(all.len(), 1 + ROWS);
        assert!(
            all[ROWS].timestamp.abs() < 1 << 60,
            "{}",
            all[ROWS].timestamp
        );
        again.close();
    }
}

#[test]
fn a_state_of_zeros_is_that_of_a_machine_that_stopped_too_soon() {
    let scratch = Scratch::new();
    let store = open_on_disk(plain(100), scratch.path());
    let (mut writer, _ring) = producer(&store, "thread");
    record(&store, &mut writer, 0..250);
    let all = log(&store);
    store.close();
    fs::write(scratch.join("state"), [0; 3 * 4096]).unwrap();
    let again = open_on_disk(later(plain(100), 1), scratch.path());
    assert_eq!(log(&again), all);
    again.close();
}

/// The commits of a run of the machine that is over do not count; what was sealed does.
#[test]
fn readers_see_every_sealed_segment_of_a_machine_that_has_stopped() {
    let (scratch, stopped) = (Scratch::new(), Scratch::new());
    let store = open_on_disk(plain(100), scratch.path());
    let (mut writer, _ring) = producer(&store, "thread");
    record(&store, &mut writer, 0..350);
    eventually("three files", || {
        files_of(scratch.path(), "arrow").len() == 3
    });
    image(scratch.path(), stopped.path());
    let all = log(&store);
    store.close();
    fs::remove_file(stopped.join("state")).unwrap();
    let reader = Store::open_to_read(plain(1), stopped.path()).unwrap();
    assert_eq!(log(&reader), all[..300]);
    reader.close();
}

#[test]
fn an_empty_segment_that_was_synced_leaves_nothing_when_the_machine_stops() {
    let (scratch, stopped) = (Scratch::new(), Scratch::new());
    let synced = StoreOptions {
        durability: Durability::Sync,
        ..plain(100)
    };
    let store = open_on_disk(synced, scratch.path());
    store.wait_durable().unwrap();
    image(scratch.path(), stopped.path());
    store.close();
    fs::remove_file(stopped.join("state")).unwrap();
    let again = open_on_disk(later(plain(100), 1), stopped.path());
    let (mut writer, _ring) = producer(&again, "thread");
    record(&again, &mut writer, 0..10);
    assert_eq!(log(&again).len(), 10);
    again.close();
    assert_eq!(files_of(stopped.path(), "head"), [] as [PathBuf; 0]);
    let found = verify(stopped.path()).unwrap();
    assert!(found.is_intact(), "{found:?}");
}

/// Bytes of a commit record, and where its two places are.
const COMMIT_BYTES: usize = 192;
const PLACES: [usize; 2] = [4096, 8192];

/// The newest commit record of a `state` file, and where it is.
fn newest(path: &Path) -> (usize, Vec<u8>) {
    let state = fs::read(path.join("state")).unwrap();
    let generation = |place: &usize| u64::from_le_bytes(*state[*place..].first_chunk().unwrap());
    let place = PLACES.into_iter().max_by_key(generation).unwrap();
    (place, state[place..place + COMMIT_BYTES].to_vec())
}

/// Waits until the writer has nothing more to commit.
fn image_at_rest(from: &Path, to: &Path) {
    eventually("rest", || {
        let before = newest(from);
        std::thread::sleep(Duration::from_millis(50));
        image(from, to);
        newest(from) == before
    });
}

#[test]
fn a_reader_that_looks_while_a_commit_is_written_sees_it_once_it_is_whole() {
    let (scratch, ten, eleven) = (Scratch::new(), Scratch::new(), Scratch::new());
    let store = open_on_disk(plain(1000), scratch.path());
    let (mut writer, _ring) = producer(&store, "thread");
    record(&store, &mut writer, 0..10);
    image_at_rest(scratch.path(), ten.path());
    record(&store, &mut writer, 10..11);
    image_at_rest(scratch.path(), eleven.path());
    let all = log(&store);
    store.close();
    let reader = Store::open_to_read(plain(1), ten.path()).unwrap();
    let none = reader.add_producer("none").unwrap();
    let write = |name: &str, bytes: &[u8], at: usize| {
        let file = fs::File::options()
            .write(true)
            .open(ten.join(name))
            .unwrap();
        file.write_all_at(bytes, at as u64).unwrap();
    };
    let (place, commit) = newest(eleven.path());
    let head = &files_of(eleven.path(), "head")[0];
    write(
        head.file_name().unwrap().to_str().unwrap(),
        &fs::read(head).unwrap(),
        0,
    );
    // The generation is stored first.
    write("state", &commit[..8], place);
    look(&reader, &none);
    assert_eq!(log(&reader), all[..10]);
    write("state", &commit[8..], place + 8);
    look(&reader, &none);
    assert_eq!(log(&reader), all);
    reader.close();
}

/// A first row that is too large for the open segment has another one made in its place.
#[test]
fn a_reader_follows_an_empty_head_that_is_made_anew() {
    let scratch = Scratch::new();
    let large_ring = StoreOptions {
        ring_bytes: 16 << 20,
        ..plain(16)
    };
    let store = open_on_disk(large_ring, scratch.path());
    let reader = Store::open_to_read(plain(1), scratch.path()).unwrap();
    let none = reader.add_producer("none").unwrap();
    look(&reader, &none);
    let (mut writer, _ring) = producer(&store, "thread");
    let data = Value::Text("x".repeat(2_000_000)).tagged();
    let large = EventFields {
        data: Some(&data),
        ..of_type("large")
    };
    writer.event(head_at(0), &large, Priority::Normal);
    settle(&store, &mut writer);
    for number in 0..40 {
        look(&reader, &none);
        assert_eq!(log(&reader), log(&store));
        record(&store, &mut writer, number..number + 1);
    }
    store.close();
    reader.close();
}
