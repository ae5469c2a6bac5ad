//! The log as somebody sees it who looks at one moment.

use std::sync::Arc;

use crate::names::Names;
use crate::part::{HeadIndex, Part};
use crate::segment::Segment;
use crate::slot::{Slot, Summary};

/// The log up to an exclusive watermark.
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) segments: Arc<Vec<Slot>>,
    pub(crate) head: Arc<Option<HeadIndex>>,
    pub(crate) names: Arc<Names>,
    /// Every row with `seq` below this that retention has left is part of the snapshot.
    pub watermark: u64,
}

impl Snapshot {
    /// The segments and how many of each one's rows belong to the snapshot, in `seq` order; none is empty. A file is
    /// checked when it is first reached, and left out when it is damaged.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = (&Arc<Segment>, usize)> {
        self.segments_where(|_| true)
    }

    /// The rows of the snapshot in `seq` order, parted where an index ends; no part is empty.
    pub fn parts(&self) -> Vec<Part<'_>> {
        self.parts_where(|_| true)
    }

    /// Those of [`Snapshot::parts`] of which the summary of their file says that they may matter.
    pub fn parts_where(&self, may_matter: impl Fn(&Summary) -> bool) -> Vec<Part<'_>> {
        let head = (*self.head).as_ref();
        let segments = self.segments_where(may_matter);
        segments
            .flat_map(|(segment, visible)| Part::of(segment, visible, head))
            .collect()
    }

    /// Rows that an index covers, be it in a file that nobody has looked at.
    pub fn indexed_rows(&self) -> u64 {
        let in_files = self.segments.iter().map(|slot| match slot {
            Slot::Memory(_) => 0,
            Slot::File(stored) => stored.indexed_rows() as u64,
        });
        let in_files: u64 = in_files.sum();
        let parts = self.parts_where(|_| false);
        let indexed = parts.iter().filter(|part| part.index.is_some());
        in_files + indexed.map(|part| part.rows.len() as u64).sum::<u64>()
    }

    /// Those of [`Snapshot::segments`] of which the summary says that they may matter. Segments in memory always do.
    pub fn segments_where(
        &self,
        may_matter: impl Fn(&Summary) -> bool,
    ) -> impl DoubleEndedIterator<Item = (&Arc<Segment>, usize)> {
        self.segments.iter().filter_map(move |slot| {
            let rows = usize::try_from(self.watermark.saturating_sub(slot.base_seq()))
                .unwrap_or(usize::MAX);
            let rows = slot.sealed_rows().map_or(rows, |sealed| rows.min(sealed));
            if rows == 0 {
                return None;
            }
            if let Slot::File(stored) = slot
                && !may_matter(stored.summary())
            {
                return None;
            }
            slot.indexed_segment(&self.names)
                .map(|segment| (segment, rows))
        })
    }

    /// This snapshot below an earlier watermark.
    #[must_use]
    pub fn at(self, watermark: u64) -> Self {
        Self {
            watermark: watermark.min(self.watermark),
            ..self
        }
    }

    /// This snapshot without segments that begin below the first `seq` of another: who reads a recording may still see
    /// what its writer has evicted.
    #[must_use]
    pub fn starting_at(mut self, first_seq: u64) -> Self {
        if self.first_seq() < first_seq {
            let is_in = |slot: &&Slot| slot.base_seq() >= first_seq;
            self.segments = Arc::new(self.segments.iter().filter(is_in).cloned().collect());
        }
        self
    }

    /// The first `seq` that retention has left.
    pub fn first_seq(&self) -> u64 {
        self.segments.first().map_or(0, Slot::base_seq)
    }

    /// Segments, the open one included.
    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// Bytes of memory of all segments.
    pub fn used_bytes(&self) -> usize {
        self.segments.iter().map(Slot::memory_bytes).sum()
    }
}
