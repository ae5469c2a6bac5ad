//! Which rows of a segment a query asks for.

use std::ops::Range;
use std::sync::Arc;

use kinescope_store::{
    Error, Part, Segment, Snapshot,
    columns::{DictionaryColumn, NullableColumn},
};

use crate::bitmap::Bitmap;
use crate::cancel::Cancel;
use crate::code_filter::CodeFilter;
use crate::condition::Condition;
use crate::evaluate::{Rows, retain};

/// Conditions on events, all of which must hold; an absent one holds for all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Half-open, on the recording's time line.
    pub timestamps: Option<Range<i64>>,
    /// Half-open, nanoseconds since the Unix epoch.
    pub wall_times: Option<Range<i64>>,
    /// One of these.
    pub pids: Option<Vec<String>>,
    /// One of these; events without a correlation id do not match.
    pub correlation_ids: Option<Vec<String>>,
    /// One of these.
    pub event_types: Option<Vec<String>>,
    /// One of these rows: ascending positions in the log.
    pub seqs: Option<Arc<Vec<u64>>>,
    /// Anything else.
    pub condition: Option<Condition>,
}

impl Filter {
    /// The parts of a snapshot that may hold matching rows: files that cannot are not even opened.
    pub(crate) fn parts<'a>(&self, snapshot: &'a Snapshot) -> Vec<Part<'a>> {
        snapshot.parts_where(|summary| {
            let is_in_time = self.timestamps.as_ref().is_none_or(|range| {
                summary.max_timestamp >= range.start && summary.min_timestamp < range.end
            });
            // Ascending, so that the ends are its bounds.
            let is_in_seqs = self.seqs.as_ref().is_none_or(|seqs| {
                let bounds = seqs.first().zip(seqs.last());
                bounds.is_some_and(|(first, last)| summary.may_hold(*first..=*last))
            });
            is_in_time && is_in_seqs
        })
    }
}

/// The rows of the part that satisfy `filter`; none when no row does.
pub fn matching_rows(filter: &Filter, part: &Part<'_>) -> Option<Bitmap> {
    matching(filter, part, Rows::of(part))
}

/// As [`matching_rows`], for filters that somebody may not want to wait for.
///
/// # Errors
/// As [`Cancel::check`].
pub fn matching_rows_until(
    filter: &Filter,
    part: &Part<'_>,
    cancel: &Cancel,
) -> Result<Option<Bitmap>, Error> {
    let rows = Rows {
        cancel: Some(cancel),
        ..Rows::of(part)
    };
    let matching = matching(filter, part, rows);
    cancel.check()?;
    Ok(matching)
}

fn matching(filter: &Filter, part: &Part<'_>, rows: Rows<'_>) -> Option<Bitmap> {
    let segment = part.segment;
    let members = filter
        .seqs
        .as_ref()
        .map(|seqs| members_of(seqs, segment, rows.count));
    if members.is_some_and(<[u64]>::is_empty) {
        return None;
    }
    let range = in_time_range(filter.timestamps.as_ref(), segment, part.rows.clone());
    if range.is_empty() {
        return None;
    }
    let mut code_filters = code_filters(filter, segment)?;
    let mut matching = match members {
        Some(members) => {
            let row_of = |seq: &u64| (seq - segment.base_seq) as u32;
            let within = |row: &u32| range.contains(&(*row as usize));
            let members: Vec<u32> = members.iter().map(row_of).filter(within).collect();
            Bitmap::of_rows(rows.count, &members)
        }
        None => first_candidates(&mut code_filters, rows, range),
    };
    for code_filter in &code_filters {
        code_filter.retain(rows, &mut matching);
    }
    if let Some(range) = &filter.timestamps
        && !segment.bounds.in_time_order()
    {
        matching.retain(segment.columns.timestamp.slice(rows.count), |timestamp| {
            range.contains(&timestamp)
        });
    }
    if let Some(range) = &filter.wall_times {
        matching.retain(segment.columns.wall_time.slice(rows.count), |wall_time| {
            range.contains(&wall_time)
        });
    }
    if let Some(condition) = &filter.condition {
        retain(condition, rows, &mut matching);
    }
    (!matching.is_empty()).then_some(matching)
}

/// What the filter asks of columns with a dictionary; none when the segment has none of the values of one.
fn code_filters(filter: &Filter, segment: &Segment) -> Option<Vec<CodeFilter>> {
    // Columns of few rows a value first: of the rows that they leave the others are quick to test.
    let asked = [
        (
            DictionaryColumn::CorrelationId,
            Some(NullableColumn::CorrelationId),
            &filter.correlation_ids,
        ),
        (DictionaryColumn::Pid, None, &filter.pids),
        (DictionaryColumn::EventType, None, &filter.event_types),
    ];
    let asked = asked.into_iter().filter_map(|(column, nullable, texts)| {
        let texts = texts.as_ref()?;
        Some(CodeFilter::new(column, nullable, texts, segment))
    });
    asked.collect()
}

/// All rows of the range, or where the rarest values that are asked for are listed, only their rows: that filter is done
/// with then.
fn first_candidates(filters: &mut Vec<CodeFilter>, rows: Rows<'_>, range: Range<usize>) -> Bitmap {
    let listed = filters.iter().enumerate().filter_map(|(index, filter)| {
        let lists = filter.listed(rows)?;
        let count: usize = lists.iter().map(|list| list.len()).sum();
        Some((count, index, lists))
    });
    let Some((_, index, lists)) = listed.min_by_key(|&(count, ..)| count) else {
        return Bitmap::of_range(rows.count, range);
    };
    let within = |list: &'_ [u32]| {
        let start = list.partition_point(|&row| (row as usize) < range.start);
        let end = list.partition_point(|&row| (row as usize) < range.end);
        start..end
    };
    let members: Vec<u32> = lists
        .into_iter()
        .flat_map(|list| &list[within(list)])
        .copied()
        .collect();
    filters.swap_remove(index);
    Bitmap::of_rows(rows.count, &members)
}

/// Those of the positions that lie in the visible part of the segment.
fn members_of<'a>(seqs: &'a [u64], segment: &Segment, rows: usize) -> &'a [u64] {
    let start = seqs.partition_point(|&seq| seq < segment.base_seq);
    let end = seqs.partition_point(|&seq| seq < segment.base_seq + rows as u64);
    &seqs[start..end]
}

/// Those of `rows` that the time range leaves, as far as that can be told without looking at each of them.
fn in_time_range(
    timestamps: Option<&Range<i64>>,
    segment: &Segment,
    rows: Range<usize>,
) -> Range<usize> {
    let Some(range) = timestamps else {
        return rows;
    };
    if segment.bounds.max_timestamp() < range.start || segment.bounds.min_timestamp() >= range.end {
        return 0..0;
    }
    if !segment.bounds.in_time_order() {
        return rows;
    }
    let timestamps = &segment.columns.timestamp.slice(rows.end)[rows.clone()];
    let start = timestamps.partition_point(|&timestamp| timestamp < range.start);
    let end = timestamps.partition_point(|&timestamp| timestamp < range.end);
    rows.start + start..rows.start + end.max(start)
}
