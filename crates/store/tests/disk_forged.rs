//! Files with the right checksums and numbers that no writer comes to: whoever reads or goes on adds to them, and nothing
//! may overflow.
#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use kinescope_ring::{LossCause, Priority, RingWriter, layout};
use kinescope_store::{ErrorCode, Store, StoreOptions, verify};
use support::disk::{CrashPoints, Scratch, disk, image, later};
use support::{head_at, log, of_type, plain, producer, settle};

const CODES: [ErrorCode; 2] = [ErrorCode::CorruptRecording, ErrorCode::Io];
const NUMBERS: [u64; 5] = [
    (1 << 62) - 1,
    1 << 62,
    i64::MAX as u64,
    1 << 63,
    u64::MAX - 1,
];

/// A record in a file whose name ends so: where its numbers are, and where the checksum of all bytes from its start on is.
struct Record {
    file: &'static str,
    start: usize,
    numbers: std::ops::Range<usize>,
    checksum: usize,
    checksum_bytes: usize,
}

const fn record(
    file: &'static str,
    start: usize,
    numbers: std::ops::Range<usize>,
    checksum: usize,
) -> Record {
    Record {
        file,
        start,
        numbers,
        checksum,
        checksum_bytes: 4,
    }
}

/// As docs/format.md draws them; boot ids are left as they are.
fn records() -> Vec<Record> {
    let ring = |slot: usize| Record {
        checksum_bytes: 8,
        ..record("ring-2", RING_BYTES + slot * 128, 0..48, 48)
    };
    vec![
        record("state", PAGE, 24..184, 184),
        record("state", 2 * PAGE, 24..184, 184),
        record("durable", PAGE, 24..184, 184),
        record("durable", PAGE, 192..216, 224),
        record("losses-0", 0, 8..48, 60),
        record("00000000000000000004.head", 0, 32..72, 72),
        record("00000000000000000004.head", 2048, 0..64, 64),
        record("00000000000000000000.index", 16, 40..88, 88),
        // Behind the summary and a block's checksum.
        record("00000000000000000000.index", 136, 16..40, 40),
        ring(0),
        ring(1),
    ]
}

const PAGE: usize = 4096;
const RING_BYTES: usize = layout::HEADER_BYTES + (64 << 10);

fn options() -> StoreOptions {
    plain(4)
}

/// What a killed process leaves: a sealed segment, one that is only closed, an open one, losses, a ring that has been
/// drained in part.
fn crashed(path: &Path) {
    let scratch = Scratch::new();
    let points = CrashPoints::new(scratch.path(), path);
    let store =
        Store::open_on_disk(options(), &disk(scratch.path(), Some(points.probe()))).unwrap();
    let (mut writer, _ring) = producer(&store, "thread");
    write(&mut writer, 4);
    settle(&store, &mut writer);
    store.close();
    drop(store);
    let store = Store::open_on_disk(
        later(options(), 1),
        &disk(scratch.path(), Some(points.probe())),
    )
    .unwrap();
    let (mut first, _ring) = producer(&store, "thread");
    let (mut second, _ring) = producer(&store, "another");
    write(&mut second, 1);
    second.lose(LossCause::Encoder, 1);
    settle(&store, &mut second);
    write(&mut first, 1);
    settle(&store, &mut first);
    let step = points.crash(
        "kinescope-sealer",
        0,
        || {
            write(&mut second, 3);
            second.publish();
            store.wake();
        },
        || false,
    );
    assert!(step.is_some());
    store.close();
}

fn write(writer: &mut RingWriter, events: i64) {
    for number in 0..events {
        writer.event(head_at(number), &of_type("e"), Priority::Normal);
    }
}

/// Reads a recording, and goes on with it; panics of its threads are in `panics`.
fn use_all_ways(path: &Path, what: &str) {
    let refused = |error: kinescope_store::Error| {
        assert!(CODES.contains(&error.code), "{what}: {error}");
    };
    verify(path).map(|_| ()).unwrap_or_else(refused);
    match Store::open_to_read(options(), path) {
        Ok(store) => {
            log(&store);
            store.shared().lost_between(i64::MIN, i64::MAX);
            store.close();
        }
        Err(error) => refused(error),
    }
    let store = match Store::open_on_disk(later(options(), 2), &disk(path, None)) {
        Ok(store) => store,
        Err(error) => return refused(error),
    };
    let before = log(&store).len();
    let (mut writer, _ring) = producer(&store, "next");
    write(&mut writer, 1);
    settle(&store, &mut writer);
    let all = log(&store);
    assert_eq!(all.len(), before + 1, "{what}");
    store.close();
    drop(store);
    let store = Store::open_to_read(options(), path).unwrap();
    assert!(log(&store) == all, "{what}");
}

#[test]
fn numbers_that_no_writer_comes_to() {
    static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.lock().unwrap().push(info.to_string());
        usual(info);
    }));
    let whole = Scratch::new();
    crashed(whole.path());
    use_all_ways_of_copy(whole.path(), |_| "as it is".to_owned());
    for record in records() {
        for at in record.numbers.clone().step_by(8) {
            for number in NUMBERS {
                use_all_ways_of_copy(whole.path(), |copy| forge(copy, &record, at, number));
                let panics = PANICS.lock().unwrap();
                assert!(panics.is_empty(), "{} at {at}: {panics:?}", record.file);
            }
        }
    }
}

fn use_all_ways_of_copy(whole: &Path, change: impl Fn(&Path) -> String) {
    let copy = Scratch::new();
    image(whole, copy.path());
    let what = change(copy.path());
    use_all_ways(copy.path(), &what);
}

/// Puts a number into a record, and makes its checksum fit; says what has been done.
fn forge(path: &Path, record: &Record, at: usize, number: u64) -> String {
    let live = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|entry| entry.is_dir())
        .unwrap();
    let file = [path.join(record.file), live.join(record.file)];
    let file = file.iter().find(|file| file.exists());
    let file = file.unwrap_or_else(|| panic!("no file {}", record.file));
    let mut bytes = fs::read(file).unwrap();
    let body = &mut bytes[record.start..];
    let put = |body: &mut [u8], at: usize, number: &[u8]| {
        body[at..at + number.len()].copy_from_slice(number);
    };
    let seal = |body: &mut [u8], len: usize, width: usize| {
        let crc = u64::from(crc32fast::hash(&body[..len]));
        put(body, len, &crc.to_le_bytes()[..width]);
    };
    let crc = u64::from(crc32fast::hash(&body[..record.checksum]));
    let found = &body[record.checksum..record.checksum + record.checksum_bytes];
    assert_eq!(
        found,
        &crc.to_le_bytes()[..record.checksum_bytes],
        "{} has no such record at {}",
        record.file,
        record.start
    );
    put(body, at, &number.to_le_bytes());
    seal(body, record.checksum, record.checksum_bytes);
    if record.file == "durable" {
        // A commit record within another, which counts only where the machine has stopped since.
        seal(body, 224, 4);
        fs::write(path.join("state"), vec![0; 0]).unwrap();
    }
    fs::write(file, bytes).unwrap();
    format!("{} + {at}: {number:#x}", record.file)
}
