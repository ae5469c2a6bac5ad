//! Evaluates conditions over a segment, column by column, into bitmaps.

use std::cmp::Ordering;

use kinescope_store::columns::{DictionaryColumn, NullableColumn};
use kinescope_store::index::SegmentIndex;
use kinescope_store::{Part, Segment};

use crate::bitmap::Bitmap;
use crate::cancel::Cancel;
use crate::code_filter::{retain_code, retain_codes};
use crate::condition::{Comparison, Condition, Field, NumberColumn, Test};
use crate::json;
use crate::path_filter::retain_path;
use crate::path_reader::in_data;
use crate::scalar::{Scalar, number_of_text};
use crate::tag_filter::retain_tag;
use crate::text_search;

/// Rows of a segment, all of them visible.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// The segment.
    pub segment: &'a Segment,
    /// Where they end.
    pub count: usize,
    /// What makes queries of them fast; covers all of them where it is there.
    pub index: Option<&'a SegmentIndex>,
    /// Who may not want the answer any more.
    pub(crate) cancel: Option<&'a Cancel>,
}

/// Rows that are looked at between two questions whether the answer is still wanted: a millisecond or so at most.
const STEPS: usize = 1024;

impl<'a> Rows<'a> {
    /// Rows of a part.
    pub fn of(part: &Part<'a>) -> Self {
        Self {
            segment: part.segment,
            count: part.rows.end,
            index: part.index,
            cancel: None,
        }
    }

    /// The first rows of a segment, with an index that covers all of them if there is one.
    pub fn first(segment: &'a Segment, count: usize, index: Option<&'a SegmentIndex>) -> Self {
        Self {
            segment,
            count,
            index,
            cancel: None,
        }
    }

    /// Whether to stop, asked in every step of a long loop. What has been found by then is thrown away.
    pub(crate) fn is_stopped(&self, step: usize) -> bool {
        let is_asked = step.is_multiple_of(STEPS);
        is_asked && self.cancel.is_some_and(|cancel| cancel.check().is_err())
    }

    /// Keeps the candidates that satisfy `keep`, which looks at one row after the other and may take its time.
    pub(crate) fn retain_each(&self, candidates: &mut Bitmap, keep: impl Fn(usize) -> bool) {
        let (mut step, mut stopped) = (0, false);
        candidates.retain_rows(|row| {
            step += 1;
            stopped |= self.is_stopped(step);
            !stopped && keep(row)
        });
    }
}

/// Keeps those rows of `candidates` that satisfy `condition`.
pub fn retain(condition: &Condition, rows: Rows<'_>, candidates: &mut Bitmap) {
    if candidates.is_empty() {
        return;
    }
    match condition {
        Condition::And(parts) => {
            let mut parts: Vec<&Condition> = parts.iter().collect();
            parts.sort_by_key(|part| part.cost());
            parts
                .into_iter()
                .for_each(|part| retain(part, rows, candidates));
        }
        Condition::Or(parts) => {
            let mut left = candidates.clone();
            for part in parts {
                let mut accepted = left.clone();
                retain(part, rows, &mut accepted);
                left.subtract(&accepted);
            }
            candidates.subtract(&left);
        }
        Condition::Not(inner) => {
            let mut refused = candidates.clone();
            retain(inner, rows, &mut refused);
            candidates.subtract(&refused);
        }
        Condition::Test(field, test) => retain_test(field, test, rows, candidates),
        Condition::Text(parts) => text_search::retain_text(parts, rows, candidates),
    }
}

fn retain_test(field: &Field, test: &Test, rows: Rows<'_>, candidates: &mut Bitmap) {
    match field {
        Field::Number(column) => retain_number(*column, test, rows, candidates),
        Field::Text(column, nullable) => retain_text(*column, *nullable, test, rows, candidates),
        Field::Tags => {
            // Nothing but existence can be asked of the map as a whole.
            if matches!(test, Test::Exists) {
                retain_valid(NullableColumn::Tags, rows, candidates);
            } else {
                candidates.clear();
            }
        }
        Field::Tag(key) => retain_tag(key, test, rows, candidates),
        Field::Path(path) => retain_path(path, test, rows, candidates),
    }
}

