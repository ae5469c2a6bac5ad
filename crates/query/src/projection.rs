//! Which fields an answer has, and of which types.

use kinescope_store::columns::event_schema;
use kinescope_store::index::paths::PathColumn;
use kinescope_store::{EventId, Snapshot};

use crate::condition::{Field, NumberColumn};
use crate::evaluate::{Rows, tag};
use crate::json::{Found, text_at};
use crate::path_reader::PathReader;
use crate::scalar::{Scalar, number_of_text};

/// The type of a projected value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettledType {
    /// The whole column, as it is.
    Column,
    /// Integers of 64 bits.
    I64,
    /// Numbers.
    F64,
    /// Booleans.
    Bool,
    /// Texts.
    Utf8,
    /// JSON text of any value.
    Json,
}

impl SettledType {
    const ALL: [Self; 6] = [
        Self::Column,
        Self::I64,
        Self::F64,
        Self::Bool,
        Self::Utf8,
        Self::Json,
    ];

    /// For tokens.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The reverse of [`SettledType::number`].
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|settled| settled.number() == number)
    }

    /// The name in `as`; a whole column has none.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Column => None,
            Self::I64 => Some("i64"),
            Self::F64 => Some("f64"),
            Self::Bool => Some("bool"),
            Self::Utf8 => Some("utf8"),
            Self::Json => Some("json"),
        }
    }

    /// The type of this name in `as`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|settled| settled.name() == Some(name))
    }
}

/// A projected item as it is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What.
    pub field: Field,
    /// The name of a whole column in the schema; none for paths and tags.
    pub column: Option<usize>,
    /// As what; none: a column as it is, a tag as text, a path as what the snapshot holds.
    pub as_type: Option<SettledType>,
}

/// The index of a column in the public schema.
pub fn column_index(name: &str) -> Option<usize> {
    event_schema().index_of(name).ok()
}

/// A projected item with its type.
#[derive(Clone, Debug, PartialEq)]
pub struct SettledItem {
    /// What.
    pub field: Field,
    /// Set for a whole column.
    pub column: Option<usize>,
    /// Of which type.
    pub settled: SettledType,
}

/// The items with the types that they have in this snapshot.
pub fn settle(items: &[Item], snapshot: &Snapshot) -> Vec<SettledType> {
    items
        .iter()
        .map(|item| settle_item(item, snapshot))
        .collect()
}

fn settle_item(item: &Item, snapshot: &Snapshot) -> SettledType {
    settle_item_by(item, |path| path_type(path, snapshot))
}

fn settle_item_by(item: &Item, path_type: impl Fn(&[String]) -> SettledType) -> SettledType {
    if let Some(settled) = item.as_type {
        return settled;
    }
    match &item.field {
        _ if item.column.is_some() => SettledType::Column,
        Field::Path(path) => path_type(path),
        _ => SettledType::Utf8,
    }
}

/// The items with types that do not depend on any snapshot: a path without a type is JSON text.
pub fn settle_for_any(items: Vec<Item>) -> Vec<SettledItem> {
    let settled = |item: Item| SettledItem {
        settled: settle_item_by(&item, |_| SettledType::Json),
        field: item.field,
        column: item.column,
    };
    items.into_iter().map(settled).collect()
}

/// All integers `i64`, numbers `f64`, one type that type, anything else and nothing at all `json`.
fn path_type(path: &[String], snapshot: &Snapshot) -> SettledType {
    let mut so_far: Option<SettledType> = None;
    for part in snapshot.parts() {
        let rows = Rows::of(&part);
        let reader = PathReader::new(rows, path);
        let is_whole = part.whole_index().is_some();
        let mut add = |settled| {
            so_far = Some(so_far.map_or(settled, |so_far| common_type(so_far, settled)));
            so_far != Some(SettledType::Json)
        };
        let goes_on = match reader.column() {
            Some(column) if is_whole => types_of(column).into_iter().all(&mut add),
            _ => part
                .rows
                .filter_map(|row| reader.found(row))
                .all(|value| add(type_of(&value))),
        };
        if !goes_on {
            return SettledType::Json;
        }
    }
    so_far.unwrap_or(SettledType::Json)
}

fn type_of(value: &Found<'_>) -> SettledType {
    match value {
        Found::Scalar(Scalar::Int(int)) if i64::try_from(*int).is_ok() => SettledType::I64,
        Found::Scalar(Scalar::Int(_) | Scalar::Float(_)) => SettledType::F64,
        Found::Scalar(Scalar::Bool(_)) => SettledType::Bool,
        Found::Scalar(Scalar::Text(_)) => SettledType::Utf8,
        Found::Container(_) => SettledType::Json,
    }
}

/// The types that occur in a column.
fn types_of(column: &PathColumn) -> Vec<SettledType> {
    let has_bools = !column.trues.is_empty() || !column.falses.is_empty();
    let has_containers = !column.objects.is_empty() || !column.arrays.is_empty();
    let types = [
        (SettledType::I64, column.ints.is_some()),
        (
            SettledType::F64,
            column.floats.is_some() || !column.large.is_empty(),
        ),
        (SettledType::Bool, has_bools),
        (SettledType::Utf8, column.texts.is_some()),
        (SettledType::Json, has_containers),
    ];
    let occurring = types.into_iter().filter(|&(_, occurs)| occurs);
    occurring.map(|(settled, _)| settled).collect()
}

