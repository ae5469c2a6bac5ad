//! What a segment's rows amount to: counted when it is first asked for, and kept once the segment is sealed.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::columns::DictionaryColumn;
use crate::segment::Segment;

/// Dictionaries of more texts are counted again each time: the counts of nearly as many texts as rows would take up memory
/// that nothing accounts for.
const KEPT_CODES_MAX: usize = 1 << 16;

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
    codes: [OnceLock<Box<[u32]>>; DictionaryColumn::COUNT],
    /// Filled by who reads JSON.
    pub payloads: OnceLock<Payloads>,
}

impl Segment {
    /// How many of the first `rows` rows have each code of a column.
    pub fn code_counts(&self, column: DictionaryColumn, rows: usize) -> Cow<'_, [u32]> {
        let is_whole = self.sealed().is_some_and(|sealed| sealed.rows == rows);
        let dictionary = &self.columns.dictionaries[column as usize];
        if is_whole && dictionary.len() <= KEPT_CODES_MAX {
            let kept = &self.statistics.codes[column as usize];
            Cow::Borrowed(kept.get_or_init(|| self.count_codes(column, rows)))
        } else {
            Cow::Owned(self.count_codes(column, rows).into_vec())
        }
    }

    fn count_codes(&self, column: DictionaryColumn, rows: usize) -> Box<[u32]> {
        let codes = self.columns.codes[column as usize].slice(rows);
        let mut counts =
            vec![0u32; self.columns.dictionaries[column as usize].len()].into_boxed_slice();
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
