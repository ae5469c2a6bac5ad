//! Which rows of a segment a query asks for.

use std::ops::Range;
use std::sync::Arc;

use kinescope_store::{
    Segment,
    columns::{DictionaryColumn, NullableColumn},
};

use crate::bitmap::Bitmap;
use crate::condition::Condition;
use crate::evaluate::{Rows, retain, retain_valid};

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

/// The rows among the first `rows` of `segment` that satisfy `filter`; none when no row does.
pub fn matching_rows(filter: &Filter, segment: &Segment, rows: usize) -> Option<Bitmap> {
    matching_rows_within(filter, segment, 0..rows)
}

/// The rows of the range, all of them visible, that satisfy `filter`; none when no row does.
pub fn matching_rows_within(
    filter: &Filter,
    segment: &Segment,
    range: Range<usize>,
) -> Option<Bitmap> {
    let rows = range.end;
    let members = filter
        .seqs
        .as_ref()
        .map(|seqs| members_of(seqs, segment, rows));
    if members.is_some_and(<[u64]>::is_empty) {
        return None;
    }
    let dictionary_filters = [
        (DictionaryColumn::EventType, None, &filter.event_types),
        (DictionaryColumn::Pid, None, &filter.pids),
        (
            DictionaryColumn::CorrelationId,
            Some(NullableColumn::CorrelationId),
            &filter.correlation_ids,
        ),
    ];
    let mut code_filters = Vec::new();
    for (column, nullable, texts) in dictionary_filters {
        if let Some(texts) = texts {
            let dictionary = &segment.columns.dictionaries[column as usize];
            let codes: Vec<i32> = texts
                .iter()
                .filter_map(|text| dictionary.code_of(text))
                .map(|code| code as i32)
                .collect();
            if codes.is_empty() {
                return None;
            }
            code_filters.push((column, nullable, codes));
        }
    }
    let mut matching = Bitmap::of_range(
        rows,
        in_time_range(filter.timestamps.as_ref(), segment, range),
    );
    if matching.is_empty() {
        return None;
    }
    if let Some(members) = members {
        let row_of = |seq: &u64| (seq - segment.base_seq) as u32;
        let members: Vec<u32> = members.iter().map(row_of).collect();
        let members = Bitmap::of_rows(rows, &members);
        matching.intersect_words(|index| members.word(index));
    }
    if let Some(range) = &filter.timestamps
        && !segment.bounds.in_time_order()
    {
        matching.retain(segment.columns.timestamp.slice(rows), |timestamp| {
            range.contains(&timestamp)
        });
    }
    if let Some(range) = &filter.wall_times {
        matching.retain(segment.columns.wall_time.slice(rows), |wall_time| {
            range.contains(&wall_time)
        });
    }
    for (column, nullable, codes) in code_filters {
        retain_codes(
            &mut matching,
            segment.columns.codes[column as usize].slice(rows),
            codes,
        );
        // An absent value has code 0 in its place.
        if let Some(nullable) = nullable {
            retain_valid(
                nullable,
                Rows {
                    segment,
                    count: rows,
                },
                &mut matching,
            );
        }
    }
    if let Some(condition) = &filter.condition {
        retain(
            condition,
            Rows {
                segment,
                count: rows,
            },
            &mut matching,
        );
    }
    (!matching.is_empty()).then_some(matching)
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

fn retain_codes(matching: &mut Bitmap, codes: &[i32], mut wanted: Vec<i32>) {
    if let [wanted] = wanted[..] {
        return matching.retain(codes, |code| code == wanted);
    }
    wanted.sort_unstable();
    matching.retain(codes, |code| wanted.binary_search(&code).is_ok());
}
