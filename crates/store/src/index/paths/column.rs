//! The values of one path in `data`, by type.

use std::borrow::Cow;

use super::numbers::{Floats, Ints};
use super::row_set::{RowSet, Slots};
use super::texts::{Texts, texts_of};
use crate::index::file::{Sink, Source};
use crate::segment::TextColumn;

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
#[derive(Default, PartialEq)]
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

    pub(super) fn write(&self, to: &mut Sink<'_>) {
        to.flag(self.ints.is_some());
        if let Some(ints) = &self.ints {
            ints.write(to);
        }
        to.flag(self.floats.is_some());
        if let Some(floats) = &self.floats {
            floats.write(to);
        }
        to.flag(self.texts.is_some());
        if let Some(texts) = &self.texts {
            texts.write(to);
        }
        self.sets().iter().for_each(|rows| rows.write(to));
    }

    /// Of a segment whose `data` has `data_bytes` bytes.
    pub(super) fn read(from: &mut Source<'_>, rows: usize, data_bytes: usize) -> Option<Self> {
        let ints = match from.flag()? {
            true => Some(Ints::read(from, rows)?),
            false => None,
        };
        let floats = match from.flag()? {
            true => Some(Floats::read(from, rows)?),
            false => None,
        };
        let texts = match from.flag()? {
            true => Some(Texts::read(from, rows, data_bytes)?),
            false => None,
        };
        Some(Self {
            ints,
            floats,
            texts,
            trues: RowSet::read(from, rows)?,
            falses: RowSet::read(from, rows)?,
            objects: RowSet::read(from, rows)?,
            arrays: RowSet::read(from, rows)?,
            large: RowSet::read(from, rows)?,
            nulls: RowSet::read(from, rows)?,
        })
    }

    fn sets(&self) -> [&RowSet; 6] {
        [
            &self.trues,
            &self.falses,
            &self.objects,
            &self.arrays,
            &self.large,
            &self.nulls,
        ]
    }

    pub(super) fn bytes(&self) -> usize {
        let ints = self.ints.as_ref().map_or(0, Ints::bytes);
        let floats = self.floats.as_ref().map_or(0, Floats::bytes);
        let texts = self.texts.as_ref().map_or(0, Texts::bytes);
        let sets: usize = self.sets().iter().map(|rows| rows.bytes()).sum();
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
                    values: values.into(),
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
