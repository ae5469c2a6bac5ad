//! What subscriptions deliver, against filtering a list: random recordings, retention, consumers and changes of mind.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../../store/tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kinescope_query::condition::{Comparison, Condition, Field, Test};
use kinescope_query::scalar::Scalar;
use kinescope_query::{Cancel, Filter};
use kinescope_ring::{Inherited, Priority, RecordTime, RingWriter, Text};
use kinescope_store::{Retention, Store};
use kinescope_stream::{
    Consumer, GapCause, Settings, Start, Status, StreamBatch, StreamQuery, Streams, Subscription,
    TimeColumn, locate,
};
use proptest::prelude::*;
use support::value::Value;
use support::{PATIENCE, cases, head_at, of_type, open, options, producer, rows_of, settle};

const TYPES: [&str; 3] = ["a", "b", "c"];

/// What the test remembers of an event.
#[derive(Clone, Debug)]
struct Known {
    event_type: &'static str,
    trace: Option<String>,
    number: i64,
    time: i64,
}

/// One of the filters that the test can do by hand.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    All,
    Type(usize),
    Types(usize, usize),
    NoType,
    Trace(i64),
    TypeAndNumber(usize, i64),
    Number(i64),
}

impl Wanted {
    fn holds(self, event: &Known) -> bool {
        match self {
            Self::All => true,
            Self::Type(a) => event.event_type == TYPES[a],
            Self::Types(a, b) => [TYPES[a], TYPES[b]].contains(&event.event_type),
            Self::NoType => false,
            Self::Trace(trace) => event.trace == Some(trace.to_string()),
            Self::TypeAndNumber(a, least) => event.event_type == TYPES[a] && event.number >= least,
            Self::Number(least) => event.number >= least,
        }
    }

    fn query(self) -> StreamQuery {
        let types = |types: &[&str]| Some(types.iter().map(|&text| text.to_owned()).collect());
        let at_least = |least: i64| {
            let test = Test::Compare(Comparison::Gte, Scalar::Int(least.into()));
            Some(Condition::Test(Field::Path(Vec::new()), test))
        };
        let mut filter = Filter::default();
        match self {
            Self::All => {}
            Self::Type(a) => filter.event_types = types(&[TYPES[a]]),
            Self::Types(a, b) => filter.event_types = types(&[TYPES[a], TYPES[b]]),
            Self::NoType => filter.event_types = types(&[]),
            Self::Trace(trace) => filter.correlation_ids = Some(vec![trace.to_string()]),
            Self::TypeAndNumber(a, least) => {
                filter.event_types = types(&[TYPES[a]]);
                filter.condition = at_least(least);
            }
            Self::Number(least) => filter.condition = at_least(least),
        }
        StreamQuery::new(filter, None)
    }
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let index = || 0usize..3;
    prop_oneof![
        Just(Wanted::All),
        index().prop_map(Wanted::Type),
        (index(), index()).prop_map(|(a, b)| Wanted::Types(a, b)),
        Just(Wanted::NoType),
        (0i64..4).prop_map(Wanted::Trace),
        (index(), 0i64..200).prop_map(|(a, least)| Wanted::TypeAndNumber(a, least)),
        (0i64..200).prop_map(Wanted::Number),
    ]
}

#[derive(Clone, Copy, Debug)]
enum Where {
    Now,
    At(u64),
    Behind,
    Time(i64),
}

fn place() -> impl Strategy<Value = Where> {
    prop_oneof![
        Just(Where::Now),
        (0u64..400).prop_map(Where::At),
        Just(Where::Behind),
        (0i64..400).prop_map(Where::Time),
    ]
}

#[derive(Clone, Debug)]
enum Action {
    Record(Vec<(usize, Option<i64>, i64)>),
    Subscribe(Wanted, Where, usize, u64, u64),
    Want(usize, usize),
    Take(usize),
    Pause(usize),
    Resume(usize),
    Skip(usize),
    Latest(usize, usize),
    Move(usize, Where),
    Update(usize, Wanted),
    Unsubscribe(usize),
    Rest,
}

