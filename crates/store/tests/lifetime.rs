//! Closing while producers write, producers that die, rings with stray bytes, and numbers that are used again.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kinescope_ring::{EventFields, Outcome, Priority, Ring, RingState, RingWriter, Text};
use kinescope_store::{ErrorCode, EventId, LossCause, Store, StoreOptions};
use proptest::prelude::*;
use support::{
    LossRow, eventually, head_at, log, loss_of, of_type, open, plain, producer, rows, settle,
};

fn lost_of(store: &Store, cause: LossCause) -> u64 {
    let index = LossCause::ROWS.iter().position(|row| *row == cause);
    store.stats().lost[index.unwrap()]
}

/// Rows and losses in the log, by number of attempts.
fn accounted(store: &Store) -> (u64, Vec<LossRow>) {
    let log = rows(&store.shared().snapshot());
    let losses: Vec<_> = log.iter().filter_map(loss_of).collect();
    ((log.len() - losses.len()) as u64, losses)
}

#[test]
fn time_goes_on_while_a_recording_is_opened() {
    let took = Duration::from_secs(5);
    let asked = StoreOptions {
        raw_now_at: Instant::now().checked_sub(took).unwrap(),
        ..plain(10)
    };
    let raw_then = asked.raw_now_ns;
    let store = Store::open(asked).unwrap();
    let clock = &store.shared().clock;
    let raw_now = clock.raw_now_ns();
    assert!(raw_now - raw_then >= took.as_nanos() as i64);
    // What is recorded now is not of the future.
    let wall_of_event = raw_now + clock.offset_ns() + clock.wall_minus_timestamp_ns();
    let wall_now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert!(wall_of_event <= wall_now.as_nanos() as i64);
}

#[test]
fn closing_keeps_everything_recorded_before_and_refuses_everything_after() {
    for _ in 0..20 {
        let store = Arc::new(open(100));
        let is_over = Arc::new(AtomicBool::new(false));
        let threads: Vec<_> = (0..2)
            .map(|index| {
                let (store, is_over) = (Arc::clone(&store), Arc::clone(&is_over));
                thread::spawn(move || {
                    let (mut writer, ring) = producer(&store, &format!("thread-{index}"));
                    for number in 0..300 {
                        writer.event(head_at(number), &of_type("before"), Priority::Normal);
                    }
                    settle(&store, &mut writer);
                    while !is_over.load(Ordering::Relaxed) {
                        writer.event(head_at(1000), &of_type("during"), Priority::Normal);
                    }
                    let after = writer.event(head_at(2000), &of_type("after"), Priority::Normal);
                    assert_eq!(after, Outcome::NotRecorded);
                    assert!(ring.after_close() > 0);
                    ring.attempts()
                })
            })
            .collect();
        eventually("the events before closing", || {
            log(&store)
                .iter()
                .filter(|row| row.event_type == "before")
                .count()
                == 600
        });
        store.close();
        store.close();
        is_over.store(true, Ordering::Relaxed);
        let mut attempts = 0;
        for thread in threads {
            attempts += thread.join().unwrap();
        }
        // What a thread commits just as the recording closes may be left behind, but nothing is counted twice.
        let stats = store.stats();
        let accounted = stats.stored + stats.lost.iter().sum::<u64>();
        assert!(
            (600..=attempts).contains(&accounted),
            "{accounted} of {attempts}"
        );
        assert_eq!(store.snapshot().err().unwrap().code, ErrorCode::Closed);
        assert_eq!(
            store.add_producer("late").err().unwrap().code,
            ErrorCode::Closed
        );
    }
}

#[test]
fn an_attempt_that_a_thread_died_in_is_torn_and_its_number_is_not_used_again() {
    let store = open(10);
    for life in 0..30u64 {
        let (mut writer, ring) = producer(&store, "thread");
        assert_eq!((ring.producer(), ring.first_sequence()), (1, life * 3));
        for _ in 0..2 {
            writer.event(head_at(1), &of_type("e"), Priority::Normal);
        }
        writer.terminate_while_recording(head_at(2));
        store.remove_producer(&ring);
        eventually("the end of the producer", || Arc::strong_count(&ring) == 1);
    }
    let (stored, losses) = accounted(&store);
    assert_eq!(stored, 60);
    let expected = (0..30).map(|life| LossRow {
        producer: 1,
        first: life * 3 + 2,
        last: life * 3 + 2,
        count: 1,
        cause: "torn".to_owned(),
    });
    assert_eq!(losses, expected.collect::<Vec<_>>());
    assert_eq!(lost_of(&store, LossCause::Torn), 30);
}

#[test]
fn switched_off_nothing_is_attempted() {
    let store = open(10);
    let (mut writer, ring) = producer(&store, "thread");
    store.set_enabled(false);
    assert_eq!(ring.state(), RingState::Off);
    let outcome = writer.event(head_at(1), &of_type("e"), Priority::Normal);
    assert_eq!(outcome, Outcome::NotRecorded);
    assert_eq!(
        producer(&store, "another").1.state(),
        RingState::Off,
        "a new producer's too"
    );
    store.set_enabled(true);
    writer.event(head_at(1), &of_type("e"), Priority::Normal);
    settle(&store, &mut writer);
    assert_eq!(accounted(&store).0, 1);
}

