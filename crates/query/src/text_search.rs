//! Text search: every part occurs somewhere in the event, in lower case.

use kinescope_store::columns::{DictionaryColumn, NullableColumn};
use memchr::memmem;

use crate::evaluate::Rows;
use crate::json;

/// Every column with text of its own, and where its nulls are.
const TEXT_COLUMNS: [(DictionaryColumn, Option<NullableColumn>); DictionaryColumn::COUNT] = [
    (DictionaryColumn::EventType, None),
    (DictionaryColumn::Node, None),
    (DictionaryColumn::Pid, None),
    (
        DictionaryColumn::CorrelationId,
        Some(NullableColumn::CorrelationId),
    ),
    (DictionaryColumn::Module, Some(NullableColumn::Module)),
    (DictionaryColumn::Function, Some(NullableColumn::Function)),
    (DictionaryColumn::File, Some(NullableColumn::File)),
];

/// A search prepared for one segment.
pub(crate) struct TextSearch<'a> {
    rows: Rows<'a>,
    parts: Vec<Part<'a>>,
}

struct Part<'a> {
    finder: memmem::Finder<'a>,
    is_ascii: bool,
    /// For each of [`TEXT_COLUMNS`] which codes' texts have the part.
    codes: Vec<Vec<bool>>,
}

impl<'a> TextSearch<'a> {
    pub(crate) fn new(parts: &'a [String], rows: Rows<'a>) -> Self {
        let parts = parts.iter().map(|part| {
            let finder = memmem::Finder::new(part.as_bytes());
            let codes = TEXT_COLUMNS.iter().map(|(column, _)| {
                let dictionary = &rows.segment.columns.dictionaries[*column as usize];
                (0..dictionary.len())
                    .map(|code| contains(&finder, dictionary.text(code)))
                    .collect()
            });
            Part {
                codes: codes.collect(),
                is_ascii: part.is_ascii(),
                finder,
            }
        });
        Self {
            rows,
            parts: parts.collect(),
        }
    }

    pub(crate) fn matches(&self, row: usize) -> bool {
        self.parts.iter().all(|part| {
            self.in_columns(part, row) || self.in_tags(part, row) || self.in_data(part, row)
        })
    }

    fn in_columns(&self, part: &Part<'_>, row: usize) -> bool {
        TEXT_COLUMNS
            .iter()
            .zip(&part.codes)
            .any(|((column, nullable), accepted)| {
                let code =
                    self.rows.segment.columns.codes[*column as usize].slice(self.rows.count)[row];
                accepted.get(code as usize) == Some(&true)
                    && nullable.is_none_or(|nullable| self.rows.segment.is_valid(nullable, row))
            })
    }

    fn in_tags(&self, part: &Part<'_>, row: usize) -> bool {
        let columns = &self.rows.segment.columns;
        let offsets = columns.tag_offsets.slice(self.rows.count + 1);
        (offsets[row] as usize..offsets[row + 1] as usize).any(|entry| {
            contains(&part.finder, columns.tag_keys.text(entry))
                || contains(&part.finder, columns.tag_values.text(entry))
        })
    }

    fn in_data(&self, part: &Part<'_>, row: usize) -> bool {
        if !self.rows.segment.is_valid(NullableColumn::Data, row) {
            return false;
        }
        let data = self.rows.segment.columns.data.text(row);
        // In plain ASCII without escapes a text's lower case is part of the whole's; what is not in the whole is
        // in none of its strings. Other text is looked at string by string.
        if part.is_ascii && data.is_ascii() && !data.contains('\\') && !contains(&part.finder, data)
        {
            return false;
        }
        let mut found = false;
        json::visit_texts(data, |text| {
            found = contains(&part.finder, text);
            !found
        });
        found
    }
}

fn contains(finder: &memmem::Finder<'_>, text: &str) -> bool {
    if text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return finder.find(text.as_bytes()).is_some();
    }
    finder.find(text.to_lowercase().as_bytes()).is_some()
}