fn action() -> impl Strategy<Value = Action> {
    let event = (0usize..3, prop::option::of(0i64..4), 0i64..40);
    let which = || 0usize..16;
    let size = prop_oneof![Just(0usize), Just(1), 2usize..8, Just(1024)];
    let millis = || prop_oneof![Just(0u64), Just(5), Just(40)];
    prop_oneof![
        8 => prop::collection::vec(event, 1..40).prop_map(Action::Record),
        5 => (wanted(), place(), size, millis(), millis())
            .prop_map(|(wanted, place, size, timeout, progress)| Action::Subscribe(wanted, place, size, timeout, progress)),
        8 => (which(), 1usize..4).prop_map(|(which, count)| Action::Want(which, count)),
        8 => which().prop_map(Action::Take),
        2 => which().prop_map(Action::Pause),
        2 => which().prop_map(Action::Resume),
        1 => which().prop_map(Action::Skip),
        1 => (which(), 0usize..5).prop_map(|(which, count)| Action::Latest(which, count)),
        1 => (which(), place()).prop_map(|(which, place)| Action::Move(which, place)),
        2 => (which(), wanted()).prop_map(|(which, wanted)| Action::Update(which, wanted)),
        1 => which().prop_map(Action::Unsubscribe),
        2 => Just(Action::Rest),
    ]
}

/// What the next batch of a subscription has to be.
enum Next {
    /// It starts here.
    At(u64),
    /// It starts at the first event of this time, if one comes.
    Time(i64),
}

/// What a subscription leaves out by its consumer's wish.
#[derive(Clone, Copy, Debug)]
enum Skip {
    Nothing,
    Until(u64),
    /// Whether it had a position when it was asked to depends on how quick the delivery was.
    Anything,
}

struct Watched {
    subscription: Subscription,
    filters: Vec<Wanted>,
    next: Next,
    is_paused: bool,
    skip: Skip,
    caught_up: bool,
}

impl Watched {
    fn skip_to(&mut self, end: u64) {
        self.skip = match (self.next_position(), self.skip) {
            (None, _) | (_, Skip::Anything) => Skip::Anything,
            (Some(_), Skip::Until(before)) => Skip::Until(before.max(end)),
            (Some(next), Skip::Nothing) if next < end => Skip::Until(end),
            (Some(_), Skip::Nothing) => Skip::Nothing,
        };
    }

    fn next_position(&self) -> Option<u64> {
        match self.next {
            Next::At(next) => Some(next),
            Next::Time(_) => None,
        }
    }
}

struct World {
    store: Store,
    writer: RingWriter,
    streams: Streams,
    consumer: Consumer,
    log: Vec<Known>,
    watched: Vec<Watched>,
}

impl World {
    fn new(segment_events: usize, max_events: Option<u64>) -> Self {
        let retention = Retention {
            max_events,
            ..Retention::default()
        };
        let store = Store::open(options(segment_events, retention)).unwrap();
        let (writer, _ring) = producer(&store, "thread");
        let streams = Streams::new(Arc::clone(store.shared()));
        let consumer = streams.consumer(Box::new(|| ())).unwrap();
        Self {
            store,
            writer,
            streams,
            consumer,
            log: Vec::new(),
            watched: Vec::new(),
        }
    }

    fn record(&mut self, events: &[(usize, Option<i64>, i64)]) {
        for &(event_type, trace, time) in events {
            let number = self.log.len() as i64;
            let known = Known {
                event_type: TYPES[event_type],
                trace: trace.map(|trace| trace.to_string()),
                number,
                // Mostly forward.
                time: number + time,
            };
            let data = Value::Integer(number).tagged();
            let mut event = of_type(known.event_type);
            event.data = Some(&data);
            event.correlation_id = match &known.trace {
                Some(trace) => Inherited::Value(Text::Inline(trace)),
                None => Inherited::None,
            };
            let mut head = head_at(0);
            head.time = RecordTime::Given(known.time);
            self.writer.event(head, &event, Priority::Normal);
            self.log.push(known);
        }
        self.writer.publish();
    }

