//! How a store is opened.

use std::time::{Duration, Instant};

use crate::area::MAPPED_FROM_BYTES;

/// Limits of a recording's history; what exceeds one is evicted from the log's start, whole segments at a time,
/// with at most an eighth of the limit above it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retention {
    /// Bytes of memory of all segments.
    pub max_bytes: Option<u64>,
    /// Time since an event was appended.
    pub max_age: Option<Duration>,
    /// Events.
    pub max_events: Option<u64>,
}

/// What survives a power loss. That every event whose record call has returned survives the process holds for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// What the kernel has written back by itself.
    #[default]
    Process,
    /// All but about the last 200 milliseconds.
    Interval,
    /// As with an interval, and everything before a flush that has returned.
    Sync,
}

/// Everything that a store needs to know to open.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Default of the `node` column.
    pub node: String,
    /// Rows of a sealed segment, at most.
    pub segment_events: usize,
    /// Bytes of each producer's ring.
    pub ring_bytes: usize,
    /// A producer waits when its ring is full, instead of dropping.
    pub block_when_full: bool,
    /// What is kept.
    pub retention: Retention,
    /// The capture settings, kept for readers as JSON.
    pub config_json: String,
    /// One reading of the producers' monotonic clock.
    pub raw_now_ns: i64,
    /// When that was read: opening may take long.
    pub raw_now_at: Instant,
    /// What survives what, of a recording on disk.
    pub durability: Durability,
}

impl StoreOptions {
    /// Rows and bytes after which the open segment is sealed: an eighth of a limit, so that evicting whole
    /// segments overshoots by no more.
    pub(crate) fn segment_limits(&self) -> (usize, u64) {
        let eighth = |limit: Option<u64>| limit.map_or(u64::MAX, |limit| (limit / 8).max(1));
        let bytes = eighth(self.retention.max_bytes);
        // What a plain row takes, fixed columns and a little text: capacity for more rows would mostly stay unused.
        const ROW_BYTES: u64 = 160;
        // In a smaller segment the narrower columns are no mappings, and their capacity takes up memory, used or not:
        // about half of this for a row, so that the other half of the segment's bytes is left for text.
        const ROW_BYTES_SMALL: u64 = 256;
        let rows_of_mapped = (MAPPED_FROM_BYTES / size_of::<u16>()) as u64;
        let rows_by_bytes = match bytes / ROW_BYTES {
            rows if rows >= rows_of_mapped => rows,
            _ => bytes / ROW_BYTES_SMALL,
        };
        let rows = (self.segment_events as u64)
            .min(eighth(self.retention.max_events))
            .min(rows_by_bytes.max(1));
        (usize::try_from(rows).unwrap_or(usize::MAX).max(1), bytes)
    }
}
