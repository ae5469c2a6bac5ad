//! A recording with its subscriptions, and what each of them has to deliver.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kinescope_query::Cancel;
use kinescope_ring::{Inherited, Priority, RecordTime, RingWriter, Text};
use kinescope_store::{Retention, Store};
use kinescope_stream::{
    Consumer, GapCause, Settings, Start, Status, StreamBatch, Streams, Subscription, TimeColumn,
    locate,
};

use crate::actions::{Action, Known, TYPES, Wanted, Where};
use crate::support::value::Value;
use crate::support::{PATIENCE, head_at, of_type, options, producer, rows_of, settle};

/// What the next batch of a subscription has to be.
pub enum Next {
    /// It starts here.
    At(u64),
    /// It starts at the first event of this time, if one comes.
    Time(i64),
}

/// What a subscription leaves out by its consumer's wish.
#[derive(Clone, Copy, Debug)]
pub enum Skip {
    Nothing,
    Until(u64),
    /// Whether it had a position when it was asked to depends on how quick the delivery was.
    Anything,
}

pub struct Watched {
    pub subscription: Subscription,
    pub filters: Vec<Wanted>,
    pub next: Next,
    pub is_paused: bool,
    pub skip: Skip,
    pub caught_up: bool,
}

impl Watched {
    pub fn skip_to(&mut self, end: u64) {
        self.skip = match (self.next_position(), self.skip) {
            (None, _) | (_, Skip::Anything) => Skip::Anything,
            (Some(_), Skip::Until(before)) => Skip::Until(before.max(end)),
            (Some(next), Skip::Nothing) if next < end => Skip::Until(end),
            (Some(_), Skip::Nothing) => Skip::Nothing,
        };
    }

    pub fn next_position(&self) -> Option<u64> {
        match self.next {
            Next::At(next) => Some(next),
            Next::Time(_) => None,
        }
    }
}

pub struct World {
    pub store: Store,
    pub writer: RingWriter,
    pub streams: Streams,
    pub consumer: Consumer,
    pub log: Vec<Known>,
    pub watched: Vec<Watched>,
}

impl World {
    pub fn new(segment_events: usize, max_events: Option<u64>) -> Self {
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

    pub fn record(&mut self, events: &[(usize, Option<i64>, i64)]) {
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
    pub fn start(&mut self, place: Where) -> (Start, Next) {
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

    pub fn take(&mut self, which: usize) -> bool {
        let Some(batch) = self.watched[which].subscription.take() else {
            return false;
        };
        self.check(which, &batch);
        true
    }

    pub fn check(&mut self, which: usize, batch: &StreamBatch) {
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

    pub fn run(&mut self, action: &Action) {
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

    pub fn steer(&mut self, which: usize, action: &Action) {
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

    pub fn skip_to_latest(&mut self, which: usize, count: usize, first_seq: u64) {
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
    pub fn finish(mut self) {
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
