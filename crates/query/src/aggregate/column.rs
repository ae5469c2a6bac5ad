//! Columns of groups in Arrow's form.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, DictionaryArray, Float64Array, Int32Array, Int64Array,
    StringArray, TimestampNanosecondArray, UInt16Array, UInt32Array, UInt64Array,
};
use kinescope_store::columns::DictionaryColumn;
use kinescope_store::{Error, ErrorCode};

use super::ColumnType;
use super::values::ABSENT;
use crate::condition::{Field, NumberColumn};
use crate::scalar::Scalar;

/// Digits of a decimal that holds any sum.
const DECIMAL_DIGITS: u8 = 38;

/// Above this, floats do not hold every integer.
const SAFE_INTEGER_MAX: u128 = (1 << 53) - 1;

/// A column's value of each group.
pub(crate) struct ColumnValues {
    /// Per group the index of its value; none: the group's own number.
    pub(crate) codes: Option<Vec<u32>>,
    pub(crate) values: Vec<Option<Scalar<'static>>>,
}

impl ColumnValues {
    pub(crate) fn value(&self, group: usize) -> Option<&Scalar<'static>> {
        let index = self
            .codes
            .as_ref()
            .map_or(group, |codes| codes[group] as usize);
        self.values[index].as_ref()
    }
}

/// The type of a column with a field's own values.
pub(crate) fn column_type(field: &Field, values: &ColumnValues) -> ColumnType {
    match field {
        Field::Number(column) => ColumnType::Event(match column {
            NumberColumn::Seq => "seq",
            NumberColumn::EventId => "event_id",
            NumberColumn::Timestamp => "timestamp",
            NumberColumn::WallTime => "wall_time",
            NumberColumn::ParentId => "parent_id",
            NumberColumn::Arity => "arity",
            NumberColumn::Line => "line",
        }),
        Field::Text(column, _) => ColumnType::Event(match column {
            DictionaryColumn::EventType => "event_type",
            DictionaryColumn::Node => "node",
            DictionaryColumn::Pid => "pid",
            DictionaryColumn::CorrelationId => "correlation_id",
            DictionaryColumn::Module => "module",
            DictionaryColumn::Function => "function",
            DictionaryColumn::File => "file",
        }),
        Field::Tag(_) => ColumnType::Utf8,
        Field::Path(_) | Field::Tags => settled_type(values),
    }
}

/// The narrowest type that holds all of the values.
pub(crate) fn settled_type(values: &ColumnValues) -> ColumnType {
    let mut of_bool = true;
    let mut of_text = true;
    let mut of_number = true;
    let mut has_float = false;
    let mut largest = 0;
    let mut fits_i64 = true;
    let mut is_empty = true;
    for value in values.values.iter().flatten() {
        is_empty = false;
        of_bool &= matches!(value, Scalar::Bool(_));
        of_text &= matches!(value, Scalar::Text(_));
        of_number &= matches!(value, Scalar::Int(_) | Scalar::Float(_));
        has_float |= matches!(value, Scalar::Float(_));
        if let Scalar::Int(int) = value {
            largest = largest.max(int.unsigned_abs());
            fits_i64 &= i64::try_from(*int).is_ok();
        }
    }
    match () {
        () if is_empty => ColumnType::Json,
        () if of_bool => ColumnType::Bool,
        () if of_text => ColumnType::Utf8,
        () if of_number && !has_float && fits_i64 => ColumnType::I64,
        () if of_number && !has_float && largest < 10u128.pow(38) => ColumnType::Decimal,
        () if of_number && largest <= SAFE_INTEGER_MAX => ColumnType::F64,
        () => ColumnType::Json,
    }
}

