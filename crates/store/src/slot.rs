//! One place in the list of segments: a segment in memory, or a file that is looked at when it is needed.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::error::Error;
use crate::event_id::EventId;
use crate::index::SegmentIndex;
use crate::loss::{LossCause, LossRange};
use crate::names::Names;
use crate::segment::{ProducerRange, Segment};

/// What is known of a sealed segment without looking at its rows.
#[derive(Clone, Debug)]
pub struct Summary {
    /// `seq` of the first row.
    pub base_seq: u64,
    /// Rows, at least one.
    pub rows: usize,
    /// Lowest timestamp.
    pub min_timestamp: i64,
    /// Highest timestamp.
    pub max_timestamp: i64,
    /// Timestamps do not decrease from row to row.
    pub in_time_order: bool,
    /// On the recording's time line: what retention by age goes by.
    pub last_append: i64,
    /// Sorted by producer.
    pub producers: Vec<ProducerRange>,
}

impl Summary {
    /// Between which numbers those of a producer's events here are; none if there are no such events.
    pub fn producer_range(&self, producer: u16) -> Option<&ProducerRange> {
        let place = self
            .producers
            .binary_search_by_key(&producer, |own| own.producer);
        self.producers.get(place.ok()?)
    }

    /// Whether any of some positions of the log is here.
    pub fn may_hold(&self, seqs: RangeInclusive<u64>) -> bool {
        let behind = self.base_seq + self.rows as u64;
        *seqs.start() < behind && *seqs.end() >= self.base_seq
    }

    /// Whether an event may be here.
    pub fn may_have(&self, event_id: u64) -> bool {
        let id = EventId(event_id);
        self.producer_range(id.producer())
            .is_some_and(|own| (own.first..=own.last).contains(&id.sequence()))
    }
}

/// A sealed segment in a file.
pub trait StoredSegment: Send + Sync {
    /// What is known without reading it.
    fn summary(&self) -> &Summary;

    /// The segment, mapped and checked when it is first asked for; none when it is damaged.
    fn segment(&self) -> Option<&Arc<Segment>>;

    /// The segment, if it has been asked for.
    fn loaded(&self) -> Option<&Arc<Segment>>;

    /// As [`StoredSegment::segment`], with its index if that is in a file too.
    fn indexed_segment(&self, names: &Names) -> Option<&Arc<Segment>>;

    /// The index, mapped and checked; none when there is no whole one in a file.
    fn read_index(&self, names: &Names) -> Option<SegmentIndex>;

    /// Writes down the index that the segment has in memory; gives the same segment with the index in its file. With
    /// `sync`, that is on the disk before it takes the place of another.
    ///
    /// # Errors
    /// `IO`; the files are as they were then.
    fn write_index(&self, sync: bool, names: &Names) -> Result<Arc<dyn StoredSegment>, Error>;

    /// Rows that an index covers, in memory or in a file.
    fn indexed_rows(&self) -> usize;

    /// Whether it has been asked for and found damaged.
    fn is_damaged(&self) -> bool;

    /// Bytes of its files.
    fn disk_bytes(&self) -> u64;
}

/// A segment of the list.
#[derive(Clone)]
pub enum Slot {
    /// Open, or sealed and in memory.
    Memory(Arc<Segment>),
    /// Sealed and in a file.
    File(Arc<dyn StoredSegment>),
}

impl Slot {
    /// `seq` of the first row.
    pub fn base_seq(&self) -> u64 {
        match self {
            Self::Memory(segment) => segment.base_seq,
            Self::File(stored) => stored.summary().base_seq,
        }
    }

    /// Rows; none while the segment is open.
    pub fn sealed_rows(&self) -> Option<usize> {
        match self {
            Self::Memory(segment) => segment.sealed().map(|sealed| sealed.rows),
            Self::File(stored) => Some(stored.summary().rows),
        }
    }

    /// Position behind the last row; none while the segment is open.
    pub fn end_seq(&self) -> Option<u64> {
        Some(self.base_seq() + self.sealed_rows()? as u64)
    }

    /// The segment itself; none when it is damaged.
    pub fn segment(&self) -> Option<&Arc<Segment>> {
        match self {
            Self::Memory(segment) => Some(segment),
            Self::File(stored) => stored.segment(),
        }
    }

    /// As [`Slot::segment`], with its index if that is in a file.
    pub(crate) fn indexed_segment(&self, names: &Names) -> Option<&Arc<Segment>> {
        match self {
            Self::Memory(segment) => Some(segment),
            Self::File(stored) => stored.indexed_segment(names),
        }
    }

    /// Bytes of memory. A file that is mapped is the kernel's to keep in memory or not, and does not count.
    pub fn memory_bytes(&self) -> usize {
        match self {
            Self::Memory(segment) => segment.used_bytes(),
            Self::File(stored) => stored.loaded().map_or(0, |segment| segment.used_bytes()),
        }
    }

    /// Lowest and highest timestamp, as [`Bounds`](crate::Bounds) has them.
    pub fn timestamps(&self) -> (i64, i64) {
        match self {
            Self::Memory(segment) => (
                segment.bounds.min_timestamp(),
                segment.bounds.max_timestamp(),
            ),
            Self::File(stored) => {
                let summary = stored.summary();
                (summary.min_timestamp, summary.max_timestamp)
            }
        }
    }

    /// What is missing when it is known to be damaged.
    pub(crate) fn damage(&self) -> Option<LossRange> {
        let Self::File(stored) = self else {
            return None;
        };
        stored
            .is_damaged()
            .then(|| self.range(LossCause::Corrupt, stored.summary().rows))
    }

    /// All of its `rows` rows as something that is missing.
    pub(crate) fn range(&self, cause: LossCause, rows: usize) -> LossRange {
        let (first_timestamp, last_timestamp) = self.timestamps();
        let base_seq = self.base_seq();
        LossRange {
            cause,
            producer: 0,
            first: base_seq,
            last: (base_seq + rows as u64).saturating_sub(1),
            count: rows as u64,
            first_timestamp,
            last_timestamp,
        }
    }
}
