//! A recording that a process has left, whole or not: read, checked, taken over, written on and read again.
//!
//! An input is an archive of the directory.

use std::path::Path;

use arrow_array::{Array, cast::AsArray, types::UInt64Type};
use kinescope_ring::{EventFields, Priority, RingWriter, Text};
use kinescope_store::{Error, ErrorCode, Snapshot, Store, arrow_view, verify};

use crate::archive::Archive;
use crate::recordings::{Scratch, disk, head_at, options, settle};
use crate::{questions, seal};

/// Checksums stay as they are.
pub const UNSEALED: u8 = 1;
/// Whoever takes the recording over has larger segments.
const LARGE: u8 = 4;

/// What opening a damaged recording may answer.
pub const CODES: [ErrorCode; 5] = [
    ErrorCode::CorruptRecording,
    ErrorCode::UnsupportedVersion,
    ErrorCode::Io,
    ErrorCode::NotFound,
    ErrorCode::InvalidArgument,
];

/// Rows of a snapshot, each segment's batch checked against every rule of Arrow and in its place.
pub fn check_rows(snapshot: &Snapshot) -> u64 {
    let mut count = 0;
    let mut next_seq = 0;
    for (segment, rows) in snapshot.segments() {
        let batch = arrow_view::record_batch(segment, rows).unwrap();
        for column in batch.columns() {
            column.to_data().validate_full().unwrap();
        }
        assert!(segment.base_seq >= next_seq);
        let seqs = batch
            .column_by_name("seq")
            .unwrap()
            .as_primitive::<UInt64Type>();
        assert!(
            seqs.values()
                .iter()
                .copied()
                .eq(segment.base_seq..segment.base_seq + rows as u64)
        );
        next_seq = segment.base_seq + rows as u64;
        count += rows as u64;
    }
    count
}

fn refused(error: &Error) {
    assert!(CODES.contains(&error.code), "{error}");
}

/// Reads what is there. A recording that is intact answers everything.
pub fn read(path: &Path, picked: u8) -> Option<u64> {
    let is_intact = match verify(path) {
        Ok(report) => report.is_intact(),
        Err(error) => {
            refused(&error);
            false
        }
    };
    let store = match Store::open_to_read(options(8, 1), path) {
        Ok(store) => store,
        Err(error) => {
            refused(&error);
            assert!(!is_intact, "{error}");
            return None;
        }
    };
    let rows = check_rows(&store.snapshot().unwrap());
    let mut number = picked;
    let pick = || {
        number = number.wrapping_add(1);
        number.is_multiple_of(16)
    };
    let mut errors = questions::ask(&store, pick).unwrap();
    // That there is no such event is an answer.
    errors.retain(|error| error.code != ErrorCode::NotFound);
    assert!(!is_intact || errors.is_empty(), "{errors:?}");
    store.close();
    Some(rows)
}

pub fn run(input: &[u8]) {
    let mut archive = Archive::decode(input);
    if archive.flags & UNSEALED == 0 {
        seal::archive(&mut archive);
    }
    let scratch = Scratch::new();
    archive.unpack(scratch.path());
    let picked = input.len() as u8;
    read(scratch.path(), picked);
    let segment_events = if archive.flags & LARGE > 0 { 100 } else { 4 };
    let store = match Store::open_on_disk(options(segment_events, 1), &disk(scratch.path())) {
        Ok(store) => store,
        Err(error) => return refused(&error),
    };
    let found = check_rows(&store.snapshot().unwrap());
    match store.add_producer("next") {
        Ok(ring) => {
            let mut writer = RingWriter::new(ring).unwrap();
            let event = EventFields::of_type(Text::Inline("next"));
            writer.event(head_at(1_000_000_000_000), &event, Priority::Normal);
            settle(&store, &mut writer);
            assert_eq!(check_rows(&store.snapshot().unwrap()), found + 1);
        }
        Err(error) => assert_eq!(error.code, ErrorCode::ResourceExhausted, "{error}"),
    }
    let last = store.snapshot().unwrap();
    let rows = check_rows(&last);
    store.close();
    drop(store);
    assert_eq!(read(scratch.path(), picked), Some(rows));
}
