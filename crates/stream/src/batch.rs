//! What a subscription delivers.

use arrow_array::RecordBatch;
use kinescope_query::batch_of;
use kinescope_store::{Error, LossRange, Shared, Snapshot};

use crate::gap::Gap;
use crate::scan::{Segments, segments_of};
use crate::step::Plan;

/// Matching events of a stretch of the log.
#[derive(Debug)]
pub struct StreamBatch {
    /// The first position that it covers.
    pub start: u64,
    /// One more than the last; equal to `start` when it covers none.
    pub end: u64,
    /// Whether there was nothing behind it.
    pub caught_up: bool,
    /// How many filters the subscription has had, the one of this batch included.
    pub filter_version: u32,
    /// Positions at its start that it leaves out.
    pub gap: Option<Gap>,
    /// What is known to be missing from the time that it covers.
    pub lost: Vec<LossRange>,
    /// The events; none of them: nothing matched.
    pub events: Option<RecordBatch>,
    /// Bytes that were gathered for it.
    pub gathered_bytes: usize,
}

impl StreamBatch {
    /// Events in it.
    pub fn rows(&self) -> usize {
        self.events.as_ref().map_or(0, RecordBatch::num_rows)
    }
}

/// Makes the batch that was planned on this snapshot.
///
/// # Errors
/// `RESOURCE_EXHAUSTED` when its text is over 2 GiB; `IO` for a bug.
pub(crate) fn make(plan: &Plan, snapshot: &Snapshot, log: &Shared) -> Result<StreamBatch, Error> {
    let (events, gathered_bytes) = if plan.seqs.is_empty() {
        (None, 0)
    } else {
        let (batch, bytes) = batch_of(&plan.seqs, snapshot, plan.query.items())?;
        (Some(batch), bytes)
    };
    let times = times_of(&segments_of(snapshot, plan.start), plan.start, plan.end);
    let lost = times.map_or_else(Vec::new, |(first, last)| {
        log.lost_between(first, last.saturating_add(1))
    });
    Ok(StreamBatch {
        start: plan.start,
        end: plan.end,
        caught_up: plan.caught_up,
        filter_version: plan.filter_version,
        gap: plan.gap,
        lost,
        events,
        gathered_bytes,
    })
}

/// The lowest and the highest timestamp of a stretch of the log.
fn times_of(segments: &Segments<'_>, start: u64, end: u64) -> Option<(i64, i64)> {
    let first = segments
        .partition_point(|(segment, _)| segment.base_seq <= start)
        .saturating_sub(1);
    let mut times: Option<(i64, i64)> = None;
    for (segment, rows) in segments.get(first..)? {
        if segment.base_seq >= end {
            break;
        }
        let row_of = |seq: u64| (seq.saturating_sub(segment.base_seq) as usize).min(*rows);
        let timestamps = &segment.columns.timestamp.slice(*rows)[row_of(start)..row_of(end)];
        let own = if segment.bounds.in_time_order() {
            timestamps.first().copied().zip(timestamps.last().copied())
        } else {
            timestamps
                .iter()
                .copied()
                .min()
                .zip(timestamps.iter().copied().max())
        };
        times = match (times, own) {
            (Some((low, high)), Some((first, last))) => Some((low.min(first), high.max(last))),
            (times, own) => times.or(own),
        };
    }
    times
}
