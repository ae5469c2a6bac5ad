//! Imported events that come as records.

use kinescope_ring::{
    Definitions, EventFields, EventRecord, Malformed, RecordTime, Text, read_events, write_value,
};

use super::staging::{Full, Staging};
use crate::columns::DictionaryColumn;
use crate::error::{Error, ErrorCode};
use crate::row::{RowCodes, RowValues, SiteCodes, Tag};
use crate::segment_builder::SegmentBuilder;

/// What stands in for fields that an event leaves out.
pub(super) struct Defaults<'a> {
    pub(super) node: &'a str,
    pub(super) pid: &'a str,
    pub(super) definitions: &'a Definitions,
}

/// Puts all records into segments, each with its id.
///
/// # Errors
/// `IO` for records that are not as their format says; as [`Staging::append`].
pub(super) fn stage(
    pieces: &[Vec<u8>],
    ids: &[u64],
    defaults: &Defaults<'_>,
    times: impl Fn(Option<i64>, Option<i64>) -> (i64, i64),
    staging: &mut Staging<'_>,
) -> Result<(), Error> {
    let mut ids = ids.iter().copied();
    let mut json = Vec::new();
    for record in pieces.iter().flat_map(|piece| read_events(piece)) {
        let record = record.map_err(broken)?;
        let Some(event_id) = ids.next() else {
            return Err(miscounted());
        };
        let fields = record.fields().map_err(broken)?;
        let event = Event::of(&record, &fields, defaults, &mut json)?;
        let (timestamp, wall_time) = times(event.timestamp, fields.wall_time_ns);
        let values = RowValues {
            event_id,
            timestamp,
            wall_time,
            parent_id: value(fields.parent_id),
            arity: fields.arity,
            line: fields.line,
            tags: (!event.tags.is_empty()).then_some(&event.tags),
            data: event.data,
        };
        staging.append(event.text_bytes(), |open, _generation| {
            let codes = event.codes(open).ok_or(Full)?;
            open.push(&values, &codes).then_some(()).ok_or(Full)
        })?;
    }
    if ids.next().is_some() {
        return Err(miscounted());
    }
    Ok(())
}

fn broken(error: Malformed) -> Error {
    Error::new(
        ErrorCode::Io,
        format!("an imported event's record: {error}"),
    )
}

fn miscounted() -> Error {
    Error::new(
        ErrorCode::Io,
        "imported events: expected an id for each record",
    )
}

fn value<T>(field: kinescope_ring::Inherited<T>) -> Option<T> {
    match field {
        kinescope_ring::Inherited::Value(value) => Some(value),
        _ => None,
    }
}

/// An event's texts, resolved.
struct Event<'a> {
    timestamp: Option<i64>,
    event_type: &'a str,
    node: &'a str,
    pid: &'a str,
    correlation_id: Option<&'a str>,
    module: Option<&'a str>,
    function: Option<&'a str>,
    file: Option<&'a str>,
    tags: Vec<Tag<'a>>,
    data: Option<&'a str>,
}

impl<'a> Event<'a> {
    fn of(
        record: &EventRecord<'a>,
        fields: &EventFields<'a>,
        defaults: &Defaults<'a>,
        json: &'a mut Vec<u8>,
    ) -> Result<Self, Error> {
        let Defaults {
            node,
            pid,
            definitions,
        } = defaults;
        let text = |reference: Text<'a>| match reference {
            Text::Inline(text) => text,
            Text::Defined(id) => definitions
                .string(id)
                .map_or("", |definition| &*definition.text),
        };
        json.clear();
        let data = match fields.data {
            Some(data) => {
                write_value(data, definitions, json).map_err(broken)?;
                Some(std::str::from_utf8(json).unwrap_or_default())
            }
            None => None,
        };
        let tags = fields.tags.clone().into_iter().flatten();
        Ok(Self {
            timestamp: match record.header.time {
                RecordTime::Given(timestamp) => Some(timestamp),
                _ => None,
            },
            event_type: text(fields.event_type),
            node: fields.node.map_or(*node, text),
            pid: fields.pid.map_or(*pid, text),
            correlation_id: value(fields.correlation_id).map(text),
            module: fields.module.map(text),
            function: fields.function.map(text),
            file: fields.file.map(text),
            tags: tags
                .map(|(key, value)| (text(key).into(), text(value).into()))
                .collect(),
            data,
        })
    }

    /// None where the segment has no room for a text.
    fn codes(&self, open: &mut SegmentBuilder) -> Option<RowCodes> {
        let mut optional = |column, text: Option<&str>| match text {
            Some(text) => open.intern(column, text).map(Some),
            None => Some(None),
        };
        let correlation_id = optional(DictionaryColumn::CorrelationId, self.correlation_id)?;
        let site = SiteCodes {
            module: optional(DictionaryColumn::Module, self.module)?,
            function: optional(DictionaryColumn::Function, self.function)?,
            file: optional(DictionaryColumn::File, self.file)?,
        };
        Some(RowCodes {
            event_type: open.intern(DictionaryColumn::EventType, self.event_type)?,
            node: open.intern(DictionaryColumn::Node, self.node)?,
            pid: open.intern(DictionaryColumn::Pid, self.pid)?,
            correlation_id,
            site,
        })
    }

    /// An upper bound of the text that goes into any one column.
    fn text_bytes(&self) -> usize {
        let texts = [
            Some(self.event_type),
            Some(self.node),
            Some(self.pid),
            self.correlation_id,
            self.module,
            self.function,
            self.file,
            self.data,
        ];
        let tags = self.tags.iter().map(|(key, value)| key.len() + value.len());
        texts.into_iter().flatten().map(str::len).sum::<usize>() + tags.sum::<usize>()
    }
}
