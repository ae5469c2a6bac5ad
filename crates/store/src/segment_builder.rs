//! Appends rows to the open segment and seals it.

mod merge;

use std::sync::{Arc, OnceLock};

use hashbrown::HashMap;

use crate::area::AreaWriter;
use crate::columns::{DictionaryColumn, NullableColumn};
use crate::dictionary::DictionaryBuilder;
use crate::error::Error;
use crate::event_id::EventId;
use crate::journal::Position;
use crate::memory_source::MemorySource;
use crate::row::{RowCodes, RowValues};
use crate::segment::{Bounds, Columns, ProducerRange, Sealed, Segment, TextColumn};
use crate::statistics::Statistics;
use crate::sync::{AtomicUsize, Ordering};

/// How large a segment may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentLimits {
    /// Rows.
    pub rows: usize,
    /// Bytes of the `data` column.
    pub data_bytes: usize,
    /// Bytes of the distinct texts of each dictionary column.
    pub dictionary_bytes: usize,
    /// Bytes of all tags' keys, and of all their values.
    pub tag_bytes: usize,
    /// Entries of the `tags` column.
    pub tag_entries: usize,
}

/// Text that a row has on average, at a guess: what the areas get of address space per row. A segment whose text runs
/// out before its rows do is sealed early.
const DATA_BYTES_PER_ROW: usize = 160;
const DICTIONARY_BYTES_PER_ROW: usize = 48;
const TAG_BYTES_PER_ROW: usize = 64;

impl SegmentLimits {
    /// For so many ordinary rows, and at least one row of which no column has more than `text_bytes` of text.
    pub fn of(rows: usize, text_bytes: usize) -> Self {
        Self {
            rows,
            data_bytes: rows.saturating_mul(DATA_BYTES_PER_ROW).max(text_bytes),
            dictionary_bytes: rows
                .saturating_mul(DICTIONARY_BYTES_PER_ROW)
                .max(text_bytes),
            tag_bytes: rows.saturating_mul(TAG_BYTES_PER_ROW).max(text_bytes),
            // A row's tags differ in their keys, so there are fewer of them than bytes, give or take the empty key.
            tag_entries: rows.saturating_mul(4).max(text_bytes + 1),
        }
    }

    /// The limits with which areas are made.
    #[must_use]
    pub fn settled(self) -> Self {
        // Offsets are 32 bits; half their range leaves no room for a mistake.
        let area_bytes = |bytes: usize| bytes.clamp(4096, 1 << 30);
        Self {
            rows: self.rows.max(1),
            data_bytes: area_bytes(self.data_bytes),
            dictionary_bytes: area_bytes(self.dictionary_bytes),
            tag_bytes: area_bytes(self.tag_bytes),
            tag_entries: self.tag_entries.max(1024),
        }
    }
}

/// How many tags a row has, and the bytes of their keys and values.
#[inline]
fn tag_sizes(row: &RowValues<'_>) -> (usize, usize, usize) {
    let (mut key_bytes, mut value_bytes) = (0, 0);
    let tags = row.tags.unwrap_or_default();
    for (key, value) in tags {
        key_bytes += key.len();
        value_bytes += value.len();
    }
    (tags.len(), key_bytes, value_bytes)
}

/// Texts that one row may add to a dictionary: its context's, interned whether the row uses it or not, and its own.
pub(crate) const TEXTS_PER_ROW: usize = 2;

/// Empty: its first number is above its last.
const NO_RUN: ProducerRange = ProducerRange {
    producer: 0,
    first: u64::MAX,
    last: 0,
};

struct TextWriter {
    offsets: AreaWriter<i32>,
    bytes: AreaWriter<u8>,
}

impl TextWriter {
    fn new(texts: usize, bytes: usize, source: &mut impl MemorySource) -> Result<Self, Error> {
        let mut offsets = source.area(texts + 1)?;
        if offsets.is_empty() {
            offsets.push(0);
        }
        Ok(Self {
            offsets,
            bytes: source.area(bytes)?,
        })
    }

    fn column(&self) -> TextColumn {
        TextColumn {
            offsets: self.offsets.area(),
            bytes: self.bytes.area(),
        }
    }

