//! What a thread that waits for a subscription's batches gets, and what ends its waiting.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../../store/tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use kinescope_query::Filter;
use kinescope_ring::{Priority, Ring, RingWriter};
use kinescope_store::{Error, ErrorCode, Retention, Store};
use kinescope_stream::{
    Consumer, Gap, GapCause, OnGap, Read, Reader, Settings, Start, Status, StreamQuery, Streams,
    Subscription,
};
use proptest::prelude::*;
use support::{cases, eventually, head_at, of_type, options, producer, rows_of, settle};

/// What a reader has come to, in the order in which it did.
#[derive(Debug, PartialEq)]
enum Told {
    Events(u64, u64, Vec<u64>, Option<Gap>),
    Gap(Gap),
    End,
    Error(Error),
}

/// A store with one producer, and one consumer of its streams.
struct World {
    store: Store,
    writer: RingWriter,
    _ring: Arc<Ring>,
    _streams: Streams,
    consumer: Consumer,
}

impl World {
    fn new(max_events: Option<u64>) -> Self {
        let retention = Retention {
            max_events,
            ..Retention::default()
        };
        let store = Store::open(options(16, retention)).unwrap();
        let (writer, ring) = producer(&store, "thread");
        let streams = Streams::new(Arc::clone(store.shared()));
        let consumer = streams.consumer(Box::new(|| ())).unwrap();
        Self {
            store,
            writer,
            _ring: ring,
            _streams: streams,
            consumer,
        }
    }

    fn record(&mut self, types: &[&str]) {
        for event_type in types {
            self.writer
                .event(head_at(1), &of_type(event_type), Priority::Normal);
        }
        settle(&self.store, &mut self.writer);
    }

    fn subscribe(
        &self,
        batch_size: usize,
        event_types: Option<&str>,
        start: Start,
    ) -> Subscription {
        let filter = Filter {
            event_types: event_types.map(|text| vec![text.to_owned()]),
            ..Filter::default()
        };
        let settings = Settings {
            batch_size,
            batch_timeout: Duration::ZERO,
            progress_interval: Duration::from_secs(3600),
        };
        let query = StreamQuery::new(filter, None);
        self.consumer.subscribe(query, settings, start).unwrap()
    }
}

/// Reads to the end in a thread of its own.
fn read_all(mut reader: Reader) -> (JoinHandle<()>, Receiver<Told>) {
    let (sender, receiver) = channel();
    let thread = thread::spawn(move || {
        loop {
            let told = match reader.next(None) {
                Ok(Read::Batch(batch)) => {
                    let rows = batch.events.as_ref().map(rows_of).unwrap_or_default();
                    let seqs = rows.iter().map(|row| row.seq).collect();
                    Told::Events(batch.start, batch.end, seqs, batch.gap)
                }
                Ok(Read::Gap(gap)) => Told::Gap(gap),
                Ok(Read::End) => Told::End,
                Ok(Read::Nothing) => panic!("it waits without bound"),
                Err(error) => Told::Error(error),
            };
            let is_over = matches!(told, Told::End | Told::Error(_) | Told::Gap(_));
            sender.send(told).unwrap();
            if is_over {
                return;
            }
        }
    });
    (thread, receiver)
}

#[test]
fn a_reader_waits_for_what_is_recorded_and_for_the_end_of_the_store() {
    let mut world = World::new(None);
    let subscription = world.subscribe(1, Some("a"), Start::Now(0));
    let (thread, told) = read_all(subscription.read(OnGap::GoOn).unwrap());
    eventually("the reader asks", || subscription.is_asking());
    // How far a batch has looked beyond its event depends on who was quicker.
    let events = || match told.recv().unwrap() {
        Told::Events(_, _, seqs, None) => seqs,
        other => panic!("{other:?}"),
    };
    world.record(&["a", "b"]);
    assert_eq!(events(), [0]);
    world.record(&["b", "a"]);
    assert_eq!(events(), [3]);
    eventually("the reader asks", || subscription.is_asking());
    // Nobody else is told of batches.
    assert!(world.consumer.ready().ready.is_empty());
    world.store.close();
    assert_eq!(told.recv().unwrap(), Told::End);
    thread.join().unwrap();
    let ended = world.consumer.ready().ended;
    assert_eq!(ended, [(subscription.id(), None)]);
}

#[test]
fn whatever_ends_a_subscription_ends_the_waiting() {
    let closed = |message: &str| Told::Error(Error::new(ErrorCode::Closed, message));
    type End = fn(&Subscription, &World);
    let ends: [(End, Told); 4] = [
        (
            |subscription, _| {
                subscription.unsubscribe();
            },
            Told::End,
        ),
        (
            |subscription, _| {
                subscription.fail(Error::new(ErrorCode::Closed, "aborted"));
            },
            closed("aborted"),
        ),
        (
            |_, world| {
                world.consumer.finish_at(0);
            },
            Told::End,
        ),
        (
            |subscription, world| {
                subscription.pause();
                world.store.close();
            },
            Told::End,
        ),
    ];
    for (end, expected) in ends {
        let world = World::new(None);
        let subscription = world.subscribe(1, None, Start::Now(0));
        let (thread, told) = read_all(subscription.read(OnGap::GoOn).unwrap());
        eventually("the reader asks", || subscription.is_asking());
        end(&subscription, &world);
        assert_eq!(told.recv().unwrap(), expected);
        thread.join().unwrap();
        assert_eq!(subscription.status(), Status::Ended);
        assert!(subscription.read(OnGap::GoOn).is_none());
    }
}

