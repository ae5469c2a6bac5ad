//! What a consumer is told and handed, step by step.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kinescope_ring::Priority;
use kinescope_store::{Retention, Store};
use kinescope_stream::{Consumer, Settings, Start, Status, StreamBatch, Streams, Subscription};

use crate::actions::Wanted;
use crate::support::{PATIENCE, eventually, head_at, of_type, open, options, producer, settle};

/// A consumer that counts how often it is told.
fn counting(streams: &Streams) -> (Consumer, Arc<AtomicUsize>) {
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    let consumer = streams.consumer(Box::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
    }));
    (consumer.unwrap(), told)
}

fn at_once(batch_size: usize) -> Settings {
    Settings {
        batch_size,
        batch_timeout: Duration::ZERO,
        progress_interval: Duration::from_secs(3600),
    }
}

fn next(subscription: &Subscription) -> StreamBatch {
    subscription.want(1);
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(batch) = subscription.take() {
            return batch;
        }
        assert!(Instant::now() < end, "no batch comes");
        std::thread::sleep(Duration::from_micros(100));
    }
}

#[test]
fn a_consumer_is_told_once_until_it_asks_and_never_when_nothing_matches() {
    let store = open(1000);
    let (mut writer, _ring) = producer(&store, "thread");
    let streams = Streams::new(Arc::clone(store.shared()));
    let (consumer, told) = counting(&streams);
    let of_a = Wanted::Type(0).query();
    let subscription = consumer.subscribe(of_a, at_once(1), Start::Now(0)).unwrap();
    let every = consumer
        .subscribe(Wanted::All.query(), at_once(1), Start::Now(0))
        .unwrap();
    subscription.want(2);
    for _ in 0..50 {
        writer.event(head_at(1), &of_type("b"), Priority::Normal);
        settle(&store, &mut writer);
    }
    // The other one takes what came last, so the delivery thread has been there.
    while next(&every).end < 50 {}
    let told_of_every = told.load(Ordering::SeqCst);
    assert_eq!(told_of_every, 1);
    assert_eq!(consumer.ready().ready, [every.id()]);
    for _ in 0..2 {
        writer.event(head_at(1), &of_type("a"), Priority::Normal);
    }
    settle(&store, &mut writer);
    eventually("both batches are ready", || !subscription.is_asking());
    assert_eq!(told.load(Ordering::SeqCst), 2);
    assert_eq!(consumer.ready().ready, [subscription.id()]);
    assert!(subscription.take().is_some_and(|batch| batch.rows() == 1));
}

#[test]
fn a_whole_segment_is_handed_out_as_it_is() {
    let mut options = options(20_000, Retention::default());
    options.ring_bytes = 4 << 20;
    let store = Store::open(options).unwrap();
    let (mut writer, _ring) = producer(&store, "thread");
    for number in 0..50_000i64 {
        writer.event(head_at(number), &of_type("a"), Priority::Normal);
        if number % 2000 == 0 {
            settle(&store, &mut writer);
        }
    }
    settle(&store, &mut writer);
    let streams = Streams::new(Arc::clone(store.shared()));
    let (consumer, _) = counting(&streams);
    let subscription = consumer
        .subscribe(Wanted::All.query(), at_once(0), Start::At(0))
        .unwrap();
    let snapshot = store.snapshot().unwrap();
    let (segment, _) = snapshot.segments().next().unwrap();
    let batch = next(&subscription);
    assert_eq!((batch.start, batch.end, batch.rows()), (0, 20_000, 20_000));
    assert_eq!(batch.gathered_bytes, 0);
    let events = batch.events.unwrap();
    let address = events.column(0).to_data().buffers()[0].as_ptr();
    assert_eq!(address, segment.columns.seq.slice(1).as_ptr().cast());
    assert_eq!(next(&subscription).end, 40_000);
    assert!(next(&subscription).caught_up);
}

#[test]
fn a_consumer_that_is_gone_takes_its_subscriptions_along() {
    let store = open(1000);
    let streams = Streams::new(Arc::clone(store.shared()));
    let (consumer, _) = counting(&streams);
    let (other, _) = counting(&streams);
    let subscription = consumer
        .subscribe(Wanted::All.query(), at_once(1), Start::Now(0))
        .unwrap();
    let left = other
        .subscribe(Wanted::All.query(), at_once(1), Start::Now(0))
        .unwrap();
    drop(consumer);
    assert_eq!(subscription.status(), Status::Ended);
    assert_eq!(left.status(), Status::Running);
    assert_eq!(streams.count(), 1);
}
