//! Appends rows to the open segment and seals it.

mod column_writers;
mod extent;
mod limits;
mod merge;
mod text_writer;

use std::sync::{Arc, OnceLock};

use self::column_writers::{ColumnWriters, try_array};
use self::extent::Extent;
pub use self::limits::SegmentLimits;
#[cfg(all(unix, not(loom)))]
pub(crate) use self::limits::TEXTS_PER_ROW;
use crate::columns::DictionaryColumn;
use crate::dictionary::DictionaryBuilder;
use crate::error::Error;
use crate::journal::Position;
use crate::memory_source::MemorySource;
use crate::row::{RowCodes, RowValues};
use crate::segment::{Bounds, Sealed, Segment, TextColumn};
use crate::statistics::Statistics;
use crate::sync::{AtomicUsize, Ordering};

/// The writer's side of the open segment, or of one that is still to be put into the log.
pub struct SegmentBuilder {
    segment: Arc<Segment>,
    rows: usize,
    /// Rows that every column has memory for, blocks of its file included; at most `rows_max`.
    rows_ready: usize,
    rows_max: usize,
    columns: ColumnWriters,
    extent: Extent,
}

impl SegmentBuilder {
    /// A segment that starts at `base_seq`: empty, unless its memory is that of a file which already holds rows.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` without memory, `IO` without space on the disk.
    pub fn new(
        base_seq: u64,
        limits: SegmentLimits,
        mut source: impl MemorySource,
    ) -> Result<Self, Error> {
        let limits = limits.settled();
        let columns = ColumnWriters::new(limits, &mut source)?;
        let validity = try_array(|| source.validity(limits.rows))?;
        let segment = Arc::new(Segment {
            base_seq,
            columns: columns.columns(validity),
            bounds: Bounds::new(),
            statistics: Statistics::default(),
            open_bytes: AtomicUsize::new(0),
            sealed: OnceLock::new(),
            index: OnceLock::new(),
        });
        let mut builder = Self {
            segment,
            rows: columns.seq.len(),
            rows_ready: 0,
            rows_max: limits.rows,
            columns,
            extent: Extent::new(),
        };
        builder.rows_ready = builder.rows_with_memory();
        builder.note_all();
        builder.publish();
        Ok(builder)
    }

    /// Takes up what rows that were there before have in common.
    fn note_all(&mut self) {
        let rows = self.rows;
        for row in 0..rows {
            let (timestamp, event_id) = (
                self.columns.timestamp.written()[row],
                self.columns.event_id.written()[row],
            );
            self.extent.note(timestamp, event_id);
        }
        let validity = &self.segment.columns.validity;
        validity.iter().for_each(|column| column.clear_from(rows));
    }

    /// Rows that the columns of fixed width have memory for.
    fn rows_with_memory(&self) -> usize {
        (self.rows + self.columns.room()).min(self.rows_max)
    }

    /// Has the file behind the columns of fixed width given blocks for `count` more rows; false when there is no room.
    fn reserve_rows(&mut self, count: usize) -> bool {
        if self.rows_max - self.rows < count {
            return false;
        }
        let reserved = self.columns.reserve_rows(count);
        self.rows_ready = self.rows_with_memory();
        reserved
    }

    /// The readers' side.
    pub fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// Rows appended so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// `seq` of the next row.
    pub fn next_seq(&self) -> u64 {
        self.segment.base_seq + self.rows as u64
    }

    /// What a commit says of the segment.
    pub fn position(&self, own_sequence: u64) -> Position {
        Position {
            next_seq: self.next_seq(),
            base_seq: self.segment.base_seq,
            rows: self.rows,
            entries: std::array::from_fn(|column| self.columns.dictionaries[column].len() as u32),
            min_timestamp: self.extent.min_timestamp,
            max_timestamp: self.extent.max_timestamp,
            in_time_order: self.extent.in_time_order,
            own_sequence,
        }
    }

    /// The code of a text in one of the columns; none when the segment has no room for it.
    #[inline]
    pub fn intern(&mut self, column: DictionaryColumn, text: &str) -> Option<i32> {
        self.columns.dictionaries[column as usize].intern(text)
    }

    fn has_room(&self, row: &RowValues<'_>) -> bool {
        self.rows < self.rows_ready && self.columns.has_room(row)
    }

    /// Has the file behind the columns given blocks for a row; false when there is no room, or no file.
    #[cold]
    fn reserve(&mut self, row: &RowValues<'_>) -> bool {
        (self.rows < self.rows_ready || self.reserve_rows(1)) && self.columns.reserve(row)
    }

    /// Appends a row; false, and nothing changed, when it does not fit.
    pub fn push(&mut self, row: &RowValues<'_>, codes: &RowCodes) -> bool {
        if !self.has_room(row) && !self.reserve(row) {
            return false;
        }
        let (index, seq) = (self.rows, self.next_seq());
        let validity = &self.segment.columns.validity;
        self.columns.push(seq, row, codes, |column, is_valid| {
            if is_valid {
                validity[column as usize].set(index);
            }
        });
        self.extent.note(row.timestamp, row.event_id);
        self.rows += 1;
        true
    }

    /// Makes everything appended so far readable below the watermark that the caller stores next.
    pub fn publish(&mut self) {
        self.columns.publish();
        self.segment.bounds.store(
            self.extent.min_timestamp,
            self.extent.max_timestamp,
            self.extent.in_time_order,
        );
        self.segment
            .open_bytes
            .store(self.used_bytes(), Ordering::Relaxed);
    }

    /// Bytes of memory that the segment takes up now.
    pub fn used_bytes(&self) -> usize {
        let columns = &self.segment.columns;
        let wide = columns.seq.used_bytes()
            + columns.event_id.used_bytes()
            + columns.timestamp.used_bytes()
            + columns.wall_time.used_bytes();
        let narrow = columns.parent_id.used_bytes()
            + columns.arity.used_bytes()
            + columns.line.used_bytes()
            + columns.tag_offsets.used_bytes();
        let codes: usize = columns.codes.iter().map(|codes| codes.used_bytes()).sum();
        let dictionaries: usize = columns
            .dictionaries
            .iter()
            .map(|dictionary| dictionary.used_bytes())
            .sum();
        let text = |text: &TextColumn| text.offsets.used_bytes() + text.bytes.used_bytes();
        let texts = text(&columns.tag_keys) + text(&columns.tag_values) + text(&columns.data);
        let validity: usize = columns
            .validity
            .iter()
            .map(|validity| validity.used_bytes())
            .sum();
        wide + narrow + codes + dictionaries + texts + validity
    }

    /// Ends the segment: publishes, builds what readers of a sealed segment get, and gives up the writing handles.
    pub fn seal(mut self, last_append_raw_ns: i64) {
        self.publish();
        let used_bytes = self.used_bytes();
        let Self {
            segment,
            rows,
            columns,
            extent,
            ..
        } = self;
        let dictionaries = columns.dictionaries.into_iter();
        dictionaries.for_each(DictionaryBuilder::seal);
        // The builder owns the right to seal and is consumed here, so the cell is empty.
        let _ = segment.sealed.set(Sealed {
            rows,
            producers: extent.into_producers(),
            last_append_raw_ns,
            used_bytes,
        });
    }
}
