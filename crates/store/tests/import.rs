//! Events from elsewhere: all or nothing, in the order in which they come, seen at once.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kinescope_ring::Priority;
use kinescope_store::{
    ErrorCode, EventId, Import, ImportBatch, ImportColumn, Integers, Retention, Store, Texts,
};
use proptest::prelude::*;
use support::imports::{import, limits};
use support::{head_at, log, of_type, open, options, producer, settle};

fn bytes_of<T: Copy, const N: usize>(values: &[T], bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&value| bytes(value)).collect()
}

fn u64s(values: &[u64]) -> Integers {
    let bytes = bytes_of(values, u64::to_le_bytes);
    Integers::new(64, false, &bytes, values.len(), None, 0).unwrap()
}

fn times(values: &[i64]) -> ImportColumn {
    let bytes = bytes_of(values, i64::to_le_bytes);
    ImportColumn::Times(
        Integers::new(64, true, &bytes, values.len(), None, 0).unwrap(),
        1,
    )
}

fn plain(values: &[impl AsRef<str>]) -> Texts {
    let mut offsets = vec![0i32];
    let mut text = String::new();
    for value in values {
        text.push_str(value.as_ref());
        offsets.push(text.len() as i32);
    }
    let offsets = bytes_of(&offsets, i32::to_le_bytes);
    Texts::new()
        .push(false, &offsets, text.as_bytes(), values.len(), None, 0)
        .unwrap()
}

/// Rows that differ in their timestamps and data, with the ids that they bring (0: none).
fn batch(ids: &[u64], data: &[String]) -> ImportBatch {
    let mut batch = ImportBatch::new(ids.len());
    let codes: Vec<u8> = (0..ids.len()).map(|row| (row % 2) as u8).collect();
    let codes = Integers::new(8, false, &codes, ids.len(), None, 0).unwrap();
    let types = plain(&["a", "b"]).coded(codes).unwrap();
    batch.set("event_type", ImportColumn::Texts(types)).unwrap();
    batch
        .set("event_id", ImportColumn::Integers(u64s(ids)))
        .unwrap();
    batch
        .set(
            "timestamp",
            times(&(0..ids.len() as i64).collect::<Vec<_>>()),
        )
        .unwrap();
    batch.set("data", ImportColumn::Texts(plain(data))).unwrap();
    batch
}

fn id(producer: u16, sequence: u64) -> u64 {
    EventId::new(producer, sequence).0
}

/// `count` rows without ids.
fn fresh(count: usize) -> ImportBatch {
    batch(&vec![0; count], &vec!["1".to_owned(); count])
}

fn code_of(store: &Store, batches: Vec<ImportBatch>) -> ErrorCode {
    let before = log(store);
    let error = store.import(import(batches)).unwrap_err();
    assert_eq!(log(store), before, "something was stored");
    error.code
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Imports of all sizes between events of a thread: a list of rows says what the log holds.
    #[test]
    fn stand_in_the_log_as_they_came(
        steps in prop::collection::vec((any::<bool>(), prop::collection::vec("[a-z]{0,8}|[x]{300}", 0..60)), 1..12),
        segment_events in prop_oneof![1usize..40, Just(4096)],
    ) {
        let store = open(segment_events);
        let (mut writer, _ring) = producer(&store, "thread");
        let mut expected: Vec<(u64, String, Option<String>)> = Vec::new();
        let (mut recorded, mut imported) = (0, 0);
        for (records, texts) in steps {
            if records {
                for _ in &texts {
                    writer.event(head_at(recorded), &of_type("r"), Priority::Normal);
                    expected.push((id(1, recorded as u64), "r".to_owned(), None));
                    recorded += 1;
                }
                settle(&store, &mut writer);
                continue;
            }
            let data: Vec<String> = texts.iter().map(|text| format!("\"{text}\"")).collect();
            let ids = store.import(import(vec![batch(&vec![0; data.len()], &data)])).unwrap();
            for (row, data) in data.iter().enumerate() {
                prop_assert_eq!(ids[row], id(0x8000, imported));
                let event_type = ["a", "b"][row % 2].to_owned();
                expected.push((ids[row], event_type, Some(data.clone())));
                imported += 1;
            }
        }
        let stored: Vec<_> = log(&store).into_iter().enumerate().map(|(seq, row)| {
            assert_eq!(row.seq, seq as u64);
            (row.event_id, row.event_type, row.data)
        }).collect();
        prop_assert_eq!(&stored, &expected);
        prop_assert_eq!(store.stats().stored, expected.len() as u64);
        prop_assert_eq!(store.stats().recorded, recorded as u64);
    }
}