    fn texts(&self) -> usize {
        self.offsets.len() - 1
    }

    fn has_room(&self, texts: usize, bytes: usize) -> bool {
        self.offsets.room() >= texts && self.bytes.room() >= bytes
    }

    fn reserve(&mut self, texts: usize, bytes: usize) -> bool {
        self.offsets.reserve(texts) && self.bytes.reserve(bytes)
    }

    #[inline]
    fn push(&mut self, text: &str) {
        self.bytes.extend(text.as_bytes());
        self.offsets.push(self.bytes.len() as i32);
    }

    fn publish(&mut self) {
        self.bytes.publish();
        self.offsets.publish();
    }
}

/// The writer's side of the open segment, or of one that is still to be put into the log.
pub struct SegmentBuilder {
    segment: Arc<Segment>,
    rows: usize,
    /// Rows that every column has memory for, blocks of its file included; at most `rows_max`.
    rows_ready: usize,
    rows_max: usize,
    seq: AreaWriter<u64>,
    event_id: AreaWriter<u64>,
    timestamp: AreaWriter<i64>,
    wall_time: AreaWriter<i64>,
    parent_id: AreaWriter<u64>,
    arity: AreaWriter<u16>,
    line: AreaWriter<u32>,
    codes: [AreaWriter<i32>; DictionaryColumn::COUNT],
    dictionaries: [DictionaryBuilder; DictionaryColumn::COUNT],
    tag_offsets: AreaWriter<i32>,
    tag_keys: TextWriter,
    tag_values: TextWriter,
    data: TextWriter,
    min_timestamp: i64,
    max_timestamp: i64,
    in_time_order: bool,
    producers: HashMap<u16, (u64, u64)>,
    /// Rows of one producer at the end of the segment, not yet in `producers`.
    run: ProducerRange,
}

