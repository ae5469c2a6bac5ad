//! Sets of rows of one segment.

use std::ops::Range;

use kinescope_store::index::paths::RowSet;

/// One bit a row, in words of 64 rows. Words exist only for the stretch of the segment in which rows can be in, so that
/// a few rows of a large segment cost little.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitmap {
    /// Index of the first word; rows outside the words are not in.
    first_word: usize,
    words: Vec<u64>,
    rows: usize,
}

/// Rows of a word that are looked at one by one rather than all 64 together.
const FEW_BITS: u32 = 6;

impl Bitmap {
    /// All of the rows `range` out of `rows`.
    pub fn of_range(rows: usize, range: Range<usize>) -> Self {
        let range = range.start.min(rows)..range.end.min(rows);
        let mut bitmap = Self::empty(rows, &range);
        for (index, word) in bitmap.words.iter_mut().enumerate() {
            let base = (bitmap.first_word + index) * 64;
            let start = range.start.clamp(base, base + 64) - base;
            let end = range.end.clamp(base, base + 64) - base;
            let below = |bit: usize| if bit == 64 { u64::MAX } else { (1 << bit) - 1 };
            *word = below(end) & !below(start);
        }
        bitmap
    }

    /// These rows out of `rows`, in any order.
    pub fn of_rows(rows: usize, members: &[u32]) -> Self {
        let lowest = members.iter().min().map_or(0, |&row| row as usize);
        let highest = members.iter().max().map_or(0, |&row| row as usize + 1);
        let mut bitmap = Self::empty(rows, &(lowest..highest));
        for &row in members {
            let row = row as usize;
            bitmap.words[row / 64 - bitmap.first_word] |= 1 << (row % 64);
        }
        bitmap
    }

    /// None of the rows, with words for those of `range`.
    fn empty(rows: usize, range: &Range<usize>) -> Self {
        let first_word = range.start / 64;
        let words = range.end.div_ceil(64).saturating_sub(first_word);
        Self {
            first_word,
            words: vec![0; if range.is_empty() { 0 } else { words }],
            rows,
        }
    }

    /// The stretch outside of which no row is in.
    pub fn window(&self) -> Range<usize> {
        let start = self.first_word * 64;
        start..(start + self.words.len() * 64).min(self.rows).max(start)
    }

    /// Keeps the rows whose value satisfies `keep`; `values` has one value a row.
    ///
    /// # Panics
    /// When `values` is shorter than the rows.
    #[inline]
    pub fn retain<T: Copy>(&mut self, values: &[T], keep: impl Fn(T) -> bool) {
        let values = &values[self.window()];
        for (word, values) in self.words.iter_mut().zip(values.chunks(64)) {
            if word.count_ones() > FEW_BITS {
                *word &= pack(values, &keep);
                continue;
            }
            let mut left = *word;
            while left != 0 {
                let bit = left.trailing_zeros();
                left &= left - 1;
                if !keep(values[bit as usize]) {
                    *word &= !(1 << bit);
                }
            }
        }
    }

    /// Keeps the rows that satisfy `keep`, asked only for rows that are still in.
    pub fn retain_rows(&mut self, mut keep: impl FnMut(usize) -> bool) {
        for (index, word) in self.words.iter_mut().enumerate() {
            let mut left = *word;
            while left != 0 {
                let bit = left.trailing_zeros();
                left &= left - 1;
                if !keep((self.first_word + index) * 64 + bit as usize) {
                    *word &= !(1 << bit);
                }
            }
        }
    }

    /// Takes out the rows of `other`, a set of rows of the same segment.
    pub fn subtract(&mut self, other: &Self) {
        self.intersect_words(|index| !other.word(index));
    }

    /// Takes out rows, given as a list.
    pub fn subtract_listed(&mut self, rows: &[u32]) {
        for &row in rows {
            let word = (row as usize / 64).checked_sub(self.first_word);
            if let Some(word) = word.and_then(|word| self.words.get_mut(word)) {
                *word &= !(1 << (row % 64));
            }
        }
    }

    /// Keeps rows of the range only.
    pub fn intersect_range(&mut self, range: Range<usize>) {
        let kept = Self::of_range(self.rows, range);
        self.intersect_words(|index| kept.word(index));
    }

    /// Keeps the rows whose bit is set in `word_at`, which gives 64 rows at a time.
    pub fn intersect_words(&mut self, word_at: impl Fn(usize) -> u64) {
        let first_word = self.first_word;
        self.words
            .iter_mut()
            .enumerate()
            .for_each(|(index, word)| *word &= word_at(first_word + index));
    }

    /// The 64 rows from `64 * index` on, the lowest bit first.
    pub fn word(&self, index: usize) -> u64 {
        let index = index.checked_sub(self.first_word);
        index
            .and_then(|index| self.words.get(index))
            .copied()
            .unwrap_or_default()
    }