#[test]
fn an_id_stands_in_the_log_once() {
    let store = open(4);
    let (mut writer, _ring) = producer(&store, "thread");
    let data = |count| vec!["1".to_owned(); count];
    let given = [id(40_000, 5), id(0x8000, 1), 0, id(3, 9), 0, id(0, 2)];
    let ids = store.import(import(vec![batch(&given, &data(6))])).unwrap();
    // Ids of recording threads become those of foreign ones; those of stores get numbers.
    let expected = [
        id(40_000, 5),
        id(0x8000, 1),
        id(0x8000, 0),
        id(0x8003, 9),
        id(0x8000, 2),
        id(0x8000, 3),
    ];
    assert_eq!(ids, expected);
    for taken in expected {
        assert_eq!(
            code_of(&store, vec![fresh(3), batch(&[taken], &data(1))]),
            ErrorCode::InvalidArgument
        );
    }
    let twice = id(50_000, 1);
    for ids in [
        vec![twice, twice],
        vec![twice, id(50_000, 2), twice],
        vec![id(50_000, 3), twice, id(50_000, 3)],
    ] {
        assert_eq!(
            code_of(&store, vec![batch(&ids, &data(ids.len()))]),
            ErrorCode::InvalidArgument
        );
    }
    // An event that was recorded with an id of its own is not in a sealed segment yet.
    let mut event = of_type("own");
    event.event_id = Some(id(0x8000, 4));
    writer.event(head_at(0), &event, Priority::Normal);
    settle(&store, &mut writer);
    assert_eq!(
        code_of(&store, vec![batch(&[id(0x8000, 4)], &data(1))]),
        ErrorCode::InvalidArgument
    );
    let ids = store.import(import(vec![fresh(2)])).unwrap();
    assert_eq!(ids, [id(0x8000, 5), id(0x8000, 6)]);
}

#[test]
fn what_is_left_out_has_defaults() {
    let store = open(100);
    let mut batch = ImportBatch::new(2);
    batch
        .set("event_type", ImportColumn::Texts(plain(&["x", "y"])))
        .unwrap();
    store.import(import(vec![batch])).unwrap();
    for row in log(&store) {
        assert_eq!(
            (row.node.as_str(), row.pid.as_str(), row.timestamp),
            (support::NODE, "importing", 77)
        );
        assert_eq!(
            row.wall_time - row.timestamp,
            store.shared().clock.wall_minus_timestamp_ns()
        );
        assert_eq!((row.parent_id, row.tags, row.data), (None, None, None));
    }
}

#[test]
fn malformed_columns_are_refused() {
    let mut batch = ImportBatch::new(2);
    assert!(
        batch
            .set("event_type", ImportColumn::Texts(plain(&["x"])))
            .is_err()
    );
    assert!(
        batch
            .set("arity", ImportColumn::Texts(plain(&["x", "y"])))
            .is_err()
    );
    assert!(
        batch
            .set("colour", ImportColumn::Texts(plain(&["x", "y"])))
            .is_err()
    );
    assert!(
        batch
            .set("seq", ImportColumn::Integers(u64s(&[0, 1])))
            .is_err()
    );
    let text = |offsets: &[i32], bytes: &[u8], len| {
        Texts::new().push(
            false,
            &bytes_of(offsets, i32::to_le_bytes),
            bytes,
            len,
            None,
            0,
        )
    };
    assert!(text(&[0, 1], b"a", 1).is_some());
    for (offsets, bytes, len) in [
        (&[0][..], &b"a"[..], 1),
        (&[0, 2], b"a", 1),
        (&[1, 0], b"a", 1),
        (&[-1, 1], b"a", 1),
        (&[0, 1], b"\xff", 1),
        (&[0, 1, 2], "é".as_bytes(), 2),
        (&[0, 1], b"a", usize::MAX),
    ] {
        assert!(text(offsets, bytes, len).is_none(), "{offsets:?} {bytes:?}");
    }
    assert!(Integers::new(64, true, &[0; 15], 2, None, 0).is_none());
    assert!(Integers::new(24, true, &[0; 16], 2, None, 0).is_none());
    assert!(Integers::new(8, true, &[0; 16], 2, Some(&[0]), 7).is_none());
    assert!(Integers::new(8, true, &[0; 16], 2, Some(&[0]), usize::MAX).is_none());
    let codes = |code: i8| Integers::new(8, true, &[code as u8], 1, None, 0).unwrap();
    assert!(plain(&["x"]).coded(codes(0)).is_some());
    assert!(plain(&["x"]).coded(codes(1)).is_none());
    assert!(plain(&["x"]).coded(codes(-1)).is_none());
    let store = open(100);
    let without_type = ImportBatch::new(1);
    assert_eq!(
        code_of(&store, vec![fresh(1), without_type]),
        ErrorCode::InvalidArgument
    );
    assert_eq!(
        code_of(
            &store,
            vec![self::batch(&[0, 0], &["1".to_owned(), "{".to_owned()])]
        ),
        ErrorCode::InvalidArgument
    );
}

