//! A dictionary column as narrow codes, and where its rare values are.

use super::array::Array;
use super::file::{Sink, Source, are_below, is_rising};
use super::packed::Packed;
use crate::validity::Validity;

/// A value that more than one row in this many has is found by looking at the codes; of rarer ones the rows are listed.
const LISTED_BELOW: usize = 16;

/// The codes of one column.
#[derive(PartialEq)]
pub struct CodeColumn {
    /// A code a row; [`CodeColumn::absent`] where there is no value.
    pub codes: Packed,
    absent: u32,
    counts: Array<u32>,
    /// Where the rows of each code begin in `listed`; one more than there are codes. Empty where every code is frequent.
    starts: Array<u32>,
    /// Rows of the rare codes, by code, ascending.
    listed: Array<u32>,
}

impl CodeColumn {
    /// Of a segment's codes, of which all are below `distinct`.
    pub(crate) fn build(codes: &[i32], distinct: usize, validity: Option<&Validity>) -> Self {
        let absent = distinct as u32;
        let code_of = |row: usize| {
            let is_there = validity.is_none_or(|validity| validity.get(row));
            if is_there { codes[row] as u32 } else { absent }
        };
        let mut counts = vec![0u32; distinct + 1];
        (0..codes.len()).for_each(|row| counts[code_of(row) as usize] += 1);
        let packed = Packed::of(
            (0..codes.len()).map(|row| u64::from(code_of(row))),
            absent.into(),
        );
        let (starts, listed) = list(&counts, codes.len(), code_of);
        Self {
            codes: packed,
            absent,
            counts: counts.into(),
            starts,
            listed,
        }
    }

    /// The code of rows without a value: one above the dictionary's.
    pub fn absent(&self) -> u32 {
        self.absent
    }

    /// Rows by code, that of absence last.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// The rows of a rare value, ascending; none of a frequent one.
    pub fn rows_of(&self, code: u32) -> Option<&[u32]> {
        let code = code as usize;
        let range = *self.starts.get(code)? as usize..*self.starts.get(code + 1)? as usize;
        let rows = self.listed.get(range)?;
        (rows.len() == self.counts[code] as usize).then_some(rows)
    }

    pub(super) fn write(&self, to: &mut Sink<'_>) {
        to.packed(&self.codes);
        to.array(&self.counts);
        to.array(&self.starts);
        to.array(&self.listed);
    }

    /// Of a column whose dictionary has `distinct` texts.
    pub(super) fn read(from: &mut Source<'_>, rows: usize, distinct: usize) -> Option<Self> {
        let absent = u32::try_from(distinct).ok()?;
        let read = Self {
            codes: from
                .packed(rows, absent.into())?
                .of_width_for(absent.into())?,
            absent,
            counts: from.array_of(distinct + 1)?,
            starts: from.array()?,
            listed: from.array()?,
        };
        let total: u64 = read.counts.iter().map(|&count| u64::from(count)).sum();
        let listed = read.listed.len();
        let is_listed = match (read.starts.first(), read.starts.last()) {
            (Some(&first), Some(&last)) => {
                read.starts.len() == distinct + 1 && first == 0 && last as usize == listed
            }
            _ => listed == 0,
        };
        let is_whole = total == rows as u64
            && is_listed
            && is_rising(&read.starts)
            && are_below(&read.listed, rows)
            && read.starts.windows(2).all(|run| {
                let rows = &read.listed[run[0] as usize..run[1] as usize];
                rows.is_sorted()
            });
        is_whole.then_some(read)
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.codes.bytes() + self.counts.bytes() + self.starts.bytes() + self.listed.bytes()
    }
}

/// Sorts the rows of rare codes by code, counting.
fn list(counts: &[u32], rows: usize, code_of: impl Fn(usize) -> u32) -> (Array<u32>, Array<u32>) {
    let distinct = counts.len() - 1;
    let is_rare = |code: usize| code < distinct && counts[code] as usize <= rows / LISTED_BELOW;
    let total: usize = (0..distinct)
        .filter(|&code| is_rare(code))
        .map(|code| counts[code] as usize)
        .sum();
    if total == 0 {
        return (Array::default(), Array::default());
    }
    let mut next = 0;
    let mut starts: Vec<u32> = Vec::with_capacity(distinct + 1);
    for (code, &count) in counts[..distinct].iter().enumerate() {
        starts.push(next);
        next += if is_rare(code) { count } else { 0 };
    }
    starts.push(next);
    let mut ends = starts.clone();
    let mut listed = vec![0u32; total];
    for row in 0..rows {
        let code = code_of(row) as usize;
        if is_rare(code) {
            listed[ends[code] as usize] = row as u32;
            ends[code] += 1;
        }
    }
    (starts.into(), listed.into())
}
