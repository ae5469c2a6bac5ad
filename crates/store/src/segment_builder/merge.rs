//! Puts rows that are in one segment into another: those that were gathered aside, and those of small files.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_buffer::ArrowNativeType;

use super::SegmentBuilder;
use super::text_writer::TextWriter;
use crate::area::Area;
use crate::columns::{DictionaryColumn, NullableColumn};
use crate::dictionary::DictionaryBuilder;
use crate::row::{RowCodes, RowValues, SiteCodes, Tag};
use crate::segment::{ProducerRange, Segment, TextColumn};

/// Up to so many rows and bytes of text are appended to the open segment: it takes the writer little longer than one
/// turn at the rings, while a segment of its own for every small import would make many small ones.
const SMALL_ROWS: usize = 1 << 15;
const SMALL_TEXT_BYTES: usize = 4 << 20;

impl SegmentBuilder {
    /// Whether the rows are so few that they are better appended to another segment.
    pub fn is_small(&self) -> bool {
        self.rows <= SMALL_ROWS && self.text_bytes_max() <= SMALL_TEXT_BYTES
    }

    /// The numbers of a producer's sequence between which all of its rows here are; none if there are no such rows.
    pub fn producer_range(&self, producer: u16) -> Option<ProducerRange> {
        self.extent.producer_range(producer)
    }

    /// Event ids of all rows, published or not.
    pub fn event_ids(&self) -> &[u64] {
        self.columns.event_id.written()
    }

    /// Gives the rows of a segment that nobody has seen yet their place in the log.
    ///
    /// # Panics
    /// When the segment has been shared or published.
    pub fn rebase(&mut self, base_seq: u64) {
        let own = Arc::get_mut(&mut self.segment);
        assert!(
            own.is_some(),
            "a segment that has been shared keeps its place"
        );
        if let Some(segment) = own {
            segment.base_seq = base_seq;
        }
        self.columns.seq.rewind(0);
        for seq in base_seq..base_seq + self.rows as u64 {
            self.columns.seq.push(seq);
        }
    }

    /// Bytes of text in that column which has the most: room for it in every column is room for all rows.
    pub fn text_bytes_max(&self) -> usize {
        let tags = self
            .columns
            .tag_keys
            .bytes
            .len()
            .max(self.columns.tag_values.bytes.len());
        let texts = self.columns.data.bytes.len().max(tags);
        let dictionaries = self
            .columns
            .dictionaries
            .iter()
            .map(DictionaryBuilder::text_bytes);
        dictionaries.fold(texts.max(self.columns.tag_keys.texts()), usize::max)
    }

    /// Whether the rows of another segment fit, after the file behind the columns, if any, has been given blocks for them.
    fn reserve_for(&mut self, other: &Segment, rows: usize) -> bool {
        let columns = &other.columns;
        let entries = columns.tag_entries(rows);
        let text = |own: &mut TextWriter, its: &TextColumn, texts: usize| {
            own.reserve(texts, its.text_bytes(texts))
        };
        self.reserve_rows(rows)
            && text(&mut self.columns.data, &columns.data, rows)
            && text(&mut self.columns.tag_keys, &columns.tag_keys, entries)
            && text(&mut self.columns.tag_values, &columns.tag_values, entries)
            && std::iter::zip(&mut self.columns.dictionaries, &columns.dictionaries)
                .all(|(own, its)| own.reserve_for(its))
    }

    /// Appends the first rows of another segment, all of them published; false, and no row appended, when they do not fit.
    pub fn append_all(&mut self, other: &Segment, rows: usize) -> bool {
        // There is room for all of it, so that no row is refused then.
        self.reserve_for(other, rows) && self.append_rows(other, rows)
    }

    /// As [`SegmentBuilder::append_all`], but when some rows do not fit, those before them are appended.
    pub fn append_rows(&mut self, other: &Segment, rows: usize) -> bool {
        let dictionaries = &other.columns.dictionaries;
        let mut known: [Vec<Option<i32>>; DictionaryColumn::COUNT] =
            std::array::from_fn(|column| vec![None; dictionaries[column].len()]);
        for row in 0..rows {
            let tags = tags_of(other, row);
            let values = values_of(other, row, tags.as_deref());
            let codes = codes_of(other, row);
            let Some(codes) = codes.map(|column, code| {
                let slot = known[column as usize].get_mut(code as usize)?;
                if slot.is_none() {
                    let text = dictionaries[column as usize].text(code as usize);
                    *slot = self.columns.dictionaries[column as usize].intern(text);
                }
                *slot
            }) else {
                return false;
            };
            if !self.push(&values, &codes) {
                return false;
            }
        }
        true
    }
}

fn valid<T>(of: &Segment, column: NullableColumn, row: usize, value: T) -> Option<T> {
    of.is_valid(column, row).then_some(value)
}

fn at<T: Copy + ArrowNativeType>(column: &Area<T>, row: usize) -> T {
    column.slice(row + 1)[row]
}

fn tags_of(of: &Segment, row: usize) -> Option<Vec<Tag<'_>>> {
    let columns = &of.columns;
    let offsets = columns.tag_offsets.slice(row + 2);
    let entries = offsets[row] as usize..offsets[row + 1] as usize;
    let tag = |entry| {
        let (key, value) = (columns.tag_keys.text(entry), columns.tag_values.text(entry));
        (Cow::Borrowed(key), Cow::Borrowed(value))
    };
    let tags = valid(of, NullableColumn::Tags, row, entries)?;
    Some(tags.map(tag).collect())
}

fn values_of<'a>(of: &'a Segment, row: usize, tags: Option<&'a [Tag<'a>]>) -> RowValues<'a> {
    let columns = &of.columns;
    RowValues {
        event_id: at(&columns.event_id, row),
        timestamp: at(&columns.timestamp, row),
        wall_time: at(&columns.wall_time, row),
        parent_id: valid(
            of,
            NullableColumn::ParentId,
            row,
            at(&columns.parent_id, row),
        ),
        arity: valid(of, NullableColumn::Arity, row, at(&columns.arity, row)),
        line: valid(of, NullableColumn::Line, row, at(&columns.line, row)),
        tags,
        data: valid(of, NullableColumn::Data, row, columns.data.text(row)),
    }
}

fn codes_of(of: &Segment, row: usize) -> RowCodes {
    let code = |column: DictionaryColumn| at(&of.columns.codes[column as usize], row);
    let nullable = |column: DictionaryColumn| match column.nullable() {
        Some(nulls) => valid(of, nulls, row, code(column)),
        None => Some(code(column)),
    };
    RowCodes {
        event_type: code(DictionaryColumn::EventType),
        node: code(DictionaryColumn::Node),
        pid: code(DictionaryColumn::Pid),
        correlation_id: nullable(DictionaryColumn::CorrelationId),
        site: SiteCodes {
            module: nullable(DictionaryColumn::Module),
            function: nullable(DictionaryColumn::Function),
            file: nullable(DictionaryColumn::File),
        },
    }
}
