//! How large a segment may become.

use crate::columns::DictionaryColumn;
use crate::segment::{Columns, Segment};

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

/// Texts that one row may add to a dictionary: its context's, interned whether the row uses it or not, and its own.
pub(crate) const TEXTS_PER_ROW: usize = 2;

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

    /// For all rows of some sealed segments, and nothing else.
    pub fn of_all(segments: &[Segment]) -> Self {
        let sum = |size: &dyn Fn(&Columns, usize) -> usize| -> usize {
            let rows = |segment: &Segment| segment.sealed().map_or(0, |sealed| sealed.rows);
            let sizes = segments
                .iter()
                .map(|segment| size(&segment.columns, rows(segment)));
            sizes.sum()
        };
        let dictionary_bytes = |column: usize| {
            sum(&|columns, _| {
                let dictionary = &columns.dictionaries[column];
                dictionary.text_bytes()
            })
        };
        let key_bytes =
            sum(&|columns, rows| columns.tag_keys.text_bytes(columns.tag_entries(rows)));
        let value_bytes =
            sum(&|columns, rows| columns.tag_values.text_bytes(columns.tag_entries(rows)));
        Self {
            rows: sum(&|_, rows| rows),
            data_bytes: sum(&|columns, rows| columns.data.text_bytes(rows)),
            dictionary_bytes: (0..DictionaryColumn::COUNT)
                .map(dictionary_bytes)
                .max()
                .unwrap_or(0),
            tag_bytes: key_bytes.max(value_bytes),
            tag_entries: sum(&|columns, rows| columns.tag_entries(rows)),
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
