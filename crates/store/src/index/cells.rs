//! Partial aggregates of each function: what is asked most of a recording, worked out once per segment.

use std::ops::Range;

use hashbrown::HashMap;

use foldhash::fast::FixedState;

use super::codes::CodeColumn;
use super::paths::{PathColumn, PathIndex, RowSet};
use crate::columns::{DictionaryColumn, NullableColumn};
use crate::names::{NamedCell, Names};
use crate::segment::Segment;
use crate::sketch::{Bucket, Sketch};

/// Cells of a segment, at most.
const CELLS_MAX: usize = 16_384;
/// Paths whose numbers are aggregated, at most: the most frequent ones.
const PATHS_MAX: usize = 8;
/// A path that fewer than one row in this many has is left out.
const PATH_ROWS: usize = 256;

/// Rows of one event type and one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CellKey {
    /// Code of the event type.
    pub event_type: u32,
    /// Code of the module, or that of absence; so are the next ones.
    pub module: u32,
    /// Code of the function.
    pub function: u32,
    /// Number of parameters.
    pub arity: Option<u16>,
}

impl CellKey {
    /// The code in one of the columns that tell cells apart.
    pub fn code(&self, column: DictionaryColumn) -> Option<u32> {
        match column {
            DictionaryColumn::EventType => Some(self.event_type),
            DictionaryColumn::Module => Some(self.module),
            DictionaryColumn::Function => Some(self.function),
            _ => None,
        }
    }
}

/// The numbers that a path has in a cell's rows.
#[derive(Clone, Debug)]
pub struct CellNumbers {
    /// How many.
    pub count: u64,
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

impl Default for CellNumbers {
    fn default() -> Self {
        Self {
            count: 0,
            sum: 0,
            min: i64::MAX,
            max: i64::MIN,
            has_floats: false,
            buckets: 0..0,
        }
    }
}

/// A path's numbers.
pub struct CellPath {
    /// Its node in the segment's [`PathIndex`].
    pub node: u32,
    /// The cells whose rows have numbers, ascending.
    cells: Box<[u16]>,
    /// Of each of these cells.
    numbers: Box<[CellNumbers]>,
    /// Those of all cells, one cell's behind the other's.
    buckets: Box<[Bucket]>,
    /// Some are no integers.
    pub has_floats: bool,
    /// Every value of the path is a number of 64 bits.
    pub is_numeric: bool,
    /// Some are integers beyond 64 bits, of which nothing is here.
    pub has_large: bool,
}

impl CellPath {
    /// The cells whose rows have numbers, ascending, with what they have.
    pub fn numbers(&self) -> impl Iterator<Item = (usize, &CellNumbers)> {
        let cells = self.cells.iter().map(|&cell| usize::from(cell));
        cells.zip(&self.numbers)
    }

    /// The distribution of a cell's numbers.
    pub fn buckets(&self, numbers: &CellNumbers) -> &[Bucket] {
        let Range { start, end } = numbers.buckets;
        &self.buckets[start as usize..end as usize]
    }
}

/// All cells of a segment, by their numbers if they have some: whoever goes through the cells of many segments in the same
/// order reads each segment's memory from front to back.
pub struct Cells {
    keys: Box<[CellKey]>,
    /// By cell.
    rows: Box<[u32]>,
    numbers: Option<Box<[u32]>>,
    paths: Box<[CellPath]>,
}

impl Cells {
    pub(crate) fn build(
        segment: &Segment,
        rows: usize,
        codes: &[CodeColumn; DictionaryColumn::COUNT],
        texts: &[Option<Box<[u32]>>; DictionaryColumn::COUNT],
        paths: Option<&PathIndex>,
        names: &Names,
    ) -> Option<Self> {
        let (mut keys, mut counts, mut cell_of_row) = cells_of(segment, rows, codes)?;
        let mut numbers = names.cell_numbers(keys.iter().map(|key| named(key, codes, texts)));
        if let Some(numbers) = &mut numbers {
            let mut order: Vec<u16> = (0..keys.len() as u16).collect();
            order.sort_by_key(|&cell| numbers[cell as usize]);
            keys = order.iter().map(|&cell| keys[cell as usize]).collect();
            counts = order.iter().map(|&cell| counts[cell as usize]).collect();
            *numbers = order.iter().map(|&cell| numbers[cell as usize]).collect();
            let mut place = vec![0; order.len()];
            for (own, &cell) in (0..).zip(&order) {
                place[cell as usize] = own;
            }
            let places = cell_of_row.iter_mut();
            places.for_each(|cell| *cell = place[*cell as usize]);
        }
        let chosen = paths.map_or_else(Vec::new, |paths| frequent(paths, rows));
        let paths = chosen
            .into_iter()
            .map(|(node, column)| path_of(node, column, &cell_of_row, keys.len()));
        Some(Self {
            paths: paths.collect(),
            keys: keys.into_boxed_slice(),
            rows: counts.into_boxed_slice(),
            numbers,
        })
    }

    /// What each cell's rows have in common.
    pub fn keys(&self) -> &[CellKey] {
        &self.keys
    }

