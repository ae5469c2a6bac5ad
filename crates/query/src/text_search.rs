//! Text search: every part occurs somewhere in the event, in lower case.

use kinescope_store::columns::{DictionaryColumn, NullableColumn};
use kinescope_store::index::paths::{
    LowerTexts, PathIndex, PathNode, RowSet, TextValues, Texts, span_bytes,
};
use memchr::memmem::Finder;

use crate::bitmap::Bitmap;
use crate::code_filter::retain_codes;
use crate::evaluate::{Rows, retain_valid};
use crate::json;
use crate::lower_case::{LowerCase, contains};

/// Rows are few if they are fewer than the texts in lower case by this factor.
const FEW_SHARE: usize = 16;

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

/// Keeps the candidates that have all of the parts, which are in lower case.
pub(crate) fn retain_text(parts: &[String], rows: Rows<'_>, candidates: &mut Bitmap) {
    for part in parts {
        let search = Search {
            part,
            finder: Finder::new(part.as_bytes()),
            rows,
        };
        // Where it is found first it need not be looked for any more.
        let mut left = candidates.clone();
        search.take_columns(&mut left);
        search.take_tags(&mut left);
        search.take_data(&mut left);
        candidates.subtract(&left);
    }
}

/// One part in one segment. What is taken out of the rows that are left has the part.
struct Search<'a> {
    part: &'a str,
    finder: Finder<'a>,
    rows: Rows<'a>,
}

impl Search<'_> {
    fn take_columns(&self, left: &mut Bitmap) {
        for (column, nullable) in TEXT_COLUMNS {
            let dictionary = &self.rows.segment.columns.dictionaries[column as usize];
            let trigrams = self
                .rows
                .index
                .and_then(|index| index.trigrams[column as usize].as_ref());
            if trigrams.is_some_and(|trigrams| !trigrams.may_contain(self.part)) {
                continue;
            }
            let mut search = LowerCase::new(&self.finder);
            for code in (0..dictionary.len()).take_while(|&code| !self.rows.is_stopped(code)) {
                search.add(dictionary.text(code), code as u32);
            }
            let accepted = search.finish();
            if !accepted.is_empty() {
                let mut found = left.clone();
                let accepts = |code| accepted.binary_search(&code).is_ok();
                retain_codes(column, nullable, accepts, self.rows, &mut found);
                left.subtract(&found);
            }
        }
    }

    fn take_tags(&self, left: &mut Bitmap) {
        let columns = &self.rows.segment.columns;
        let offsets = columns.tag_offsets.slice(self.rows.count + 1);
        if offsets.last() == Some(&0) {
            return;
        }
        let mut found = left.clone();
        retain_valid(NullableColumn::Tags, self.rows, &mut found);
        self.rows.retain_each(&mut found, |row| {
            (offsets[row] as usize..offsets[row + 1] as usize).any(|entry| {
                contains(&self.finder, columns.tag_keys.text(entry))
                    || contains(&self.finder, columns.tag_values.text(entry))
            })
        });
        left.subtract(&found);
    }

    fn take_data(&self, left: &mut Bitmap) {
        match self.rows.index.and_then(|index| index.paths.as_ref()) {
            Some(paths) => {
                for node in paths.nodes() {
                    self.take_node(node, left);
                }
                self.take_unknown(paths, left);
            }
            None => {
                let mut found = left.clone();
                self.retain_data(&mut found);
                left.subtract(&found);
            }
        }
    }

    /// Rows that have the part in the node's key or in one of its texts.
    fn take_node(&self, node: &PathNode, left: &mut Bitmap) {
        let column = &node.column;
        if contains(&self.finder, &node.key) {
            let numbers = [
                column.ints.as_ref().map(|ints| ints.slots.rows()),
                column.floats.as_ref().map(|floats| floats.slots.rows()),
                column.texts.as_ref().map(|texts| texts.slots.rows()),
            ];
            let others = [
                &column.trues,
                &column.falses,
                &column.objects,
                &column.arrays,
                &column.large,
                &column.nulls,
            ];
            for set in numbers.into_iter().flatten().chain(others) {
                let mut found = left.clone();
                found.intersect_set(set);
                left.subtract(&found);
            }
        }
        if let Some(texts) = &column.texts {
            self.take_texts(texts, left);
        }
    }

    fn take_texts(&self, texts: &Texts, left: &mut Bitmap) {
        let rows = texts.slots.rows();
        let found = match &texts.values {
            TextValues::Dictionary { codes, texts: all } => {
                let mut search = LowerCase::new(&self.finder);
                for (code, text) in (0..).zip(all.iter()) {
                    search.add(text, code);
                }
                let accepted = search.finish();
                if accepted.is_empty() {
                    return;
                }
                let accepts =
                    |slot: usize| accepted.binary_search(&(codes.get(slot) as u32)).is_ok();
                let slots = slots_in(rows, left).filter(|&(slot, _)| accepts(slot));
                slots.map(|(_, row)| row).collect()
            }
            TextValues::Spans { spans, lower } => {
                let lower = lower.as_ref();
                // Where few rows are left, their texts are looked at one by one.
                match lower.filter(|lower| left.count() >= lower.rows.len() / FEW_SHARE) {
                    Some(lower) => rows_with(&self.finder, lower),
                    None => {
                        let data = &self.rows.segment.columns.data;
                        let mut search = LowerCase::new(&self.finder);
                        for (slot, row) in slots_in(rows, left) {
                            search.add_literal(span_bytes(data, spans.get(slot)), row);
                        }
                        search.finish()
                    }
                }
            }
        };
        left.subtract_listed(&found);
    }

    /// What is inside of arrays, and what has too many keys, has no column.
    fn take_unknown(&self, paths: &PathIndex, left: &mut Bitmap) {
        for node in paths.nodes() {
            let column = &node.column;
            let sets = [Some(&column.arrays), node.is_cut.then_some(&column.objects)];
            for set in sets.into_iter().flatten().filter(|set| !set.is_empty()) {
                let mut found = left.clone();
                found.intersect_set(set);
                self.retain_data(&mut found);
                left.subtract(&found);
            }
        }
    }

    fn retain_data(&self, rows: &mut Bitmap) {
        retain_valid(NullableColumn::Data, self.rows, rows);
        let data = &self.rows.segment.columns.data;
        let is_ascii = self.part.is_ascii();
        self.rows.retain_each(rows, |row| {
            let data = data.text(row);
            // In plain ASCII without escapes a text's lower case is part of the whole's; what is not in the whole is
            // in none of its strings. Other text is looked at string by string.
            if is_ascii && data.is_ascii() && !data.contains('\\') && !contains(&self.finder, data)
            {
                return false;
            }
            let mut found = false;
            json::visit_texts(data, |text| {
                found = contains(&self.finder, text);
                !found
            });
            found
        });
    }
}

