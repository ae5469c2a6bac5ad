//! Readers of a recording in which one file takes the place of several, as a writer that merges small segments leaves it
//! at every step.
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
use std::path::{Path, PathBuf};

use kinescope_ring::{Priority, RingWriter};
use kinescope_store::{Snapshot, Store, verify};
use support::disk::{Scratch, files, image, later, open_on_disk};
use support::{EventRow, eventually, head_at, look, of_type, plain, producer, rows, settle};

/// Segments of ten rows, of which a file of thirty replaces three.
const SMALL: usize = 10;
const MERGED: usize = 30;

fn record(store: &Store, writer: &mut RingWriter, numbers: Range<i64>) {
    for number in numbers {
        writer.event(head_at(number), &of_type("e"), Priority::Normal);
    }
    settle(store, writer);
}

fn file(path: &Path, base_seq: usize, kind: &str) -> PathBuf {
    path.join(format!("{base_seq:020}.{kind}"))
}

/// A file of the first rows of the same events, made by another recording.
fn merged_file(path: &Path) -> PathBuf {
    let other = open_on_disk(plain(MERGED), path);
    let (mut writer, _ring) = producer(&other, "thread");
    record(&other, &mut writer, 0..MERGED as i64 + 1);
    other.close();
    file(path, 0, "arrow")
}

/// Without wall times, of which two recordings have different ones.
fn log(snapshot: &Snapshot) -> Vec<EventRow> {
    let without_wall_time = |row| EventRow {
        wall_time: 0,
        ..row
    };
    rows(snapshot).into_iter().map(without_wall_time).collect()
}

fn assert_whole(store: &Store, all: &[EventRow], who: &str) {
    assert_eq!(log(&store.snapshot().unwrap()), all, "{who}");
    let lost = store.shared().lost_between(i64::MIN, i64::MAX);
    assert!(lost.is_empty(), "{who}: {lost:?}");
}

#[test]
fn at_every_step_of_replacing_segments_all_readers_see_each_row_once() {
    let (scratch, other) = (Scratch::new(), Scratch::new());
    let with = || plain(SMALL);
    let store = open_on_disk(with(), scratch.path());
    let reader = Store::open_to_read(with(), scratch.path()).unwrap();
    let (mut writer, _ring) = producer(&store, "thread");
    let mut recorded = 4 * SMALL as i64;
    record(&store, &mut writer, 0..recorded);
    eventually("files", || files(scratch.path(), ".arrow") == 3);
    let merged = merged_file(other.path());
    let held = reader.snapshot().unwrap();
    let held_rows = rows(&held);

    let name = |base_seq, kind| file(scratch.path(), base_seq, kind);
    // The first one's index is put in place last: one that is of another file leaves no segment at all.
    let removed = [(10, "arrow"), (10, "index"), (20, "arrow"), (20, "index")];
    let mut written_anew = PathBuf::new();
    for step in 0..7 {
        match step {
            0 => fs::remove_file(name(0, "index")).unwrap(),
            1 => {
                fs::copy(&merged, name(0, "arrow.new")).unwrap();
                fs::rename(name(0, "arrow.new"), name(0, "arrow")).unwrap();
            }
            2 => drop(fs::copy(&written_anew, name(0, "index")).unwrap()),
            _ => {
                let (base_seq, kind) = removed[step - 3];
                fs::remove_file(name(base_seq, kind)).unwrap();
            }
        }
        // Has whoever follows look at the list of files.
        record(&store, &mut writer, recorded..recorded + SMALL as i64);
        recorded += SMALL as i64;
        let sealed = 4 + step;
        let gone = [3, 5].iter().filter(|gone| step >= **gone).count();
        eventually("a file", || {
            files(scratch.path(), ".arrow") == sealed - gone && files(scratch.path(), ".head") == 1
        });
        let all = log(&store.snapshot().unwrap());
        assert_eq!(all.len() as i64, recorded);
        let closed = reader.add_producer("none").unwrap();
        look(&reader, &closed);
        assert_whole(&reader, &all, &format!("who follows, step {step}"));
        let fresh = Store::open_to_read(with(), scratch.path()).unwrap();
        assert_whole(&fresh, &all, &format!("who begins to read, step {step}"));
        assert!(verify(scratch.path()).unwrap().holes.is_empty());

        let crashed = other.join(&format!("crashed-{step}"));
        image(scratch.path(), &crashed);
        let again = open_on_disk(later(with(), 1), &crashed);
        assert_whole(&again, &all, &format!("the next writer, step {step}"));
        again.close();
        assert!(verify(&crashed).unwrap().is_intact(), "step {step}");
        if step == 1 {
            written_anew = file(&crashed, 0, "index");
        }
    }
    assert_eq!(rows(&held), held_rows);
}
