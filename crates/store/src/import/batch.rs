//! Batches of imported columns.

use arrow_buffer::{NullBuffer, OffsetBuffer};

use super::invalid;
use super::values::{Integers, Texts, nulls, text_offsets};
use crate::columns::DictionaryColumn;
use crate::error::Error;
use crate::event_id::{EventId, SEQUENCE_BITS};
use crate::producer_numbers::FIRST_IMPORT;

/// The values of a column; a column that is left out has none.
pub enum ImportColumn {
    /// `event_id`, `parent_id`, `arity`, `line`.
    Integers(Integers),
    /// `timestamp` and `wall_time`: integers of this many nanoseconds.
    Times(Integers, i64),
    /// `event_type`, `node`, `pid`, `correlation_id`, `module`, `function`, `file`, `data`.
    Texts(Texts),
    /// `tags`: where each row's entries start, one more than rows; keys and values; and which rows have none.
    Tags {
        /// Of 32 bits.
        offsets: Vec<u8>,
        /// Of all entries.
        keys: Texts,
        /// Of all entries.
        values: Texts,
        /// As of the other columns: a bit for each row.
        validity: Option<Vec<u8>>,
        /// The first row's bit.
        validity_offset: usize,
    },
}

pub(super) struct Tags {
    pub(super) offsets: OffsetBuffer<i32>,
    pub(super) keys: Texts,
    pub(super) values: Texts,
    pub(super) nulls: Option<NullBuffer>,
}

/// Rows of a table.
#[derive(Default)]
pub struct ImportBatch {
    pub(super) rows: usize,
    pub(super) event_id: Option<Integers>,
    pub(super) timestamp: Option<(Integers, i64)>,
    pub(super) wall_time: Option<(Integers, i64)>,
    pub(super) texts: [Option<Texts>; DictionaryColumn::COUNT],
    pub(super) parent_id: Option<Integers>,
    pub(super) arity: Option<Integers>,
    pub(super) line: Option<Integers>,
    pub(super) tags: Option<Tags>,
    pub(super) data: Option<Texts>,
}

impl ImportBatch {
    /// So many rows, without any columns.
    #[must_use]
    pub fn new(rows: usize) -> Self {
        Self {
            rows,
            ..Self::default()
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of all texts, tags included.
    pub(super) fn text_bytes(&self) -> usize {
        let tags = self.tags.iter().flat_map(|tags| [&tags.keys, &tags.values]);
        let texts = self.texts.iter().flatten().chain(&self.data).chain(tags);
        texts.map(Texts::bytes).sum()
    }

    /// Adds the column of a name.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a name that no column has, another type than the column's, and another number of rows.
    pub fn set(&mut self, name: &str, column: ImportColumn) -> Result<(), Error> {
        let ensure = |len: usize| {
            if len == self.rows {
                Ok(())
            } else {
                Err(invalid(format!(
                    "events.{name}: expected {} values, got {len}",
                    self.rows
                )))
            }
        };
        match (name, column) {
            ("event_id" | "parent_id" | "arity" | "line", ImportColumn::Integers(values)) => {
                ensure(values.len())?;
                let place = match name {
                    "event_id" => &mut self.event_id,
                    "parent_id" => &mut self.parent_id,
                    "arity" => &mut self.arity,
                    _ => &mut self.line,
                };
                *place = Some(values);
            }
            ("timestamp" | "wall_time", ImportColumn::Times(values, unit_ns)) => {
                ensure(values.len())?;
                let place = if name == "timestamp" {
                    &mut self.timestamp
                } else {
                    &mut self.wall_time
                };
                *place = Some((values, unit_ns));
            }
            ("data", ImportColumn::Texts(values)) => {
                ensure(values.len())?;
                self.data = Some(values);
            }
            (
                "tags",
                ImportColumn::Tags {
                    offsets,
                    keys,
                    values,
                    validity,
                    validity_offset,
                },
            ) => {
                let entries = keys.len().min(values.len());
                let offsets = text_offsets::<i32>(&offsets, self.rows, entries);
                let nulls = nulls(validity.as_deref(), validity_offset, self.rows);
                let (Some(offsets), Some(nulls)) = (offsets, nulls) else {
                    return Err(invalid(
                        "events.tags: expected entries of each row within all entries",
                    ));
                };
                self.tags = Some(Tags {
                    offsets,
                    keys,
                    values,
                    nulls,
                });
            }
            (name, ImportColumn::Texts(values)) => {
                ensure(values.len())?;
                let Some(column) = dictionary_column(name) else {
                    return Err(mismatch(name));
                };
                self.texts[column as usize] = Some(values);
            }
            (name, _) => return Err(mismatch(name)),
        }
        Ok(())
    }
}

fn mismatch(name: &str) -> Error {
    invalid(format!(
        "events.{name}: expected a column of this name and type"
    ))
}

/// The columns of texts, in the order of [`DictionaryColumn`].
const TEXT_COLUMNS: [&str; DictionaryColumn::COUNT] = [
    "event_type",
    "node",
    "pid",
    "correlation_id",
    "module",
    "function",
    "file",
];
pub(super) const DICTIONARY_COLUMNS: [DictionaryColumn; DictionaryColumn::COUNT] = [
    DictionaryColumn::EventType,
    DictionaryColumn::Node,
    DictionaryColumn::Pid,
    DictionaryColumn::CorrelationId,
    DictionaryColumn::Module,
    DictionaryColumn::Function,
    DictionaryColumn::File,
];

fn dictionary_column(name: &str) -> Option<DictionaryColumn> {
    let index = TEXT_COLUMNS.iter().position(|known| *known == name)?;
    DICTIONARY_COLUMNS.get(index).copied()
}

/// The ids that rows bring; 0: none.
pub(super) fn given_ids(batches: &[ImportBatch]) -> Vec<u64> {
    let mut ids = Vec::with_capacity(batches.iter().map(ImportBatch::rows).sum());
    for ImportBatch { rows, event_id, .. } in batches {
        let id = |row| event_id.as_ref().and_then(|ids| ids.get(row));
        ids.extend((0..*rows).map(|row| id(row).and_then(foreign_id).unwrap_or_default()));
    }
    ids
}

/// An id of a table as it is here. Ids of a recording's own producers become those of foreign ones: a table of another
/// recording's events keeps who caused whom, and no event of this one has such an id. The rows of a store itself are no
/// producer's, and nothing refers to them.
pub(super) fn foreign_id(id: i128) -> Option<u64> {
    let id = u64::try_from(id).ok()?;
    let is_of_store = EventId(id).producer() == 0;
    (!is_of_store).then_some(id | u64::from(FIRST_IMPORT) << SEQUENCE_BITS)
}
