//! The values of one path in `data`, by type.

use std::borrow::Cow;

use crate::index::BLOCK_ROWS;
use crate::index::packed::Packed;
use crate::json;
use crate::segment::TextColumn;

/// From one row in this many on, a set of rows has a bit for each row; below it is a list.
const LISTED_BELOW: usize = 32;

/// Some of the rows of a segment.
pub enum RowSet {
    /// A bit a row, the lowest first.
    Bits(Box<[u64]>),
    /// Ascending.
    Listed(Box<[u32]>),
}

impl Default for RowSet {
    fn default() -> Self {
        Self::Listed(Box::default())
    }
}

impl RowSet {
    /// Of ascending rows, out of `rows`.
    pub(crate) fn new(members: Vec<u32>, rows: usize) -> Self {
        if members.len() < rows / LISTED_BELOW {
            return Self::Listed(members.into_boxed_slice());
        }
        Self::bits(&members, rows)
    }

    fn bits(members: &[u32], rows: usize) -> Self {
        let mut words = vec![0u64; rows.div_ceil(64)];
        for &row in members {
            words[row as usize / 64] |= 1 << (row % 64);
        }
        Self::Bits(words.into_boxed_slice())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Bits(words) => words.iter().all(|&word| word == 0),
            Self::Listed(rows) => rows.is_empty(),
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::Bits(words) => words.iter().map(|word| word.count_ones() as usize).sum(),
            Self::Listed(rows) => rows.len(),
        }
    }

    /// Whether a row is among them.
    #[inline]
    pub fn contains(&self, row: usize) -> bool {
        match self {
            Self::Bits(words) => {
                words.get(row / 64).copied().unwrap_or_default() >> (row % 64) & 1 == 1
            }
            Self::Listed(rows) => rows.binary_search(&(row as u32)).is_ok(),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Bits(words) => size_of_val(&**words),
            Self::Listed(rows) => size_of_val(&**rows),
        }
    }
}

/// Which rows have a value, and where among the values it is: with bits at the row's own index, else at the index of its
/// place in the list.
pub struct Slots(RowSet);

impl Slots {
    /// Of ascending rows; dense from one row in `dense_from` on.
    pub(crate) fn new(members: &[u32], rows: usize, dense_from: usize) -> Self {
        Self(if members.len() * dense_from >= rows {
            RowSet::bits(members, rows)
        } else {
            RowSet::Listed(members.into())
        })
    }

    /// The rows that have a value.
    pub fn rows(&self) -> &RowSet {
        &self.0
    }

    /// Where a row's value is.
    #[inline]
    pub fn of(&self, row: usize) -> Option<usize> {
        match &self.0 {
            RowSet::Bits(_) => self.0.contains(row).then_some(row),
            RowSet::Listed(rows) => rows.binary_search(&(row as u32)).ok(),
        }
    }

    /// Spreads values over the slots; those of no row are `filler`.
    pub(crate) fn spread<T: Copy>(
        &self,
        members: &[u32],
        values: &[T],
        rows: usize,
        filler: T,
    ) -> Vec<T> {
        match &self.0 {
            RowSet::Listed(_) => values.to_vec(),
            RowSet::Bits(_) => {
                let mut spread = vec![filler; rows];
                for (&row, &value) in members.iter().zip(values) {
                    spread[row as usize] = value;
                }
                spread
            }
        }
    }
}

/// The lowest and the highest of a block's values; of a block without any the first is above the second.
pub type Zone = (i64, i64);

/// Integers of 64 bits.
pub struct Ints {
    /// Where they are.
    pub slots: Slots,
    /// The lowest; the packed values are the differences to it.
    pub base: i64,
    /// By slot.
    pub values: Packed,
    /// By block of [`BLOCK_ROWS`] slots.
    pub zones: Box<[Zone]>,
}

impl Ints {
    fn new(members: &[u32], values: &[i64], rows: usize) -> Self {
        let slots = Slots::new(members, rows, 4);
        let base = values.iter().copied().min().unwrap_or_default();
        let offset = |value: i64| value.wrapping_sub(base) as u64;
        let max = values.iter().map(|&value| offset(value)).max();
        let zones = Self::zones(&slots, members, values, rows);
        let spread = slots.spread(members, values, rows, base);
        Self {
            base,
            values: Packed::of(spread.into_iter().map(offset), max.unwrap_or_default()),
            zones,
            slots,
        }
    }

