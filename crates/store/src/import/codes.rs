//! Texts of imported columns as codes of the segment that takes them.

use kinescope_ring::CaptureLimits;

use super::batch::{DICTIONARY_COLUMNS, ImportBatch};
use super::values::Texts;
use crate::columns::DictionaryColumn;
use crate::row::{RowCodes, SiteCodes};
use crate::segment_builder::SegmentBuilder;

/// Codes that a batch's texts have in the open segment.
pub(super) struct Codes<'a> {
    generation: usize,
    limits: CaptureLimits,
    columns: [CodedColumn<'a>; DictionaryColumn::COUNT],
}

/// A column's texts, and the codes that they have in the open segment.
struct CodedColumn<'a> {
    texts: Option<&'a Texts>,
    /// Of rows without a text.
    default: Option<&'a str>,
    default_code: Option<i32>,
    /// By the code that the text has in the batch; -1: not known yet. Empty where the batch has no codes.
    known: Vec<i32>,
    longest: usize,
}

impl<'a> CodedColumn<'a> {
    fn new(texts: Option<&'a Texts>, default: Option<&'a str>) -> Self {
        let coded = texts.filter(|texts| texts.is_coded());
        let lengths = coded.map(|texts| {
            (0..texts.values_len()).map(|index| texts.value(index).map_or(0, str::len))
        });
        Self {
            texts,
            default,
            default_code: None,
            known: vec![-1; coded.map_or(0, Texts::values_len)],
            longest: lengths
                .and_then(Iterator::max)
                .unwrap_or_default()
                .max(default.map_or(0, str::len)),
        }
    }

    /// None where the segment has no room for the text; of a row without one, `Some(None)`.
    #[inline]
    fn code(
        &mut self,
        row: usize,
        column: DictionaryColumn,
        limits: &CaptureLimits,
        open: &mut SegmentBuilder,
    ) -> Option<Option<i32>> {
        let found = self.texts.and_then(|texts| Some((texts, texts.code(row)?)));
        if let Some((_, code)) = found
            && let Some(&known) = self.known.get(code)
            && known >= 0
        {
            return Some(Some(known));
        }
        let Some((text, code)) = found.and_then(|(texts, code)| Some((texts.value(code)?, code)))
        else {
            let Some(default) = self.default else {
                return Some(None);
            };
            if self.default_code.is_none() {
                self.default_code = open.intern(column, default);
            }
            return self.default_code.map(Some);
        };
        let interned = open.intern(column, limits.cut_text(text))?;
        if let Some(known) = self.known.get_mut(code) {
            *known = interned;
        }
        Some(Some(interned))
    }
}

impl<'a> Codes<'a> {
    /// Of a batch's columns; rows without a node or a pid get these.
    pub(super) fn of(
        batch: &'a ImportBatch,
        node: &'a str,
        pid: &'a str,
        limits: &CaptureLimits,
    ) -> Self {
        let columns = std::array::from_fn(|index| {
            let default = match DICTIONARY_COLUMNS[index] {
                DictionaryColumn::Node => Some(node),
                DictionaryColumn::Pid => Some(pid),
                _ => None,
            };
            CodedColumn::new(batch.texts[index].as_ref(), default)
        });
        Self {
            generation: usize::MAX,
            limits: limits.clone(),
            columns,
        }
    }

    #[inline]
    pub(super) fn of_row(
        &mut self,
        row: usize,
        open: &mut SegmentBuilder,
        generation: usize,
    ) -> Option<RowCodes> {
        if generation != self.generation {
            self.generation = generation;
            for column in &mut self.columns {
                column.known.fill(-1);
                column.default_code = None;
            }
        }
        let limits = &self.limits;
        let columns = &mut self.columns;
        let mut code =
            |column: DictionaryColumn| columns[column as usize].code(row, column, limits, open);
        Some(RowCodes {
            event_type: code(DictionaryColumn::EventType)??,
            node: code(DictionaryColumn::Node)??,
            pid: code(DictionaryColumn::Pid)??,
            correlation_id: code(DictionaryColumn::CorrelationId)?,
            site: SiteCodes {
                module: code(DictionaryColumn::Module)?,
                function: code(DictionaryColumn::Function)?,
                file: code(DictionaryColumn::File)?,
            },
        })
    }

    pub(super) fn text_bytes_max(&self, row: usize) -> usize {
        let lengths = self.columns.iter().map(|column| match column.texts {
            Some(texts) if column.known.is_empty() => {
                texts.get(row).map_or(0, str::len).max(column.longest)
            }
            _ => column.longest,
        });
        lengths.max().unwrap_or_default()
    }
}