/// Builds an array whose elements can fail.
fn try_array<T, const N: usize>(
    mut make: impl FnMut() -> Result<T, Error>,
) -> Result<[T; N], Error> {
    let made = (0..N).map(|_| make()).collect::<Result<Vec<T>, Error>>()?;
    made.try_into()
        .map_err(|_| Error::resource_exhausted("a segment's columns"))
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
        let SegmentLimits {
            rows,
            data_bytes,
            dictionary_bytes,
            tag_bytes,
            tag_entries,
        } = limits.settled();
        let source = &mut source;
        let seq = source.area(rows)?;
        let event_id = source.area(rows)?;
        let timestamp = source.area(rows)?;
        let wall_time = source.area(rows)?;
        let parent_id = source.area(rows)?;
        let arity = source.area(rows)?;
        let line = source.area(rows)?;
        let codes: [AreaWriter<i32>; DictionaryColumn::COUNT] = try_array(|| source.area(rows))?;
        let dictionaries: [DictionaryBuilder; DictionaryColumn::COUNT] = try_array(|| {
            DictionaryBuilder::new(rows.saturating_mul(TEXTS_PER_ROW), dictionary_bytes, source)
        })?;
        let mut tag_offsets = source.area(rows + 1)?;
        if tag_offsets.is_empty() {
            tag_offsets.push(0);
        }
        let tag_keys = TextWriter::new(tag_entries, tag_bytes, source)?;
        let tag_values = TextWriter::new(tag_entries, tag_bytes, source)?;
        let data = TextWriter::new(rows, data_bytes, source)?;
        let columns = Columns {
            seq: seq.area(),
            event_id: event_id.area(),
            timestamp: timestamp.area(),
            wall_time: wall_time.area(),
            parent_id: parent_id.area(),
            arity: arity.area(),
            line: line.area(),
            codes: std::array::from_fn(|column| codes[column].area()),
            dictionaries: std::array::from_fn(|column| dictionaries[column].dictionary()),
            tag_offsets: tag_offsets.area(),
            tag_keys: tag_keys.column(),
            tag_values: tag_values.column(),
            data: data.column(),
            validity: try_array(|| source.validity(rows))?,
        };
        let segment = Arc::new(Segment {
            base_seq,
            columns,
            bounds: Bounds::new(),
            statistics: Statistics::default(),
            open_bytes: AtomicUsize::new(0),
            sealed: OnceLock::new(),
            index: OnceLock::new(),
        });
        let mut builder = Self {
            segment,
            rows: seq.len(),
            rows_ready: 0,
            rows_max: rows,
            seq,
            event_id,
            timestamp,
            wall_time,
            parent_id,
            arity,
            line,
            codes,
            dictionaries,
            tag_offsets,
            tag_keys,
            tag_values,
            data,
            min_timestamp: i64::MAX,
            max_timestamp: i64::MIN,
            in_time_order: true,
            producers: HashMap::new(),
            run: NO_RUN,
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
            let (timestamp, event_id) =
                (self.timestamp.written()[row], self.event_id.written()[row]);
            self.note(timestamp, event_id);
        }
        let validity = &self.segment.columns.validity;
        validity.iter().for_each(|column| column.clear_from(rows));
    }

    /// Rows that the columns of fixed width have memory for.
    fn rows_with_memory(&self) -> usize {
        let rooms = [
            self.seq.room(),
            self.event_id.room(),
            self.timestamp.room(),
            self.wall_time.room(),
            self.parent_id.room(),
            self.arity.room(),
            self.line.room(),
            self.tag_offsets.room(),
            self.data.offsets.room(),
        ];
        let codes = self.codes.iter().map(AreaWriter::room);
        let room = rooms.into_iter().chain(codes).min().unwrap_or(0);
        (self.rows + room).min(self.rows_max)
    }

    /// Has the file behind the columns of fixed width given blocks for `count` more rows; false when there is no room.
    fn reserve_rows(&mut self, count: usize) -> bool {
        if self.rows_max - self.rows < count {
            return false;
        }
        let reserved = self.seq.reserve(count)
            && self.event_id.reserve(count)
            && self.timestamp.reserve(count)
            && self.wall_time.reserve(count)
            && self.parent_id.reserve(count)
            && self.arity.reserve(count)
            && self.line.reserve(count)
            && self.tag_offsets.reserve(count)
            && self.data.offsets.reserve(count)
            && self.codes.iter_mut().all(|codes| codes.reserve(count));
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
            entries: std::array::from_fn(|column| self.dictionaries[column].len() as u32),
            min_timestamp: self.min_timestamp,
            max_timestamp: self.max_timestamp,
            in_time_order: self.in_time_order,
            own_sequence,
        }
    }

    /// The code of a text in one of the columns; none when the segment has no room for it.
    #[inline]
    pub fn intern(&mut self, column: DictionaryColumn, text: &str) -> Option<i32> {
        self.dictionaries[column as usize].intern(text)
    }

    fn has_room(&self, row: &RowValues<'_>) -> bool {
        let (tags, key_bytes, value_bytes) = tag_sizes(row);
        self.rows < self.rows_ready
            && self.data.has_room(1, row.data.map_or(0, str::len))
            && self.tag_keys.has_room(tags, key_bytes)
            && self.tag_values.has_room(tags, value_bytes)
    }

    /// Has the file behind the columns given blocks for a row; false when there is no room, or no file.
    #[cold]
    fn reserve(&mut self, row: &RowValues<'_>) -> bool {
        let (tags, key_bytes, value_bytes) = tag_sizes(row);
        (self.rows < self.rows_ready || self.reserve_rows(1))
            && self.data.reserve(1, row.data.map_or(0, str::len))
            && self.tag_keys.reserve(tags, key_bytes)
            && self.tag_values.reserve(tags, value_bytes)
    }

    /// Appends a row; false, and nothing changed, when it does not fit.
    pub fn push(&mut self, row: &RowValues<'_>, codes: &RowCodes) -> bool {
        if !self.has_room(row) && !self.reserve(row) {
            return false;
        }
        let index = self.rows;
        self.seq.push(self.next_seq());
        self.event_id.push(row.event_id);
        self.timestamp.push(row.timestamp);
        self.wall_time.push(row.wall_time);
        self.push_codes(index, codes);
        self.mark(NullableColumn::ParentId, index, row.parent_id.is_some());
        self.parent_id.push(row.parent_id.unwrap_or_default());
        self.mark(NullableColumn::Arity, index, row.arity.is_some());
        self.arity.push(row.arity.unwrap_or_default());
        self.mark(NullableColumn::Line, index, row.line.is_some());
        self.line.push(row.line.unwrap_or_default());
        self.mark(NullableColumn::Tags, index, row.tags.is_some());
        for (key, value) in row.tags.unwrap_or_default() {
            self.tag_keys.push(key);
            self.tag_values.push(value);
        }
        self.tag_offsets
            .push(self.tag_keys.offsets.len() as i32 - 1);
        self.mark(NullableColumn::Data, index, row.data.is_some());
        self.data.push(row.data.unwrap_or_default());
        self.note(row.timestamp, row.event_id);
        self.rows += 1;
        true
    }

    #[inline]
    fn mark(&self, column: NullableColumn, row: usize, valid: bool) {
        if valid {
            self.segment.columns.validity[column as usize].set(row);
        }
    }

    #[inline]
    fn push_codes(&mut self, row: usize, codes: &RowCodes) {
        let nullable = [
            (
                DictionaryColumn::CorrelationId,
                NullableColumn::CorrelationId,
                codes.correlation_id,
            ),
            (
                DictionaryColumn::Module,
                NullableColumn::Module,
                codes.site.module,
            ),
            (
                DictionaryColumn::Function,
                NullableColumn::Function,
                codes.site.function,
            ),
            (
                DictionaryColumn::File,
                NullableColumn::File,
                codes.site.file,
            ),
        ];
        self.codes[DictionaryColumn::EventType as usize].push(codes.event_type);
        self.codes[DictionaryColumn::Node as usize].push(codes.node);
        self.codes[DictionaryColumn::Pid as usize].push(codes.pid);
        for (column, validity, code) in nullable {
            self.mark(validity, row, code.is_some());
            self.codes[column as usize].push(code.unwrap_or_default());
        }
    }

    #[inline]
    fn note(&mut self, timestamp: i64, event_id: u64) {
        self.in_time_order &= timestamp >= self.max_timestamp;
        self.min_timestamp = self.min_timestamp.min(timestamp);
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let id = EventId(event_id);
        // Rows come in runs of one producer, so the last one's range is nearly always the right one.
        if id.producer() != self.run.producer {
            self.end_run();
            self.run = ProducerRange {
                producer: id.producer(),
                first: u64::MAX,
                last: 0,
            };
        }
        self.run.first = self.run.first.min(id.sequence());
        self.run.last = self.run.last.max(id.sequence());
    }

    /// Merges the current run into what is known of its producer.
    fn end_run(&mut self) {
        let ProducerRange {
            producer,
            first,
            last,
        } = self.run;
        if first <= last {
            let range = self.producers.entry(producer).or_insert((first, last));
            *range = (range.0.min(first), range.1.max(last));
        }
    }

    /// Makes everything appended so far readable below the watermark that the caller stores next.
    pub fn publish(&mut self) {
        self.seq.publish();
        self.event_id.publish();
        self.timestamp.publish();
        self.wall_time.publish();
        self.parent_id.publish();
        self.arity.publish();
        self.line.publish();
        self.codes.iter_mut().for_each(AreaWriter::publish);
        self.dictionaries
            .iter_mut()
            .for_each(DictionaryBuilder::publish);
        self.tag_keys.publish();
        self.tag_values.publish();
        self.tag_offsets.publish();
        self.data.publish();
        self.segment
            .bounds
            .store(self.min_timestamp, self.max_timestamp, self.in_time_order);
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
        self.end_run();
        self.publish();
        let mut producers: Vec<_> = self
            .producers
            .iter()
            .map(|(&producer, &(first, last))| ProducerRange {
                producer,
                first,
                last,
            })
            .collect();
        producers.sort_unstable_by_key(|range| range.producer);
        let used_bytes = self.used_bytes();
        let Self {
            segment,
            rows,
            dictionaries,
            ..
        } = self;
        dictionaries.into_iter().for_each(DictionaryBuilder::seal);
        // The builder owns the right to seal and is consumed here, so the cell is empty.
        let _ = segment.sealed.set(Sealed {
            rows,
            producers,
            last_append_raw_ns,
            used_bytes,
        });
    }
}