    /// The position, and where the first batch has to start.
    fn start(&mut self, place: Where) -> (Start, Next) {
        settle(&self.store, &mut self.writer);
        let snapshot = self.store.snapshot().unwrap();
        let watermark = snapshot.watermark;
        match place {
            Where::Now => (Start::Now(watermark), Next::At(watermark)),
            Where::At(seq) => (Start::At(seq), Next::At(seq)),
            Where::Behind => {
                let last = snapshot
                    .segments()
                    .last()
                    .map(|(segment, rows)| segment.columns.event_id.slice(rows)[rows - 1]);
                let seq = last.map_or(0, |id| {
                    locate(kinescope_store::EventId(id), &snapshot).unwrap() + 1
                });
                assert_eq!(seq, watermark);
                (Start::At(seq), Next::At(seq))
            }
            Where::Time(time) => {
                let start =
                    Start::of_time(TimeColumn::Timestamp, time, self.store.shared(), &snapshot);
                let Start::At(seq) = start else {
                    return (start, Next::Time(time));
                };
                let first = self.log.iter().position(|event| event.time >= time);
                assert!(first == Some(seq as usize) || (seq == 0 && snapshot.first_seq() > 0));
                (start, Next::At(seq))
            }
        }
    }

    fn take(&mut self, which: usize) -> bool {
        let Some(batch) = self.watched[which].subscription.take() else {
            return false;
        };
        self.check(which, &batch);
        true
    }

    fn check(&mut self, which: usize, batch: &StreamBatch) {
        let log = &self.log;
        let watched = &mut self.watched[which];
        match watched.next {
            Next::At(next) => assert_eq!(batch.start, next),
            Next::Time(time) => {
                let first = log.iter().position(|event| event.time >= time).unwrap() as u64;
                // Once what the start may have been in is gone, it starts where it looked.
                let evicted = self.store.shared().evicted();
                let is_gone = evicted.is_some_and(|evicted| evicted.last_timestamp >= time);
                let evicted_from = batch.gap.is_some_and(|gap| {
                    gap.cause == GapCause::Retention || (gap.cause == GapCause::Skipped && is_gone)
                });
                assert!(
                    batch.start == first || (evicted_from && batch.start <= first),
                    "the first event of time {time} is {first}, and the first batch {batch:?}"
                );
            }
        }
        assert!(batch.start <= batch.end && batch.end <= log.len() as u64);
        let mut seqs = batch.start..batch.end;
        if let Some(gap) = batch.gap {
            assert_eq!(gap.start, batch.start);
            assert!(gap.start < gap.end && gap.end <= batch.end);
            if gap.cause == GapCause::Skipped {
                match std::mem::replace(&mut watched.skip, Skip::Nothing) {
                    Skip::Until(end) => assert_eq!(gap.end, end),
                    Skip::Anything => {}
                    Skip::Nothing => panic!("nobody wished for {gap:?}"),
                }
            } else {
                assert_eq!(gap.cause, GapCause::Retention);
            }
            seqs.start = gap.end;
        }
        let filter = watched.filters[batch.filter_version as usize - 1];
        assert_eq!(batch.filter_version as usize, watched.filters.len());
        let expected: Vec<u64> = seqs
            .filter(|&seq| filter.holds(&log[seq as usize]))
            .collect();
        let events = batch.events.as_ref().map(rows_of).unwrap_or_default();
        let got: Vec<u64> = events.iter().map(|row| row.seq).collect();
        assert_eq!(got, expected, "of {filter:?} in {batch:?}");
        for row in &events {
            let known = &log[row.seq as usize];
            assert_eq!(row.event_type, known.event_type);
            assert_eq!(row.correlation_id, known.trace);
            assert_eq!(row.data.as_deref(), Some(&*known.number.to_string()));
        }
        watched.next = Next::At(batch.end);
        watched.caught_up = batch.caught_up;
    }

