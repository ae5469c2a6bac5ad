//! The texts of one path in `data`.

use std::borrow::Cow;

use super::row_set::Slots;
use crate::index::array::Array;
use crate::index::file::{Sink, Source, are_rows};
use crate::index::packed::Packed;
use crate::index::text_list::TextList;
use crate::json;
use crate::segment::TextColumn;

/// Texts, as they stand in `data`.
#[derive(PartialEq)]
pub struct Texts {
    /// Where they are.
    pub slots: Slots,
    /// What they are.
    pub values: TextValues,
}

/// How texts are kept.
#[derive(PartialEq)]
pub enum TextValues {
    /// Few distinct ones.
    Dictionary {
        /// Index of the text, by slot.
        codes: Packed,
        /// Distinct texts.
        texts: TextList,
    },
    /// Many distinct ones.
    Spans {
        /// Where in the segment's bytes of `data` they stand, without their quotes, by slot.
        spans: Spans,
        /// The same in lower case, for searches; none where that would take much memory.
        lower: Option<LowerTexts>,
    },
}

/// Parts of the segment's bytes of `data`, as start and length.
#[derive(PartialEq)]
pub struct Spans {
    starts: Array<u32>,
    lens: Array<u32>,
}

impl Spans {
    fn new(spans: &[(u32, u32)]) -> Self {
        Self {
            starts: spans.iter().map(|&(start, _)| start).collect(),
            lens: spans.iter().map(|&(_, len)| len).collect(),
        }
    }

    /// The span at an index.
    ///
    /// # Panics
    /// When the index is not below their number.
    #[inline]
    pub fn get(&self, index: usize) -> (u32, u32) {
        (self.starts[index], self.lens[index])
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u32, u32)> {
        self.starts.iter().copied().zip(self.lens.iter().copied())
    }

    /// `count` of them, in `data_bytes` bytes.
    fn read(from: &mut Source<'_>, count: usize, data_bytes: usize) -> Option<Self> {
        let read = Self {
            starts: from.array_of(count)?,
            lens: from.array_of(count)?,
        };
        let ends = read
            .iter()
            .map(|(start, len)| u64::from(start) + u64::from(len));
        let end = ends.fold(0, u64::max);
        (end <= data_bytes as u64).then_some(read)
    }

    fn bytes(&self) -> usize {
        self.starts.bytes() + self.lens.bytes()
    }
}

impl Texts {
    pub(super) fn write(&self, to: &mut Sink<'_>) {
        self.slots.write(to);
        match &self.values {
            TextValues::Dictionary { codes, texts } => {
                to.flag(true);
                to.packed(codes);
                texts.write(to);
            }
            TextValues::Spans { spans, lower } => {
                to.flag(false);
                to.array(&spans.starts);
                to.array(&spans.lens);
                to.flag(lower.is_some());
                if let Some(lower) = lower {
                    lower.write(to);
                }
            }
        }
    }

    pub(super) fn read(from: &mut Source<'_>, rows: usize, data_bytes: usize) -> Option<Self> {
        let slots = Slots::read(from, rows)?;
        let count = slots.len(rows);
        let values = if from.flag()? {
            let (codes, texts) = read_dictionary(from, count)?;
            TextValues::Dictionary { codes, texts }
        } else {
            TextValues::Spans {
                spans: Spans::read(from, count, data_bytes)?,
                lower: match from.flag()? {
                    true => Some(LowerTexts::read(from, rows)?),
                    false => None,
                },
            }
        };
        Some(Self { slots, values })
    }

    pub(super) fn bytes(&self) -> usize {
        let values = match &self.values {
            TextValues::Dictionary { codes, texts } => codes.bytes() + texts.bytes(),
            TextValues::Spans { spans, lower } => {
                spans.bytes() + lower.as_ref().map_or(0, LowerTexts::bytes)
            }
        };
        self.slots.bytes() + values
    }

    /// The text in a slot. `data` is the segment's.
    pub fn at<'a>(&'a self, slot: usize, data: &'a TextColumn) -> Cow<'a, str> {
        match &self.values {
            TextValues::Dictionary { codes, texts } => {
                Cow::Borrowed(texts.get(codes.get(slot) as usize))
            }
            TextValues::Spans { spans, .. } => json::unescape(span(data, spans.get(slot))),
        }
    }
}

/// Codes by slot, and the distinct texts that they stand for.
pub(crate) fn read_dictionary(from: &mut Source<'_>, count: usize) -> Option<(Packed, TextList)> {
    let codes = from.packed(count, u32::MAX.into())?;
    let texts = TextList::read(from)?;
    // Also the code of no row, which is 0, is one.
    ((codes.max() as usize) < texts.len()).then_some((codes, texts))
}

