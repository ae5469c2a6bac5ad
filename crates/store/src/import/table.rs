//! Imported events that come as columns.

use kinescope_ring::{CaptureLimits, JsonCapture};

use super::batch::{ImportBatch, foreign_id};
use super::codes::Codes;
use super::invalid;
use super::staging::{Full, Staging};
use super::values::Integers;
use crate::columns::DictionaryColumn;
use crate::error::Error;
use crate::row::{RowValues, Tag};

/// What stands in for fields that a row leaves out.
pub(super) struct Defaults<'a> {
    pub(super) node: &'a str,
    pub(super) pid: &'a str,
}

/// Puts all rows into segments, each with its id.
///
/// # Errors
/// `INVALID_ARGUMENT` naming the column and the row; as [`Staging::append`].
pub(super) fn stage(
    batches: Vec<ImportBatch>,
    ids: &[u64],
    defaults: &Defaults<'_>,
    limits: CaptureLimits,
    times: impl Fn(Option<i64>, Option<i64>) -> (i64, i64),
    staging: &mut Staging<'_>,
) -> Result<(), Error> {
    let mut json = JsonCapture::new(limits);
    let mut first_row = 0;
    let has_ids = batches.iter().any(|batch| batch.event_id.is_some());
    for batch in batches {
        let mut rows = Rows::of(&batch, defaults, has_ids, json.limits(), first_row)?;
        let mut tags = Vec::new();
        for (row, &event_id) in ids[first_row..first_row + batch.rows].iter().enumerate() {
            rows.tags(row, json.limits(), &mut tags);
            let data = rows.data(row, &mut json)?;
            let timestamp = rows.time(row, "timestamp", batch.timestamp.as_ref())?;
            let wall_time = rows.time(row, "wall_time", batch.wall_time.as_ref())?;
            let (timestamp, wall_time) = times(timestamp, wall_time);
            let values = RowValues {
                event_id,
                timestamp,
                wall_time,
                parent_id: rows.parent_id(row),
                arity: rows.integer(row, "arity", batch.arity.as_ref(), 0)?,
                line: rows.integer(row, "line", batch.line.as_ref(), 1)?,
                tags: (!tags.is_empty()).then_some(&tags),
                data,
            };
            let text_bytes = rows.text_bytes(row, &values);
            let codes = &mut rows.codes;
            staging.append(text_bytes, |open, generation| {
                let codes = codes.of_row(row, open, generation).ok_or(Full)?;
                open.push(&values, &codes).then_some(()).ok_or(Full)
            })?;
        }
        first_row += batch.rows;
    }
    Ok(())
}

/// Reads one batch's rows.
struct Rows<'a> {
    batch: &'a ImportBatch,
    codes: Codes<'a>,
    has_ids: bool,
    redact: bool,
    /// Of the batch's first row in the whole table.
    first_row: usize,
}

impl<'a> Rows<'a> {
    fn of(
        batch: &'a ImportBatch,
        defaults: &Defaults<'a>,
        has_ids: bool,
        limits: &CaptureLimits,
        first_row: usize,
    ) -> Result<Self, Error> {
        let event_types = batch.texts[DictionaryColumn::EventType as usize].as_ref();
        let is_missing =
            |row: &usize| event_types.is_none_or(|event_types| event_types.get(*row).is_none());
        if let Some(row) = (0..batch.rows).find(is_missing) {
            return Err(at_row("event_type", first_row + row, "a text, got null"));
        }
        let Defaults { node, pid } = *defaults;
        let codes = Codes::of(batch, node, pid, limits);
        Ok(Self {
            batch,
            codes,
            has_ids,
            redact: !limits.redact.is_empty(),
            first_row,
        })
    }

    fn error(&self, column: &str, row: usize, expected: &str) -> Error {
        at_row(column, self.first_row + row, expected)
    }

    fn parent_id(&self, row: usize) -> Option<u64> {
        let id = self.batch.parent_id.as_ref()?.get(row)?;
        if self.has_ids {
            foreign_id(id)
        } else {
            u64::try_from(id).ok()
        }
    }

    fn integer<T: TryFrom<i128>>(
        &self,
        row: usize,
        name: &str,
        values: Option<&Integers>,
        min: i128,
    ) -> Result<Option<T>, Error> {
        let Some(value) = values.and_then(|values| values.get(row)) else {
            return Ok(None);
        };
        let fitting = (value >= min).then(|| T::try_from(value).ok()).flatten();
        let largest = (1i128 << (8 * size_of::<T>())) - 1;
        fitting.map(Some).ok_or_else(|| {
            let expected = format!("an integer from {min} to {largest}, got {value}");
            self.error(name, row, &expected)
        })
    }

    fn time(
        &self,
        row: usize,
        name: &str,
        values: Option<&(Integers, i64)>,
    ) -> Result<Option<i64>, Error> {
        let Some((values, unit_ns)) = values else {
            return Ok(None);
        };
        let Some(value) = values.get(row) else {
            return Ok(None);
        };
        let nanoseconds = value.checked_mul(i128::from(*unit_ns));
        let nanoseconds = nanoseconds.and_then(|nanoseconds| i64::try_from(nanoseconds).ok());
        nanoseconds
            .map(Some)
            .ok_or_else(|| self.error(name, row, "a time within 64 bits of nanoseconds"))
    }

    /// Tags as the recorder stores them: the last of equal keys, without those that are redacted.
    fn tags(&self, row: usize, limits: &CaptureLimits, out: &mut Vec<Tag<'a>>) {
        out.clear();
        let Some(tags) = &self.batch.tags else { return };
        if tags.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return;
        }
        for entry in tags.offsets[row] as usize..tags.offsets[row + 1] as usize {
            let (Some(key), Some(value)) = (tags.keys.get(entry), tags.values.get(entry)) else {
                continue;
            };
            let is_left_out = self.redact && limits.redact.contains(key);
            if is_left_out || limits.cut_text(key).len() < key.len() {
                continue;
            }
            let value = limits.cut_text(value).into();
            match out.iter_mut().find(|(other, _)| other == key) {
                Some(tag) => tag.1 = value,
                None => out.push((key.into(), value)),
            }
        }
    }

    fn data<'j>(&self, row: usize, json: &'j mut JsonCapture) -> Result<Option<&'j str>, Error>
    where
        'a: 'j,
    {
        let Some(text) = self.batch.data.as_ref().and_then(|data| data.get(row)) else {
            return Ok(None);
        };
        let captured = json.capture(text).map_err(|error| {
            let expected = format!(
                "JSON: expected {} at byte {}",
                error.expected, error.at_byte
            );
            self.error("data", row, &expected)
        })?;
        Ok(Some(captured))
    }

    /// An upper bound of the text that a row puts into any one column, unless it is small.
    fn text_bytes(&self, row: usize, values: &RowValues<'_>) -> usize {
        let tags = values.tags.unwrap_or_default().iter();
        let tags: usize = tags.map(|(key, value)| key.len() + value.len()).sum();
        let largest = self.codes.text_bytes_max(row);
        largest.max(tags).max(values.data.map_or(0, str::len))
    }
}

fn at_row(column: &str, row: usize, expected: &str) -> Error {
    invalid(format!("events.{column}[{row}]: expected {expected}"))
}
