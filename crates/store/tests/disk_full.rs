//! Disks that are full, refuse, or go away: recording goes on in memory within its bounds, says so, and is back on disk when
//! that is possible. On a small file system where one can be mounted, and with steps that fail everywhere.
#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kinescope_ring::{EventFields, Priority, RingWriter};
use kinescope_store::{DiskOptions, Durability, ErrorCode, LossCause, Probe, Store, StoreOptions};
use support::disk::{Scratch, disk, files, image, later, open_on_disk};
use support::value::Value;
use support::{eventually, head_at, log, look, loss_of, of_type, plain, producer, settle};

/// Steps that take space.
const GREEDY: [&str; 6] = [
    "head.create",
    "head.allocate",
    "seal.write",
    "seal.index",
    "losses.append",
    "losses.rewrite",
];

/// A directory on a disk that can be filled.
struct SmallDisk {
    scratch: Scratch,
    is_mounted: bool,
    is_full: Arc<AtomicBool>,
}

impl SmallDisk {
    /// One whose steps fail, and one that is really full where this process may mount one.
    fn all() -> Vec<Self> {
        let of_steps = Self {
            scratch: Scratch::new(),
            is_mounted: false,
            is_full: Arc::default(),
        };
        let mut mounted = Self {
            scratch: Scratch::new(),
            is_mounted: false,
            is_full: Arc::default(),
        };
        mounted.is_mounted = mount(mounted.scratch.path(), "size=8m");
        if mounted.is_mounted {
            vec![of_steps, mounted]
        } else {
            eprintln!("no file system can be mounted here: only steps fail");
            vec![of_steps]
        }
    }

    fn path(&self) -> PathBuf {
        self.scratch.join("recording")
    }

    fn options(&self) -> DiskOptions {
        let full = Arc::clone(&self.is_full);
        let probe: Probe = Arc::new(move |step| {
            if GREEDY.contains(&step) && full.load(Ordering::SeqCst) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            Ok(())
        });
        DiskOptions {
            path: self.path(),
            rings_in_directory: true,
            memory_bytes: Some(3 << 20),
            probe: (!self.is_mounted).then_some(probe),
        }
    }

    fn fill(&self) {
        self.is_full.store(true, Ordering::SeqCst);
        if self.is_mounted {
            let mut filler = fs::File::create(self.scratch.join("filler")).unwrap();
            while filler.write_all(&[1; 4096]).is_ok() {}
        }
    }

    fn free(&self) {
        if self.is_mounted {
            fs::remove_file(self.scratch.join("filler")).unwrap();
            assert!(mount(self.scratch.path(), "remount,size=128m"));
        }
        self.is_full.store(false, Ordering::SeqCst);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.is_mounted {
            let _ = Command::new("umount")
                .arg("-l")
                .arg(self.scratch.path())
                .status();
        }
    }
}

fn mount(path: &Path, how: &str) -> bool {
    let mount = ["-t", "tmpfs", "-o", how, "tmpfs"];
    let status = Command::new("mount").args(mount).arg(path).output();
    status.is_ok_and(|output| output.status.success())
}

fn synced(segment_events: usize) -> StoreOptions {
    StoreOptions {
        durability: Durability::Sync,
        ..plain(segment_events)
    }
}

/// Records events with so many bytes of data each, as fast as they find room in the ring.
fn events(store: &Store, writer: &mut RingWriter, count: usize, bytes: usize) {
    let data = Value::Text("x".repeat(bytes)).tagged();
    for number in 0..count {
        let event = EventFields {
            data: Some(&data),
            ..of_type("e")
        };
        writer.event(head_at(number as i64), &event, Priority::Normal);
        if number % 16 == 15 {
            settle(store, writer);
        }
    }
    settle(store, writer);
}

fn unsaved(store: &Store) -> u64 {
    store.stats().unsaved
}

#[test]
fn on_a_full_disk_recording_goes_on_in_memory_and_says_so() {
    for small in SmallDisk::all() {
        let store = Store::open_on_disk(synced(100), &small.options()).unwrap();
        let (mut writer, _ring) = producer(&store, "thread");
        events(&store, &mut writer, 150, 100);
        store.wait_durable().unwrap();
        assert_eq!(unsaved(&store), 0);
        small.fill();
        events(&store, &mut writer, 2000, 100);
        let all = log(&store);
        assert_eq!(all.len(), 2150);
        assert_eq!(store.stats().lost, [0; 5]);
        assert!(unsaved(&store) > 0);
        assert_eq!(store.wait_durable().unwrap_err().code, ErrorCode::Io);
        assert_eq!(store.ensure_saved().unwrap_err().code, ErrorCode::Io);
        // What cannot be finished does not take up what little there is.
        eventually("no unfinished files", || files(&small.path(), ".new") == 0);
        let reader = Store::open_to_read(plain(1), &small.path()).unwrap();
        let seen = log(&reader);
        assert_eq!(seen, all[..seen.len()]);
        small.free();
        eventually("everything in files", || unsaved(&store) == 0);
        store.wait_durable().unwrap();
        let closed = reader.add_producer("none").unwrap();
        look(&reader, &closed);
        assert_eq!(log(&reader), all);
        events(&store, &mut writer, 50, 100);
        let all = log(&store);
        store.close();
        store.ensure_saved().unwrap();
        let again = Store::open_on_disk(later(synced(100), 1), &small.options()).unwrap();
        assert_eq!(log(&again), all);
        again.close();
    }
}

