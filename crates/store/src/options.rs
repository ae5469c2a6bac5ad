//! How a store is opened.

use std::time::Duration;

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
}

impl StoreOptions {
    /// Rows and bytes after which the open segment is sealed: an eighth of a limit, so that evicting whole
    /// segments overshoots by no more.
    pub(crate) fn segment_limits(&self) -> (usize, u64) {
        let eighth = |limit: Option<u64>| limit.map_or(u64::MAX, |limit| (limit / 8).max(1));
        let bytes = eighth(self.retention.max_bytes);
        // No row takes less than this in its fixed columns, so more rows could not be used.
        const ROW_BYTES_MIN: u64 = 72;
        let rows = (self.segment_events as u64)
            .min(eighth(self.retention.max_events))
            .min((bytes / ROW_BYTES_MIN).max(1));
        (usize::try_from(rows).unwrap_or(usize::MAX).max(1), bytes)
    }
}
