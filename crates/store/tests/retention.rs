//! What is evicted, what stays, and that earlier snapshots do not notice.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::{Duration, Instant};

use kinescope_ring::{Priority, RingWriter};
use kinescope_store::{LossCause, Retention, Snapshot, Store, arrow_view};
use proptest::prelude::*;
use support::value::Value;
use support::{EventRow, eventually, head_at, of_type, options, producer, rows_of, settle};

/// Records an event whose data is `length` letters, and waits for it.
fn record(store: &Store, writer: &mut RingWriter, number: i64, length: usize) {
    let letter = char::from(b'a' + (number % 26) as u8);
    let data = Value::Text(letter.to_string().repeat(length)).tagged();
    let mut event = of_type("e");
    event.data = Some(&data);
    writer.event(head_at(number), &event, Priority::Normal);
    settle(store, writer);
}

fn kept(snapshot: &Snapshot) -> u64 {
    snapshot.segments().map(|(_, rows)| rows as u64).sum()
}

fn evicted(store: &Store) -> u64 {
    let lost = store.shared().lost_between(i64::MIN, i64::MAX);
    let evicted = lost
        .iter()
        .filter(|range| range.cause == LossCause::Retention);
    evicted.map(|range| range.count).sum()
}

/// A prefix is gone, everything else is there, and what is gone is told.
fn check_suffix(store: &Store, snapshot: &Snapshot) {
    let mut next = snapshot.watermark - kept(snapshot);
    assert_eq!(next, evicted(store));
    assert_eq!(next, store.stats().evicted);
    for (segment, rows) in snapshot.segments() {
        assert_eq!(segment.base_seq, next);
        let batch = arrow_view::record_batch(segment, rows).unwrap();
        for row in rows_of(&batch) {
            assert_eq!((row.seq, row.timestamp), (next, next as i64));
            next += 1;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn by_events_at_least_the_limit_is_kept_and_at_most_an_eighth_more(
        max_events in 1u64..200,
        lengths in prop::collection::vec(prop_oneof![8 => 0usize..40, 1 => 3000usize..9000], 100..400),
        segment_events in 1usize..60,
    ) {
        let retention = Retention { max_events: Some(max_events), ..Retention::default() };
        let store = Store::open(options(segment_events, retention)).unwrap();
        let (mut writer, _ring) = producer(&store, "thread");
        for (number, length) in lengths.iter().enumerate() {
            record(&store, &mut writer, number as i64, *length);
            let snapshot = store.snapshot().unwrap();
            let kept = kept(&snapshot);
            prop_assert!(kept >= max_events.min(number as u64 + 1));
            prop_assert!(kept <= max_events + (max_events / 8).max(1), "{kept} kept of at most {max_events}");
        }
        check_suffix(&store, &store.snapshot().unwrap());
    }
}

#[test]
fn by_bytes_no_more_than_an_eighth_above_the_limit_is_kept_and_a_quarter_of_it_holds_data() {
    // Below, capacity that every segment needs is a larger part of what there is.
    for (max_bytes, data_bytes_min) in [
        (256u64 << 20, 64 << 20),
        (64 << 20, 16 << 20),
        (16 << 20, 4 << 20),
        (4 << 20, 1 << 20),
        (1 << 20, 1 << 16),
    ] {
        let retention = Retention {
            max_bytes: Some(max_bytes),
            ..Retention::default()
        };
        let mut options = options(1 << 20, retention);
        options.ring_bytes = 1 << 20;
        let store = Store::open(options).unwrap();
        let (mut writer, _ring) = producer(&store, "thread");
        let data = Value::Text("d".repeat(2000)).tagged();
        let mut event = of_type("e");
        event.data = Some(&data);
        let (mut most, mut recorded) = (0, 0);
        while recorded * 2000 < max_bytes * 2 {
            for _ in 0..20 {
                writer.event(head_at(recorded as i64), &event, Priority::Normal);
                recorded += 1;
            }
            settle(&store, &mut writer);
            most = most.max(store.stats().memory_bytes);
        }
        let snapshot = store.snapshot().unwrap();
        check_suffix(&store, &snapshot);
        assert!(evicted(&store) > 0, "nothing evicted at {max_bytes}");
        assert!(
            most <= max_bytes / 8 * 9,
            "{most} bytes used of at most {max_bytes}"
        );
        let text_bytes = kept(&snapshot) * 2000;
        assert!(
            text_bytes >= data_bytes_min,
            "{text_bytes} bytes of data kept of at most {max_bytes}"
        );
    }
}

#[test]
fn by_age_nothing_goes_early_and_everything_goes_at_last() {
    let age = Duration::from_millis(40);
    let retention = Retention {
        max_age: Some(age),
        ..Retention::default()
    };
    let store = Store::open(options(1000, retention)).unwrap();
    let (mut writer, _ring) = producer(&store, "thread");
    let start = Instant::now();
    for number in 0..10 {
        record(&store, &mut writer, number, 1);
    }
    eventually("eviction by age", || {
        store.wake();
        let has_evicted = store.stats().evicted > 0;
        assert!(!has_evicted || start.elapsed() >= age);
        store.stats().evicted == 10
    });
    assert_eq!(kept(&store.snapshot().unwrap()), 0);

    let retention = Retention {
        max_age: Some(Duration::from_secs(86_400)),
        ..Retention::default()
    };
    let store = Store::open(options(3, retention)).unwrap();
    let (mut writer, _ring) = producer(&store, "thread");
    for number in 0..100 {
        record(&store, &mut writer, number, 1);
    }
    assert_eq!(kept(&store.snapshot().unwrap()), 100);
}

#[test]
fn snapshots_and_their_batches_stay_while_memory_is_reused() {
    let retention = Retention {
        max_events: Some(16_384),
        ..Retention::default()
    };
    // Segments of 2048 rows have text columns of 320 KiB, which are mapped and used again.
    let mut options = options(2048, retention);
    options.ring_bytes = 1 << 20;
    let store = Store::open(options).unwrap();
    let (mut writer, _ring) = producer(&store, "thread");
    type Kept = (Snapshot, Vec<arrow_array::RecordBatch>, Vec<EventRow>);
    let mut earlier: Vec<Kept> = Vec::new();
    for number in 0..60_000i64 {
        let text = format!("{number} {}", "é".repeat((number % 40) as usize));
        let data = Value::Text(text).tagged();
        let mut event = of_type("e");
        event.data = Some(&data);
        writer.event(head_at(number), &event, Priority::Normal);
        if number % 500 == 0 {
            settle(&store, &mut writer);
        }
        if number % 9000 == 4000 {
            let snapshot = store.snapshot().unwrap();
            let batches: Vec<_> = snapshot
                .segments()
                .map(|(segment, rows)| arrow_view::record_batch(segment, rows).unwrap())
                .collect();
            let rows = batches.iter().flat_map(rows_of).collect();
            earlier.push((snapshot, batches, rows));
        }
    }
    settle(&store, &mut writer);
    assert!(evicted(&store) >= 40_000);
    assert!(earlier.len() > 4);
    for (index, (snapshot, batches, before)) in earlier.into_iter().enumerate() {
        // Some live on as a snapshot, some in their batches only.
        let after: Vec<_> = if index % 2 == 0 {
            drop(batches);
            support::rows(&snapshot)
        } else {
            drop(snapshot);
            batches.iter().flat_map(rows_of).collect()
        };
        assert!(after == before, "the rows of snapshot {index} have changed");
    }
}
