//! Where in the log a subscription starts.

use kinescope_query::filter::matching_rows_until;
use kinescope_query::{Cancel, Filter};
use kinescope_store::{Error, ErrorCode, EventId, Part, Segment, Shared, Snapshot};

use crate::settings::StreamQuery;

/// A column of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeColumn {
    /// `timestamp`
    Timestamp,
    /// `wall_time`
    WallTime,
}

impl TimeColumn {
    /// The times of the first `rows` rows.
    pub(crate) fn of(self, segment: &Segment, rows: usize) -> &[i64] {
        match self {
            Self::Timestamp => segment.columns.timestamp.slice(rows),
            Self::WallTime => segment.columns.wall_time.slice(rows),
        }
    }

    /// The timestamp of a time of this kind, as the clocks are now.
    pub(crate) fn timestamp_of(self, time: i64, log: &Shared) -> i64 {
        match self {
            Self::Timestamp => time,
            Self::WallTime => time.saturating_sub(log.clock.wall_minus_timestamp_ns()),
        }
    }

    /// Whether no visible row of the segment can be that late.
    fn ends_before(self, time: i64, segment: &Segment) -> bool {
        self == Self::Timestamp && segment.bounds.max_timestamp() < time
    }
}

/// A position in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// After everything that is there.
    Now(u64),
    /// At this position, whether it is there, still to come, or already evicted.
    At(u64),
    /// At the first row from a position on whose time is at least this; there is none yet.
    Time {
        /// The time.
        at_least: i64,
        /// Of which kind.
        column: TimeColumn,
        /// The timestamp at that time.
        timestamp: i64,
        /// Rows below do not have it.
        from: u64,
    },
}

impl Start {
    /// At the lowest position whose time is at least this. Where retention may have evicted such rows, at the first that
    /// it did.
    pub fn of_time(column: TimeColumn, at_least: i64, log: &Shared, snapshot: &Snapshot) -> Self {
        let timestamp = column.timestamp_of(at_least, log);
        let evicted = log.evicted();
        if let Some(evicted) = evicted.filter(|evicted| evicted.last_timestamp >= timestamp) {
            return Self::At(evicted.first);
        }
        let found = snapshot.segments().find_map(|(segment, rows)| {
            if column.ends_before(at_least, segment) {
                return None;
            }
            let row = column
                .of(segment, rows)
                .iter()
                .position(|&time| time >= at_least)?;
            Some(segment.base_seq + row as u64)
        });
        found.map_or(
            Self::Time {
                at_least,
                column,
                timestamp,
                from: snapshot.watermark,
            },
            Self::At,
        )
    }
}

/// The position of an event.
///
/// # Errors
/// `NOT_FOUND`: never recorded, lost, or evicted.
pub fn locate(event_id: EventId, snapshot: &Snapshot) -> Result<u64, Error> {
    let segments = snapshot.segments_where(|summary| summary.may_have(event_id.0));
    let found = segments.rev().find_map(|(segment, rows)| {
        let row = segment.row_of(event_id.0, 0..rows)?;
        Some(segment.base_seq + row as u64)
    });
    found.ok_or_else(|| {
        let message = format!("startFrom.eventId: no event {event_id}");
        Error::new(ErrorCode::NotFound, message)
    })
}

/// Where to start from so that of the rows from `from` on just the last `count` that match are delivered: `from` itself
/// if there are no more.
///
/// # Errors
/// As [`Cancel::check`].
pub fn latest(
    query: &StreamQuery,
    snapshot: &Snapshot,
    from: u64,
    count: usize,
    cancel: &Cancel,
) -> Result<u64, Error> {
    let filter: &Filter = &query.filter;
    let mut left = count;
    for (segment, rows) in snapshot.segments().rev() {
        cancel.check()?;
        let first = from.saturating_sub(segment.base_seq).min(rows as u64) as usize;
        if first < rows
            && let Some(matching) =
                matching_rows_until(filter, &Part::of_rows(segment, first..rows), cancel)?
        {
            let matches = matching.count();
            if matches > left
                && let Some(row) = matching.iter_back().nth(left)
            {
                return Ok(segment.base_seq + row as u64 + 1);
            }
            left -= matches;
        }
        if segment.base_seq <= from {
            break;
        }
    }
    Ok(from)
}