/// Bytes of all texts in lower case, at most.
const LOWER_BYTES_MAX: usize = 64 << 20;

/// Texts in lower case behind each other, so that they are searched at the speed of memory.
#[derive(PartialEq)]
pub struct LowerTexts {
    /// Each followed by [`LowerTexts::SEPARATOR`].
    pub texts: Array<u8>,
    /// Where each text ends, ascending.
    pub ends: Array<u32>,
    /// The row of each.
    pub rows: Array<u32>,
}

impl LowerTexts {
    /// No byte of UTF-8, so that nothing is found across the border of two texts.
    pub const SEPARATOR: u8 = 0xff;

    fn of(members: &[u32], spans: &[(u32, u32)], data: &TextColumn) -> Option<Self> {
        let total: usize = spans.iter().map(|&(_, len)| len as usize + 1).sum();
        if total > LOWER_BYTES_MAX {
            return None;
        }
        let mut texts = Vec::with_capacity(total);
        let mut ends = Vec::with_capacity(spans.len());
        for &place in spans {
            let text = json::unescape(span(data, place));
            texts.extend_from_slice(text.to_lowercase().as_bytes());
            ends.push(u32::try_from(texts.len()).ok()?);
            texts.push(Self::SEPARATOR);
        }
        Some(Self {
            texts: texts.into(),
            ends: ends.into(),
            rows: members.to_vec().into(),
        })
    }

    fn write(&self, to: &mut Sink<'_>) {
        to.array(&self.texts);
        to.array(&self.ends);
        to.array(&self.rows);
    }

    fn read(from: &mut Source<'_>, rows: usize) -> Option<Self> {
        let texts: Array<u8> = from.array()?;
        let ends: Array<u32> = from.array()?;
        let listed: Array<u32> = from.array_of(ends.len())?;
        let is_whole = are_rows(&ends, texts.len()) && are_rows(&listed, rows);
        is_whole.then_some(Self {
            texts,
            ends,
            rows: listed,
        })
    }

    fn bytes(&self) -> usize {
        self.texts.bytes() + self.ends.bytes() + self.rows.bytes()
    }
}

/// The literal's inside.
fn span(data: &TextColumn, span: (u32, u32)) -> &str {
    std::str::from_utf8(span_bytes(data, span)).unwrap_or_default()
}

/// The literal's inside.
pub fn span_bytes(data: &TextColumn, (start, len): (u32, u32)) -> &[u8] {
    let end = start as usize + len as usize;
    &data.bytes.slice(end)[start as usize..]
}

/// Distinct texts of a dictionary, at most: their codes are looked at once per value, the texts once per query.
const DICTIONARY_MAX: usize = 4096;

pub(super) fn texts_of(
    members: &[u32],
    spans: &[(u32, u32)],
    rows: usize,
    data: &TextColumn,
) -> Texts {
    if let Some((codes, texts)) = dictionary_of(spans, data) {
        let slots = Slots::new(members, rows, 4);
        let spread = slots.spread(members, &codes, rows, 0);
        let max = texts.len().saturating_sub(1) as u64;
        return Texts {
            slots,
            values: TextValues::Dictionary {
                codes: Packed::of(spread.into_iter().map(u64::from), max),
                texts: texts.into_iter().collect(),
            },
        };
    }
    let slots = Slots::new(members, rows, 1);
    let spread = slots.spread(members, spans, rows, (0, 0));
    Texts {
        slots,
        values: TextValues::Spans {
            lower: LowerTexts::of(members, spans, data),
            spans: Spans::new(&spread),
        },
    }
}

/// Codes and texts; none when too many are distinct for a dictionary to help.
fn dictionary_of(spans: &[(u32, u32)], data: &TextColumn) -> Option<(Vec<u32>, Vec<Box<str>>)> {
    let distinct_max = DICTIONARY_MAX.min(spans.len() / 4 + 16);
    let mut codes = Vec::with_capacity(spans.len());
    let mut texts: Vec<Box<str>> = Vec::new();
    let mut by_text: hashbrown::HashMap<Box<str>, u32, foldhash::fast::FixedState> =
        hashbrown::HashMap::default();
    for &place in spans {
        let text = json::unescape(span(data, place));
        if let Some(&code) = by_text.get(&*text) {
            codes.push(code);
            continue;
        }
        if texts.len() == distinct_max {
            return None;
        }
        let code = texts.len() as u32;
        texts.push((*text).into());
        by_text.insert((*text).into(), code);
        codes.push(code);
    }
    Some((codes, texts))
}
