//! Where single events are: by their id, by their position.

use std::sync::Arc;

use kinescope_store::columns::{DictionaryColumn, NullableColumn};
use kinescope_store::{Part, Segment, Snapshot, Summary};

/// One row of a snapshot.
#[derive(Clone, Copy)]
pub(crate) struct Located<'a> {
    pub(crate) segment: &'a Arc<Segment>,
    pub(crate) visible: usize,
    pub(crate) row: usize,
}

impl<'a> Located<'a> {
    /// The row of an event id. Indexed parts first, the newest of them at first, because who asks for one event mostly just
    /// saw it; the others have to be scanned.
    pub(crate) fn by_id(event_id: u64, snapshot: &'a Snapshot) -> Option<Self> {
        let parts = snapshot.parts_where(|summary| summary.may_have(event_id));
        let indexed = parts.iter().rev().filter(|part| part.index.is_some());
        let others = parts.iter().rev().filter(|part| part.index.is_none());
        indexed
            .chain(others)
            .find_map(|part| Self::in_part(event_id, part))
    }

    fn in_part(event_id: u64, part: &Part<'a>) -> Option<Self> {
        let segment = part.segment;
        let row = match part.index {
            Some(index) => {
                let ids = segment.columns.event_id.slice(index.rows());
                let row = index.ids.row_of(event_id, ids);
                row.filter(|&row| row < part.rows.end)
            }
            None => segment.row_of(event_id, part.rows.clone()),
        };
        row.map(|row| Self {
            segment,
            visible: part.rows.end,
            row,
        })
    }

    pub(crate) fn seq(&self) -> u64 {
        self.segment.base_seq + self.row as u64
    }

    pub(crate) fn event_id(&self) -> u64 {
        self.segment.columns.event_id.slice(self.visible)[self.row]
    }

    pub(crate) fn timestamp(&self) -> i64 {
        self.segment.columns.timestamp.slice(self.visible)[self.row]
    }

    pub(crate) fn parent_id(&self) -> Option<u64> {
        let is_there = self.segment.is_valid(NullableColumn::ParentId, self.row);
        is_there.then(|| self.segment.columns.parent_id.slice(self.visible)[self.row])
    }

    pub(crate) fn text(
        &self,
        column: DictionaryColumn,
        nullable: Option<NullableColumn>,
    ) -> Option<&'a str> {
        if nullable.is_some_and(|nullable| !self.segment.is_valid(nullable, self.row)) {
            return None;
        }
        let code = self.segment.columns.codes[column as usize].slice(self.visible)[self.row];
        Some(self.segment.columns.dictionaries[column as usize].text(code as usize))
    }

    pub(crate) fn correlation_id(&self) -> Option<&'a str> {
        self.text(
            DictionaryColumn::CorrelationId,
            Some(NullableColumn::CorrelationId),
        )
    }
}

/// Finds a row's segment.
pub(crate) struct Locator<'a> {
    segments: Vec<(&'a Arc<Segment>, usize)>,
}

impl<'a> Locator<'a> {
    /// Finds the rows of `seqs`, in whatever order, and no others.
    pub(crate) fn new(snapshot: &'a Snapshot, seqs: &[u64]) -> Self {
        let bounds = seqs.iter().min().zip(seqs.iter().max());
        let holds_any = |summary: &Summary| {
            bounds.is_some_and(|(first, last)| summary.may_hold(*first..=*last))
        };
        Self {
            segments: snapshot.segments_where(holds_any).collect(),
        }
    }

    /// The index of the segment that holds `seq`, which must be one that the locator was made for.
    pub(crate) fn index_of(&self, seq: u64) -> usize {
        self.segments
            .partition_point(|(segment, _)| segment.base_seq <= seq)
            - 1
    }

    pub(crate) fn segment(&self, index: usize) -> (&'a Arc<Segment>, usize) {
        self.segments[index]
    }
}
