//! Which events belong to a trace.

use std::collections::{HashMap, HashSet};

use kinescope_store::columns::NullableColumn;
use kinescope_store::{Error, ErrorCode, EventId, Snapshot};

use crate::bitmap::Bitmap;
use crate::cancel::Cancel;
use crate::evaluate::{Rows, retain_valid};
use crate::filter::{Filter, matching_rows};
use crate::find::Located;

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
    let ids: HashSet<u64> = members.iter().map(|&(id, _)| id).collect();
    let mut seqs: Vec<u64> = members.into_iter().map(|(_, seq)| seq).collect();
    seqs.extend(descendants(&ids, snapshot, cancel)?);
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

/// An event without a correlation id that has a parent.
struct Orphan {
    parent: u64,
    seq: u64,
}

/// Positions of events without a correlation id that reach one of `ids` through parents without one.
fn descendants(
    ids: &HashSet<u64>,
    snapshot: &Snapshot,
    cancel: &Cancel,
) -> Result<Vec<u64>, Error> {
    let mut orphans: HashMap<u64, Orphan> = HashMap::new();
    for (segment, count) in snapshot.segments() {
        cancel.check()?;
        let rows = Rows { segment, count };
        let mut candidates = Bitmap::of_range(count, 0..count);
        retain_valid(NullableColumn::ParentId, rows, &mut candidates);
        let correlated = &segment.columns.validity[NullableColumn::CorrelationId as usize];
        candidates.intersect_words(|index| !correlated.word(index));
        let (own, parents) = (
            segment.columns.event_id.slice(count),
            segment.columns.parent_id.slice(count),
        );
        orphans.extend(candidates.iter().map(|row| {
            (
                own[row],
                Orphan {
                    parent: parents[row],
                    seq: segment.base_seq + row as u64,
                },
            )
        }));
    }
    let mut known: HashMap<u64, bool> = HashMap::new();
    let mut seqs = Vec::new();
    for (&id, orphan) in &orphans {
        if ids.contains(&id) || reaches(id, ids, &orphans, &mut known) {
            seqs.push(orphan.seq);
        }
    }
    Ok(seqs)
}

/// Follows parents from `id`, remembering the answer for all that it passes.
fn reaches(
    id: u64,
    ids: &HashSet<u64>,
    orphans: &HashMap<u64, Orphan>,
    known: &mut HashMap<u64, bool>,
) -> bool {
    let mut path = Vec::new();
    let mut next = id;
    let answer = loop {
        if let Some(&answer) = known.get(&next) {
            break answer;
        }
        // Marked before it is known, so that a cycle ends here; nothing in a cycle that passes no member reaches one.
        known.insert(next, false);
        path.push(next);
        let Some(orphan) = orphans.get(&next) else {
            break false;
        };
        if ids.contains(&orphan.parent) {
            break true;
        }
        next = orphan.parent;
    };
    for passed in path {
        known.insert(passed, answer);
    }
    answer
}