    /// Whether a row is in.
    pub fn contains(&self, row: usize) -> bool {
        self.word(row / 64) >> (row % 64) & 1 == 1
    }

    /// Keeps the rows of a set.
    pub fn intersect_set(&mut self, set: &RowSet) {
        match set {
            RowSet::Bits(words) => {
                let words = &**words;
                self.intersect_words(|index| words.get(index).copied().unwrap_or_default());
            }
            RowSet::Listed(rows) => self.intersect_listed(rows),
        }
    }

    /// Keeps those of ascending rows that are in.
    pub fn intersect_listed(&mut self, rows: &[u32]) {
        let window = self.window();
        let start = rows.partition_point(|&row| (row as usize) < window.start);
        let end = rows.partition_point(|&row| (row as usize) < window.end);
        let kept: Vec<u32> = rows[start..end.max(start)]
            .iter()
            .copied()
            .filter(|&row| self.contains(row as usize))
            .collect();
        *self = Self::of_rows(self.rows, &kept);
    }

    /// Takes out all rows.
    pub fn clear(&mut self) {
        self.words.clear();
    }

    /// Whether no row is in.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// How many rows are in.
    pub fn count(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// Whether all rows of the segment are in.
    pub fn is_full(&self) -> bool {
        self.count() == self.rows
    }

    /// The rows that are in, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(index, &word)| {
            let base = (self.first_word + index) * 64;
            let mut left = word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(base + bit)
            })
        })
    }

    /// The rows that are in, descending.
    pub fn iter_back(&self) -> impl Iterator<Item = usize> + '_ {
        self.words
            .iter()
            .enumerate()
            .rev()
            .flat_map(|(index, &word)| {
                let base = (self.first_word + index) * 64;
                let mut left = word;
                std::iter::from_fn(move || {
                    let bit = left.checked_ilog2()? as usize;
                    left &= !(1 << bit);
                    Some(base + bit)
                })
            })
    }
}

/// A bit for each of at most 64 values, set if it is kept.
///
/// The comparisons go into bytes first and from there, eight at a time, into bits, which the compiler makes vector
/// instructions of; shifting single bits together it does not.
#[inline]
pub(crate) fn pack<T: Copy>(values: &[T], keep: &impl Fn(T) -> bool) -> u64 {
    let mut flags = [0u8; 64];
    for (flag, &value) in flags.iter_mut().zip(values) {
        *flag = u8::from(keep(value));
    }
    // Byte i of a group has weight 2^(8i); this factor moves its bit to 2^(56 + i), where no two meet.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (groups, _) = flags.as_chunks::<8>();
    groups.iter().enumerate().fold(0, |word, (index, group)| {
        let bits = u64::from_le_bytes(*group).wrapping_mul(GATHER) >> 56;
        word | bits << (index * 8)
    })
}

#[cfg(test)]
mod tests {
    use super::Bitmap;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_a_list_of_bools(values in proptest::collection::vec(0u8..4, 0..300), a in 0usize..300, b in 0usize..300) {
            let range = a.min(b).min(values.len())..a.max(b).min(values.len());
            let mut bitmap = Bitmap::of_range(values.len(), range.clone());
            bitmap.retain(&values, |value| value != 1);
            bitmap.retain_rows(|row| values[row] != 2);
            let expected: Vec<usize> = range.filter(|&row| values[row] != 1 && values[row] != 2).collect();
            prop_assert_eq!(bitmap.count(), expected.len());
            prop_assert_eq!(bitmap.iter().collect::<Vec<_>>(), expected.clone());
            let mut back: Vec<usize> = bitmap.iter_back().collect();
            back.reverse();
            prop_assert_eq!(back, expected);
        }

        #[test]
        fn sets_with_different_windows_combine(rows in 1usize..400, members in proptest::collection::vec(0u32..400, 0..20), a in 0usize..400, b in 0usize..400) {
            let members: Vec<u32> = members.into_iter().filter(|&row| (row as usize) < rows).collect();
            let range = a.min(b)..a.max(b);
            let is_member = |row: usize| members.contains(&(row as u32));
            let of_members = Bitmap::of_rows(rows, &members);
            let mut left = Bitmap::of_range(rows, range.clone());
            left.subtract(&of_members);
            let expected: Vec<usize> = (0..rows).filter(|&row| range.contains(&row) && !is_member(row)).collect();
            prop_assert_eq!(left.iter().collect::<Vec<_>>(), expected);
            let mut within = of_members;
            within.intersect_range(range.clone());
            let expected: Vec<usize> = (0..rows).filter(|&row| range.contains(&row) && is_member(row)).collect();
            prop_assert_eq!(within.count(), expected.len());
            prop_assert_eq!(within.iter().collect::<Vec<_>>(), expected);
        }
    }
}
