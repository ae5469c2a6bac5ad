//! Sets of rows of one segment.

/// One bit a row, in words of 64 rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitmap {
    words: Vec<u64>,
    rows: usize,
}

impl Bitmap {
    /// All of the rows `range` out of `rows`.
    pub fn of_range(rows: usize, range: std::ops::Range<usize>) -> Self {
        let mut bitmap = Self {
            words: vec![0; rows.div_ceil(64)],
            rows,
        };
        for (index, word) in bitmap.words.iter_mut().enumerate() {
            let start = range.start.clamp(index * 64, index * 64 + 64) - index * 64;
            let end = range.end.clamp(index * 64, index * 64 + 64) - index * 64;
            let below = |bit: usize| if bit == 64 { u64::MAX } else { (1 << bit) - 1 };
            *word = below(end) & !below(start);
        }
        bitmap
    }

    /// Keeps the rows whose value satisfies `keep`; `values` has one value a row.
    ///
    /// # Panics
    /// When `values` is shorter than the rows.
    #[inline]
    pub fn retain<T: Copy>(&mut self, values: &[T], keep: impl Fn(T) -> bool) {
        for (word, values) in self.words.iter_mut().zip(values[..self.rows].chunks(64)) {
            if *word == 0 {
                continue;
            }
            let kept = values.iter().enumerate().fold(0, |kept, (bit, &value)| {
                kept | u64::from(keep(value)) << bit
            });
            *word &= kept;
        }
    }

    /// Keeps the rows that satisfy `keep`, asked only for rows that are still in.
    pub fn retain_rows(&mut self, keep: impl Fn(usize) -> bool) {
        for (index, word) in self.words.iter_mut().enumerate() {
            let mut left = *word;
            while left != 0 {
                let bit = left.trailing_zeros();
                left &= left - 1;
                if !keep(index * 64 + bit as usize) {
                    *word &= !(1 << bit);
                }
            }
        }
    }

    /// Takes out the rows of `other`, a set of rows of the same segment.
    pub fn subtract(&mut self, other: &Self) {
        self.words
            .iter_mut()
            .zip(&other.words)
            .for_each(|(word, other)| *word &= !other);
    }

    /// Keeps rows of the range only.
    pub fn intersect_range(&mut self, range: std::ops::Range<usize>) {
        let kept = Self::of_range(self.rows, range);
        self.words
            .iter_mut()
            .zip(&kept.words)
            .for_each(|(word, kept)| *word &= kept);
    }

    /// The rows that are in, descending.
    pub fn iter_back(&self) -> impl Iterator<Item = usize> + '_ {
        self.words
            .iter()
            .enumerate()
            .rev()
            .flat_map(|(index, &word)| {
                let mut left = word;
                std::iter::from_fn(move || {
                    let bit = left.checked_ilog2()? as usize;
                    left &= !(1 << bit);
                    Some(index * 64 + bit)
                })
            })
    }

    /// Keeps the rows whose bit is set in `word_at`, which gives 64 rows at a time.
    pub fn intersect_words(&mut self, word_at: impl Fn(usize) -> u64) {
        self.words
            .iter_mut()
            .enumerate()
            .for_each(|(index, word)| *word &= word_at(index));
    }

    /// The 64 rows from `64 * index` on, the lowest bit first.
    pub fn word(&self, index: usize) -> u64 {
        self.words[index]
    }

    /// These rows, ascending, out of `rows`.
    pub fn of_rows(rows: usize, members: impl Iterator<Item = usize>) -> Self {
        let mut bitmap = Self::of_range(rows, 0..0);
        members.for_each(|row| bitmap.words[row / 64] |= 1 << (row % 64));
        bitmap
    }

    /// Takes out all rows.
    pub fn clear(&mut self) {
        self.words.fill(0);
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

    /// The rows that are in, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(index, &word)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(index * 64 + bit)
            })
        })
    }
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
    }
}
