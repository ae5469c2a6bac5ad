//! Which of the matching rows an answer holds, in (`timestamp`, `seq`) order.

use std::sync::Arc;

use kinescope_store::{Error, Segment, Snapshot};

use crate::bitmap::Bitmap;
use crate::cancel::Cancel;
use crate::filter::{Filter, matching_rows};

/// A row of the log; ordered as answers are by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowRef {
    /// First sort key.
    pub timestamp: i64,
    /// Second sort key, and where the row is.
    pub seq: u64,
}

/// Rows of an answer and how many there would be without a limit.
#[derive(Debug, Default)]
pub struct Selection {
    /// In order, at most as many as the limit.
    pub rows: Vec<RowRef>,
    /// All that match.
    pub total: u64,
}

/// The first `limit` matching rows of the snapshot and the count of all.
///
/// # Errors
/// As [`Cancel::check`].
pub fn select(
    filter: &Filter,
    snapshot: &Snapshot,
    limit: usize,
    cancel: &Cancel,
) -> Result<Selection, Error> {
    let mut selection = Selection::default();
    let mut first = First::new(limit);
    for (segment, rows) in snapshot.segments() {
        cancel.check()?;
        if let Some(matching) = matching_rows(filter, segment, rows) {
            selection.total += matching.count() as u64;
            first.offer(segment, rows, &matching);
        }
    }
    selection.rows = first.into_sorted();
    Ok(selection)
}

/// The smallest `limit` rows of all that were offered.
struct First {
    limit: usize,
    rows: Vec<RowRef>,
    /// Rows above this cannot be among the smallest any more.
    bound: Option<RowRef>,
}

impl First {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            rows: Vec::new(),
            bound: None,
        }
    }

    fn offer(&mut self, segment: &Arc<Segment>, rows: usize, matching: &Bitmap) {
        let in_time_order = segment.bounds.in_time_order();
        if self.limit == 0
            || self
                .bound
                .is_some_and(|bound| segment.bounds.min_timestamp() > bound.timestamp)
        {
            return;
        }
        let timestamps = segment.columns.timestamp.slice(rows);
        for (taken, row) in matching.iter().enumerate() {
            let candidate = RowRef {
                timestamp: timestamps[row],
                seq: segment.base_seq + row as u64,
            };
            if self.bound.is_none_or(|bound| candidate < bound) {
                self.rows.push(candidate);
                if self.rows.len() >= self.limit.saturating_mul(2).max(1024) {
                    self.prune();
                }
            } else if in_time_order {
                return;
            }
            if in_time_order && taken + 1 >= self.limit {
                return;
            }
        }
    }

    /// Drops what is beyond the limit, in linear time.
    fn prune(&mut self) {
        if self.rows.len() > self.limit {
            let (_, &mut last, _) = self.rows.select_nth_unstable(self.limit - 1);
            self.rows.truncate(self.limit);
            self.bound = Some(last);
        }
    }

    fn into_sorted(mut self) -> Vec<RowRef> {
        if self.limit > 0 {
            self.prune();
        }
        // Rows mostly come in order already, which this sort takes advantage of.
        self.rows.sort();
        self.rows
    }
}