#[test]
fn an_import_that_the_recording_cannot_keep_is_refused_whole() {
    let retention = Retention {
        max_bytes: Some(4 << 20),
        ..Retention::default()
    };
    let store = Store::open(options(1 << 20, retention)).unwrap();
    let large = vec![format!("\"{}\"", "x".repeat(1000)); 8000];
    assert_eq!(
        code_of(&store, vec![batch(&[0; 8000], &large)]),
        ErrorCode::ResourceExhausted
    );
    // Less than that evicts what is older.
    for _ in 0..8 {
        store
            .import(import(vec![batch(&[0; 1000], &large[..1000])]))
            .unwrap();
        assert!(store.stats().memory_bytes <= (4 << 20) / 8 * 9);
    }
    let kept = log(&store).len() as u64;
    assert!(kept >= 1000, "{kept}");
    assert_eq!(store.stats().evicted, 8000 - kept);
    store.close();
    assert_eq!(
        store.import(import(vec![fresh(1)])).unwrap_err().code,
        ErrorCode::Closed
    );
}

#[test]
fn a_row_of_unusual_size_is_stored_too() {
    let store = open(4);
    let texts: Vec<String> = ["a", "b"]
        .map(|letter| format!("\"{}\"", letter.repeat(5000)))
        .into();
    let mut limits = limits();
    limits.max_string_length = 10_000;
    store
        .import(Import {
            limits,
            ..import(vec![batch(&[0, 0], &texts), fresh(1)])
        })
        .unwrap();
    let data: Vec<_> = log(&store)
        .into_iter()
        .map(|row| row.data.unwrap())
        .collect();
    assert_eq!(data, [texts[0].as_str(), texts[1].as_str(), "1"]);
}

/// While a thread records and another imports, every snapshot has whole imports only.
#[test]
fn readers_see_all_of_an_import_or_none() {
    let store = Arc::new(open(1000));
    let done = AtomicBool::new(false);
    let import_rows = [1usize, 700, 3000, 40_000];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..12 {
                store
                    .import(import(vec![fresh(import_rows[round % 4])]))
                    .unwrap();
            }
            done.store(true, Ordering::Release);
        });
        scope.spawn(|| {
            let (mut writer, _ring) = producer(&store, "thread");
            let mut number = 0;
            while !done.load(Ordering::Acquire) {
                writer.event(head_at(number), &of_type("r"), Priority::Normal);
                number += 1;
                settle(&store, &mut writer);
            }
        });
        let sums: Vec<usize> = (0..=12)
            .map(|rounds| (0..rounds).map(|round| import_rows[round % 4]).sum())
            .collect();
        let mut seen = 0;
        while seen < sums[12] {
            let snapshot = store.snapshot().unwrap();
            let imported = snapshot.segments().map(|(segment, rows)| {
                let ids = segment.columns.event_id.slice(rows);
                ids.iter()
                    .filter(|&&id| EventId(id).producer() == 0x8000)
                    .count()
            });
            let imported: usize = imported.sum();
            assert!(
                imported >= seen && sums.contains(&imported),
                "{imported} of {sums:?}"
            );
            seen = imported;
        }
    });
    let stored = log(&store);
    let sequences: Vec<u64> = stored.iter().map(|row| row.seq).collect();
    assert_eq!(sequences, (0..stored.len() as u64).collect::<Vec<_>>());
}
