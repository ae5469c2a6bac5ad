//! Keeps rows by the value of a tag.

use kinescope_store::columns::NullableColumn;
use kinescope_store::index::packed::Packed;
use kinescope_store::index::tags::{TagColumn, TagValues};

use crate::bitmap::Bitmap;
use crate::condition::Test;
use crate::evaluate::{Rows, retain_valid, tag, tag_holds};
use crate::path_filter::retain_slots;

/// Keeps the candidates whose tag passes the test.
pub(crate) fn retain_tag(key: &str, test: &Test, rows: Rows<'_>, candidates: &mut Bitmap) {
    let Some(tags) = rows.index.and_then(|index| index.tags.as_ref()) else {
        retain_valid(NullableColumn::Tags, rows, candidates);
        let passes = |row| tag(rows, row, key).is_some_and(|text| tag_holds(test, text));
        return rows.retain_each(candidates, passes);
    };
    let Some(column) = tags.find(key) else {
        return candidates.clear();
    };
    let has_tag = column.slots.rows();
    let TagValues::Dictionary { codes, texts } = &column.values else {
        candidates.intersect_set(has_tag);
        let passes = |row| tag_at(column, row, rows).is_some_and(|text| tag_holds(test, text));
        return rows.retain_each(candidates, passes);
    };
    let accepted: Vec<bool> = texts.iter().map(|text| tag_holds(test, text)).collect();
    let keep = |code: usize| accepted.get(code) == Some(&true);
    match codes {
        Packed::U8(codes) => retain_slots(has_tag, codes, |code| keep(code.into()), candidates),
        Packed::U16(codes) => retain_slots(has_tag, codes, |code| keep(code.into()), candidates),
        Packed::U32(codes) => retain_slots(has_tag, codes, |code| keep(code as usize), candidates),
        Packed::U64(codes) => retain_slots(has_tag, codes, |code| keep(code as usize), candidates),
    }
}

/// The text of a row's tag.
pub(crate) fn tag_at<'a>(column: &'a TagColumn, row: usize, rows: Rows<'a>) -> Option<&'a str> {
    let slot = column.slots.of(row)?;
    Some(match &column.values {
        TagValues::Dictionary { codes, texts } => texts.get(codes.get(slot) as usize),
        TagValues::Entries(entries) => rows.segment.columns.tag_values.text(entries[slot] as usize),
    })
}