/// Keeps rows that have a value in the column.
pub(crate) fn retain_valid(column: NullableColumn, rows: Rows<'_>, candidates: &mut Bitmap) {
    let validity = &rows.segment.columns.validity[column as usize];
    candidates.intersect_words(|index| validity.word(index));
}

/// The text of a row's tag.
pub(crate) fn tag<'a>(rows: Rows<'a>, row: usize, key: &str) -> Option<&'a str> {
    let columns = &rows.segment.columns;
    let offsets = columns.tag_offsets.slice(rows.count + 1);
    let entry = (offsets[row] as usize..offsets[row + 1] as usize)
        .find(|&entry| columns.tag_keys.text(entry) == key)?;
    Some(columns.tag_values.text(entry))
}

/// Tags are text; against a number or a boolean they count as what their text is in JSON.
pub(crate) fn tag_holds(test: &Test, text: &str) -> bool {
    let holds_for = |wanted: &Scalar<'_>, accept: &dyn Fn(&Scalar<'_>) -> bool| match wanted {
        Scalar::Text(_) => accept(&Scalar::Text(text.into())),
        Scalar::Bool(_) => {
            matches!(text, "true" | "false") && accept(&Scalar::Bool(text == "true"))
        }
        Scalar::Int(_) | Scalar::Float(_) => {
            number_of_text(text).is_some_and(|number| accept(&number))
        }
    };
    match test {
        Test::Compare(_, wanted) => holds_for(wanted, &|value| test.holds(value)),
        Test::In(wanted) => wanted.iter().any(|wanted| {
            holds_for(wanted, &|value| {
                value.compare(wanted).is_some_and(Ordering::is_eq)
            })
        }),
        _ => test.holds(&Scalar::Text(text.into())),
    }
}

fn retain_text(
    column: DictionaryColumn,
    nullable: Option<NullableColumn>,
    test: &Test,
    rows: Rows<'_>,
    candidates: &mut Bitmap,
) {
    let dictionary = &rows.segment.columns.dictionaries[column as usize];
    match test {
        Test::Exists => {
            if let Some(nullable) = nullable {
                retain_valid(nullable, rows, candidates);
            }
        }
        Test::Compare(Comparison::Eq, Scalar::Text(text)) => match dictionary.code_of(text) {
            Some(wanted) => retain_code(column, nullable, wanted, rows, candidates),
            None => candidates.clear(),
        },
        _ => {
            let passes =
                |code: u32| test.holds(&Scalar::Text(dictionary.text(code as usize).into()));
            retain_codes(column, nullable, passes, rows, candidates);
        }
    }
}

/// The integers that pass a comparison, as an inclusive range; none when there is none.
pub(crate) fn int_bounds(how: Comparison, wanted: &Scalar<'_>) -> Option<(i128, i128)> {
    // Far beyond every column's range, and far from overflowing.
    const END: i128 = 1 << 100;
    let (floor, is_whole) = match *wanted {
        Scalar::Int(int) => (int.clamp(-END, END), true),
        Scalar::Float(float) => (
            float.floor().clamp(-(END as f64), END as f64) as i128,
            float == float.floor(),
        ),
        Scalar::Bool(_) | Scalar::Text(_) => return None,
    };
    let above = floor + 1;
    let (low, high) = match how {
        Comparison::Eq => (if is_whole { floor } else { above }, floor),
        Comparison::Lt => (-END, if is_whole { floor - 1 } else { floor }),
        Comparison::Lte => (-END, floor),
        Comparison::Gt => (above, END),
        Comparison::Gte => (if is_whole { floor } else { above }, END),
    };
    (low <= high).then_some((low, high))
}

fn retain_number(column: NumberColumn, test: &Test, rows: Rows<'_>, candidates: &mut Bitmap) {
    if let Some(nullable) = nullable_of(column) {
        retain_valid(nullable, rows, candidates);
    }
    let bounds = match test {
        Test::Exists => return,
        Test::Compare(how, wanted) => int_bounds(*how, wanted).into_iter().collect(),
        Test::In(wanted) => wanted
            .iter()
            .filter_map(|wanted| int_bounds(Comparison::Eq, wanted))
            .collect(),
        Test::Contains(_) | Test::StartsWith(_) | Test::Matches(_) => Vec::new(),
    };
    let columns = &rows.segment.columns;
    match column {
        NumberColumn::Seq => retain_bounds(columns.seq.slice(rows.count), &bounds, candidates),
        NumberColumn::EventId => {
            retain_bounds(columns.event_id.slice(rows.count), &bounds, candidates)
        }
        NumberColumn::Timestamp => {
            retain_bounds(columns.timestamp.slice(rows.count), &bounds, candidates)
        }
        NumberColumn::WallTime => {
            retain_bounds(columns.wall_time.slice(rows.count), &bounds, candidates)
        }
        NumberColumn::ParentId => {
            retain_bounds(columns.parent_id.slice(rows.count), &bounds, candidates)
        }
        NumberColumn::Arity => retain_bounds(columns.arity.slice(rows.count), &bounds, candidates),
        NumberColumn::Line => retain_bounds(columns.line.slice(rows.count), &bounds, candidates),
    }
}

