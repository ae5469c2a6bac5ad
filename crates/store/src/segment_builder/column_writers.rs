//! Appends to a segment's columns.

use std::sync::Arc;

use super::limits::{SegmentLimits, TEXTS_PER_ROW};
use super::text_writer::TextWriter;
use crate::area::AreaWriter;
use crate::columns::{DictionaryColumn, NullableColumn};
use crate::dictionary::DictionaryBuilder;
use crate::error::Error;
use crate::memory_source::MemorySource;
use crate::row::{RowCodes, RowValues};
use crate::segment::Columns;
use crate::validity::Validity;

/// The writer's side of [`Columns`], all of the same length.
pub(super) struct ColumnWriters {
    pub(super) seq: AreaWriter<u64>,
    pub(super) event_id: AreaWriter<u64>,
    pub(super) timestamp: AreaWriter<i64>,
    wall_time: AreaWriter<i64>,
    parent_id: AreaWriter<u64>,
    arity: AreaWriter<u16>,
    line: AreaWriter<u32>,
    codes: [AreaWriter<i32>; DictionaryColumn::COUNT],
    pub(super) dictionaries: [DictionaryBuilder; DictionaryColumn::COUNT],
    tag_offsets: AreaWriter<i32>,
    pub(super) tag_keys: TextWriter,
    pub(super) tag_values: TextWriter,
    pub(super) data: TextWriter,
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

/// Builds an array whose elements can fail.
pub(super) fn try_array<T, const N: usize>(
    mut make: impl FnMut() -> Result<T, Error>,
) -> Result<[T; N], Error> {
    let made = (0..N).map(|_| make()).collect::<Result<Vec<T>, Error>>()?;
    made.try_into()
        .map_err(|_| Error::resource_exhausted("a segment's columns"))
}

impl ColumnWriters {
    /// Columns of which the source says what is in them.
    pub(super) fn new(
        limits: SegmentLimits,
        source: &mut impl MemorySource,
    ) -> Result<Self, Error> {
        let SegmentLimits {
            rows,
            data_bytes,
            dictionary_bytes,
            tag_bytes,
            tag_entries,
        } = limits;
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
        Ok(Self {
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
        })
    }

    /// The readers' side.
    pub(super) fn columns(&self, validity: [Arc<Validity>; NullableColumn::COUNT]) -> Columns {
        Columns {
            seq: self.seq.area(),
            event_id: self.event_id.area(),
            timestamp: self.timestamp.area(),
            wall_time: self.wall_time.area(),
            parent_id: self.parent_id.area(),
            arity: self.arity.area(),
            line: self.line.area(),
            codes: std::array::from_fn(|column| self.codes[column].area()),
            dictionaries: std::array::from_fn(|column| self.dictionaries[column].dictionary()),
            tag_offsets: self.tag_offsets.area(),
            tag_keys: self.tag_keys.column(),
            tag_values: self.tag_values.column(),
            data: self.data.column(),
            validity,
        }
    }

    /// Rows more that the columns of fixed width have memory for.
    pub(super) fn room(&self) -> usize {
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
        rooms.into_iter().chain(codes).min().unwrap_or(0)
    }

    /// Has the file behind the columns of fixed width given blocks for `count` more rows; false when there is no room.
    pub(super) fn reserve_rows(&mut self, count: usize) -> bool {
        self.seq.reserve(count)
            && self.event_id.reserve(count)
            && self.timestamp.reserve(count)
            && self.wall_time.reserve(count)
            && self.parent_id.reserve(count)
            && self.arity.reserve(count)
            && self.line.reserve(count)
            && self.tag_offsets.reserve(count)
            && self.data.offsets.reserve(count)
            && self.codes.iter_mut().all(|codes| codes.reserve(count))
    }

    /// Whether there is room for a row's texts.
    #[inline]
    pub(super) fn has_room(&self, row: &RowValues<'_>) -> bool {
        let (tags, key_bytes, value_bytes) = tag_sizes(row);
        self.data.has_room(1, row.data.map_or(0, str::len))
            && self.tag_keys.has_room(tags, key_bytes)
            && self.tag_values.has_room(tags, value_bytes)
    }

    /// Has the file behind the columns given blocks for a row's texts; false when there is no room, or no file.
    pub(super) fn reserve(&mut self, row: &RowValues<'_>) -> bool {
        let (tags, key_bytes, value_bytes) = tag_sizes(row);
        self.data.reserve(1, row.data.map_or(0, str::len))
            && self.tag_keys.reserve(tags, key_bytes)
            && self.tag_values.reserve(tags, value_bytes)
    }

    /// Appends a row that there is room for; `mark` says of a nullable column whether it has a value.
    #[inline]
    pub(super) fn push(
        &mut self,
        seq: u64,
        row: &RowValues<'_>,
        codes: &RowCodes,
        mark: impl Fn(NullableColumn, bool),
    ) {
        self.seq.push(seq);
        self.event_id.push(row.event_id);
        self.timestamp.push(row.timestamp);
        self.wall_time.push(row.wall_time);
        self.push_codes(codes, &mark);
        mark(NullableColumn::ParentId, row.parent_id.is_some());
        self.parent_id.push(row.parent_id.unwrap_or_default());
        mark(NullableColumn::Arity, row.arity.is_some());
        self.arity.push(row.arity.unwrap_or_default());
        mark(NullableColumn::Line, row.line.is_some());
        self.line.push(row.line.unwrap_or_default());
        mark(NullableColumn::Tags, row.tags.is_some());
        for (key, value) in row.tags.unwrap_or_default() {
            self.tag_keys.push(key);
            self.tag_values.push(value);
        }
        self.tag_offsets
            .push(self.tag_keys.offsets.len() as i32 - 1);
        mark(NullableColumn::Data, row.data.is_some());
        self.data.push(row.data.unwrap_or_default());
    }

    #[inline]
    fn push_codes(&mut self, codes: &RowCodes, mark: &impl Fn(NullableColumn, bool)) {
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
            mark(validity, code.is_some());
            self.codes[column as usize].push(code.unwrap_or_default());
        }
    }

    pub(super) fn publish(&mut self) {
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
    }
}
