//! What makes queries of a sealed segment fast. Nothing here is needed for an answer: readers use an index where there is
//! one and look at the columns where there is none.
//!
//! The indexer thread builds it in the background, once the segment is sealed, and of an open segment's first rows as it grows: [`codes`] are the dictionary columns in one or two
//! bytes a row, with counts and, of rare values, their rows; [`ids`] finds rows by event id and by parent; [`calls`] says
//! which calls a segment leaves open; [`paths`] has a typed column for each path in `data`; [`cells`] has the partial
//! aggregates of each function.

pub mod array;
pub mod calls;
pub mod cells;
pub mod codes;
pub(crate) mod file;
pub mod ids;
pub(crate) mod indexer;
pub mod packed;
pub mod paths;
mod rows_by_pid;
pub mod states;
pub mod tags;
pub mod text_list;
pub mod trigrams;

use crate::columns::{DictionaryColumn, NullableColumn};
use crate::names::Names;
use crate::segment::Segment;

use array::Array;
use calls::CallIndex;
use cells::Cells;
use codes::CodeColumn;
use file::{Sink, Source};
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

/// The sections of a file that an index is written to, in their order. A section whose content changes gets another name.
pub(crate) const SECTIONS: [&[u8; 8]; 8] = [
    b"codes1\0\0",
    b"trigram1",
    b"rows1\0\0\0",
    b"calls1\0\0",
    b"states1\0",
    b"paths1\0\0",
    b"tags1\0\0\0",
    b"cells1\0\0",
];

/// The index of one sealed segment.
pub struct SegmentIndex {
    /// By [`DictionaryColumn`].
    pub codes: [CodeColumn; DictionaryColumn::COUNT],
    /// By [`DictionaryColumn`]: numbers of the dictionary's texts, by code, that are the same in all segments of the
    /// recording; none of a column with many distinct texts.
    pub numbers: [Option<Array<u32>>; DictionaryColumn::COUNT],
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
    is_in_file: bool,
}

impl std::fmt::Debug for SegmentIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("SegmentIndex");
        shown.field("rows", &self.rows).finish_non_exhaustive()
    }
}

type Codes = [CodeColumn; DictionaryColumn::COUNT];

/// Numbers of the texts of all columns.
fn numbers_of(
    segment: &Segment,
    codes: &Codes,
    names: &Names,
) -> [Option<Array<u32>>; DictionaryColumn::COUNT] {
    DictionaryColumn::ALL.map(|column| {
        let dictionary = &segment.columns.dictionaries[column as usize];
        let distinct = codes[column as usize].absent() as usize;
        names.numbers(column, (0..distinct).map(|code| dictionary.text(code)))
    })
}

fn whole<T, const N: usize>(parts: [Option<T>; N]) -> Option<[T; N]> {
    let parts = parts.into_iter().collect::<Option<Vec<T>>>()?;
    parts.try_into().ok()
}

impl SegmentIndex {
    /// Looks at the first `rows` rows, of which the caller knows that they are published.
    pub(crate) fn build(segment: &Segment, rows: usize, names: &Names) -> Self {
        let columns = &segment.columns;
        let codes: Codes = std::array::from_fn(|column| {
            let validity = NULLABLE[column].map(|nullable| &*columns.validity[nullable as usize]);
            CodeColumn::build(
                columns.codes[column].slice(rows),
                columns.dictionaries[column].len(),
                validity,
            )
        });
        let numbers = numbers_of(segment, &codes, names);
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
        let index = Self {
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
            is_in_file: false,
        };
        index.counted()
    }

    fn counted(mut self) -> Self {
        let numbers = self.numbers.iter().flatten().map(Array::bytes);
        let trigrams = self.trigrams.iter().flatten().map(Trigrams::bytes);
        self.bytes = self.codes.iter().map(CodeColumn::bytes).sum::<usize>()
            + numbers.sum::<usize>()
            + trigrams.sum::<usize>()
            + self.ids.bytes()
            + self.calls.bytes()
            + self.paths.as_ref().map_or(0, PathIndex::bytes)
            + self.states.as_ref().map_or(0, StateIndex::bytes)
            + self.tags.as_ref().map_or(0, TagIndex::bytes)
            + self.cells.as_ref().map_or(0, Cells::bytes);
        self
    }

    /// Writes one of the [`SECTIONS`].
    pub(crate) fn write(&self, section: usize, to: &mut Sink<'_>) {
        fn write_if_there<T>(part: Option<&T>, to: &mut Sink<'_>, write: fn(&T, &mut Sink<'_>)) {
            to.flag(part.is_some());
            if let Some(part) = part {
                write(part, to);
            }
        }
        match section {
            0 => self.codes.iter().for_each(|codes| codes.write(to)),
            1 => self
                .trigrams
                .iter()
                .for_each(|trigrams| write_if_there(trigrams.as_ref(), to, Trigrams::write)),
            2 => self.ids.write(to),
            3 => self.calls.write(to),
            4 => write_if_there(self.states.as_ref(), to, StateIndex::write),
            5 => write_if_there(self.paths.as_ref(), to, PathIndex::write),
            6 => write_if_there(self.tags.as_ref(), to, TagIndex::write),
            _ => write_if_there(self.cells.as_ref(), to, Cells::write),
        }
    }

    /// Reads the [`SECTIONS`] of a segment of a file; none unless everything holds that others rely on without looking.
    pub(crate) fn read(
        mut sections: [Source<'_>; SECTIONS.len()],
        segment: &Segment,
        names: &Names,
    ) -> Option<Self> {
        fn read_if_there<'a, T>(
            from: &mut Source<'a>,
            read: impl FnOnce(&mut Source<'a>) -> Option<T>,
        ) -> Option<Option<T>> {
            match from.flag()? {
                true => read(from).map(Some),
                false => Some(None),
            }
        }
        let rows = segment.sealed()?.rows;
        let [codes, trigrams, ids, calls, states, paths, tags, of_cells] = &mut sections;
        let distinct = |column: usize| segment.columns.dictionaries[column].len();
        let codes = whole(std::array::from_fn(|column| {
            CodeColumn::read(codes, rows, distinct(column))
        }))?;
        let trigrams = whole(std::array::from_fn(|_| {
            read_if_there(trigrams, Trigrams::read)
        }))?;
        let numbers = numbers_of(segment, &codes, names);
        let index = Self {
            trigrams,
            ids: IdIndex::read(ids, segment, rows)?,
            calls: CallIndex::read(
                calls,
                segment,
                rows,
                distinct(DictionaryColumn::Pid as usize),
            )?,
            states: read_if_there(states, |from| StateIndex::read(from, rows))?,
            paths: read_if_there(paths, |from| PathIndex::read(from, segment, rows))?,
            tags: read_if_there(tags, |from| TagIndex::read(from, segment, rows))?,
            cells: read_if_there(of_cells, |from| {
                Cells::read(from, rows, &codes, &numbers, names)
            })?,
            codes,
            numbers,
            rows,
            bytes: 0,
            is_in_file: true,
        };
        let is_done = sections.iter().all(Source::is_done);
        is_done.then(|| index.counted())
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

    /// Whether its arrays lie in a file.
    pub fn is_in_file(&self) -> bool {
        self.is_in_file
    }
}
