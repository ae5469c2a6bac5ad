//! A column for each tag key.

use hashbrown::HashMap;

use foldhash::fast::FixedState;

use super::array::Array;
use super::file::{Sink, Source, are_below};
use super::packed::Packed;
use super::paths::{Slots, read_dictionary};
use super::text_list::TextList;
use crate::columns::NullableColumn;
use crate::segment::Segment;

/// Keys of a segment, at most: more are no fields. A segment with more has no columns for its tags.
const KEYS_MAX: usize = 128;
/// Distinct values of a key, at most: of more, a dictionary would not help.
const DICTIONARY_MAX: usize = 4096;

/// The values of one key.
#[derive(PartialEq)]
pub struct TagColumn {
    /// Which rows have the key.
    pub slots: Slots,
    /// What they have.
    pub values: TagValues,
}

/// How a key's values are kept.
#[derive(PartialEq)]
pub enum TagValues {
    /// Few distinct ones: the index of the value, by slot.
    Dictionary {
        /// Index of the value, by slot.
        codes: Packed,
        /// Distinct values.
        texts: TextList,
    },
    /// The entry of the segment's `tags` column, by slot.
    Entries(Array<u32>),
}

/// All tags of a segment.
#[derive(PartialEq)]
pub struct TagIndex {
    columns: HashMap<Box<str>, TagColumn, FixedState>,
}

#[derive(Default)]
struct Building {
    rows: Vec<u32>,
    entries: Vec<u32>,
}

impl TagIndex {
    /// None when there are too many keys.
    pub(crate) fn build(segment: &Segment, rows: usize) -> Option<Self> {
        let columns = &segment.columns;
        let offsets = columns.tag_offsets.slice(rows + 1);
        let mut by_key: HashMap<&str, Building, FixedState> = HashMap::default();
        for row in 0..rows {
            if !segment.is_valid(NullableColumn::Tags, row) {
                continue;
            }
            for entry in offsets[row]..offsets[row + 1] {
                let key = columns.tag_keys.text(entry as usize);
                if !by_key.contains_key(key) && by_key.len() == KEYS_MAX {
                    return None;
                }
                let building = by_key.entry(key).or_default();
                // Of a key that a row has twice, the first one counts.
                if building.rows.last() != Some(&(row as u32)) {
                    building.rows.push(row as u32);
                    building.entries.push(entry as u32);
                }
            }
        }
        let text = |entry: u32| columns.tag_values.text(entry as usize);
        let columns = by_key.into_iter().map(|(key, building)| {
            let column = column_of(&building, rows, text);
            (Box::from(key), column)
        });
        Some(Self {
            columns: columns.collect(),
        })
    }

    /// The values of a key; none when no row has it.
    pub fn find(&self, key: &str) -> Option<&TagColumn> {
        self.columns.get(key)
    }

    /// All keys, in no order.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &TagColumn)> {
        self.columns.iter().map(|(key, column)| (&**key, column))
    }

    pub(super) fn write(&self, to: &mut Sink<'_>) {
        let mut columns: Vec<_> = self.columns.iter().collect();
        columns.sort_unstable_by_key(|&(key, _)| key);
        to.number(columns.len() as u64);
        for (key, column) in columns {
            to.text(key);
            column.slots.write(to);
            match &column.values {
                TagValues::Dictionary { codes, texts } => {
                    to.flag(true);
                    to.packed(codes);
                    texts.write(to);
                }
                TagValues::Entries(entries) => {
                    to.flag(false);
                    to.array(entries);
                }
            }
        }
    }

    pub(super) fn read(from: &mut Source<'_>, segment: &Segment, rows: usize) -> Option<Self> {
        let entries_max = *segment.columns.tag_offsets.slice(rows + 1).last()? as usize;
        let count = from.count(KEYS_MAX)?;
        let columns = (0..count).map(|_| {
            let key = Box::from(from.text()?);
            let slots = Slots::read(from, rows)?;
            let len = slots.len(rows);
            let values = if from.flag()? {
                let (codes, texts) = read_dictionary(from, len)?;
                TagValues::Dictionary { codes, texts }
            } else {
                let entries: Array<u32> = from.array_of(len)?;
                are_below(&entries, entries_max).then_some(TagValues::Entries(entries))?
            };
            Some((key, TagColumn { slots, values }))
        });
        let columns = columns.collect::<Option<HashMap<_, _, _>>>()?;
        Some(Self { columns })
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let columns = self.columns.iter().map(|(key, column)| {
            let values = match &column.values {
                TagValues::Dictionary { codes, texts } => codes.bytes() + texts.bytes(),
                TagValues::Entries(entries) => entries.bytes(),
            };
            size_of::<TagColumn>() + key.len() + column.slots.rows().bytes() + values
        });
        columns.sum()
    }
}

fn column_of<'a>(building: &Building, rows: usize, text: impl Fn(u32) -> &'a str) -> TagColumn {
    let Building {
        rows: members,
        entries,
    } = building;
    let slots = Slots::new(members, rows, 4);
    let mut texts: Vec<Box<str>> = Vec::new();
    let mut by_text: HashMap<&str, u32, FixedState> = HashMap::default();
    let distinct_max = DICTIONARY_MAX.min(entries.len() / 4 + 16);
    let codes = entries.iter().map(|&entry| {
        let text = text(entry);
        if let Some(&code) = by_text.get(text) {
            return Some(code);
        }
        (texts.len() < distinct_max).then(|| {
            let code = texts.len() as u32;
            texts.push(text.into());
            by_text.insert(text, code);
            code
        })
    });
    let codes: Option<Vec<u32>> = codes.collect();
    let values = match codes {
        Some(codes) => {
            let spread = slots.spread(members, &codes, rows, 0);
            let max = texts.len().saturating_sub(1) as u64;
            TagValues::Dictionary {
                codes: Packed::of(spread.into_iter().map(u64::from), max),
                texts: texts.into_iter().collect(),
            }
        }
        None => TagValues::Entries(slots.spread(members, entries, rows, 0).into()),
    };
    TagColumn { slots, values }
}
