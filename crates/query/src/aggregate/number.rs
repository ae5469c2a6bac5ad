//! The numbers that aggregations are over, as rows hold them.

use std::cmp::Ordering;

use kinescope_store::columns::NullableColumn;

use crate::condition::{Field, NumberColumn};
use crate::evaluate::{Rows, nullable_of};
use crate::path_reader::FieldReader;
use crate::scalar::{Scalar, number_of_text};

/// Below this, every integer is a float of its own.
const INTEGER_LIMIT: f64 = (1u64 << f64::MANTISSA_DIGITS) as f64;

/// A number of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Int(i128),
    Float(f64),
}

impl Number {
    fn of(value: &Scalar<'_>) -> Option<Self> {
        match *value {
            Scalar::Int(int) => Some(Self::Int(int)),
            Scalar::Float(float) => Some(Self::Float(float)),
            Scalar::Bool(_) | Scalar::Text(_) => None,
        }
    }

    pub(crate) fn scalar(self) -> Scalar<'static> {
        match self {
            Self::Int(int) => Scalar::Int(int),
            Self::Float(float) => Scalar::Float(float),
        }
    }

    /// The nearest float.
    pub(crate) fn to_f64(self) -> f64 {
        match self {
            Self::Int(int) => int as f64,
            Self::Float(float) => float,
        }
    }

    /// By exact value.
    pub(crate) fn compare(self, other: Self) -> Ordering {
        if let (Self::Int(a), Self::Int(b)) = (self, other) {
            return a.cmp(&b);
        }
        self.scalar().sort_order(&other.scalar())
    }
}

/// Visits the numbers that `field` has in the `chosen` rows, each with the index of its row in `chosen`. What is absent
/// or no number is skipped; a tag counts as the JSON number that its text is.
pub(crate) fn for_each(
    field: &Field,
    rows: Rows<'_>,
    chosen: &[u32],
    mut visit: impl FnMut(usize, Number),
) {
    let columns = &rows.segment.columns;
    match field {
        Field::Number(column) => {
            let nullable = nullable_of(*column);
            let of = Fixed {
                rows,
                chosen,
                nullable,
            };
            match column {
                NumberColumn::Seq => of.each(columns.seq.slice(rows.count), visit),
                NumberColumn::EventId => of.each(columns.event_id.slice(rows.count), visit),
                NumberColumn::Timestamp => of.each(columns.timestamp.slice(rows.count), visit),
                NumberColumn::WallTime => of.each(columns.wall_time.slice(rows.count), visit),
                NumberColumn::ParentId => of.each(columns.parent_id.slice(rows.count), visit),
                NumberColumn::Arity => of.each(columns.arity.slice(rows.count), visit),
                NumberColumn::Line => of.each(columns.line.slice(rows.count), visit),
            }
        }
        Field::Path(_) | Field::Tag(_) => {
            let is_tag = matches!(field, Field::Tag(_));
            let reader = FieldReader::new(field, rows);
            for (index, &row) in chosen.iter().enumerate() {
                let found = reader.scalar(row as usize);
                let number = match found {
                    Some(Scalar::Text(text)) if is_tag => of_text(&text),
                    Some(found) => Number::of(&found),
                    None => None,
                };
                if let Some(number) = number {
                    visit(index, number);
                }
            }
        }
        Field::Text(..) | Field::Tags => {}
    }
}

/// The number that a tag's text is: an integer if it is a whole one that floats hold exactly, however it is spelled.
fn of_text(text: &str) -> Option<Number> {
    let number = Number::of(&number_of_text(text)?)?;
    match number {
        Number::Float(float) if float.abs() < INTEGER_LIMIT && float.fract() == 0.0 => {
            let is_negative_zero = float == 0.0 && float.is_sign_negative();
            Some(if is_negative_zero {
                number
            } else {
                Number::Int(float as i128)
            })
        }
        _ => Some(number),
    }
}

/// Rows of a column of fixed width.
struct Fixed<'a> {
    rows: Rows<'a>,
    chosen: &'a [u32],
    nullable: Option<NullableColumn>,
}

impl Fixed<'_> {
    fn each<T: Copy + Into<i128>>(&self, values: &[T], mut visit: impl FnMut(usize, Number)) {
        for (index, &row) in self.chosen.iter().enumerate() {
            let row = row as usize;
            if self
                .nullable
                .is_none_or(|column| self.rows.segment.is_valid(column, row))
            {
                visit(index, Number::Int(values[row].into()));
            }
        }
    }
}
