//! Reads the values of one path of one segment: from a column where the index has one, else out of `data`.

use kinescope_store::columns::NullableColumn;
use kinescope_store::index::paths::{PathColumn, PathLookup, PathValue};
use kinescope_store::index::tags::TagColumn;
use kinescope_store::json::{self, Found};

use crate::condition::Field;
use crate::evaluate::{Rows, value};
use crate::scalar::Scalar;
use crate::tag_filter::tag_at;

/// A path that has been looked up in a segment.
pub(crate) struct PathReader<'a> {
    rows: Rows<'a>,
    path: &'a [String],
    known: PathLookup<'a>,
}

/// What the segment's index knows of a path.
pub(crate) fn look_up<'a>(rows: Rows<'a>, path: &[String]) -> PathLookup<'a> {
    let paths = rows.index.and_then(|index| index.paths.as_ref());
    paths.map_or(PathLookup::Unknown, |paths| paths.find(path))
}

impl<'a> PathReader<'a> {
    pub(crate) fn new(rows: Rows<'a>, path: &'a [String]) -> Self {
        Self {
            rows,
            path,
            known: look_up(rows, path),
        }
    }

    /// All values, where they are known.
    pub(crate) fn column(&self) -> Option<&'a PathColumn> {
        match self.known {
            PathLookup::Column(column) => Some(column),
            PathLookup::Absent | PathLookup::Unknown => None,
        }
    }

    /// What stands there in a row.
    pub(crate) fn found(&self, row: usize) -> Option<Found<'a>> {
        let data = &self.rows.segment.columns.data;
        match self.known {
            PathLookup::Absent => None,
            PathLookup::Unknown => in_data(self.rows, row, self.path),
            PathLookup::Column(column) => Some(Found::Scalar(match column.value(row, data)? {
                PathValue::Int(int) => Scalar::Int(int.into()),
                PathValue::Float(float) => Scalar::Float(float),
                PathValue::Bool(value) => Scalar::Bool(value),
                PathValue::Text(text) => Scalar::Text(text),
                PathValue::Other => return in_data(self.rows, row, self.path),
            })),
        }
    }

    /// The value in a row; none when it is absent, an object, or an array.
    pub(crate) fn scalar(&self, row: usize) -> Option<Scalar<'a>> {
        match self.found(row)? {
            Found::Scalar(value) => Some(value),
            Found::Container(_) => None,
        }
    }
}

/// What stands at a path of a row's `data`.
pub(crate) fn in_data<'a>(rows: Rows<'a>, row: usize, path: &[String]) -> Option<Found<'a>> {
    if !rows.segment.is_valid(NullableColumn::Data, row) {
        return None;
    }
    json::value_at(rows.segment.columns.data.text(row), path)
}

/// Reads a field of one segment's rows.
pub(crate) struct FieldReader<'a> {
    field: &'a Field,
    rows: Rows<'a>,
    known: Known<'a>,
}

enum Known<'a> {
    Path(PathReader<'a>),
    Tag(&'a TagColumn),
    Nothing,
}

impl<'a> FieldReader<'a> {
    pub(crate) fn new(field: &'a Field, rows: Rows<'a>) -> Self {
        let tag = |key: &str| rows.index?.tags.as_ref()?.find(key);
        let known = match field {
            Field::Path(path) => Known::Path(PathReader::new(rows, path)),
            Field::Tag(key) => tag(key).map_or(Known::Nothing, Known::Tag),
            _ => Known::Nothing,
        };
        Self { field, rows, known }
    }

    /// A row's value; none when it is absent, an object, or an array.
    #[inline]
    pub(crate) fn scalar(&self, row: usize) -> Option<Scalar<'a>> {
        match &self.known {
            Known::Path(path) => path.scalar(row),
            Known::Tag(column) => {
                tag_at(column, row, self.rows).map(|text| Scalar::Text(text.into()))
            }
            Known::Nothing => value(self.field, self.rows, row),
        }
    }
}
