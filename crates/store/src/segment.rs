//! A run of the log in columns, as readers see it.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::area::Area;
use crate::columns::{DictionaryColumn, NullableColumn};
use crate::dictionary::Dictionary;
use crate::index::SegmentIndex;
use crate::names::Names;
use crate::statistics::Statistics;
use crate::sync::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use crate::validity::Validity;

/// Offsets and bytes of a text column.
#[derive(Clone)]
pub struct TextColumn {
    /// One more than there are texts; starts with 0.
    pub offsets: Arc<Area<i32>>,
    /// UTF-8.
    pub bytes: Arc<Area<u8>>,
}

impl TextColumn {
    /// The text at `index`, of which the caller knows that it is published.
    pub fn text(&self, index: usize) -> &str {
        let offsets = self.offsets.slice(index + 2);
        let (start, end) = (offsets[index] as usize, offsets[index + 1] as usize);
        std::str::from_utf8(&self.bytes.slice(end)[start..]).unwrap_or_default()
    }

    /// Bytes of the first `texts` texts, all of them published.
    pub(crate) fn text_bytes(&self, texts: usize) -> usize {
        self.offsets.slice(texts + 1)[texts] as usize
    }
}

/// The column memory of a segment, in the layout of the public Arrow schema.
pub struct Columns {
    /// `seq`
    pub seq: Arc<Area<u64>>,
    /// `event_id`
    pub event_id: Arc<Area<u64>>,
    /// `timestamp`
    pub timestamp: Arc<Area<i64>>,
    /// `wall_time`
    pub wall_time: Arc<Area<i64>>,
    /// `parent_id`
    pub parent_id: Arc<Area<u64>>,
    /// `arity`
    pub arity: Arc<Area<u16>>,
    /// `line`
    pub line: Arc<Area<u32>>,
    /// Codes of the dictionary columns, by [`DictionaryColumn`].
    pub codes: [Arc<Area<i32>>; DictionaryColumn::COUNT],
    /// Their strings.
    pub dictionaries: [Arc<Dictionary>; DictionaryColumn::COUNT],
    /// Where a row's tags start among the entries; one more than there are rows.
    pub tag_offsets: Arc<Area<i32>>,
    /// Keys of all tag entries.
    pub tag_keys: TextColumn,
    /// Values of all tag entries.
    pub tag_values: TextColumn,
    /// `data`
    pub data: TextColumn,
    /// By [`NullableColumn`].
    pub validity: [Arc<Validity>; NullableColumn::COUNT],
}

impl Columns {
    /// Tags of the first `rows` rows together, all of them published.
    pub(crate) fn tag_entries(&self, rows: usize) -> usize {
        self.tag_offsets.slice(rows + 1)[rows] as usize
    }
}

/// Which sequence numbers of one producer a sealed segment holds; a producer's rows are in order, so an id
/// outside the range is not here.
#[derive(Clone, Copy, Debug)]
pub struct ProducerRange {
    /// The producer's number.
    pub producer: u16,
    /// The lowest of its sequence numbers here.
    pub first: u64,
    /// The highest.
    pub last: u64,
}

impl ProducerRange {
    /// The ranges of some events' ids, sorted by producer.
    pub fn of(event_ids: &[u64]) -> Vec<Self> {
        let mut ranges = std::collections::BTreeMap::new();
        for id in event_ids.iter().map(|id| crate::EventId(*id)) {
            let (producer, sequence) = (id.producer(), id.sequence());
            let range = ranges.entry(producer).or_insert(Self {
                producer,
                first: sequence,
                last: sequence,
            });
            range.first = range.first.min(sequence);
            range.last = range.last.max(sequence);
        }
        ranges.into_values().collect()
    }
}

/// What is known once nothing is appended any more.
pub struct Sealed {
    /// Rows of the segment.
    pub rows: usize,
    /// Sorted by producer.
    pub producers: Vec<ProducerRange>,
    /// Raw monotonic time of the last append: what retention by age goes by.
    pub last_append_raw_ns: i64,
    /// Bytes of memory of the columns.
    pub used_bytes: usize,
}

