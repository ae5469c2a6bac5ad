//! A segment's rows as an Arrow record batch over the segment's own memory.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, make_array};
use arrow_buffer::{ArrowNativeType, Buffer};
use arrow_data::ArrayData;
use arrow_schema::DataType;

use crate::area::Area;
use crate::columns::{DictionaryColumn, NullableColumn, event_schema, tag_entry_fields};
use crate::dictionary::Dictionary;
use crate::error::{Error, ErrorCode};
use crate::segment::{Segment, TextColumn};

/// The first `rows` rows of a segment, of which the caller's snapshot says that they are visible. Nothing is copied
/// but the validity bitmaps.
///
/// # Errors
/// `IO` if the memory does not satisfy Arrow's rules, which would be a bug of the writer.
pub fn record_batch(segment: &Segment, rows: usize) -> Result<RecordBatch, Error> {
    View {
        segment,
        rows,
        is_exported: true,
    }
    .batch()
}

/// As [`record_batch`], over the memory that the writer writes, for writing it to a file: what is handed to JavaScript
/// may have been changed by a stray store.
pub(crate) fn own_record_batch(segment: &Segment, rows: usize) -> Result<RecordBatch, Error> {
    View {
        segment,
        rows,
        is_exported: false,
    }
    .batch()
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorCode::Io,
        format!("a segment's columns are not valid Arrow: {error}"),
    )
}

/// Builds array data without checking every value.
#[allow(
    unsafe_code,
    reason = "checking every offset, code and byte of a segment again would cost more than a query"
)]
fn trusted(builder: arrow_data::ArrayDataBuilder) -> Result<ArrayData, Error> {
    // SAFETY: the buffers come from one segment's areas, which its builder alone has written: offsets grow and
    // end inside the bytes, codes are below the dictionary's length, and bytes are appended from `&str` only.
    // Buffer counts and lengths are still checked.
    unsafe { builder.skip_validation(true) }
        .build()
        .map_err(broken)
}

struct View<'a> {
    segment: &'a Segment,
    rows: usize,
    /// For JavaScript, not for Rust.
    is_exported: bool,
}

impl View<'_> {
    fn batch(&self) -> Result<RecordBatch, Error> {
        let (view, rows) = (self, self.rows);
        let columns = &self.segment.columns;
        let schema = event_schema();
        let arrays = vec![
            view.primitive(DataType::UInt64, view.buffer(&columns.seq, rows), None),
            view.primitive(DataType::UInt64, view.buffer(&columns.event_id, rows), None),
            view.primitive(DataType::Int64, view.buffer(&columns.timestamp, rows), None),
            view.primitive(
                schema.field(3).data_type().clone(),
                view.buffer(&columns.wall_time, rows),
                None,
            ),
            view.dictionary(DictionaryColumn::EventType, None),
            view.dictionary(DictionaryColumn::Node, None),
            view.dictionary(DictionaryColumn::Pid, None),
            view.dictionary(
                DictionaryColumn::CorrelationId,
                Some(NullableColumn::CorrelationId),
            ),
            view.primitive(
                DataType::UInt64,
                view.buffer(&columns.parent_id, rows),
                Some(NullableColumn::ParentId),
            ),
            view.dictionary(DictionaryColumn::Module, Some(NullableColumn::Module)),
            view.dictionary(DictionaryColumn::Function, Some(NullableColumn::Function)),
            view.primitive(
                DataType::UInt16,
                view.buffer(&columns.arity, rows),
                Some(NullableColumn::Arity),
            ),
            view.dictionary(DictionaryColumn::File, Some(NullableColumn::File)),
            view.primitive(
                DataType::UInt32,
                view.buffer(&columns.line, rows),
                Some(NullableColumn::Line),
            ),
            view.tags(),
            view.data(),
        ];
        let arrays = arrays
            .into_iter()
            .collect::<Result<Vec<ArrayRef>, Error>>()?;
        RecordBatch::try_new(schema, arrays).map_err(broken)
    }

    fn buffer<T: ArrowNativeType + std::panic::RefUnwindSafe>(
        &self,
        area: &Arc<Area<T>>,
        len: usize,
    ) -> Buffer {
        if self.is_exported {
            area.arrow_buffer(len)
        } else {
            area.own_buffer(len)
        }
    }

    fn nulls(&self, column: Option<NullableColumn>) -> Option<arrow_buffer::NullBuffer> {
        self.segment.columns.validity[column? as usize].null_buffer(self.rows)
    }

    fn primitive(
        &self,
        data_type: DataType,
        values: Buffer,
        nullable: Option<NullableColumn>,
    ) -> Result<ArrayRef, Error> {
        trusted(
            ArrayData::builder(data_type)
                .len(self.rows)
                .add_buffer(values)
                .nulls(self.nulls(nullable)),
        )
        .map(make_array)
    }

    fn dictionary(
        &self,
        column: DictionaryColumn,
        nullable: Option<NullableColumn>,
    ) -> Result<ArrayRef, Error> {
        let dictionary: &Dictionary = &self.segment.columns.dictionaries[column as usize];
        let (offsets, bytes) = dictionary.areas();
        let values = self.utf8(offsets, bytes, dictionary.len())?;
        let codes = self.buffer(&self.segment.columns.codes[column as usize], self.rows);
        let data_type = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        trusted(
            ArrayData::builder(data_type)
                .len(self.rows)
                .add_buffer(codes)
                .nulls(self.nulls(nullable))
                .add_child_data(values),
        )
        .map(make_array)
    }

    /// The first `texts` texts of a column as Arrow data.
    fn text(&self, column: &TextColumn, texts: usize) -> Result<ArrayData, Error> {
        self.utf8(&column.offsets, &column.bytes, texts)
    }

    fn utf8(
        &self,
        offsets: &Arc<Area<i32>>,
        bytes: &Arc<Area<u8>>,
        texts: usize,
    ) -> Result<ArrayData, Error> {
        let used = offsets.slice(texts + 1)[texts] as usize;
        trusted(
            ArrayData::builder(DataType::Utf8)
                .len(texts)
                .add_buffer(self.buffer(offsets, texts + 1))
                .add_buffer(self.buffer(bytes, used)),
        )
    }

    fn data(&self) -> Result<ArrayRef, Error> {
        let data = self.text(&self.segment.columns.data, self.rows)?;
        trusted(
            data.into_builder()
                .nulls(self.nulls(Some(NullableColumn::Data))),
        )
        .map(make_array)
    }

    fn tags(&self) -> Result<ArrayRef, Error> {
        let columns = &self.segment.columns;
        let entries = columns.tag_offsets.slice(self.rows + 1)[self.rows] as usize;
        let entries = trusted(
            ArrayData::builder(DataType::Struct(tag_entry_fields()))
                .len(entries)
                .add_child_data(self.text(&columns.tag_keys, entries)?)
                .add_child_data(self.text(&columns.tag_values, entries)?),
        )?;
        trusted(
            ArrayData::builder(crate::columns::tags_type())
                .len(self.rows)
                .add_buffer(self.buffer(&columns.tag_offsets, self.rows + 1))
                .nulls(self.nulls(Some(NullableColumn::Tags)))
                .add_child_data(entries),
        )
        .map(make_array)
    }
}