    fn run(&mut self, action: &Action) {
        let count = self.watched.len();
        let pick = |which: &usize| (count > 0).then(|| which % count);
        match action {
            Action::Record(events) => self.record(events),
            Action::Subscribe(wanted, place, size, timeout, progress) => {
                let settings = Settings {
                    batch_size: *size,
                    batch_timeout: Duration::from_millis(*timeout),
                    progress_interval: Duration::from_millis(*progress),
                };
                let (start, next) = self.start(*place);
                let subscription = self
                    .consumer
                    .subscribe(wanted.query(), settings, start)
                    .unwrap();
                self.watched.push(Watched {
                    subscription,
                    filters: vec![*wanted],
                    next,
                    is_paused: false,
                    skip: Skip::Nothing,
                    caught_up: false,
                });
            }
            Action::Rest => std::thread::sleep(Duration::from_millis(1)),
            Action::Want(which, batches) => {
                if let Some(which) = pick(which) {
                    self.watched[which].subscription.want(*batches);
                }
            }
            Action::Take(which) => {
                if let Some(which) = pick(which) {
                    while self.take(which) {}
                }
            }
            Action::Unsubscribe(which) => {
                if let Some(which) = pick(which) {
                    let watched = self.watched.remove(which);
                    watched.subscription.unsubscribe();
                    assert_eq!(watched.subscription.status(), Status::Ended);
                    assert!(watched.subscription.take().is_none());
                }
            }
            Action::Pause(which)
            | Action::Resume(which)
            | Action::Skip(which)
            | Action::Latest(which, _)
            | Action::Move(which, _)
            | Action::Update(which, _) => {
                if let Some(which) = pick(which) {
                    self.steer(which, action);
                }
            }
        }
    }

    fn steer(&mut self, which: usize, action: &Action) {
        let subscription = self.watched[which].subscription.clone();
        let was_paused = self.watched[which].is_paused;
        match action {
            Action::Pause(_) => {
                subscription.pause();
                self.watched[which].is_paused = true;
                assert!(subscription.take().is_none());
                return;
            }
            Action::Update(_, wanted) => {
                subscription.update(wanted.query());
                self.watched[which].filters.push(*wanted);
                return;
            }
            Action::Skip(_) => {
                settle(&self.store, &mut self.writer);
                let watermark = self.store.snapshot().unwrap().watermark;
                subscription.resume_at(watermark);
                if was_paused {
                    let watched = &mut self.watched[which];
                    watched.skip_to(watermark);
                }
            }
            Action::Latest(_, count) => {
                settle(&self.store, &mut self.writer);
                let snapshot = self.store.snapshot().unwrap();
                subscription
                    .resume_latest(&snapshot, *count, &Cancel::default())
                    .unwrap();
                if was_paused {
                    self.skip_to_latest(which, *count, snapshot.first_seq());
                }
            }
            Action::Move(_, place) => {
                let (start, next) = self.start(*place);
                subscription.resume_from(start);
                if was_paused {
                    self.watched[which].next = next;
                    self.watched[which].skip = Skip::Nothing;
                }
            }
            _ => subscription.resume(),
        }
        self.watched[which].is_paused = false;
    }

    fn skip_to_latest(&mut self, which: usize, count: usize, first_seq: u64) {
        let watched = &mut self.watched[which];
        let filter = *watched.filters.last().unwrap();
        let start = match watched.next {
            Next::At(next) => next.max(first_seq),
            Next::Time(_) => first_seq,
        };
        let last_skipped = (start..self.log.len() as u64)
            .rev()
            .filter(|&seq| filter.holds(&self.log[seq as usize]))
            .nth(count);
        if let Some(seq) = last_skipped {
            watched.skip_to(seq + 1);
        }
    }

    /// Closes the store, and takes everything that is left.
    fn finish(mut self) {
        settle(&self.store, &mut self.writer);
        self.store.close();
        let mut last_progress = Instant::now();
        let mut ended = BTreeMap::new();
        while ended.len() < self.watched.len() {
            let mut has_moved = false;
            for which in 0..self.watched.len() {
                if !self.watched[which].subscription.is_asking() {
                    self.watched[which].subscription.want(8);
                }
                while self.take(which) {
                    has_moved = true;
                }
            }
            for (id, error) in self.consumer.ready().ended {
                assert!(error.is_none(), "{error:?}");
                ended.insert(id, ());
                has_moved = true;
            }
            if has_moved {
                last_progress = Instant::now();
            } else {
                assert!(
                    last_progress.elapsed() < PATIENCE,
                    "subscriptions do not end"
                );
                // Asking takes the lock that the delivery needs.
                std::thread::sleep(Duration::from_micros(300));
            }
        }
        assert_eq!(self.streams.count(), 0);
        for watched in &self.watched {
            assert_eq!(watched.subscription.status(), Status::Ended);
            if watched.is_paused {
                continue;
            }
            match watched.next {
                Next::At(next) => assert!(next >= self.log.len() as u64, "{next} is not the end"),
                Next::Time(time) => assert!(self.log.iter().all(|event| event.time < time)),
            }
        }
        let late = self.streams.consumer(Box::new(|| ()));
        assert!(late.is_err());
    }
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn delivered_is_what_the_filter_selects_less_the_gaps(
        segment_events in prop_oneof![1usize..40, Just(100_000)],
        max_events in prop_oneof![2 => Just(None), 1 => (8u64..200).prop_map(Some)],
        actions in prop::collection::vec(action(), 1..120),
    ) {
        let mut world = World::new(segment_events, max_events);
        for action in &actions {
            world.run(action);
        }
        world.finish();
    }
}

