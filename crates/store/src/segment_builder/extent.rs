//! Between which times and numbers a segment's rows are.

use hashbrown::HashMap;

use crate::event_id::EventId;
use crate::segment::ProducerRange;

/// Empty: its first number is above its last.
const NO_RUN: ProducerRange = ProducerRange {
    producer: 0,
    first: u64::MAX,
    last: 0,
};

/// What a segment's rows have in common.
pub(super) struct Extent {
    pub(super) min_timestamp: i64,
    pub(super) max_timestamp: i64,
    pub(super) in_time_order: bool,
    producers: HashMap<u16, (u64, u64)>,
    /// Rows of one producer at the end of the segment, not yet in `producers`.
    run: ProducerRange,
}

impl Extent {
    /// Of no rows.
    pub(super) fn new() -> Self {
        Self {
            min_timestamp: i64::MAX,
            max_timestamp: i64::MIN,
            in_time_order: true,
            producers: HashMap::new(),
            run: NO_RUN,
        }
    }

    /// Takes up another row.
    #[inline]
    pub(super) fn note(&mut self, timestamp: i64, event_id: u64) {
        self.in_time_order &= timestamp >= self.max_timestamp;
        self.min_timestamp = self.min_timestamp.min(timestamp);
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let id = EventId(event_id);
        // Rows come in runs of one producer, so the last one's range is nearly always the right one.
        if id.producer() != self.run.producer {
            self.end_run();
            self.run = ProducerRange {
                producer: id.producer(),
                first: u64::MAX,
                last: 0,
            };
        }
        self.run.first = self.run.first.min(id.sequence());
        self.run.last = self.run.last.max(id.sequence());
    }

    /// Merges the current run into what is known of its producer.
    fn end_run(&mut self) {
        let ProducerRange {
            producer,
            first,
            last,
        } = self.run;
        if first <= last {
            let range = self.producers.entry(producer).or_insert((first, last));
            *range = (range.0.min(first), range.1.max(last));
        }
    }

    /// The numbers of a producer's sequence between which all of its rows here are; none if there are no such rows.
    pub(super) fn producer_range(&self, producer: u16) -> Option<ProducerRange> {
        let merged = self.producers.get(&producer).copied();
        let run = (self.run.producer == producer && self.run.first <= self.run.last)
            .then_some((self.run.first, self.run.last));
        let (first, last) = match (merged, run) {
            (Some(a), Some(b)) => (a.0.min(b.0), a.1.max(b.1)),
            (a, b) => a.or(b)?,
        };
        Some(ProducerRange {
            producer,
            first,
            last,
        })
    }

    /// Of each producer the numbers between which its rows are, sorted by producer.
    pub(super) fn into_producers(mut self) -> Vec<ProducerRange> {
        self.end_run();
        let mut producers: Vec<_> = self
            .producers
            .iter()
            .map(|(&producer, &(first, last))| ProducerRange {
                producer,
                first,
                last,
            })
            .collect();
        producers.sort_unstable_by_key(|range| range.producer);
        producers
    }
}
