//! Puts rows that were gathered aside into the log: as a segment of their own, or behind the rows of another.

use std::borrow::Cow;
use std::sync::Arc;

use super::{SegmentBuilder, TextWriter};
use crate::columns::{DictionaryColumn, NullableColumn};
use crate::dictionary::DictionaryBuilder;
use crate::row::{RowCodes, RowValues, SiteCodes, Tag};
use crate::segment::ProducerRange;

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
        let merged = self.producers.get(&producer).copied();
        let run = (self.run.producer == producer && self.run.first <= self.run.last)
            .then_some((self.run.first, self.run.last));
        let (first, last) = match (merged, run) {
            (Some(a), Some(b)) => (a.0.min(b.0), a.1.max(b.1)),
            (a, b) => a.or(b)?,
        };
        Some(ProducerRange {
            producer,
            first,
            last,
        })
    }

    /// Event ids of all rows, published or not.
    pub fn event_ids(&self) -> &[u64] {
        self.event_id.written()
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
        self.seq.rewind(0);
        for seq in base_seq..base_seq + self.rows as u64 {
            self.seq.push(seq);
        }
    }

    /// Bytes of text in that column which has the most: room for it in every column is room for all rows.
    pub fn text_bytes_max(&self) -> usize {
        let tags = self.tag_keys.bytes.len().max(self.tag_values.bytes.len());
        let texts = self.data.bytes.len().max(tags);
        let dictionaries = self.dictionaries.iter().map(DictionaryBuilder::text_bytes);
        dictionaries.fold(texts.max(self.tag_keys.texts()), usize::max)
    }

    /// Whether all rows of another segment fit, after the file behind the columns, if any, has been given blocks for them.
    pub fn reserve_for(&mut self, other: &Self) -> bool {
        let text =
            |own: &mut TextWriter, its: &TextWriter| own.reserve(its.texts(), its.bytes.len());
        self.reserve_rows(other.rows)
            && text(&mut self.data, &other.data)
            && text(&mut self.tag_keys, &other.tag_keys)
            && text(&mut self.tag_values, &other.tag_values)
            && std::iter::zip(&mut self.dictionaries, &other.dictionaries)
                .all(|(own, its)| own.reserve_for(its))
    }

    /// Appends all rows of another segment; false, and no row appended, when they do not fit.
    pub fn append_all(&mut self, other: &Self) -> bool {
        if !self.reserve_for(other) {
            return false;
        }
        // There is room for all of it, so that no row is refused below.
        let mut known: [Vec<Option<i32>>; DictionaryColumn::COUNT] =
            std::array::from_fn(|column| vec![None; other.dictionaries[column].len()]);
        for row in 0..other.rows {
            let tags = other.tags_of(row);
            let values = other.values_of(row, tags.as_deref());
            let codes = other.codes_of(row);
            let Some(codes) = codes.map(|column, code| {
                let slot = known[column as usize].get_mut(code as usize)?;
                if slot.is_none() {
                    let text = other.dictionaries[column as usize].text(code);
                    *slot = self.dictionaries[column as usize].intern(text);
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

    fn valid<T>(&self, column: NullableColumn, row: usize, value: T) -> Option<T> {
        self.segment.is_valid(column, row).then_some(value)
    }

    fn tags_of(&self, row: usize) -> Option<Vec<Tag<'_>>> {
        let offsets = self.tag_offsets.written();
        let entries = offsets[row] as usize..offsets[row + 1] as usize;
        let tag = |entry| {
            let (key, value) = (self.tag_keys.text(entry), self.tag_values.text(entry));
            (Cow::Borrowed(key), Cow::Borrowed(value))
        };
        let tags = self.valid(NullableColumn::Tags, row, entries)?;
        Some(tags.map(tag).collect())
    }

    fn values_of<'a>(&'a self, row: usize, tags: Option<&'a [Tag<'a>]>) -> RowValues<'a> {
        RowValues {
            event_id: self.event_id.written()[row],
            timestamp: self.timestamp.written()[row],
            wall_time: self.wall_time.written()[row],
            parent_id: self.valid(NullableColumn::ParentId, row, self.parent_id.written()[row]),
            arity: self.valid(NullableColumn::Arity, row, self.arity.written()[row]),
            line: self.valid(NullableColumn::Line, row, self.line.written()[row]),
            tags,
            data: self.valid(NullableColumn::Data, row, self.data.text(row)),
        }
    }

    fn codes_of(&self, row: usize) -> RowCodes {
        let code = |column: DictionaryColumn| self.codes[column as usize].written()[row];
        RowCodes {
            event_type: code(DictionaryColumn::EventType),
            node: code(DictionaryColumn::Node),
            pid: code(DictionaryColumn::Pid),
            correlation_id: self.valid(
                NullableColumn::CorrelationId,
                row,
                code(DictionaryColumn::CorrelationId),
            ),
            site: SiteCodes {
                module: self.valid(NullableColumn::Module, row, code(DictionaryColumn::Module)),
                function: self.valid(
                    NullableColumn::Function,
                    row,
                    code(DictionaryColumn::Function),
                ),
                file: self.valid(NullableColumn::File, row, code(DictionaryColumn::File)),
            },
        }
    }
}