    /// How many rows each cell has.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Numbers of the cells that are the same in all segments of the recording; none when there are too many.
    pub fn numbers(&self) -> Option<&[u32]> {
        self.numbers.as_deref()
    }

    /// The numbers of a path, by its node; none of one that is rare.
    pub fn path(&self, node: u32) -> Option<&CellPath> {
        self.paths.iter().find(|path| path.node == node)
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let paths = self.paths.iter();
        let paths = paths.map(|path| {
            size_of_val(&*path.cells) + size_of_val(&*path.numbers) + size_of_val(&*path.buckets)
        });
        size_of_val(&*self.keys) + size_of_val(&*self.rows) + paths.sum::<usize>()
    }
}

/// Keys and row counts of the cells, and each row's cell; none when there are too many.
fn cells_of(
    segment: &Segment,
    rows: usize,
    codes: &[CodeColumn; DictionaryColumn::COUNT],
) -> Option<(Vec<CellKey>, Vec<u32>, Vec<u16>)> {
    let code = |column: DictionaryColumn, row: usize| codes[column as usize].codes.get(row) as u32;
    let arities = segment.columns.arity.slice(rows);
    let mut keys: Vec<CellKey> = Vec::new();
    let mut counts: Vec<u32> = Vec::new();
    let mut known: HashMap<CellKey, u16, FixedState> = HashMap::default();
    let mut cell_of_row = Vec::with_capacity(rows);
    for (row, &arity) in arities.iter().enumerate() {
        let has_arity = segment.is_valid(NullableColumn::Arity, row);
        let key = CellKey {
            event_type: code(DictionaryColumn::EventType, row),
            module: code(DictionaryColumn::Module, row),
            function: code(DictionaryColumn::Function, row),
            arity: has_arity.then_some(arity),
        };
        let cell = match known.get(&key) {
            Some(&cell) => cell,
            None => {
                if keys.len() == CELLS_MAX {
                    return None;
                }
                let cell = keys.len() as u16;
                keys.push(key);
                counts.push(0);
                known.insert(key, cell);
                cell
            }
        };
        counts[cell as usize] += 1;
        cell_of_row.push(cell);
    }
    Some((keys, counts, cell_of_row))
}

/// The cell by the numbers of its texts; none when they have none.
fn named(
    key: &CellKey,
    codes: &[CodeColumn; DictionaryColumn::COUNT],
    texts: &[Option<Box<[u32]>>; DictionaryColumn::COUNT],
) -> Option<NamedCell> {
    let number = |column: DictionaryColumn, code: u32| {
        let numbers = texts[column as usize].as_ref()?;
        let is_absent = code == codes[column as usize].absent();
        Some((!is_absent).then(|| numbers[code as usize]))
    };
    Some(NamedCell {
        event_type: number(DictionaryColumn::EventType, key.event_type)??,
        module: number(DictionaryColumn::Module, key.module)?,
        function: number(DictionaryColumn::Function, key.function)?,
        arity: key.arity,
    })
}

fn count_of(column: &PathColumn) -> usize {
    let ints = column
        .ints
        .as_ref()
        .map_or(0, |ints| ints.slots.rows().len());
    ints + column
        .floats
        .as_ref()
        .map_or(0, |floats| floats.slots.rows().len())
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

/// The paths with the most numbers.
fn frequent(paths: &PathIndex, rows: usize) -> Vec<(u32, &PathColumn)> {
    let counted = (0..).zip(paths.nodes()).map(|(node, known)| {
        let column = &known.column;
        (count_of(column), node, column)
    });
    let mut chosen: Vec<(usize, u32, &PathColumn)> = counted
        .filter(|&(count, ..)| count > rows / PATH_ROWS)
        .collect();
    chosen.sort_by_key(|&(count, node, _)| (std::cmp::Reverse(count), node));
    chosen.truncate(PATHS_MAX);
    chosen
        .into_iter()
        .map(|(_, node, column)| (node, column))
        .collect()
}

fn path_of(node: u32, column: &PathColumn, cell_of_row: &[u16], cells: usize) -> CellPath {
    let mut numbers = vec![CellNumbers::default(); cells];
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
    let mut buckets = Vec::new();
    let filled = (0u16..).zip(&*numbers).filter(|(_, of)| of.count > 0);
    let (cells, numbers): (Vec<u16>, Vec<CellNumbers>) = filled
        .map(|(cell, of)| {
            let start = buckets.len() as u32;
            // A segment has fewer rows than a bucket can count.
            buckets.extend(sketches[usize::from(cell)].to_buckets().unwrap_or_default());
            let buckets = start..buckets.len() as u32;
            (
                cell,
                CellNumbers {
                    buckets,
                    ..of.clone()
                },
            )
        })
        .unzip();
    CellPath {
        node,
        cells: cells.into_boxed_slice(),
        numbers: numbers.into_boxed_slice(),
        buckets: buckets.into_boxed_slice(),
        has_floats: column.floats.is_some(),
        is_numeric: is_numeric(column),
        has_large: !column.large.is_empty(),
    }
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
