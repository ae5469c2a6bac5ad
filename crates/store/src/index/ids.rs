//! Rows by event id and by parent.

use super::array::Array;
use super::file::{Sink, Source, are_below};
use crate::columns::NullableColumn;
use crate::segment::Segment;

/// Rows in the order of their ids.
#[derive(PartialEq)]
pub struct IdIndex {
    /// Rows by event id; none when they are in this order already.
    by_id: Option<Array<u32>>,
    /// Rows that have a parent, by its id, then by row.
    by_parent: Array<u32>,
    /// How many of these have no correlation id.
    orphans: usize,
}

impl IdIndex {
    pub(crate) fn build(segment: &Segment, rows: usize) -> Self {
        let ids = segment.columns.event_id.slice(rows);
        let by_id = (!ids.is_sorted()).then(|| sorted(ids.iter().copied().zip(0..)));
        let parents = segment.columns.parent_id.slice(rows);
        let with_parent = (0..rows as u32)
            .filter(|&row| segment.is_valid(NullableColumn::ParentId, row as usize))
            .map(|row| (parents[row as usize], row));
        let by_parent = sorted(with_parent);
        let is_orphan =
            |row: &&u32| !segment.is_valid(NullableColumn::CorrelationId, **row as usize);
        Self {
            by_id,
            orphans: by_parent.iter().filter(is_orphan).count(),
            by_parent,
        }
    }

    /// Rows that have a parent and no correlation id.
    pub fn orphans(&self) -> usize {
        self.orphans
    }

    /// The first row with this event id; `ids` are those of all rows.
    pub fn row_of(&self, event_id: u64, ids: &[u64]) -> Option<usize> {
        let row = match &self.by_id {
            None => ids.partition_point(|&id| id < event_id),
            Some(by_id) => {
                let place = by_id.partition_point(|&row| ids[row as usize] < event_id);
                *by_id.get(place)? as usize
            }
        };
        (*ids.get(row)? == event_id).then_some(row)
    }

    /// The rows whose parent is this event, ascending; `parents` are those of all rows.
    pub fn children_of(&self, event_id: u64, parents: &[u64]) -> &[u32] {
        let parent = |row: &u32| parents[*row as usize];
        // Of a long log most segments are about other events altogether, and two looks tell.
        let ends = self.by_parent.first().zip(self.by_parent.last());
        if ends.is_none_or(|(first, last)| event_id < parent(first) || parent(last) < event_id) {
            return &[];
        }
        let start = self.by_parent.partition_point(|row| parent(row) < event_id);
        let children = &self.by_parent[start..];
        let count = children
            .iter()
            .take_while(|row| parent(row) == event_id)
            .count();
        &children[..count]
    }

    pub(super) fn write(&self, to: &mut Sink<'_>) {
        to.flag(self.by_id.is_some());
        if let Some(by_id) = &self.by_id {
            to.array(by_id);
        }
        to.array(&self.by_parent);
        to.number(self.orphans as u64);
    }

    pub(super) fn read(from: &mut Source<'_>, segment: &Segment, rows: usize) -> Option<Self> {
        let by_id = match from.flag()? {
            true => Some(from.array_of(rows)?),
            false => None,
        };
        let by_parent: Array<u32> = from.array()?;
        let orphans = from.count(by_parent.len())?;
        let ids = segment.columns.event_id.slice(rows);
        let is_by_id = by_id
            .as_ref()
            .map_or_else(|| ids.is_sorted(), |by_id| are_sorted(by_id, ids));
        (is_by_id && are_sorted(&by_parent, segment.columns.parent_id.slice(rows))).then_some(
            Self {
                by_id,
                by_parent,
                orphans,
            },
        )
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.by_id.as_ref().map_or(0, Array::bytes) + self.by_parent.bytes()
    }
}

/// Rows in the order of their keys, then of their own. Ids are nearly sorted, which a merging sort takes advantage of.
fn sorted(keyed: impl Iterator<Item = (u64, u32)>) -> Array<u32> {
    let mut keyed: Vec<(u64, u32)> = keyed.collect();
    keyed.sort_by_key(|&(key, _)| key);
    keyed.into_iter().map(|(_, row)| row).collect()
}

/// Whether these are different rows, sorted by their keys and then by themselves.
fn are_sorted(rows: &[u32], keys: &[u64]) -> bool {
    let key = |row: u32| (keys[row as usize], row);
    are_below(rows, keys.len()) && rows.is_sorted_by(|&a, &b| key(a) < key(b))
}
