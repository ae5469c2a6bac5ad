//! What a subscription delivers.

use std::sync::Arc;

use arrow_array::RecordBatch;
use kinescope_query::batch_of;
use kinescope_store::{Error, LossRange, Segment, Shared, Snapshot};

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
    let lost = lost_in(&segments_of(snapshot, plan.start), plan, log);
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

/// What is known to be missing from the time that a batch covers.
fn lost_in(segments: &Segments<'_>, plan: &Plan, log: &Shared) -> Vec<LossRange> {
    let first = segments
        .partition_point(|(segment, _)| segment.base_seq <= plan.start)
        .saturating_sub(1);
    let own = segments.get(first..).unwrap_or_default();
    let end = own.partition_point(|(segment, _)| segment.base_seq < plan.end);
    let own = &own[..end];
    let lost_between = |times: Option<(i64, i64)>| {
        times.map_or_else(Vec::new, |(first, last)| {
            log.lost_between(first, last.saturating_add(1))
        })
    };
    // Bounds of whole segments cost nothing, and almost always nothing is missing between them.
    let bounds = own.iter().map(|(segment, _)| {
        (
            segment.bounds.min_timestamp(),
            segment.bounds.max_timestamp(),
        )
    });
    if lost_between(bounds.reduce(widen)).is_empty() {
        return Vec::new();
    }
    lost_between(times_of(own, plan.start, plan.end))
}

fn widen((low, high): (i64, i64), (min, max): (i64, i64)) -> (i64, i64) {
    (low.min(min), high.max(max))
}

/// The lowest and the highest timestamp of a stretch of the log.
fn times_of(segments: &[(&Arc<Segment>, usize)], start: u64, end: u64) -> Option<(i64, i64)> {
    let of_segment = |(segment, rows): &(&Arc<Segment>, usize)| {
        let row_of = |seq: u64| (seq.saturating_sub(segment.base_seq) as usize).min(*rows);
        let timestamps = &segment.columns.timestamp.slice(*rows)[row_of(start)..row_of(end)];
        if segment.bounds.in_time_order() {
            timestamps.first().copied().zip(timestamps.last().copied())
        } else {
            let both = timestamps.iter().map(|&timestamp| (timestamp, timestamp));
            both.reduce(widen)
        }
    };
    segments.iter().filter_map(of_segment).reduce(widen)
}