fn common_type(a: SettledType, b: SettledType) -> SettledType {
    match (a, b) {
        (SettledType::I64 | SettledType::F64, SettledType::I64 | SettledType::F64) if a != b => {
            SettledType::F64
        }
        _ if a == b => a,
        _ => SettledType::Json,
    }
}

impl SettledItem {
    /// The row's value if it is of the item's type; text and JSON as [`SettledItem::text`].
    pub(crate) fn scalar<'a>(&self, rows: Rows<'a>, row: usize) -> Option<Scalar<'a>> {
        let value = match &self.field {
            Field::Tag(key) => {
                let text = tag(rows, row, key)?;
                match self.settled {
                    SettledType::Bool => {
                        matches!(text, "true" | "false").then_some(Scalar::Bool(text == "true"))?
                    }
                    _ => number_of_text(text)?,
                }
            }
            field => shown_value(field, rows, row)?,
        };
        Some(value)
    }

    /// As an integer of 64 bits.
    pub(crate) fn int(&self, rows: Rows<'_>, row: usize) -> Option<i64> {
        match self.scalar(rows, row)? {
            Scalar::Int(int) => i64::try_from(int).ok(),
            // A float without a fraction, within the range; the upper end itself is one too many.
            Scalar::Float(float)
                if float.fract() == 0.0
                    && (-9.223_372_036_854_776e18..9.223_372_036_854_776e18).contains(&float) =>
            {
                Some(float as i64)
            }
            _ => None,
        }
    }

    /// As a float, rounded.
    pub(crate) fn float(&self, rows: Rows<'_>, row: usize) -> Option<f64> {
        match self.scalar(rows, row)? {
            Scalar::Int(int) => Some(int as f64),
            Scalar::Float(float) => Some(float),
            _ => None,
        }
    }

    /// As a boolean.
    pub(crate) fn bool(&self, rows: Rows<'_>, row: usize) -> Option<bool> {
        match self.scalar(rows, row)? {
            Scalar::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// As text, or as JSON text.
    pub(crate) fn text<'a>(&self, rows: Rows<'a>, row: usize) -> Option<std::borrow::Cow<'a, str>> {
        if self.settled == SettledType::Json {
            return self.json(rows, row);
        }
        let value = match &self.field {
            Field::Tag(key) => return tag(rows, row, key).map(Into::into),
            field => shown_value(field, rows, row)?,
        };
        match value {
            Scalar::Text(text) => Some(text),
            _ => None,
        }
    }

    fn json<'a>(&self, rows: Rows<'a>, row: usize) -> Option<std::borrow::Cow<'a, str>> {
        match &self.field {
            Field::Path(path) => {
                let is_there = rows
                    .segment
                    .is_valid(kinescope_store::columns::NullableColumn::Data, row);
                is_there
                    .then(|| text_at(rows.segment.columns.data.text(row), path))
                    .flatten()
                    .map(Into::into)
            }
            Field::Tags => tags_json(rows, row).map(Into::into),
            Field::Tag(key) => tag(rows, row, key).map(|text| quoted(text).into()),
            field => shown_value(field, rows, row).map(|value| match value {
                Scalar::Text(text) => quoted(&text).into(),
                Scalar::Int(int) => int.to_string().into(),
                Scalar::Float(float) => float.to_string().into(),
                Scalar::Bool(value) => value.to_string().into(),
            }),
        }
    }
}

/// A value as JavaScript sees it: event ids are text there.
fn shown_value<'a>(field: &Field, rows: Rows<'a>, row: usize) -> Option<Scalar<'a>> {
    let value = crate::evaluate::value(field, rows, row)?;
    match (field, value) {
        (Field::Number(NumberColumn::EventId | NumberColumn::ParentId), Scalar::Int(id)) => {
            let id = u64::try_from(id).ok()?;
            Some(Scalar::Text(EventId(id).to_string().into()))
        }
        (_, value) => Some(value),
    }
}

fn tags_json(rows: Rows<'_>, row: usize) -> Option<String> {
    let columns = &rows.segment.columns;
    if !rows
        .segment
        .is_valid(kinescope_store::columns::NullableColumn::Tags, row)
    {
        return None;
    }
    let offsets = columns.tag_offsets.slice(rows.count + 1);
    let entries = (offsets[row] as usize..offsets[row + 1] as usize).map(|entry| {
        format!(
            "{}:{}",
            quoted(columns.tag_keys.text(entry)),
            quoted(columns.tag_values.text(entry))
        )
    });
    Some(format!("{{{}}}", entries.collect::<Vec<_>>().join(",")))
}

/// A JSON string, as the store writes it.
fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    kinescope_ring::write_string(text, &mut out);
    // Escaping takes whole characters and leaves valid text.
    String::from_utf8(out).unwrap_or_default()
}