#[test]
fn what_finds_no_room_in_memory_either_is_counted() {
    for small in SmallDisk::all() {
        let store = Store::open_on_disk(plain(500), &small.options()).unwrap();
        let (mut writer, ring) = producer(&store, "thread");
        events(&store, &mut writer, 100, 1000);
        small.fill();
        let mut recorded = 100;
        while store.stats().lost[4] == 0 {
            events(&store, &mut writer, 500, 1000);
            recorded += 500;
            assert!(recorded < 100_000, "nothing is lost");
        }
        let stats = store.stats();
        assert_eq!(stats.stored + stats.lost.iter().sum::<u64>(), recorded);
        assert!(
            unsaved(&store) * 1000 < 8 << 20,
            "more than may be in memory"
        );
        small.free();
        eventually("everything in files", || unsaved(&store) == 0);
        events(&store, &mut writer, 100, 1000);
        assert_eq!(store.stats().stored, stats.stored + 100);
        eventually("what is lost as rows", || {
            let all = log(&store);
            let told: u64 = all.iter().filter_map(loss_of).map(|loss| loss.count).sum();
            told == stats.lost[4]
        });
        let all = log(&store);
        assert_eq!(ring.attempts(), recorded + 100);
        store.close();
        store.ensure_saved().unwrap();
        let again = Store::open_on_disk(later(plain(500), 1), &small.options()).unwrap();
        assert_eq!(log(&again), all);
        let lost = again.shared().lost_between(i64::MIN, i64::MAX);
        let lost = lost
            .iter()
            .filter(|range| range.cause == LossCause::DiskFull);
        assert_eq!(lost.map(|range| range.count).sum::<u64>(), stats.lost[4]);
        again.close();
    }
}

#[test]
fn what_a_full_disk_does_not_take_to_the_end_is_said_to_be_lost() {
    for small in SmallDisk::all() {
        let store = Store::open_on_disk(plain(100), &small.options()).unwrap();
        let (mut writer, _ring) = producer(&store, "thread");
        events(&store, &mut writer, 150, 100);
        small.fill();
        events(&store, &mut writer, 1000, 100);
        let all = log(&store);
        store.close();
        assert_eq!(store.ensure_saved().unwrap_err().code, ErrorCode::Io);
        small.free();
        let again = Store::open_on_disk(later(plain(100), 1), &small.options()).unwrap();
        let found = log(&again);
        assert!(found.len() >= 150);
        assert_eq!(found, all[..found.len()]);
        let lost = again.shared().lost_between(i64::MIN, i64::MAX);
        let [gap] = lost.as_slice() else {
            panic!("{lost:?}")
        };
        assert_eq!(
            (gap.cause, gap.first, gap.last),
            (LossCause::Restart, found.len() as u64, 1149)
        );
        let (mut writer, _ring) = producer(&again, "thread");
        events(&again, &mut writer, 1, 100);
        assert_eq!(log(&again).last().unwrap().seq, 1150);
        again.close();
    }
}

/// Names the directory in which a process of this program's own records until it is aborted.
const RECORDER: &str = "KINESCOPE_TEST_RECORDER";

#[test]
fn in_a_process_of_its_own_records_until_it_is_aborted() {
    let Ok(path) = std::env::var(RECORDER) else {
        let scratch = Scratch::new();
        let path = scratch.join("recording");
        record_and_abort(&path);
        let store = open_on_disk(later(plain(100), 1), &path);
        assert_eq!(log(&store).len(), 250);
        store.close();
        return;
    };
    let store = open_on_disk(plain(100), Path::new(&path));
    let (mut writer, _ring) = producer(&store, "thread");
    events(&store, &mut writer, 250, 100);
    std::process::abort();
}

fn record_and_abort(path: &Path) {
    let aborted = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "in_a_process_of_its_own_records_until_it_is_aborted",
        ])
        .env(RECORDER, path)
        .output()
        .unwrap();
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(aborted.status.signal(), Some(6), "{aborted:?}");
}