/// An event whose data is no value, with an id that is not its attempt's.
fn malformed<'a>(own_id: Option<u64>) -> EventFields<'a> {
    let mut event = of_type("malformed");
    event.event_id = own_id;
    event.data = Some(&[0xff]);
    event
}

#[test]
fn a_record_whose_data_is_no_value_is_lost_under_its_own_number() {
    let store = open(10);
    let (mut writer, _ring) = producer(&store, "thread");
    writer.event(head_at(1), &of_type("e"), Priority::Normal);
    writer.event(head_at(1), &malformed(None), Priority::Normal);
    let own_id = Some(EventId::new(0x8123, 77).0);
    writer.event(head_at(1), &malformed(own_id), Priority::Normal);
    writer.emit(head_at(1), 99, &[]);
    let mut defined = of_type("e");
    defined.event_type = Text::Defined(12_345);
    writer.event(head_at(1), &defined, Priority::Normal);
    settle(&store, &mut writer);
    let (stored, losses) = accounted(&store);
    let lost = |number| LossRow {
        producer: 1,
        first: number,
        last: number,
        count: 1,
        cause: "encoder".to_owned(),
    };
    assert_eq!(losses, [lost(1), lost(2), lost(3)]);
    assert_eq!(stored, 2);
}

/// Overwrites 32-bit words of the data area, as a stray store of the producer's would.
#[allow(
    unsafe_code,
    reason = "only raw memory lets a test write what no producer writes"
)]
fn scribble(ring: &Ring, words: &[(u32, u32)]) {
    const HEADER_BYTES: usize = 4096;
    let halves = ring.capacity_words() * 2;
    for &(place, value) in words {
        let offset = HEADER_BYTES + (place % halves) as usize * 4;
        // SAFETY: the offset lies in the ring's memory, which lives as long as the borrow; it is a multiple of four,
        // the memory is aligned to pages, and the other side reads committed words as atomics.
        let word =
            unsafe { std::sync::atomic::AtomicU32::from_ptr(ring.as_ptr().add(offset).cast()) };
        word.store(value, Ordering::Release);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn stray_bytes_in_a_ring_become_losses_and_stop_nobody_else(
        events in 0usize..20,
        words in prop::collection::vec(
            (0u32..400, prop_oneof![any::<u32>(), (0u32..9, 0u32..40).prop_map(|(kind, length)| kind | length << 8)]),
            1..200,
        ),
    ) {
        // Not drained while it is written into: the store gets the ring of a thread that is gone.
        let store = Store::open_with(plain(7), kinescope_ring::Publication::PublishedHead).unwrap();
        let (mut writer, ring) = producer(&store, "thread-0");
        for number in 0..events {
            writer.event(head_at(number as i64), &of_type("e"), Priority::Normal);
        }
        scribble(&ring, &words);
        drop(writer);
        store.remove_producer(&ring);
        eventually("the end of the producer", || Arc::strong_count(&ring) == 1);
        let (stored, losses) = accounted(&store);
        let lost: u64 = losses.iter().map(|loss| loss.count).sum();
        // Stray bytes may look like records, so there may be more than were attempted, but never fewer.
        prop_assert!(stored + lost >= events as u64);
        // Everyone else records on.
        let (mut other, _ring) = producer(&store, "thread-1");
        other.event(head_at(1), &of_type("other"), Priority::Normal);
        settle(&store, &mut other);
        let log = log(&store);
        prop_assert!(log.iter().any(|row| row.event_type == "other" && row.pid == "thread-1"));
    }
}

#[test]
fn losses_are_counted_exactly_however_many_there_are() {
    let store = open(1000);
    let mut attempts = 0;
    for pid in ["a", "b", "c"] {
        let (mut writer, ring) = producer(&store, pid);
        for number in 0..3000 {
            writer.lose(kinescope_ring::LossCause::Encoder, number);
            writer.event(head_at(number), &of_type("e"), Priority::Normal);
        }
        attempts += ring.attempts() - ring.first_sequence();
        end(&store, writer, ring);
    }
    let (stored, losses) = accounted(&store);
    let lost: u64 = losses.iter().map(|loss| loss.count).sum();
    assert_eq!(stored + lost, attempts);
    let known = store.shared().lost_between(i64::MIN, i64::MAX);
    assert_eq!(known.iter().map(|range| range.count).sum::<u64>(), lost);
    assert!(known.len() <= 1024, "{} ranges", known.len());
    // At a coarser grain, but what a range spans still holds what it counts.
    for range in &known {
        assert!(range.count <= range.last - range.first + 1, "{range:?}");
        assert!(range.first_timestamp <= range.last_timestamp, "{range:?}");
    }
    let stats = store.stats();
    assert_eq!(stats.lost.iter().sum::<u64>(), lost);
    assert_eq!(stats.recorded, stored);
}

fn end(store: &Store, writer: RingWriter, ring: Arc<Ring>) {
    drop(writer);
    store.remove_producer(&ring);
    eventually("the end of a producer", || Arc::strong_count(&ring) == 1);
}
