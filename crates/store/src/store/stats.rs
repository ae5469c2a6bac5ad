//! What a store has done so far, in numbers.

use super::Store;
use super::registry::Gone;
use crate::sync::{Ordering, lock};

/// What a store has done so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Attempts to record that were not lost, drained or not.
    pub recorded: u64,
    /// Events in the log so far, evicted ones included.
    pub stored: u64,
    /// Rows that retention evicted.
    pub evicted: u64,
    /// Lost attempts, in the order of [`crate::LossCause::ROWS`].
    pub lost: [u64; 5],
    /// Values of a wrong type, stored as absent.
    pub mistyped: u64,
    /// Exits without their entry or out of order.
    pub unbalanced: u64,
    /// Events left out by sampling.
    pub sampled_out: u64,
    /// Events recorded after the recording was closed.
    pub after_close: u64,
    /// Rows of the log that an index covers.
    pub indexed: u64,
    /// Segments, the open one included.
    pub segments: u64,
    /// Bytes of all segments.
    pub memory_bytes: u64,
    /// Bytes of files.
    pub disk_bytes: u64,
    /// Rows that are in memory only, because the disk takes no more.
    pub unsaved: u64,
}

impl Store {
    /// Counts as of now.
    pub fn stats(&self) -> Stats {
        let snapshot = self.shared.snapshot();
        let counters = &self.shared.counters;
        let registry = lock(&self.producers.inner);
        let mut total = Gone::default();
        total.add(&registry.gone);
        registry
            .alive
            .iter()
            .for_each(|ring| total.add(&Gone::of(ring)));
        drop(registry);
        let lost: [u64; 5] =
            std::array::from_fn(|cause| counters.lost[cause].load(Ordering::Relaxed));
        Stats {
            recorded: lost
                .iter()
                .fold(total.attempts, |left, lost| left.saturating_sub(*lost)),
            stored: counters.stored.load(Ordering::Relaxed),
            evicted: counters.evicted.load(Ordering::Relaxed),
            lost,
            mistyped: total
                .mistyped
                .saturating_add(counters.mistyped.load(Ordering::Relaxed)),
            unbalanced: total.unbalanced,
            sampled_out: total.sampled_out,
            after_close: total.after_close,
            indexed: snapshot.indexed_rows(),
            segments: snapshot.segment_count() as u64,
            memory_bytes: snapshot.used_bytes() as u64,
            disk_bytes: counters.disk_bytes.load(Ordering::Relaxed),
            unsaved: counters.unsaved.load(Ordering::Relaxed),
        }
    }
}
