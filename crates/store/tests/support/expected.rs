//! The rows that records must become.

use kinescope_ring::RecordTime;
use kinescope_store::EventId;

use super::model::{ANY_WALL_TIME, Context, Producer, own_id};
use super::program::{AnySite, EMITTER_FIELDS, Event, Head, Record, Site};
use super::value::{AnyText, Value, fields_json};
use super::{EventRow, NODE};

/// The row that a stored record must become.
pub fn expected(producer: &mut Producer, head: &Head, record: &Record, sequence: u64) -> EventRow {
    let timestamp = match head.time {
        RecordTime::Raw(raw_ns) | RecordTime::Coarse(raw_ns) => {
            producer.last_raw_ns = producer.last_raw_ns.max(raw_ns);
            producer.last_raw_ns
        }
        RecordTime::Given(timestamp) => timestamp,
    };
    let number = producer.number;
    let context = &producer.contexts[&head.slot];
    let mut row = EventRow {
        seq: 0,
        event_id: EventId::new(number, sequence).0,
        timestamp,
        wall_time: ANY_WALL_TIME,
        event_type: String::new(),
        node: NODE.to_owned(),
        pid: context.pid.clone(),
        correlation_id: context.correlation_id.clone(),
        parent_id: head
            .parent
            .map(|parent| EventId::new(number, parent).0)
            .or(context.parent_id),
        module: None,
        function: None,
        arity: None,
        file: None,
        line: None,
        tags: merged(&context.tags, &[]),
        data: None,
    };
    match record {
        Record::Emit(count, ok, label, kind) => {
            row.event_type = "emitted".to_owned();
            row.module = Some("emitting".to_owned());
            row.line = Some(7);
            row.data = Some(emit_json(*count, *ok, label, kind));
        }
        Record::Enter(site, data) => {
            row.event_type = "function_entry".to_owned();
            put_site(&mut row, site);
            row.data = data.as_ref().map(Value::json);
        }
        Record::Exit(site, entry_raw_ns, reason, own) => {
            row.event_type = "function_exit".to_owned();
            put_site(&mut row, site);
            let duration_ns = producer.last_raw_ns.saturating_sub(*entry_raw_ns).max(0);
            let own = own.as_deref().unwrap_or_default();
            let comma = if own.is_empty() { "" } else { "," };
            let own = fields_json(own);
            let reason = reason.name();
            row.data = Some(format!(
                r#"{{"duration_ns":{duration_ns}{comma}{own},"exit_reason":"{reason}"}}"#
            ));
        }
        Record::Event(event) => put_event(&mut row, event, context, own_id(number, sequence)),
    }
    row
}

fn emit_json(
    count: Option<i64>,
    ok: Option<bool>,
    label: &Option<String>,
    kind: &Option<AnyText>,
) -> String {
    let values = [
        count.map(Value::Integer),
        ok.map(Value::Bool),
        label.clone().map(Value::Text),
        kind.as_ref().map(|kind| Value::Text(kind.text.clone())),
    ];
    let present = EMITTER_FIELDS.iter().zip(values);
    let fields: Vec<_> = present
        .filter_map(|(name, value)| Some(((*name).to_owned(), value?)))
        .collect();
    Value::Object(fields).json()
}

fn put_event(row: &mut EventRow, event: &Event, context: &Context, own_id: u64) {
    let text = |text: &Option<AnyText>| text.as_ref().map(|text| text.text.clone());
    row.event_type.clone_from(&event.event_type.text);
    if event.has_own_id {
        row.event_id = own_id;
    }
    row.node = text(&event.node).unwrap_or(NODE.to_owned());
    row.pid = text(&event.pid).unwrap_or(context.pid.clone());
    if let Some(correlation_id) = &event.correlation_id {
        row.correlation_id = text(correlation_id);
    }
    if let Some(parent_id) = event.parent_id {
        row.parent_id = parent_id;
    }
    put_site(row, &event.site);
    put_place(row, &event.place);
    row.tags = merged(&context.tags, event.tags.as_deref().unwrap_or_default());
    row.wall_time = event.wall_time_ns.unwrap_or(ANY_WALL_TIME);
    row.data = event.data.as_ref().map(Value::json);
}

fn put_site(row: &mut EventRow, site: &AnySite) {
    match site {
        AnySite::None => {}
        AnySite::Defined(site) | AnySite::Inline(site) => put_place(row, site),
    }
}

fn put_place(row: &mut EventRow, site: &Site) {
    let text = |text: &Option<AnyText>| text.as_ref().map(|text| text.text.clone());
    row.module = text(&site.module).or(row.module.take());
    row.function = text(&site.function).or(row.function.take());
    row.arity = site.arity.or(row.arity);
    row.file = text(&site.file).or(row.file.take());
    row.line = site.line.or(row.line);
}

/// The context's tags that the event does not have itself, then the event's own; none when there are none.
fn merged(context: &[(String, String)], own: &[(String, String)]) -> Option<Vec<(String, String)>> {
    let is_own = |key: &String| own.iter().any(|(own, _)| own == key);
    let mut merged: Vec<_> = context
        .iter()
        .filter(|(key, _)| !is_own(key))
        .cloned()
        .collect();
    merged.extend(own.iter().cloned());
    (!merged.is_empty()).then_some(merged)
}
