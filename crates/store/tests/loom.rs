//! Every order in which the log's writer and its readers may meet, on segments of a few rows.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p kinescope-store --release --test loom`
#![cfg(loom)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;
use std::time::Duration;

use kinescope_store::area::{Area, AreaPool};
use kinescope_store::columns::NullableColumn;
use kinescope_store::context::Context;
use kinescope_store::dictionary::DictionaryBuilder;
use kinescope_store::log_writer::LogWriter;
use kinescope_store::row::{Inherited, Row, SiteRef, TextRef};
use kinescope_store::validity::Validity;
use kinescope_store::{Retention, Shared, Snapshot, StoreOptions};
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::thread;

/// Thread switches that are not waits in models of whole dictionaries and logs, whose publications are many stores.
const PREEMPTIONS: usize = 2;

fn bounded(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.max_branches = 20_000;
    builder.check(model);
}

#[test]
fn a_slice_holds_what_was_written_before_it_was_published() {
    loom::model(|| {
        let pool = Arc::new(AreaPool::default());
        let mut writer = Area::<u64>::with_capacity(4, &pool).unwrap();
        let area = writer.area();
        let published = Arc::new(AtomicU64::new(0));
        let watermark = Arc::clone(&published);
        let appending = thread::spawn(move || {
            for value in 0..3 {
                writer.push(value);
                writer.publish();
                watermark.store(value + 1, Ordering::Release);
            }
        });
        for _ in 0..2 {
            let len = published.load(Ordering::Acquire);
            assert_eq!(area.slice(len as usize), (0..len).collect::<Vec<_>>());
        }
        appending.join().unwrap();
        assert_eq!(area.slice(3), [0, 1, 2]);
    });
}

#[test]
fn a_slice_that_is_given_out_without_a_watermark_is_complete_too() {
    loom::model(|| {
        let pool = Arc::new(AreaPool::default());
        let mut writer = Area::<u64>::with_capacity(2, &pool).unwrap();
        let area = writer.area();
        let appending = thread::spawn(move || {
            writer.extend(&[10, 11]);
            writer.publish();
        });
        let slice = || area.slice(2).to_vec();
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(slice)) {
            Ok(slice) => assert_eq!(slice, [10, 11]),
            Err(refused) => assert_eq!(
                refused.downcast_ref(),
                Some(&"read beyond what is published")
            ),
        }
        appending.join().unwrap();
    });
}

#[test]
fn a_dictionary_shows_whole_texts_only() {
    bounded(|| {
        let pool = Arc::new(AreaPool::default());
        let mut builder = DictionaryBuilder::new(2, 4, &mut &pool).unwrap();
        let dictionary = builder.dictionary();
        let writer = thread::spawn(move || {
            for text in ["ab", "cd"] {
                builder.intern(text).unwrap();
                builder.publish();
            }
            builder.seal();
        });
        for _ in 0..2 {
            let len = dictionary.len();
            for (code, text) in ["ab", "cd"].into_iter().enumerate().take(len) {
                assert_eq!(dictionary.text(code), text);
                assert_eq!(dictionary.code_of(text), Some(code as u32));
            }
        }
        writer.join().unwrap();
        assert_eq!(dictionary.len(), 2);
    });
}

#[test]
fn a_row_below_the_watermark_is_valid_if_it_was_marked() {
    loom::model(|| {
        let validity = Validity::new(3);
        let watermark = Arc::new(AtomicU64::new(0));
        let (marking, stored) = (Arc::clone(&validity), Arc::clone(&watermark));
        let writer = thread::spawn(move || {
            for row in 0..3 {
                if row != 1 {
                    marking.set(row);
                }
                stored.store(row as u64 + 1, Ordering::Release);
            }
        });
        for _ in 0..2 {
            let rows = watermark.load(Ordering::Acquire) as usize;
            for row in 0..rows {
                assert_eq!(validity.get(row), row != 1);
            }
            let nulls = validity.null_buffer(rows);
            assert_eq!(
                nulls.map_or(0, |nulls| nulls.null_count()),
                usize::from(rows > 1)
            );
        }
        writer.join().unwrap();
    });
}

fn shared(segment_events: usize, max_events: Option<u64>) -> Arc<Shared> {
    Arc::new(Shared::new(StoreOptions {
        node: "n".to_owned(),
        segment_events,
        ring_bytes: 64 << 10,
        block_when_full: false,
        retention: Retention {
            max_events,
            ..Retention::default()
        },
        config_json: String::new(),
        raw_now_ns: 0,
        raw_now_at: std::time::Instant::now(),
        durability: kinescope_store::Durability::Process,
    }))
}