    fn zones(slots: &Slots, members: &[u32], values: &[i64], rows: usize) -> Box<[Zone]> {
        let is_dense = matches!(slots.0, RowSet::Bits(_));
        let count = if is_dense { rows } else { values.len() };
        let mut zones = vec![(i64::MAX, i64::MIN); count.div_ceil(BLOCK_ROWS)];
        for (index, (&row, &value)) in members.iter().zip(values).enumerate() {
            let slot = if is_dense { row as usize } else { index };
            let (low, high) = &mut zones[slot / BLOCK_ROWS];
            *low = (*low).min(value);
            *high = (*high).max(value);
        }
        zones.into_boxed_slice()
    }

    /// The value in a slot.
    #[inline]
    pub fn at(&self, slot: usize) -> i64 {
        self.base.wrapping_add(self.values.get(slot) as i64)
    }
}

/// Finite numbers with a fraction or an exponent.
pub struct Floats {
    /// Where they are.
    pub slots: Slots,
    /// By slot.
    pub values: Box<[f64]>,
}

/// Texts, as they stand in `data`.
pub struct Texts {
    /// Where they are.
    pub slots: Slots,
    /// What they are.
    pub values: TextValues,
}

/// How texts are kept.
pub enum TextValues {
    /// Few distinct ones.
    Dictionary {
        /// Index of the text, by slot.
        codes: Packed,
        /// Distinct texts.
        texts: Box<[Box<str>]>,
    },
    /// Many distinct ones.
    Spans {
        /// Where in the segment's bytes of `data` they stand, without their quotes, by slot: start and length.
        spans: Box<[(u32, u32)]>,
        /// The same in lower case, for searches; none where that would take much memory.
        lower: Option<LowerTexts>,
    },
}

impl Texts {
    /// The text in a slot. `data` is the segment's.
    pub fn at<'a>(&'a self, slot: usize, data: &'a TextColumn) -> Cow<'a, str> {
        match &self.values {
            TextValues::Dictionary { codes, texts } => {
                Cow::Borrowed(&texts[codes.get(slot) as usize])
            }
            TextValues::Spans { spans, .. } => json::unescape(span(data, spans[slot])),
        }
    }
}

/// Bytes of all texts in lower case, at most.
const LOWER_BYTES_MAX: usize = 64 << 20;

