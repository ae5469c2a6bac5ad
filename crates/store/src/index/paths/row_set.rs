//! Sets of rows, and where the values of some rows are.

use crate::index::array::Array;
use crate::index::file::{Sink, Source, are_rows};

/// From one row in this many on, a set of rows has a bit for each row; below it is a list.
const LISTED_BELOW: usize = 32;

/// Some of the rows of a segment.
#[derive(PartialEq)]
pub enum RowSet {
    /// A bit a row, the lowest first.
    Bits(Array<u64>),
    /// Ascending.
    Listed(Array<u32>),
}

impl Default for RowSet {
    fn default() -> Self {
        Self::Listed(Array::default())
    }
}

impl RowSet {
    /// Of ascending rows, out of `rows`.
    pub(crate) fn new(members: Vec<u32>, rows: usize) -> Self {
        if members.len() < rows / LISTED_BELOW {
            return Self::Listed(members.into());
        }
        Self::bits(&members, rows)
    }

    fn bits(members: &[u32], rows: usize) -> Self {
        let mut words = vec![0u64; rows.div_ceil(64)];
        for &row in members {
            words[row as usize / 64] |= 1 << (row % 64);
        }
        Self::Bits(words.into())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Bits(words) => words.iter().all(|&word| word == 0),
            Self::Listed(rows) => rows.is_empty(),
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::Bits(words) => words.iter().map(|word| word.count_ones() as usize).sum(),
            Self::Listed(rows) => rows.len(),
        }
    }

    /// Whether a row is among them.
    #[inline]
    pub fn contains(&self, row: usize) -> bool {
        match self {
            Self::Bits(words) => {
                words.get(row / 64).copied().unwrap_or_default() >> (row % 64) & 1 == 1
            }
            Self::Listed(rows) => rows.binary_search(&(row as u32)).is_ok(),
        }
    }

    pub(crate) fn write(&self, to: &mut Sink<'_>) {
        match self {
            Self::Bits(words) => {
                to.number(1);
                to.array(words);
            }
            Self::Listed(rows) => {
                to.number(0);
                to.array(rows);
            }
        }
    }

    pub(crate) fn read(from: &mut Source<'_>, rows: usize) -> Option<Self> {
        if !from.flag()? {
            let listed: Array<u32> = from.array()?;
            return are_rows(&listed, rows).then_some(Self::Listed(listed));
        }
        let words: Array<u64> = from.array_of(rows.div_ceil(64))?;
        let beyond = words.last().filter(|_| !rows.is_multiple_of(64));
        let has_no_more = beyond.is_none_or(|word| word >> (rows % 64) == 0);
        has_no_more.then_some(Self::Bits(words))
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Bits(words) => words.bytes(),
            Self::Listed(rows) => rows.bytes(),
        }
    }
}

/// Which rows have a value, and where among the values it is: with bits at the row's own index, else at the index of its
/// place in the list.
#[derive(PartialEq)]
pub struct Slots(RowSet);

impl Slots {
    /// Of ascending rows; dense from one row in `dense_from` on.
    pub(crate) fn new(members: &[u32], rows: usize, dense_from: usize) -> Self {
        Self(if members.len() * dense_from >= rows {
            RowSet::bits(members, rows)
        } else {
            RowSet::Listed(members.to_vec().into())
        })
    }

    pub(crate) fn write(&self, to: &mut Sink<'_>) {
        self.0.write(to);
    }

    pub(crate) fn read(from: &mut Source<'_>, rows: usize) -> Option<Self> {
        RowSet::read(from, rows).map(Self)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// How many values there are for them, out of `rows` rows.
    pub(crate) fn len(&self, rows: usize) -> usize {
        match &self.0 {
            RowSet::Bits(_) => rows,
            RowSet::Listed(listed) => listed.len(),
        }
    }

    /// The rows that have a value.
    pub fn rows(&self) -> &RowSet {
        &self.0
    }

    /// Where a row's value is.
    #[inline]
    pub fn of(&self, row: usize) -> Option<usize> {
        match &self.0 {
            RowSet::Bits(_) => self.0.contains(row).then_some(row),
            RowSet::Listed(rows) => rows.binary_search(&(row as u32)).ok(),
        }
    }

    /// Spreads values over the slots; those of no row are `filler`.
    pub(crate) fn spread<T: Copy>(
        &self,
        members: &[u32],
        values: &[T],
        rows: usize,
        filler: T,
    ) -> Vec<T> {
        match &self.0 {
            RowSet::Listed(_) => values.to_vec(),
            RowSet::Bits(_) => {
                let mut spread = vec![filler; rows];
                for (&row, &value) in members.iter().zip(values) {
                    spread[row as usize] = value;
                }
                spread
            }
        }
    }
}
