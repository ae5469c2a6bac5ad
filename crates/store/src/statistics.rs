//! What a segment's rows amount to: counted when it is first asked for, and kept once the segment is sealed.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::columns::DictionaryColumn;
use crate::segment::Segment;

/// Types of values in `data`, as indexes into [`PathCount::counts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum ValueType {
    /// `true` and `false`.
    Boolean,
    /// Numbers without a fraction or exponent.
    Integer,
    /// Other numbers.
    Float,
    /// Text.
    String,
    /// An array, whatever is in it.
    Array,
}

impl ValueType {
    /// How many there are.
    pub const COUNT: usize = 5;
}

/// A path of object keys into `data`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathCount {
    /// As queries name it.
    pub path: String,
    /// Values by [`ValueType`].
    pub counts: [u64; ValueType::COUNT],
}

/// What there is in `data` and `tags`.
#[derive(Clone, Debug, Default)]
pub struct Payloads {
    /// Rows whose `data` is something other than `null`.
    pub present: u64,
    /// Paths in order of first appearance.
    pub paths: Vec<PathCount>,
    /// Keys of tags in order of first appearance, with the number of rows that have them.
    pub tags: Vec<(String, u64)>,
    /// There were more paths or keys than are kept.
    pub is_truncated: bool,
}

/// Counts over all rows of a sealed segment.
#[derive(Default)]
pub struct Statistics {
    /// Filled by who reads JSON.
    pub payloads: OnceLock<Payloads>,
}

impl Segment {
    /// How many of the first `rows` rows have each code of a column.
    pub fn code_counts(&self, column: DictionaryColumn, rows: usize) -> Cow<'_, [u32]> {
        let counted = self.index().filter(|index| index.rows() == rows);
        match counted.map(|index| &index.codes[column as usize]) {
            Some(codes) => Cow::Borrowed(&codes.counts()[..codes.absent() as usize]),
            None => Cow::Owned(self.count_codes(column, rows)),
        }
    }

    fn count_codes(&self, column: DictionaryColumn, rows: usize) -> Vec<u32> {
        let codes = self.columns.codes[column as usize].slice(rows);
        let mut counts = vec![0u32; self.columns.dictionaries[column as usize].len()];
        let mut count = |code: i32| {
            if let Some(count) = counts.get_mut(code as usize) {
                *count += 1;
            }
        };
        match column.nullable() {
            None => codes.iter().copied().for_each(count),
            Some(nullable) => {
                let validity = &self.columns.validity[nullable as usize];
                for (index, chunk) in codes.chunks(64).enumerate() {
                    let mut bits = validity.word(index);
                    if chunk.len() < 64 {
                        bits &= (1 << chunk.len()) - 1;
                    }
                    while bits != 0 {
                        count(chunk[bits.trailing_zeros() as usize]);
                        bits &= bits - 1;
                    }
                }
            }
        }
        counts
    }
}