/// Texts in lower case behind each other, so that they are searched at the speed of memory.
pub struct LowerTexts {
    /// Each followed by [`LowerTexts::SEPARATOR`].
    pub texts: Box<[u8]>,
    /// Where each text ends, ascending.
    pub ends: Box<[u32]>,
    /// The row of each.
    pub rows: Box<[u32]>,
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
            texts: texts.into_boxed_slice(),
            ends: ends.into_boxed_slice(),
            rows: members.into(),
        })
    }

    fn bytes(&self) -> usize {
        self.texts.len() + size_of_val(&*self.ends) + size_of_val(&*self.rows)
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

/// A value of a path.
#[derive(Clone, Debug, PartialEq)]
pub enum PathValue<'a> {
    /// An integer of 64 bits.
    Int(i64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// A boolean.
    Bool(bool),
    /// A text.
    Text(Cow<'a, str>),
    /// An object, an array, or an integer beyond 64 bits: to be looked up in `data`.
    Other,
}

/// All values of one path. A row has at most one of them.
#[derive(Default)]
pub struct PathColumn {
    /// Integers.
    pub ints: Option<Ints>,
    /// Other numbers.
    pub floats: Option<Floats>,
    /// Rows with `true`.
    pub trues: RowSet,
    /// Rows with `false`.
    pub falses: RowSet,
    /// Texts.
    pub texts: Option<Texts>,
    /// Rows with an object.
    pub objects: RowSet,
    /// Rows with an array.
    pub arrays: RowSet,
    /// Rows with an integer beyond 64 bits.
    pub large: RowSet,
    /// Rows with `null`, which is no value.
    pub nulls: RowSet,
}

impl PathColumn {
    /// The value of a row; none where there is none or it is `null`.
    pub fn value<'a>(&'a self, row: usize, data: &'a TextColumn) -> Option<PathValue<'a>> {
        if let Some(ints) = &self.ints
            && let Some(slot) = ints.slots.of(row)
        {
            return Some(PathValue::Int(ints.at(slot)));
        }
        if let Some(texts) = &self.texts
            && let Some(slot) = texts.slots.of(row)
        {
            return Some(PathValue::Text(texts.at(slot, data)));
        }
        if let Some(floats) = &self.floats
            && let Some(slot) = floats.slots.of(row)
        {
            return Some(PathValue::Float(floats.values[slot]));
        }
        if self.trues.contains(row) {
            return Some(PathValue::Bool(true));
        }
        if self.falses.contains(row) {
            return Some(PathValue::Bool(false));
        }
        let others = [&self.objects, &self.arrays, &self.large];
        let is_other = others.iter().any(|rows| rows.contains(row));
        is_other.then_some(PathValue::Other)
    }

    pub(super) fn bytes(&self) -> usize {
        let ints = self.ints.as_ref().map_or(0, |ints| {
            ints.slots.0.bytes() + ints.values.bytes() + size_of_val(&*ints.zones)
        });
        let floats = self.floats.as_ref().map_or(0, |floats| {
            floats.slots.0.bytes() + size_of_val(&*floats.values)
        });
        let texts = self.texts.as_ref().map_or(0, |texts| {
            let values = match &texts.values {
                TextValues::Dictionary { codes, texts } => {
                    let texts = texts.iter().map(|text| text.len() + size_of::<Box<str>>());
                    codes.bytes() + texts.sum::<usize>()
                }
                TextValues::Spans { spans, lower } => {
                    size_of_val(&**spans) + lower.as_ref().map_or(0, LowerTexts::bytes)
                }
            };
            texts.slots.0.bytes() + values
        });
        let sets = [
            &self.trues,
            &self.falses,
            &self.objects,
            &self.arrays,
            &self.large,
            &self.nulls,
        ];
        let sets: usize = sets.iter().map(|rows| rows.bytes()).sum();
        size_of::<Self>() + ints + floats + texts + sets
    }
}

/// Values as they are found, row after row.
#[derive(Default)]
pub(super) struct Values {
    ints: (Vec<u32>, Vec<i64>),
    floats: (Vec<u32>, Vec<f64>),
    texts: (Vec<u32>, Vec<(u32, u32)>),
    trues: Vec<u32>,
    falses: Vec<u32>,
    objects: Vec<u32>,
    arrays: Vec<u32>,
    large: Vec<u32>,
    nulls: Vec<u32>,
}

impl Values {
    pub(super) fn int(&mut self, row: u32, value: i64) {
        self.ints.0.push(row);
        self.ints.1.push(value);
    }

    pub(super) fn float(&mut self, row: u32, value: f64) {
        self.floats.0.push(row);
        self.floats.1.push(value);
    }

    pub(super) fn text(&mut self, row: u32, span: (u32, u32)) {
        self.texts.0.push(row);
        self.texts.1.push(span);
    }

    pub(super) fn bool(&mut self, row: u32, value: bool) {
        if value {
            &mut self.trues
        } else {
            &mut self.falses
        }
        .push(row);
    }

    pub(super) fn object(&mut self, row: u32) {
        self.objects.push(row);
    }

    pub(super) fn array(&mut self, row: u32) {
        self.arrays.push(row);
    }

    pub(super) fn large(&mut self, row: u32) {
        self.large.push(row);
    }

    pub(super) fn null(&mut self, row: u32) {
        self.nulls.push(row);
    }

    pub(super) fn into_column(self, rows: usize, data: &TextColumn) -> PathColumn {
        let set = |members: Vec<u32>| RowSet::new(members, rows);
        let (int_rows, ints) = self.ints;
        let (float_rows, floats) = self.floats;
        let (text_rows, spans) = self.texts;
        PathColumn {
            ints: (!ints.is_empty()).then(|| Ints::new(&int_rows, &ints, rows)),
            floats: (!floats.is_empty()).then(|| {
                let slots = Slots::new(&float_rows, rows, 2);
                let values = slots.spread(&float_rows, &floats, rows, 0.0);
                Floats {
                    slots,
                    values: values.into_boxed_slice(),
                }
            }),
            texts: (!spans.is_empty()).then(|| texts_of(&text_rows, &spans, rows, data)),
            trues: set(self.trues),
            falses: set(self.falses),
            objects: set(self.objects),
            arrays: set(self.arrays),
            large: set(self.large),
            nulls: set(self.nulls),
        }
    }
}

/// Distinct texts of a dictionary, at most: their codes are looked at once per value, the texts once per query.
const DICTIONARY_MAX: usize = 4096;

fn texts_of(members: &[u32], spans: &[(u32, u32)], rows: usize, data: &TextColumn) -> Texts {
    if let Some((codes, texts)) = dictionary_of(spans, data) {
        let slots = Slots::new(members, rows, 4);
        let spread = slots.spread(members, &codes, rows, 0);
        let max = texts.len().saturating_sub(1) as u64;
        return Texts {
            slots,
            values: TextValues::Dictionary {
                codes: Packed::of(spread.into_iter().map(u64::from), max),
                texts: texts.into_boxed_slice(),
            },
        };
    }
    let slots = Slots::new(members, rows, 1);
    let spread = slots.spread(members, spans, rows, (0, 0));
    Texts {
        slots,
        values: TextValues::Spans {
            lower: LowerTexts::of(members, spans, data),
            spans: spread.into_boxed_slice(),
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