/// Appends a row whose id and timestamp are its `seq`, with a parent in every second one.
fn append(log: &mut LogWriter, seq: u64) {
    let row = Row {
        event_id: seq,
        timestamp: seq as i64,
        wall_time: None,
        event_type: TextRef {
            id: None,
            text: "e",
        },
        site: SiteRef::default(),
        node: None,
        pid: None,
        correlation_id: Inherited::Nothing,
        parent_id: if seq % 2 == 0 {
            Inherited::Value(seq)
        } else {
            Inherited::Nothing
        },
        tags: &[],
        data: None,
    };
    log.append(&row, &Context::of_thread("p"));
}

/// Reads a snapshot through; gives the first `seq` in it. The rows from there on lie without a gap below the
/// watermark, each with its own values.
fn first_seq(snapshot: &Snapshot) -> Option<u64> {
    let mut first = None;
    let mut next = None;
    for (segment, rows) in snapshot.segments() {
        assert!(rows > 0);
        first = first.or(Some(segment.base_seq));
        assert!(next.is_none_or(|next| next == segment.base_seq), "a gap");
        let ids = segment.columns.event_id.slice(rows);
        let expected: Vec<_> = (segment.base_seq..).take(rows).collect();
        assert_eq!(ids, expected);
        for (row, &id) in ids.iter().enumerate() {
            assert_eq!(segment.is_valid(NullableColumn::ParentId, row), id % 2 == 0);
            let timestamp = id as i64;
            let bounds = segment.bounds.min_timestamp()..=segment.bounds.max_timestamp();
            assert!(bounds.contains(&timestamp));
        }
        next = Some(segment.base_seq + rows as u64);
    }
    assert_eq!(next, (snapshot.watermark > 0).then_some(snapshot.watermark));
    first
}

#[test]
fn a_snapshot_has_every_row_below_its_watermark_and_none_above() {
    bounded(|| {
        let shared = shared(1, None);
        let mut log = LogWriter::new(Arc::clone(&shared)).unwrap();
        let writer = thread::spawn(move || {
            append(&mut log, 0);
            log.publish();
            // Rolls, and publishes two rows of different segments at once.
            append(&mut log, 1);
            append(&mut log, 2);
            log.publish();
        });
        for _ in 0..2 {
            let snapshot = shared.snapshot();
            assert!([0, 1, 3].contains(&snapshot.watermark));
            assert_eq!(first_seq(&snapshot), (snapshot.watermark > 0).then_some(0));
        }
        writer.join().unwrap();
        assert_eq!(shared.snapshot().watermark, 3);
    });
}

#[test]
fn a_snapshot_lacks_only_what_was_evicted_and_stays_whole_afterwards() {
    bounded(|| {
        let shared = shared(1, Some(1));
        let mut log = LogWriter::new(Arc::clone(&shared)).unwrap();
        append(&mut log, 0);
        log.publish();
        let before = shared.snapshot();
        let writer = thread::spawn(move || {
            for seq in 1..3 {
                append(&mut log, seq);
                log.publish();
            }
        });
        let snapshot = shared.snapshot();
        if let Some(first) = snapshot.segments().next().map(|(first, _)| first.base_seq) {
            assert_eq!(first_seq(&snapshot), Some(first));
            // Eviction is told before its rows are missing.
            let lost = shared.lost_between(i64::MIN, i64::MAX);
            let evicted: u64 = lost.iter().map(|range| range.count).sum();
            assert!(evicted >= first);
        }
        writer.join().unwrap();
        assert_eq!(first_seq(&before), Some(0));
        assert_eq!(shared.snapshot().watermark, 3);
    });
}

#[test]
fn who_waits_for_progress_is_woken_by_it() {
    loom::model(|| {
        let shared = shared(1, None);
        let done = Arc::new(AtomicBool::new(false));
        let (waiting, seen) = (Arc::clone(&shared), Arc::clone(&done));
        let waiter = thread::spawn(move || {
            // Without a time limit in the model: a wake-up that is lost is a deadlock.
            waiting.wait_until(Duration::from_secs(3600), || seen.load(Ordering::Acquire))
        });
        done.store(true, Ordering::Release);
        shared.notify_progress();
        assert!(waiter.join().unwrap());
    });
}
