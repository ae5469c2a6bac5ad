//! Looks at the rows behind a cursor.

use std::ops::Range;
use std::sync::Arc;

use kinescope_query::Filter;
use kinescope_query::bitmap::Bitmap;
use kinescope_query::filter::matching_rows;
use kinescope_store::{Part, Segment, Snapshot};

use crate::gap::Gap;
use crate::position::TimeColumn;

/// A snapshot's segments and how many of each one's rows are visible.
pub(crate) type Segments<'a> = Vec<(&'a Arc<Segment>, usize)>;

/// The segments of a snapshot from a position on.
pub(crate) fn segments_of(snapshot: &Snapshot, from: u64) -> Segments<'_> {
    snapshot
        .segments_where(|summary| summary.may_hold(from..=u64::MAX))
        .collect()
}

/// What to look for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    /// The first position to look at.
    pub(crate) from: u64,
    /// One more than the last that is visible; above `from`.
    pub(crate) end: u64,
    /// How many rows, at most.
    pub(crate) rows_max: usize,
    /// How many matches are wanted, at most; none: all of them.
    pub(crate) wanted: Option<usize>,
}

/// What there is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Rows were looked at.
    Rows {
        /// Those that match, ascending.
        seqs: Vec<u64>,
        /// Everything below has been looked at; beyond what was wanted, the next match.
        scanned: u64,
        /// Whether that is the end of a segment that grows no more.
        ends_segment: bool,
        /// How many rows were looked at.
        rows: usize,
        /// How many of them match, wanted or not.
        matches: usize,
    },
    /// The log does not have these positions.
    Hole(Gap),
}

/// Where a stretch begins: the segment with the row and how many are visible, or where the rows end that are missing there.
enum Place<'a> {
    Row(&'a Arc<Segment>, usize, usize),
    Hole(u64),
}

fn place<'a>(segments: &Segments<'a>, stretch: Stretch) -> Place<'a> {
    let next = segments.partition_point(|(segment, _)| segment.base_seq <= stretch.from);
    if let Some(&(segment, rows)) = next.checked_sub(1).and_then(|index| segments.get(index)) {
        let row = (stretch.from - segment.base_seq) as usize;
        if row < rows {
            return Place::Row(segment, row, rows);
        }
    }
    // Whatever is visible and in no segment is missing, also behind the last one.
    let next = segments.get(next).map(|(segment, _)| segment.base_seq);
    Place::Hole(next.map_or(stretch.end, |next| next.min(stretch.end)))
}

/// The rows of one stretch, of one segment at most, that match; `missing` says more about positions that are in none.
pub(crate) fn scan(
    filter: &Filter,
    segments: &Segments<'_>,
    stretch: Stretch,
    missing: impl FnOnce(Range<u64>) -> Gap,
) -> Found {
    let (segment, first, rows) = match place(segments, stretch) {
        Place::Row(segment, row, rows) => (segment, row, rows),
        Place::Hole(end) => return Found::Hole(missing(stretch.from..end)),
    };
    let end = rows.min(first.saturating_add(stretch.rows_max));
    let matching = matching_rows(filter, &Part::of_rows(segment, first..end));
    let wanted = stretch.wanted.unwrap_or(usize::MAX);
    let matches = matching.as_ref().map_or(0, Bitmap::count);
    let mut seqs = Vec::new();
    let mut scanned = segment.base_seq + end as u64;
    if let Some(matching) = matching {
        seqs.reserve(matches.min(wanted));
        for row in matching.iter() {
            let seq = segment.base_seq + row as u64;
            if seqs.len() == wanted {
                scanned = seq;
                break;
            }
            seqs.push(seq);
        }
    }
    let end_of_segment = segment
        .sealed()
        .map(|sealed| segment.base_seq + sealed.rows as u64);
    Found::Rows {
        seqs,
        scanned,
        ends_segment: end_of_segment == Some(scanned),
        rows: end - first,
        matches,
    }
}

/// The first row of a stretch whose time is at least that, or how far there is none.
pub(crate) fn first_at(
    column: TimeColumn,
    at_least: i64,
    segments: &Segments<'_>,
    stretch: Stretch,
) -> Result<u64, u64> {
    match place(segments, stretch) {
        Place::Row(segment, first, rows) => {
            let end = rows.min(first.saturating_add(stretch.rows_max));
            let times = &column.of(segment, end)[first..];
            let row = times.iter().position(|&time| time >= at_least);
            row.map(|row| segment.base_seq + (first + row) as u64)
                .ok_or(segment.base_seq + end as u64)
        }
        Place::Hole(end) => Err(end),
    }
}