/// Bounds over the rows appended so far. Written before the watermark that makes the rows visible, so for visible
/// rows they may be wider than the truth but never narrower.
pub struct Bounds {
    min_timestamp: AtomicI64,
    max_timestamp: AtomicI64,
    in_time_order: AtomicBool,
}

impl Bounds {
    pub(crate) fn new() -> Self {
        Self {
            min_timestamp: AtomicI64::new(i64::MAX),
            max_timestamp: AtomicI64::new(i64::MIN),
            in_time_order: AtomicBool::new(true),
        }
    }

    pub(crate) fn store(&self, min_timestamp: i64, max_timestamp: i64, in_time_order: bool) {
        self.min_timestamp.store(min_timestamp, Ordering::Relaxed);
        self.max_timestamp.store(max_timestamp, Ordering::Relaxed);
        self.in_time_order.store(in_time_order, Ordering::Relaxed);
    }

    /// No visible row has a lower timestamp.
    pub fn min_timestamp(&self) -> i64 {
        self.min_timestamp.load(Ordering::Relaxed)
    }

    /// No visible row has a higher timestamp.
    pub fn max_timestamp(&self) -> i64 {
        self.max_timestamp.load(Ordering::Relaxed)
    }

    /// Timestamps do not decrease from row to row.
    pub fn in_time_order(&self) -> bool {
        self.in_time_order.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Segment");
        shown
            .field("base_seq", &self.base_seq)
            .finish_non_exhaustive()
    }
}

/// A run of the log: open while the writer appends to it, sealed and immutable afterwards.
pub struct Segment {
    /// `seq` of the first row; row `r` has `seq` `base_seq + r`.
    pub base_seq: u64,
    /// The memory.
    pub columns: Columns,
    /// Over all rows so far.
    pub bounds: Bounds,
    /// What its rows amount to, as far as somebody has asked.
    pub statistics: Statistics,
    /// Bytes the open segment takes up, refreshed when rows are published.
    pub(crate) open_bytes: AtomicUsize,
    pub(crate) sealed: OnceLock<Sealed>,
    pub(crate) index: OnceLock<Arc<SegmentIndex>>,
}

impl Segment {
    /// What is known once the segment is sealed.
    pub fn sealed(&self) -> Option<&Sealed> {
        self.sealed.get()
    }

    /// What makes queries fast, once it has been built.
    pub fn index(&self) -> Option<&SegmentIndex> {
        self.index.get().map(|index| &**index)
    }

    /// Builds the index of a sealed segment that has none.
    pub(crate) fn ensure_index(&self, names: &Names) -> Option<&Arc<SegmentIndex>> {
        let rows = self.sealed()?.rows;
        Some(
            self.index
                .get_or_init(|| Arc::new(SegmentIndex::build(self, rows, names))),
        )
    }

    /// Bytes of memory now, index included.
    pub fn used_bytes(&self) -> usize {
        let columns = self.sealed().map_or_else(
            || self.open_bytes.load(Ordering::Relaxed),
            |sealed| sealed.used_bytes,
        );
        columns + self.index().map_or(0, SegmentIndex::bytes)
    }

    /// Whether a row has a value in a nullable column.
    pub fn is_valid(&self, column: NullableColumn, row: usize) -> bool {
        self.columns.validity[column as usize].get(row)
    }

    /// The row of an event, if it is among `rows`.
    pub fn row_of(&self, event_id: u64, rows: Range<usize>) -> Option<usize> {
        if let Some(sealed) = self.sealed() {
            let id = crate::EventId(event_id);
            let range = sealed
                .producers
                .binary_search_by_key(&id.producer(), |range| range.producer)
                .ok()?;
            let range = sealed.producers[range];
            if !(range.first..=range.last).contains(&id.sequence()) {
                return None;
            }
        }
        if let Some(index) = self.index() {
            let ids = self.columns.event_id.slice(index.rows());
            let row = index.ids.row_of(event_id, ids);
            return row.filter(|row| rows.contains(row));
        }
        let ids = &self.columns.event_id.slice(rows.end)[rows.clone()];
        let place = ids.iter().position(|&id| id == event_id);
        place.map(|place| rows.start + place)
    }
}