#[test]
fn a_recording_on_a_full_disk_is_opened_and_goes_on() {
    for small in SmallDisk::all() {
        record_and_abort(&small.path());
        small.fill();
        let mut all = Vec::new();
        for life in 1..3 {
            let opened = Store::open_on_disk(later(plain(100), life), &small.options());
            let store = match opened {
                // Blocks that are there already are given again by a real disk only.
                Err(error) if !small.is_mounted => {
                    assert_eq!(error.code, ErrorCode::Io, "{error}");
                    break;
                }
                opened => opened.unwrap(),
            };
            let found = log(&store);
            assert_eq!(found.len(), 250);
            assert!(all.is_empty() || found == all);
            all = found;
            store.close();
        }
        small.free();
        let store = Store::open_on_disk(later(plain(100), 3), &small.options()).unwrap();
        let found = log(&store);
        assert_eq!(found.len(), 250);
        assert!(all.is_empty() || found == all);
        let (mut writer, _ring) = producer(&store, "thread");
        events(&store, &mut writer, 100, 100);
        assert_eq!((log(&store).len(), unsaved(&store)), (350, 0));
        store.close();
        let again = Store::open_on_disk(later(plain(100), 4), &small.options()).unwrap();
        assert_eq!(log(&again).len(), 350);
        again.close();
    }
}

#[test]
fn a_disk_without_a_byte_refuses_a_new_recording() {
    for small in SmallDisk::all()
        .into_iter()
        .filter(|small| small.is_mounted)
    {
        small.fill();
        let error = Store::open_on_disk(plain(100), &small.options())
            .err()
            .unwrap();
        assert_eq!(error.code, ErrorCode::Io, "{error}");
    }
}

#[test]
fn where_blocks_cannot_be_asked_for_they_are_written() {
    let scratch = Scratch::new();
    let unsupported = || -> DiskOptions {
        let probe: Probe = Arc::new(|step| match step {
            "head.allocate" => Err(io::ErrorKind::Unsupported.into()),
            _ => Ok(()),
        });
        disk(scratch.path(), Some(probe))
    };
    let record = |store: &Store| {
        let (mut writer, _ring) = producer(store, "thread");
        writer.context(1, Some(7), None, None, &[("key", "value")]);
        for number in 0..10 {
            let mut head = head_at(number);
            head.slot = (number % 2) as u16;
            writer.event(head, &of_type("e"), Priority::Normal);
        }
        settle(store, &mut writer);
        log(store)
    };
    let store = Store::open_on_disk(plain(100), &unsupported()).unwrap();
    let before = record(&store);
    let crashed = Scratch::new();
    image(scratch.path(), crashed.path());
    store.close();
    let again = Store::open_on_disk(
        later(plain(100), 1),
        &DiskOptions {
            path: crashed.path().to_owned(),
            ..unsupported()
        },
    )
    .unwrap();
    assert_eq!(log(&again), before);
    assert_eq!(record(&again)[..10], before);
    again.close();
}

#[test]
fn a_directory_that_vanishes_takes_nothing_away_that_is_held() {
    let scratch = Scratch::new();
    let path = scratch.join("recording");
    let store = open_on_disk(synced(100), &path);
    let reader = Store::open_to_read(plain(1), &path).unwrap();
    let (mut writer, _ring) = producer(&store, "thread");
    events(&store, &mut writer, 250, 10);
    store.wait_durable().unwrap();
    let before = log(&store);
    let closed = reader.add_producer("none").unwrap();
    look(&reader, &closed);
    assert_eq!(log(&reader), before);
    // An index file may be put there while the rest is removed.
    while path.exists() {
        let _ = fs::remove_dir_all(&path);
    }
    events(&store, &mut writer, 500, 10);
    let after = log(&store);
    assert_eq!((after.len(), &after[..250]), (750, &before[..]));
    assert_eq!(store.wait_durable().unwrap_err().code, ErrorCode::Io);
    look(&reader, &closed);
    let seen = log(&reader);
    assert!(
        seen.len() >= 250,
        "{} events from {:?}",
        seen.len(),
        seen.first()
    );
    assert_eq!(seen, after[..seen.len()]);
    store.close();
    assert_eq!(store.ensure_saved().unwrap_err().code, ErrorCode::Io);
    reader.close();
    assert!(!path.exists());
}

#[test]
fn a_reader_keeps_what_it_has_seen_when_somebody_removes_the_files() {
    let scratch = Scratch::new();
    let path = scratch.join("recording");
    let store = open_on_disk(synced(100), &path);
    let reader = Store::open_to_read(plain(1), &path).unwrap();
    let closed = reader.add_producer("none").unwrap();
    let (mut writer, _ring) = producer(&store, "thread");
    events(&store, &mut writer, 250, 10);
    store.wait_durable().unwrap();
    look(&reader, &closed);
    let before = log(&reader);
    assert_eq!((before.len(), &before), (250, &log(&store)));
    for entry in fs::read_dir(&path).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if name.ends_with(".arrow") || name.ends_with(".head") {
            // The recording removes heads that have become files, too.
            let _ = fs::remove_file(entry.path());
        }
    }
    // The list of files changes, so the reader looks at it anew.
    events(&store, &mut writer, 100, 10);
    look(&reader, &closed);
    assert_eq!(log(&reader)[..250], before);
    store.close();
    reader.close();
}
