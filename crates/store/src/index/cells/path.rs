//! The numbers of a path, by cell.

use std::ops::Range;

use crate::index::array::Array;
use crate::index::file::{Sink, Source, is_rising};
use crate::index::paths::{PathColumn, RowSet};
use crate::sketch::{Bucket, Sketch};

/// The numbers that a path has in a cell's rows.
#[derive(Clone, Debug)]
pub struct CellNumbers {
    /// How many, at least one.
    pub count: u32,
    /// Of the integers.
    pub sum: i128,
    /// Of the integers.
    pub min: i64,
    /// Of the integers.
    pub max: i64,
    /// Not all are integers.
    pub has_floats: bool,
    /// Of all of them, those of the path's buckets.
    buckets: Range<u32>,
}

/// A path's numbers.
pub struct CellPath {
    /// Its node in the segment's [`PathIndex`](crate::index::paths::PathIndex).
    pub node: u32,
    /// Some are no integers.
    pub has_floats: bool,
    /// Every value of the path is a number of 64 bits.
    pub is_numeric: bool,
    /// Some are integers beyond 64 bits, of which nothing is here.
    pub has_large: bool,
    /// The cells whose rows have numbers, ascending.
    cells: Array<u16>,
    /// By place of the cell in `cells`, as are the next ones, as [`CellNumbers`].
    counts: Array<u32>,
    sums: Array<i128>,
    mins: Array<i64>,
    maxs: Array<i64>,
    /// 1 or 0.
    with_floats: Array<u8>,
    /// Where each cell's buckets start; one more than there are cells.
    starts: Array<u32>,
    /// Those of all cells, one cell's behind the other's, as [`Bucket::packed`].
    buckets: Array<u64>,
}

impl CellPath {
    /// The cells whose rows have numbers, ascending, with what they have.
    pub fn numbers(&self) -> impl Iterator<Item = (usize, CellNumbers)> {
        let sums = self.sums.iter().zip(&self.mins).zip(&self.maxs);
        let others = self.with_floats.iter().zip(self.starts.windows(2));
        let all = self.cells.iter().zip(&self.counts).zip(sums).zip(others);
        all.map(
            |(((&cell, &count), ((&sum, &min), &max)), (&with_floats, run))| {
                let numbers = CellNumbers {
                    count,
                    sum,
                    min,
                    max,
                    has_floats: with_floats != 0,
                    buckets: run[0]..run[1],
                };
                (usize::from(cell), numbers)
            },
        )
    }

    /// The distribution of a cell's numbers, as [`Bucket::packed`].
    pub fn buckets(&self, numbers: &CellNumbers) -> &[u64] {
        let Range { start, end } = numbers.buckets;
        &self.buckets[start as usize..end as usize]
    }

    pub(super) fn of(node: u32, column: &PathColumn, cell_of_row: &[u16], cells: usize) -> Self {
        let (numbers, sketches) = numbers_of(column, cell_of_row, cells);
        let (mut starts, mut buckets) = (vec![0], Vec::new());
        let filled = (0u16..).zip(&numbers).filter(|(_, of)| of.count > 0);
        for (cell, _) in filled.clone() {
            // A segment has fewer rows than a bucket can count.
            buckets.extend(sketches[usize::from(cell)].to_buckets().unwrap_or_default());
            starts.push(buckets.len() as u32);
        }
        let numbers = || filled.clone().map(|(_, of)| of);
        Self {
            node,
            has_floats: column.floats.is_some(),
            is_numeric: is_numeric(column),
            has_large: !column.large.is_empty(),
            cells: filled.clone().map(|(cell, _)| cell).collect(),
            counts: numbers().map(|of| of.count).collect(),
            sums: numbers().map(|of| of.sum).collect(),
            mins: numbers().map(|of| of.min).collect(),
            maxs: numbers().map(|of| of.max).collect(),
            with_floats: numbers().map(|of| of.has_floats.into()).collect(),
            starts: starts.into(),
            buckets: buckets.into(),
        }
    }

    pub(super) fn write(&self, to: &mut Sink<'_>) {
        to.number(self.node.into());
        to.flag(self.has_floats);
        to.flag(self.is_numeric);
        to.flag(self.has_large);
        to.array(&self.cells);
        to.array(&self.counts);
        to.array(&self.sums);
        to.array(&self.mins);
        to.array(&self.maxs);
        to.array(&self.with_floats);
        to.array(&self.starts);
        to.array(&self.buckets);
    }