/// The rows whose text contains what the finder looks for, ascending.
fn rows_with(finder: &Finder<'_>, lower: &LowerTexts) -> Vec<u32> {
    let mut rows = Vec::new();
    let (mut from, mut next) = (0, 0);
    while let Some(at) = finder.find(lower.texts.get(from..).unwrap_or_default()) {
        let at = from + at;
        next += first_from(&lower.ends[next..], at);
        let (Some(&row), Some(&end)) = (lower.rows.get(next), lower.ends.get(next)) else {
            break;
        };
        rows.push(row);
        from = end as usize + 1;
        next += 1;
    }
    rows
}

/// The first of ascending ends that is not below `at`, near the front: there the memory has been read already.
fn first_from(ends: &[u32], at: usize) -> usize {
    let is_below = |&end: &u32| (end as usize) < at;
    let mut bound = 1;
    while ends.get(bound).is_some_and(is_below) {
        bound *= 2;
    }
    let start = bound / 2;
    start + ends[start..ends.len().min(bound + 1)].partition_point(is_below)
}

/// Slots and rows of those candidates that have a slot, ascending.
fn slots_in<'a>(
    rows: &'a RowSet,
    candidates: &'a Bitmap,
) -> Box<dyn Iterator<Item = (usize, u32)> + 'a> {
    match rows {
        RowSet::Listed(rows) => {
            let slots = rows.iter().copied().enumerate();
            Box::new(slots.filter(|&(_, row)| candidates.contains(row as usize)))
        }
        RowSet::Bits(words) => {
            let has_slot = |row: usize| words[row / 64] >> (row % 64) & 1 == 1;
            let with_slot = candidates.iter().filter(move |&row| has_slot(row));
            Box::new(with_slot.map(|row| (row, row as u32)))
        }
    }
}