fn retain_bounds<T>(values: &[T], bounds: &[(i128, i128)], candidates: &mut Bitmap)
where
    T: Copy + Ord + TryFrom<i128> + Into<i128>,
{
    let narrow: Vec<(T, T)> = bounds.iter().filter_map(|&bound| narrowed(bound)).collect();
    match narrow[..] {
        [] => candidates.clear(),
        [(low, high)] => candidates.retain(values, |value| low <= value && value <= high),
        _ => candidates.retain(values, |value| {
            narrow
                .iter()
                .any(|&(low, high)| low <= value && value <= high)
        }),
    }
}

/// Bounds in the column's own width; none when they lie outside of it.
fn narrowed<T: Copy + Ord + TryFrom<i128> + Into<i128>>(
    (low, high): (i128, i128),
) -> Option<(T, T)> {
    let (min, max) = width_of::<T>();
    let (low, high) = (low.max(min), high.min(max));
    if low > high {
        return None;
    }
    Some((T::try_from(low).ok()?, T::try_from(high).ok()?))
}

/// The range of a column's type.
fn width_of<T: TryFrom<i128>>() -> (i128, i128) {
    let bits = size_of::<T>() * 8;
    let is_signed = T::try_from(-1).is_ok();
    if is_signed {
        (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1)
    } else {
        (0, (1i128 << bits) - 1)
    }
}

/// The validity of a column of fixed width that may be null.
pub(crate) fn nullable_of(column: NumberColumn) -> Option<NullableColumn> {
    match column {
        NumberColumn::ParentId => Some(NullableColumn::ParentId),
        NumberColumn::Arity => Some(NullableColumn::Arity),
        NumberColumn::Line => Some(NullableColumn::Line),
        _ => None,
    }
}

/// A row's value of a field; none when it is absent, an object, or an array.
pub fn value<'a>(field: &Field, rows: Rows<'a>, row: usize) -> Option<Scalar<'a>> {
    let columns = &rows.segment.columns;
    let int = |value: i128| Some(Scalar::Int(value));
    match field {
        Field::Number(column) => {
            if nullable_of(*column).is_some_and(|nullable| !rows.segment.is_valid(nullable, row)) {
                return None;
            }
            match column {
                NumberColumn::Seq => int(columns.seq.slice(rows.count)[row].into()),
                NumberColumn::EventId => int(columns.event_id.slice(rows.count)[row].into()),
                NumberColumn::Timestamp => int(columns.timestamp.slice(rows.count)[row].into()),
                NumberColumn::WallTime => int(columns.wall_time.slice(rows.count)[row].into()),
                NumberColumn::ParentId => int(columns.parent_id.slice(rows.count)[row].into()),
                NumberColumn::Arity => int(columns.arity.slice(rows.count)[row].into()),
                NumberColumn::Line => int(columns.line.slice(rows.count)[row].into()),
            }
        }
        Field::Text(column, nullable) => {
            if nullable.is_some_and(|nullable| !rows.segment.is_valid(nullable, row)) {
                return None;
            }
            let code = columns.codes[*column as usize].slice(rows.count)[row];
            Some(Scalar::Text(
                columns.dictionaries[*column as usize]
                    .text(code as usize)
                    .into(),
            ))
        }
        Field::Tags => None,
        Field::Tag(key) => tag(rows, row, key).map(|text| Scalar::Text(text.into())),
        Field::Path(path) => match in_data(rows, row, path)? {
            json::Found::Scalar(value) => Some(value),
            json::Found::Container(_) => None,
        },
    }
}