    /// Of cells with so many rows.
    pub(super) fn read(from: &mut Source<'_>, rows: &[u32]) -> Option<Self> {
        let node = u32::try_from(from.number()?).ok()?;
        let (has_floats, is_numeric, has_large) = (from.flag()?, from.flag()?, from.flag()?);
        let cells: Array<u16> = from.array()?;
        let count = cells.len();
        let read = Self {
            node,
            has_floats,
            is_numeric,
            has_large,
            cells,
            counts: from.array_of(count)?,
            sums: from.array_of(count)?,
            mins: from.array_of(count)?,
            maxs: from.array_of(count)?,
            with_floats: from.array_of(count)?,
            starts: from.array_of(count + 1)?,
            buckets: from.array()?,
        };
        let are_cells = read.cells.is_sorted_by(|a, b| a < b)
            && read
                .cells
                .last()
                .is_none_or(|&cell| usize::from(cell) < rows.len());
        let are_runs = read.starts.first() == Some(&0)
            && is_rising(&read.starts)
            && read
                .starts
                .last()
                .is_some_and(|&end| end as usize == read.buckets.len());
        let is_whole = are_cells
            && are_runs
            && read.numbers().all(|(cell, of)| {
                of.count <= rows[cell]
                    && of.sum.unsigned_abs() <= u128::from(of.count) << 63
                    && are_buckets(read.buckets(&of), of.count)
            });
        is_whole.then_some(read)
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.cells.bytes()
            + self.counts.bytes()
            + self.sums.bytes()
            + self.mins.bytes()
            + self.maxs.bytes()
            + self.with_floats.bytes()
            + self.starts.bytes()
            + self.buckets.bytes()
    }
}

/// Whether these are ascending buckets of `count` finite values, at least one.
fn are_buckets(packed: &[u64], count: u32) -> bool {
    let buckets = packed.iter().map(|&packed| Bucket::of(packed));
    let total: u64 = buckets.clone().map(|bucket| u64::from(bucket.count)).sum();
    count > 0
        && total == count.into()
        && buckets.clone().all(Bucket::is_sound)
        && buckets.is_sorted_by(|a, b| a.number < b.number)
}

fn is_numeric(column: &PathColumn) -> bool {
    let others = [
        &column.trues,
        &column.falses,
        &column.objects,
        &column.arrays,
        &column.large,
    ];
    column.texts.is_none() && others.iter().all(|rows| rows.is_empty())
}

/// Numbers by cell, without their buckets, and what these are made of.
fn numbers_of(
    column: &PathColumn,
    cell_of_row: &[u16],
    cells: usize,
) -> (Vec<CellNumbers>, Vec<Sketch>) {
    let none = CellNumbers {
        count: 0,
        sum: 0,
        min: i64::MAX,
        max: i64::MIN,
        has_floats: false,
        buckets: 0..0,
    };
    let mut numbers = vec![none; cells];
    let mut sketches = vec![Sketch::default(); cells];
    if let Some(ints) = &column.ints {
        for_each_slot(ints.slots.rows(), |slot, row| {
            let value = ints.at(slot);
            let cell = cell_of_row[row] as usize;
            let own = &mut numbers[cell];
            own.count += 1;
            own.sum += i128::from(value);
            own.min = own.min.min(value);
            own.max = own.max.max(value);
            sketches[cell].add(value as f64);
        });
    }
    if let Some(floats) = &column.floats {
        for_each_slot(floats.slots.rows(), |slot, row| {
            let cell = cell_of_row[row] as usize;
            numbers[cell].count += 1;
            numbers[cell].has_floats = true;
            sketches[cell].add(floats.values[slot]);
        });
    }
    (numbers, sketches)
}

/// Visits slot and row of every value.
fn for_each_slot(rows: &RowSet, mut visit: impl FnMut(usize, usize)) {
    match rows {
        RowSet::Listed(rows) => {
            let rows = rows.iter().enumerate();
            rows.for_each(|(slot, &row)| visit(slot, row as usize));
        }
        RowSet::Bits(words) => {
            for (index, &word) in words.iter().enumerate() {
                let mut left = word;
                while left != 0 {
                    let row = index * 64 + left.trailing_zeros() as usize;
                    left &= left - 1;
                    visit(row, row);
                }
            }
        }
    }
}