#[test]
fn the_end_of_the_subscriptions_thread_is_an_error_for_who_waits() {
    let world = World::new(None);
    let subscription = world.subscribe(1, None, Start::Now(0));
    let (thread, told) = read_all(subscription.read(OnGap::GoOn).unwrap());
    eventually("the reader asks", || subscription.is_asking());
    drop(world.consumer);
    let message = "the thread of the subscription has ended";
    let error = Error::new(ErrorCode::Closed, message);
    assert_eq!(told.recv().unwrap(), Told::Error(error));
    thread.join().unwrap();
}

#[test]
fn a_reader_that_is_gone_takes_its_subscription_along_and_its_consumer_is_told() {
    let world = World::new(None);
    let subscription = world.subscribe(1, None, Start::Now(0));
    let reader = subscription.read(OnGap::GoOn).unwrap();
    thread::spawn(move || drop(reader)).join().unwrap();
    assert_eq!(subscription.status(), Status::Ended);
    assert_eq!(world.consumer.ready().ended, [(subscription.id(), None)]);
}

#[test]
fn a_reader_stops_at_what_retention_has_taken_until_it_is_sent_elsewhere() {
    let mut world = World::new(Some(32));
    world.record(&["a"; 100]);
    let first = world.store.snapshot().unwrap().first_seq();
    assert!(first > 0);
    let subscription = world.subscribe(0, None, Start::At(0));
    let mut reader = subscription.read(OnGap::Stop).unwrap();
    let gap = Gap::new(0, first, GapCause::Retention).unwrap();
    for _ in 0..3 {
        assert!(matches!(reader.next(None), Ok(Read::Gap(told)) if told == gap));
    }
    let stats = subscription.stats().unwrap();
    assert_eq!((stats.position, stats.lost), (0, 0));
    // What is left out by wish is no news.
    subscription.pause();
    subscription.resume_at(first + 1);
    let read = reader.next(None);
    assert!(
        matches!(read, Ok(Read::Batch(batch)) if batch.start == 0 && batch.gap.is_some_and(|gap| gap.end == first + 1))
    );
}

#[test]
fn a_reader_that_goes_on_leaves_gaps_to_the_statistics() {
    let mut world = World::new(Some(32));
    world.record(&["a"; 100]);
    let first = world.store.snapshot().unwrap().first_seq();
    let subscription = world.subscribe(0, None, Start::At(0));
    let mut reader = subscription.read(OnGap::GoOn).unwrap();
    let read = reader.next(None);
    assert!(matches!(read, Ok(Read::Batch(batch)) if batch.gap.is_some() && batch.rows() > 0));
    assert_eq!(subscription.stats().unwrap().lost, first);
}

#[test]
fn a_bounded_wait_ends_without_a_batch_and_loses_none() {
    let mut world = World::new(None);
    let subscription = world.subscribe(1, None, Start::Now(0));
    let mut reader = subscription.read(OnGap::GoOn).unwrap();
    for bound in [Duration::ZERO, Duration::from_millis(1)] {
        assert!(matches!(reader.next(Some(bound)), Ok(Read::Nothing)));
    }
    world.record(&["a", "a"]);
    for seq in 0..2 {
        let read = reader.next(Some(support::PATIENCE));
        assert!(matches!(read, Ok(Read::Batch(batch)) if batch.start == seq && batch.rows() == 1));
    }
}

#[derive(Clone, Debug)]
enum Action {
    Record(Vec<bool>),
    Pause,
    Resume,
    Skip,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => prop::collection::vec(any::<bool>(), 1..40).prop_map(Action::Record),
        1 => Just(Action::Pause),
        2 => Just(Action::Resume),
        1 => Just(Action::Skip),
    ]
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn every_position_is_read_or_told_of(
        batch_size in 0..20_usize,
        (is_filtered, stops) in any::<(bool, bool)>(),
        max_events in prop::option::of(17..60_u64),
        actions in prop::collection::vec(action(), 1..40),
    ) {
        let mut world = World::new(max_events);
        let subscription = world.subscribe(batch_size, is_filtered.then_some("a"), Start::At(0));
        let on_gap = if stops { OnGap::Stop } else { OnGap::GoOn };
        let (thread, told) = read_all(subscription.read(on_gap).unwrap());
        let mut log = Vec::new();
        for action in actions {
            match action {
                Action::Record(are_a) => {
                    let types: Vec<&str> = are_a.iter().map(|&is_a| if is_a { "a" } else { "b" }).collect();
                    world.record(&types);
                    log.extend(types);
                }
                Action::Pause => subscription.pause(),
                Action::Resume => subscription.resume(),
                Action::Skip => subscription.resume_at(log.len() as u64),
            }
        }
        subscription.resume();
        world.store.close();
        let mut next = 0;
        for told in told {
            match told {
                Told::Events(start, end, seqs, gap) => {
                    prop_assert_eq!(start, next);
                    prop_assert!(gap.is_none_or(|gap| gap.start == start));
                    prop_assert!(!stops || gap.is_none_or(|gap| gap.cause == GapCause::Skipped));
                    let from = gap.map_or(start, |gap| gap.end);
                    let expected = from..end.max(from);
                    let expected = expected.filter(|&seq| !is_filtered || log[seq as usize] == "a");
                    prop_assert_eq!(seqs, expected.collect::<Vec<_>>());
                    next = end;
                }
                Told::Gap(gap) => prop_assert!(stops && max_events.is_some() && gap.start == next),
                Told::End => prop_assert_eq!(next, log.len() as u64),
                Told::Error(error) => prop_assert!(false, "{error}"),
            }
        }
        thread.join().unwrap();
    }
}
