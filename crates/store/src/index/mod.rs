//! What makes queries of a sealed segment fast. Nothing here is needed for an answer: readers use an index where there is
//! one and look at the columns where there is none.
//!
//! The indexer thread builds it in the background, once the segment is sealed, and of an open segment's first rows as it grows: [`codes`] are the dictionary columns in one or two
//! bytes a row, with counts and, of rare values, their rows; [`ids`] finds rows by event id and by parent; [`calls`] says
//! which calls a segment leaves open; [`paths`] has a typed column for each path in `data`; [`cells`] has the partial
//! aggregates of each function.

pub mod calls;
pub mod cells;
pub mod codes;
pub mod ids;
pub(crate) mod indexer;
pub mod packed;
pub mod paths;
pub mod states;
pub mod tags;
pub mod trigrams;

use crate::columns::{DictionaryColumn, NullableColumn};
use crate::names::Names;
use crate::segment::Segment;

use calls::CallIndex;
use cells::Cells;
use codes::CodeColumn;
use ids::IdIndex;
use paths::PathIndex;
use states::StateIndex;
use tags::TagIndex;
use trigrams::Trigrams;

/// Rows of a block, the unit of zone maps.
pub const BLOCK_ROWS: usize = 8192;

/// Smaller dictionaries are searched in no time.
const TRIGRAMS_FROM: usize = 256;

/// The validity of each [`DictionaryColumn`], in their order.
const NULLABLE: [Option<NullableColumn>; DictionaryColumn::COUNT] = [
    None,
    None,
    None,
    Some(NullableColumn::CorrelationId),
    Some(NullableColumn::Module),
    Some(NullableColumn::Function),
    Some(NullableColumn::File),
];

/// The index of one sealed segment.
pub struct SegmentIndex {
    /// By [`DictionaryColumn`].
    pub codes: [CodeColumn; DictionaryColumn::COUNT],
    /// By [`DictionaryColumn`]: numbers of the dictionary's texts, by code, that are the same in all segments of the
    /// recording; none of a column with many distinct texts.
    pub numbers: [Option<Box<[u32]>>; DictionaryColumn::COUNT],
    /// By [`DictionaryColumn`]: what text searches of a dictionary with many texts can be spared.
    pub trigrams: [Option<Trigrams>; DictionaryColumn::COUNT],
    /// Rows by event id and by parent.
    pub ids: IdIndex,
    /// Open calls.
    pub calls: CallIndex,
    /// Last values of states; none when there are too many.
    pub states: Option<StateIndex>,
    /// Columns of paths in `data`; none when some `data` is not what the store writes.
    pub paths: Option<PathIndex>,
    /// Columns of tags; none when there are too many keys.
    pub tags: Option<TagIndex>,
    /// Partial aggregates by event type and function; none when there are too many of them.
    pub cells: Option<Cells>,
    rows: usize,
    bytes: usize,
}

impl std::fmt::Debug for SegmentIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("SegmentIndex");
        shown.field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl SegmentIndex {
    /// Looks at the first `rows` rows, of which the caller knows that they are published.
    pub(crate) fn build(segment: &Segment, rows: usize, names: &Names) -> Self {
        let columns = &segment.columns;
        let codes: [CodeColumn; DictionaryColumn::COUNT] = std::array::from_fn(|column| {
            let validity = NULLABLE[column].map(|nullable| &*columns.validity[nullable as usize]);
            CodeColumn::build(
                columns.codes[column].slice(rows),
                columns.dictionaries[column].len(),
                validity,
            )
        });
        let numbers = DictionaryColumn::ALL.map(|column| {
            let dictionary = &columns.dictionaries[column as usize];
            let distinct = codes[column as usize].absent() as usize;
            names.numbers(column, (0..distinct).map(|code| dictionary.text(code)))
        });
        let trigrams = DictionaryColumn::ALL.map(|column| {
            let dictionary = &columns.dictionaries[column as usize];
            let distinct = codes[column as usize].absent() as usize;
            let texts = (0..distinct).map(|code| dictionary.text(code));
            (distinct >= TRIGRAMS_FROM).then(|| Trigrams::of(texts))
        });
        let ids = IdIndex::build(segment, rows);
        let calls = CallIndex::build(segment, rows, &codes, &ids);
        let states = StateIndex::build(segment, rows, &codes);
        let paths = PathIndex::build(segment, rows);
        let tags = TagIndex::build(segment, rows);
        let cells = Cells::build(segment, rows, &codes, &numbers, paths.as_ref(), names);
        let mut index = Self {
            codes,
            numbers,
            trigrams,
            ids,
            calls,
            states,
            paths,
            tags,
            cells,
            rows,
            bytes: 0,
        };
        index.bytes = index.codes.iter().map(CodeColumn::bytes).sum::<usize>()
            + index
                .numbers
                .iter()
                .flatten()
                .map(|of| size_of_val(&**of))
                .sum::<usize>()
            + index
                .trigrams
                .iter()
                .flatten()
                .map(Trigrams::bytes)
                .sum::<usize>()
            + index.ids.bytes()
            + index.calls.bytes()
            + index.paths.as_ref().map_or(0, PathIndex::bytes)
            + index.states.as_ref().map_or(0, StateIndex::bytes)
            + index.tags.as_ref().map_or(0, TagIndex::bytes)
            + index.cells.as_ref().map_or(0, Cells::bytes);
        index
    }

    /// Rows of the segment that are indexed: all, or the first ones of one that was open.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// One of the dictionary columns.
    pub fn column(&self, column: DictionaryColumn) -> &CodeColumn {
        &self.codes[column as usize]
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
