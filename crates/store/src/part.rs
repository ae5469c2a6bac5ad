//! What a query looks at: stretches of segments.

use std::ops::Range;
use std::sync::{Arc, Weak};

use crate::index::SegmentIndex;
use crate::names::Names;
use crate::segment::Segment;

/// A stretch of a segment's rows, all of them visible.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// The segment.
    pub segment: &'a Arc<Segment>,
    /// Its rows.
    pub rows: Range<usize>,
    /// Covers all of the rows, and perhaps more behind them.
    pub index: Option<&'a SegmentIndex>,
}

impl<'a> Part<'a> {
    /// Rows of a segment, all of them visible, with the index that it has if it is sealed.
    pub fn of_rows(segment: &'a Arc<Segment>, rows: Range<usize>) -> Self {
        let index = segment.index();
        Self {
            segment,
            rows,
            index,
        }
    }

    /// The index, where it is about just these rows and no others.
    pub fn whole_index(&self) -> Option<&'a SegmentIndex> {
        let is_whole = |index: &&SegmentIndex| self.rows == (0..index.rows());
        self.index.filter(is_whole)
    }

    /// The visible rows of a segment, in two parts where the index has been built of an open segment's first rows.
    pub(crate) fn of(
        segment: &'a Arc<Segment>,
        visible: usize,
        head: Option<&'a HeadIndex>,
    ) -> impl Iterator<Item = Self> + 'a {
        let head = head.filter(|head| head.is_of(segment));
        let index = segment.index().or_else(|| head.map(|head| &head.index));
        let covered = index.map_or(0, |index| index.rows().min(visible));
        let indexed = Self {
            segment,
            rows: 0..covered,
            index,
        };
        let rest = Self {
            segment,
            rows: covered..visible,
            index: None,
        };
        [indexed, rest]
            .into_iter()
            .filter(|part| !part.rows.is_empty())
    }
}

/// The index of the open segment's first rows.
pub struct HeadIndex {
    segment: Weak<Segment>,
    index: SegmentIndex,
}

impl HeadIndex {
    pub(crate) fn build(segment: &Arc<Segment>, rows: usize, names: &Names) -> Self {
        let columns = &segment.columns;
        for dictionary in &columns.dictionaries {
            dictionary.index_prefix();
        }
        Self {
            segment: Arc::downgrade(segment),
            index: SegmentIndex::build(segment, rows, names),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.index.bytes()
    }

    fn is_of(&self, segment: &Arc<Segment>) -> bool {
        std::ptr::eq(self.segment.as_ptr(), Arc::as_ptr(segment))
    }
}
