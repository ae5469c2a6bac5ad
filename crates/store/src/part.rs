//! What a query looks at: stretches of segments.

use std::ops::Range;
use std::sync::{Arc, Weak};

use crate::index::SegmentIndex;
use crate::names::Names;
use crate::segment::Segment;

/// Rows of a part without an index, at most: they are looked at one by one, and a query can be stopped between two parts.
const UNINDEXED_ROWS_MAX: usize = 65_536;

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

    /// The visible rows of a segment: those that an index covers, which may be the first ones of an open segment, and the
    /// others.
    pub(crate) fn of(
        segment: &'a Arc<Segment>,
        visible: usize,
        head: Option<&'a HeadIndex>,
    ) -> impl Iterator<Item = Self> + 'a {
        let head = head.filter(|head| head.is_of(segment));
        let index = segment.index().or_else(|| head.map(|head| &head.index));
        let covered = index.map_or(0, |index| index.rows().min(visible));
        let indexed = (covered > 0).then_some(Self {
            segment,
            rows: 0..covered,
            index,
        });
        let rest = (covered..visible).step_by(UNINDEXED_ROWS_MAX);
        let rest = rest.map(move |start| Self {
            segment,
            rows: start..visible.min(start + UNINDEXED_ROWS_MAX),
            index: None,
        });
        indexed.into_iter().chain(rest)
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