/// More than any look takes at once, over several segments, and enough subscriptions to be looked for together.
#[test]
fn many_that_catch_up_from_different_positions_get_what_their_filters_select() {
    const EVENTS: usize = 150_000;
    let mut world = World::new(50_000, None);
    let event = |number: usize| {
        let trace = number.is_multiple_of(7).then_some((number % 4) as i64);
        (number / 2 % 3, trace, 0)
    };
    for first in (0..EVENTS).step_by(500) {
        let events: Vec<_> = (first..first + 500).map(event).collect();
        world.record(&events);
        settle(&world.store, &mut world.writer);
    }
    for number in 0..90 {
        let wanted = match number % 5 {
            0 => Wanted::Type(number % 3),
            1 => Wanted::Types(0, number % 3),
            2 => Wanted::Trace((number % 4) as i64),
            3 => Wanted::TypeAndNumber(number % 3, EVENTS as i64 - 1000),
            _ => Wanted::Number(EVENTS as i64 - 10),
        };
        let place = Where::At(number as u64 * 700);
        let size = [0, 20_000, 1024][number % 4 % 3];
        world.run(&Action::Subscribe(wanted, place, size, 0, 3_600_000));
    }
    for which in 0..world.watched.len() {
        world.run(&Action::Want(which, 1));
    }
    world.finish();
}

/// Live ones move along together; some pause, some change their filter, some are slow, and retention overtakes those.
#[test]
fn many_that_are_live_get_what_their_filters_select() {
    let mut world = World::new(700, Some(2000));
    for number in 0..80 {
        let wanted = match number % 6 {
            0 => Wanted::Type(number % 3),
            1 => Wanted::Types(0, number % 3),
            2 | 3 => Wanted::Trace((number % 4) as i64),
            4 => Wanted::TypeAndNumber(number % 3, number as i64 * 40),
            _ => Wanted::NoType,
        };
        let size = [1024, 0, 3, 1][number % 8 % 4];
        let (timeout, progress) = ([40, 5, 0][number % 3], [3_600_000, 5, 40][number % 5 % 3]);
        let subscribe = Action::Subscribe(wanted, Where::Now, size, timeout, progress);
        world.run(&subscribe);
    }
    for round in 0..100usize {
        let event = |number: usize| {
            let trace = number.is_multiple_of(5).then_some((number % 4) as i64);
            (round * number % 3, trace, 0)
        };
        let events: Vec<_> = (0..1 + round * 7 % 60).map(event).collect();
        world.record(&events);
        settle(&world.store, &mut world.writer);
        for which in (0..world.watched.len()).filter(|which| (which + round).is_multiple_of(4)) {
            world.run(&Action::Take(which));
            if !world.watched[which].subscription.is_asking() {
                world.run(&Action::Want(which, 1));
            }
        }
        let which = round * 31;
        match round % 10 {
            3 => world.run(&Action::Pause(which)),
            5 => world.run(&Action::Resume(which)),
            7 => world.run(&Action::Update(which, Wanted::Type(round % 3))),
            9 => world.run(&Action::Unsubscribe(which)),
            _ => world.run(&Action::Rest),
        }
    }
    world.finish();
}

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
    support::eventually("both batches are ready", || !subscription.is_asking());
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
