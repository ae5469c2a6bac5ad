//! Partial aggregates of each function: what is asked most of a recording, worked out once per segment.

mod path;

use hashbrown::HashMap;

use foldhash::fast::FixedState;

use super::array::Array;
use super::codes::CodeColumn;
use super::file::{Sink, Source, are_below};
use super::paths::{PathColumn, PathIndex};
use crate::columns::{DictionaryColumn, NullableColumn};
use crate::names::{NamedCell, Names};
use crate::segment::Segment;

pub use path::{CellNumbers, CellPath};

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

/// In place of the arity of a cell that has none.
const NO_ARITY: u32 = u32::MAX;

/// All cells of a segment, by their numbers if they have some: whoever goes through the cells of many segments in the same
/// order reads each segment's memory from front to back.
pub struct Cells {
    /// By cell, as [`CellKey`].
    event_types: Array<u32>,
    modules: Array<u32>,
    functions: Array<u32>,
    arities: Array<u32>,
    rows: Array<u32>,
    numbers: Option<Array<u32>>,
    paths: Box<[CellPath]>,
}

impl Cells {
    pub(crate) fn build(
        segment: &Segment,
        rows: usize,
        codes: &[CodeColumn; DictionaryColumn::COUNT],
        texts: &[Option<Array<u32>>; DictionaryColumn::COUNT],
        paths: Option<&PathIndex>,
        names: &Names,
    ) -> Option<Self> {
        let (mut keys, mut counts, mut cell_of_row) = cells_of(segment, rows, codes)?;
        let mut numbers = names.cell_numbers(keys.iter().map(|key| named(key, codes, texts)));
        if let Some(known) = &numbers {
            let mut order: Vec<u16> = (0..keys.len() as u16).collect();
            order.sort_by_key(|&cell| known[cell as usize]);
            let ordered = order.iter().map(|&cell| known[cell as usize]).collect();
            keys = order.iter().map(|&cell| keys[cell as usize]).collect();
            counts = order.iter().map(|&cell| counts[cell as usize]).collect();
            numbers = Some(ordered);
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
            .map(|(node, column)| CellPath::of(node, column, &cell_of_row, keys.len()));
        let arity = |key: &CellKey| key.arity.map_or(NO_ARITY, u32::from);
        Some(Self {
            paths: paths.collect(),
            event_types: keys.iter().map(|key| key.event_type).collect(),
            modules: keys.iter().map(|key| key.module).collect(),
            functions: keys.iter().map(|key| key.function).collect(),
            arities: keys.iter().map(arity).collect(),
            rows: counts.into(),
            numbers,
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a cell's rows have in common.
    ///
    /// # Panics
    /// When the cell is not below their number.
    pub fn key(&self, cell: u32) -> CellKey {
        let cell = cell as usize;
        CellKey {
            event_type: self.event_types[cell],
            module: self.modules[cell],
            function: self.functions[cell],
            arity: u16::try_from(self.arities[cell]).ok(),
        }
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

    pub(super) fn write(&self, to: &mut Sink<'_>) {
        to.array(&self.event_types);
        to.array(&self.modules);
        to.array(&self.functions);
        to.array(&self.arities);
        to.array(&self.rows);
        to.number(self.paths.len() as u64);
        self.paths.iter().for_each(|path| path.write(to));
    }

    pub(super) fn read(
        from: &mut Source<'_>,
        rows: usize,
        codes: &[CodeColumn; DictionaryColumn::COUNT],
        texts: &[Option<Array<u32>>; DictionaryColumn::COUNT],
        names: &Names,
    ) -> Option<Self> {
        let event_types: Array<u32> = from.array()?;
        let cells = event_types.len();
        let mut read = Self {
            event_types,
            modules: from.array_of(cells)?,
            functions: from.array_of(cells)?,
            arities: from.array_of(cells)?,
            rows: from.array_of(cells)?,
            numbers: None,
            paths: Box::default(),
        };
        let distinct = |column: DictionaryColumn| codes[column as usize].absent() as usize;
        let total: u64 = read.rows.iter().map(|&rows| u64::from(rows)).sum();
        let is_whole = cells <= CELLS_MAX
            && total == rows as u64
            && are_below(&read.event_types, distinct(DictionaryColumn::EventType))
            && are_below(&read.modules, distinct(DictionaryColumn::Module) + 1)
            && are_below(&read.functions, distinct(DictionaryColumn::Function) + 1);
        if !is_whole {
            return None;
        }
        let paths = (0..from.count(PATHS_MAX)?).map(|_| CellPath::read(from, &read.rows));
        read.paths = paths.collect::<Option<_>>()?;
        let keys = (0..cells as u32).map(|cell| named(&read.key(cell), codes, texts));
        read.numbers = names.cell_numbers(keys);
        Some(read)
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let columns = [
            &self.event_types,
            &self.modules,
            &self.functions,
            &self.arities,
            &self.rows,
        ];
        columns.map(Array::bytes).iter().sum::<usize>()
            + self.numbers.as_ref().map_or(0, Array::bytes)
            + self.paths.iter().map(CellPath::bytes).sum::<usize>()
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
    texts: &[Option<Array<u32>>; DictionaryColumn::COUNT],
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
