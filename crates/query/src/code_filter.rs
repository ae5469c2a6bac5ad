//! Keeps rows by the codes of a dictionary column: by the narrow codes of an index where there is one.

use kinescope_store::Segment;
use kinescope_store::columns::{DictionaryColumn, NullableColumn};
use kinescope_store::index::packed::Packed;

use crate::bitmap::Bitmap;
use crate::evaluate::{Rows, retain_valid};

/// Values that are asked for of one column, as codes of one segment.
pub(crate) struct CodeFilter {
    column: DictionaryColumn,
    nullable: Option<NullableColumn>,
    codes: Vec<u32>,
}

impl CodeFilter {
    /// None when the segment's dictionary has none of the texts.
    pub(crate) fn new(
        column: DictionaryColumn,
        nullable: Option<NullableColumn>,
        texts: &[String],
        segment: &Segment,
    ) -> Option<Self> {
        let dictionary = &segment.columns.dictionaries[column as usize];
        let codes = texts.iter().filter_map(|text| dictionary.code_of(text));
        let mut codes: Vec<u32> = codes.collect();
        codes.sort_unstable();
        codes.dedup();
        (!codes.is_empty()).then_some(Self {
            column,
            nullable,
            codes,
        })
    }

    /// The rows of each value; none unless the rows of all values are listed.
    pub(crate) fn listed<'a>(&self, rows: Rows<'a>) -> Option<Vec<&'a [u32]>> {
        let codes = rows.index?.column(self.column);
        self.codes.iter().map(|&code| codes.rows_of(code)).collect()
    }

    pub(crate) fn retain(&self, rows: Rows<'_>, candidates: &mut Bitmap) {
        let accepts = |code: u32| self.codes.binary_search(&code).is_ok();
        match self.codes[..] {
            [code] => retain_code(self.column, self.nullable, code, rows, candidates),
            _ => retain_codes(self.column, self.nullable, accepts, rows, candidates),
        }
    }
}

/// Keeps the rows with one code.
pub(crate) fn retain_code(
    column: DictionaryColumn,
    nullable: Option<NullableColumn>,
    wanted: u32,
    rows: Rows<'_>,
    candidates: &mut Bitmap,
) {
    if let Some(index) = rows.index {
        let codes = index.column(column);
        if let Some(listed) = codes.rows_of(wanted) {
            return candidates.intersect_listed(listed);
        }
        return match &codes.codes {
            Packed::U8(codes) => candidates.retain(codes, |code| code == wanted as u8),
            Packed::U16(codes) => candidates.retain(codes, |code| code == wanted as u16),
            Packed::U32(codes) => candidates.retain(codes, |code| code == wanted),
            Packed::U64(codes) => candidates.retain(codes, |code| code == wanted.into()),
        };
    }
    let codes = rows.segment.columns.codes[column as usize].slice(rows.count);
    candidates.retain(codes, |code| code as u32 == wanted);
    // An absent value has code 0 in its place.
    if let Some(nullable) = nullable {
        retain_valid(nullable, rows, candidates);
    }
}

/// Keeps the rows with a code that is accepted, asked once per distinct value.
pub(crate) fn retain_codes(
    column: DictionaryColumn,
    nullable: Option<NullableColumn>,
    accepts: impl Fn(u32) -> bool,
    rows: Rows<'_>,
    candidates: &mut Bitmap,
) {
    let distinct = rows.segment.columns.dictionaries[column as usize].len();
    let accepted =
        (0..distinct).map_while(|code| (!rows.is_stopped(code)).then(|| accepts(code as u32)));
    let accepted: Vec<bool> = accepted.collect();
    let is_accepted = |code: usize| accepted.get(code).copied().unwrap_or(false);
    if let Some(index) = rows.index {
        return match &index.column(column).codes {
            Packed::U8(codes) => candidates.retain(codes, |code| is_accepted(code.into())),
            Packed::U16(codes) => candidates.retain(codes, |code| is_accepted(code.into())),
            Packed::U32(codes) => candidates.retain(codes, |code| is_accepted(code as usize)),
            Packed::U64(codes) => candidates.retain(codes, |code| is_accepted(code as usize)),
        };
    }
    let codes = rows.segment.columns.codes[column as usize].slice(rows.count);
    candidates.retain(codes, |code| is_accepted(code as usize));
    if let Some(nullable) = nullable {
        retain_valid(nullable, rows, candidates);
    }
}