/// The values of the `kept` groups.
///
/// # Errors
/// `RESOURCE_EXHAUSTED` when their text is over 2 GiB; `IO` for a bug.
pub(crate) fn column(
    column_type: ColumnType,
    values: &ColumnValues,
    kept: &[u32],
) -> Result<ArrayRef, Error> {
    let each = || kept.iter().map(|&group| values.value(group as usize));
    let ints = || each().map(|value| int(value?));
    Ok(match column_type {
        ColumnType::Event("seq" | "event_id" | "parent_id") => Arc::new(UInt64Array::from_iter(
            ints().map(|int| u64::try_from(int?).ok()),
        )),
        ColumnType::Event("wall_time") => Arc::new(
            TimestampNanosecondArray::from_iter(ints().map(|int| i64::try_from(int?).ok()))
                .with_timezone("UTC"),
        ),
        ColumnType::Event("arity") => Arc::new(UInt16Array::from_iter(
            ints().map(|int| u16::try_from(int?).ok()),
        )),
        ColumnType::Event("line") => Arc::new(UInt32Array::from_iter(
            ints().map(|int| u32::try_from(int?).ok()),
        )),
        ColumnType::Event("timestamp") | ColumnType::I64 => Arc::new(Int64Array::from_iter(
            ints().map(|int| i64::try_from(int?).ok()),
        )),
        ColumnType::Event(_) => dictionary(values, kept)?,
        ColumnType::Decimal => Arc::new(
            Decimal128Array::from_iter(ints())
                .with_precision_and_scale(DECIMAL_DIGITS, 0)
                .map_err(broken)?,
        ),
        ColumnType::F64 => Arc::new(Float64Array::from_iter(each().map(|value| float(value?)))),
        ColumnType::Bool => Arc::new(BooleanArray::from_iter(each().map(|value| match value {
            Some(Scalar::Bool(value)) => Some(*value),
            _ => None,
        }))),
        ColumnType::Utf8 => {
            let texts: Vec<Option<&str>> = each().map(|value| text(value?)).collect();
            text_array(texts.iter().map(Option::as_deref))?
        }
        ColumnType::Json => {
            let texts: Vec<Option<String>> = each().map(|value| value.map(json)).collect();
            text_array(texts.iter().map(Option::as_deref))?
        }
    })
}

fn int(value: &Scalar<'_>) -> Option<i128> {
    match value {
        Scalar::Int(int) => Some(*int),
        _ => None,
    }
}

fn float(value: &Scalar<'_>) -> Option<f64> {
    match value {
        Scalar::Int(int) => Some(*int as f64),
        Scalar::Float(float) => Some(*float),
        _ => None,
    }
}

fn text<'a>(value: &'a Scalar<'_>) -> Option<&'a str> {
    match value {
        Scalar::Text(text) => Some(text),
        _ => None,
    }
}

/// As the store writes it: an integer that a float holds has a point or an exponent if it is a float.
fn json(value: &Scalar<'_>) -> String {
    match value {
        Scalar::Bool(value) => value.to_string(),
        Scalar::Int(int) => int.to_string(),
        Scalar::Float(float) if float.fract() == 0.0 && float.abs() <= SAFE_INTEGER_MAX as f64 => {
            float.to_string()
        }
        Scalar::Float(float) => format!("{float:?}"),
        Scalar::Text(text) => {
            let mut quoted = Vec::with_capacity(text.len() + 2);
            kinescope_ring::write_string(text, &mut quoted);
            String::from_utf8(quoted).unwrap_or_default()
        }
    }
}

/// A dictionary of just the texts that the kept groups use.
fn dictionary(values: &ColumnValues, kept: &[u32]) -> Result<ArrayRef, Error> {
    let mut by_code: Vec<Option<i32>> = vec![None; values.values.len()];
    let mut texts: Vec<Option<&str>> = Vec::new();
    let codes = values.codes.as_deref().unwrap_or_default();
    let keys = kept.iter().map(|&group| {
        let code = codes.get(group as usize).copied().unwrap_or(ABSENT);
        let text = text(values.values[code as usize].as_ref()?)?;
        Some(*by_code[code as usize].get_or_insert_with(|| {
            texts.push(Some(text));
            texts.len() as i32 - 1
        }))
    });
    let keys = Int32Array::from_iter(keys);
    let texts = text_array(texts.into_iter())?;
    DictionaryArray::<Int32Type>::try_new(keys, texts)
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(broken)
}

fn text_array<'a>(texts: impl Iterator<Item = Option<&'a str>> + Clone) -> Result<ArrayRef, Error> {
    let total: usize = texts.clone().flatten().map(str::len).sum();
    i32::try_from(total).map_err(|_| {
        Error::resource_exhausted(
            "aggregateEvents: the groups' text is over 2 GiB; use limit, or group by less",
        )
    })?;
    Ok(Arc::new(texts.collect::<StringArray>()))
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorCode::Io,
        format!("aggregated groups are not valid Arrow: {error}"),
    )
}
