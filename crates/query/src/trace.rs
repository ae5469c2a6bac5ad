//! Which events belong to a trace.

use kinescope_store::columns::NullableColumn;
use kinescope_store::{Error, ErrorCode, EventId, Part, Snapshot};

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
    for part in snapshot.parts() {
        cancel.check()?;
        let Some(matching) = matching_rows(&filter, &part) else {
            continue;
        };
        let segment = part.segment;
        let ids = segment.columns.event_id.slice(part.rows.end);
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
/// In indexed parts the children of each event are looked up. The others are scanned once that finds no more: parents
/// mostly come before their children, so that one scan finds all and a second one nothing; a longer way back in the log
/// takes one more for each turn.
fn descendants(mut ids: IdSet, snapshot: &Snapshot, cancel: &Cancel) -> Result<Vec<u64>, Error> {
    let (indexed, others): (Vec<Part<'_>>, Vec<Part<'_>>) = snapshot
        .parts()
        .into_iter()
        .partition(|part| part.index.is_some());
    let indexed: Vec<Part<'_>> = indexed.into_iter().filter(has_orphans).collect();
    let mut seqs = Vec::new();
    let mut next: Vec<u64> = ids.iter().collect();
    while !next.is_empty() {
        while let Some(parent) = next.pop() {
            cancel.check()?;
            for part in &indexed {
                orphans_of(parent, part, |id, seq| {
                    if ids.insert(id) {
                        seqs.push(seq);
                        next.push(id);
                    }
                });
            }
        }
        for part in &others {
            cancel.check()?;
            let columns = &part.segment.columns;
            let own = columns.event_id.slice(part.rows.end);
            let parents = columns.parent_id.slice(part.rows.end);
            for row in orphans(part).iter() {
                if ids.contains(parents[row]) && ids.insert(own[row]) {
                    seqs.push(part.segment.base_seq + row as u64);
                    next.push(own[row]);
                }
            }
        }
    }
    Ok(seqs)
}

fn has_orphans(part: &Part<'_>) -> bool {
    part.index.is_some_and(|index| index.ids.orphans() > 0)
}

/// Ids and positions of an event's children without a correlation id.
fn orphans_of(parent: u64, part: &Part<'_>, mut visit: impl FnMut(u64, u64)) {
    let Some(index) = part.index else { return };
    let columns = &part.segment.columns;
    let ids = columns.event_id.slice(index.rows());
    let parents = columns.parent_id.slice(index.rows());
    for &row in index.ids.children_of(parent, parents) {
        let row = row as usize;
        let is_correlated = part.segment.is_valid(NullableColumn::CorrelationId, row);
        if row < part.rows.end && !is_correlated {
            visit(ids[row], part.segment.base_seq + row as u64);
        }
    }
}

/// Rows without a correlation id that have a parent.
fn orphans(part: &Part<'_>) -> Bitmap {
    let mut orphans = Bitmap::of_range(part.rows.end, part.rows.clone());
    retain_valid(NullableColumn::ParentId, Rows::of(part), &mut orphans);
    let correlated = &part.segment.columns.validity[NullableColumn::CorrelationId as usize];
    orphans.intersect_words(|index| !correlated.word(index));
    orphans
}
