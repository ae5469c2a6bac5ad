//! Numbers for the texts of columns with few distinct ones, the same in all segments of a recording.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::columns::DictionaryColumn;
use crate::index::array::Array;
use crate::sync::{Mutex, lock};

/// Texts of a column, at most: they are never forgotten.
const TEXTS_MAX: usize = 65_536;
/// A segment with more distinct texts in a column than this has no numbers for it.
const TEXTS_OF_SEGMENT_MAX: usize = 16_384;

/// Cells of a recording, at most.
const CELLS_MAX: usize = 65_536;

/// A cell by the numbers of its texts; none: absent.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct NamedCell {
    pub(crate) event_type: u32,
    pub(crate) module: Option<u32>,
    pub(crate) function: Option<u32>,
    pub(crate) arity: Option<u16>,
}

/// Numbers by text, by [`DictionaryColumn`], and by cell.
#[derive(Default)]
pub struct Names {
    columns: [Mutex<HashMap<Box<str>, u32, FixedState>>; DictionaryColumn::COUNT],
    cells: Mutex<HashMap<NamedCell, u32, FixedState>>,
}

impl Names {
    /// The numbers of a segment's texts in a column, by code; none when there are too many.
    pub(crate) fn numbers<'a>(
        &self,
        column: DictionaryColumn,
        texts: impl ExactSizeIterator<Item = &'a str>,
    ) -> Option<Array<u32>> {
        if texts.len() > TEXTS_OF_SEGMENT_MAX {
            return None;
        }
        let mut known = lock(&self.columns[column as usize]);
        let number = |text: &str| {
            if let Some(&number) = known.get(text) {
                return Some(number);
            }
            let number = known.len() as u32;
            (known.len() < TEXTS_MAX).then(|| {
                known.insert(text.into(), number);
                number
            })
        };
        texts.map(number).collect()
    }

    /// The numbers of a segment's cells; none when there are too many.
    pub(crate) fn cell_numbers(
        &self,
        cells: impl Iterator<Item = Option<NamedCell>>,
    ) -> Option<Array<u32>> {
        let mut known = lock(&self.cells);
        let number = |cell: Option<NamedCell>| {
            let cell = cell?;
            if let Some(&number) = known.get(&cell) {
                return Some(number);
            }
            let number = known.len() as u32;
            (known.len() < CELLS_MAX).then(|| {
                known.insert(cell, number);
                number
            })
        };
        cells.map(number).collect()
    }
}
