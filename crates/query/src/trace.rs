//! Which events belong to a trace.

use kinescope_store::columns::NullableColumn;
use kinescope_store::{Error, ErrorCode, EventId, Snapshot};

use crate::bitmap::Bitmap;
use crate::cancel::Cancel;
use crate::evaluate::{Rows, retain_valid};
use crate::filter::{Filter, matching_rows};
use crate::find::Located;
use crate::id_set::IdSet;

/// Positions of a trace's events, ascending: every event with the correlation id, plus events without one whose
/// nearest ancestor with one has it. The argument is a correlation id, or else the id of any event of the trace; of an
/// event that reaches no correlation id, the trace is what reaches the same last ancestor.
///
/// # Errors
/// `NOT_FOUND` when it is neither; as [`Cancel::check`].
pub fn trace_seqs(id: &str, snapshot: &Snapshot, cancel: &Cancel) -> Result<Vec<u64>, Error> {
    let mut members = correlated(id, snapshot, cancel)?;
    if members.is_empty() {
        let not_found = || {
            Error::new(
                ErrorCode::NotFound,
                format!("id: no correlation id and no event id {id:?}"),
            )
        };
        let event_id = EventId::parse(id).ok_or_else(not_found)?;
        let event = Located::by_id(event_id.0, snapshot).ok_or_else(not_found)?;
        let root = root_of(event, snapshot);
        members = match root.correlation_id() {
            Some(correlation_id) => correlated(correlation_id, snapshot, cancel)?,
            None => vec![(root.event_id(), root.seq())],
        };
    }
    let ids: IdSet = members.iter().map(|&(id, _)| id).collect();
    let mut seqs: Vec<u64> = members.into_iter().map(|(_, seq)| seq).collect();
    seqs.extend(descendants(ids, snapshot, cancel)?);
    seqs.sort_unstable();
    seqs.dedup();
    Ok(seqs)
}

/// Ids and positions of all events with the correlation id.
fn correlated(id: &str, snapshot: &Snapshot, cancel: &Cancel) -> Result<Vec<(u64, u64)>, Error> {
    let filter = Filter {
        correlation_ids: Some(vec![id.to_owned()]),
        ..Filter::default()
    };
    let mut members = Vec::new();
    for (segment, count) in snapshot.segments() {
        cancel.check()?;
        let Some(matching) = matching_rows(&filter, segment, count) else {
            continue;
        };
        let ids = segment.columns.event_id.slice(count);
        members.extend(
            matching
                .iter()
                .map(|row| (ids[row], segment.base_seq + row as u64)),
        );
    }
    Ok(members)
}

/// The nearest ancestor, or the event itself, that has a correlation id; else the one in which the parents end, and in a
/// cycle the one of the cycle that was stored first.
fn root_of<'a>(event: Located<'a>, snapshot: &'a Snapshot) -> Located<'a> {
    let mut path = vec![event];
    let mut last = event;
    loop {
        if last.correlation_id().is_some() {
            return last;
        }
        let Some(parent) = last.parent_id().and_then(|id| Located::by_id(id, snapshot)) else {
            return last;
        };
        if let Some(start) = path.iter().position(|seen| seen.seq() == parent.seq()) {
            return path[start..]
                .iter()
                .copied()
                .min_by_key(Located::seq)
                .unwrap_or(last);
        }
        path.push(parent);
        last = parent;
    }
}

/// Positions of events without a correlation id that reach one of `ids` through parents without one.
///
/// Parents mostly come before their children, so that one pass finds all and a second one nothing; a longer way back in
/// the log takes one more pass for each turn.
fn descendants(mut ids: IdSet, snapshot: &Snapshot, cancel: &Cancel) -> Result<Vec<u64>, Error> {
    let mut seqs = Vec::new();
    loop {
        let known = seqs.len();
        for (segment, count) in snapshot.segments() {
            cancel.check()?;
            let own = segment.columns.event_id.slice(count);
            let parents = segment.columns.parent_id.slice(count);
            for row in orphans(Rows { segment, count }).iter() {
                if ids.contains(parents[row]) && ids.insert(own[row]) {
                    seqs.push(segment.base_seq + row as u64);
                }
            }
        }
        if seqs.len() == known {
            return Ok(seqs);
        }
    }
}

/// Rows without a correlation id that have a parent.
fn orphans(rows: Rows<'_>) -> Bitmap {
    let mut orphans = Bitmap::of_range(rows.count, 0..rows.count);
    retain_valid(NullableColumn::ParentId, rows, &mut orphans);
    let correlated = &rows.segment.columns.validity[NullableColumn::CorrelationId as usize];
    orphans.intersect_words(|index| !correlated.word(index));
    orphans
}
