//! Makes a row of each kind of record.

use kinescope_ring::{
    EmitRecord, EnterRecord, EventRecord, ExitRecord, Malformed, RecordHeader, Text, write_emit,
    write_exit, write_value,
};

use super::ProducerSink;
use super::references::{defined_site, inherited, site_of, tags, text, text_option, text_ref};
use crate::event_id::EventId;
use crate::row::{Inherited, Row, SiteRef, TextRef};
use crate::sync::Ordering;

impl ProducerSink<'_> {
    fn row<'a>(&mut self, header: &RecordHeader, event_type: TextRef<'a>) -> Row<'a> {
        let number = self.state.number;
        Row {
            event_id: EventId::new(number, header.sequence).0,
            timestamp: self.timestamp(header.time),
            wall_time: None,
            event_type,
            site: SiteRef::default(),
            node: None,
            pid: None,
            correlation_id: Inherited::FromContext,
            parent_id: header.parent.map_or(Inherited::FromContext, |sequence| {
                Inherited::Value(EventId::new(number, sequence).0)
            }),
            tags: &[],
            data: None,
        }
    }

    pub(super) fn event_row(&mut self, record: &EventRecord<'_>) -> Result<(), Malformed> {
        let definitions = self.definitions;
        let fields = record.fields()?;
        let mut row = self.row(&record.header, text_ref(definitions, fields.event_type));
        if let Some(given) = fields.event_id.map(EventId) {
            row.event_id = given.0;
            self.shared.note_given(given);
        }
        row.wall_time = fields.wall_time_ns;
        row.site = site_of(definitions, fields.site);
        if fields.module.is_some() || fields.function.is_some() || fields.file.is_some() {
            // Its texts are not those of the definition any more.
            row.site.id = None;
        }
        row.site.module = text_option(definitions, fields.module).or(row.site.module);
        row.site.function = text_option(definitions, fields.function).or(row.site.function);
        row.site.file = text_option(definitions, fields.file).or(row.site.file);
        row.site.arity = fields.arity.or(row.site.arity);
        row.site.line = fields.line.or(row.site.line);
        row.node = text_option(definitions, fields.node);
        row.pid = text_option(definitions, fields.pid);
        row.correlation_id = inherited(fields.correlation_id, |reference| {
            text(definitions, reference)
        });
        if fields.parent_id != kinescope_ring::Inherited::FromContext {
            row.parent_id = inherited(fields.parent_id, |id| id);
        }
        let tags = tags(definitions, fields.tags);
        row.tags = &tags;
        self.append_value(&record.header, row, fields.data);
        Ok(())
    }

    fn append_value(&mut self, header: &RecordHeader, row: Row<'_>, data: Option<&[u8]>) {
        let Some(data) = data else {
            return self.append(header.slot, &row);
        };
        let mut json = self.take_json();
        let written = write_value(data, self.definitions, &mut json);
        self.finish(header, row, json, written);
    }

    pub(super) fn enter_row(&mut self, record: &EnterRecord<'_>) -> Result<(), Malformed> {
        let (site, data) = record.parts()?;
        let mut row = self.row(
            &record.header,
            TextRef {
                id: None,
                text: "function_entry",
            },
        );
        row.site = site_of(self.definitions, site);
        self.append_value(&record.header, row, data);
        Ok(())
    }

    pub(super) fn exit_row(&mut self, record: &ExitRecord<'_>) -> Result<(), Malformed> {
        let (site, fields) = record.parts()?;
        let mut row = self.row(
            &record.header,
            TextRef {
                id: None,
                text: "function_exit",
            },
        );
        row.site = site_of(self.definitions, site);
        let duration_ns = self
            .state
            .last_raw_ns
            .saturating_sub(record.entry_raw_ns)
            .max(0);
        let mut json = self.take_json();
        let written = write_exit(
            duration_ns,
            record.reason,
            fields.unwrap_or_default(),
            self.definitions,
            &mut json,
        );
        self.finish(&record.header, row, json, written);
        Ok(())
    }

    pub(super) fn emit_row(&mut self, record: &EmitRecord<'_>) -> Result<(), Malformed> {
        let definitions = self.definitions;
        let Some(emitter) = definitions.emitter(record.emitter) else {
            return Err(Malformed {
                expected: "a defined emitter",
                at_byte: 0,
            });
        };
        let mut row = self.row(
            &record.header,
            text_ref(definitions, Text::Defined(emitter.event_type)),
        );
        row.site = emitter
            .site
            .map_or_else(SiteRef::default, |site| defined_site(definitions, site));
        let mut json = self.take_json();
        let written = write_emit(record, emitter, definitions, &mut json).map(|mistyped| {
            self.shared
                .counters
                .mistyped
                .fetch_add(u64::from(mistyped), Ordering::Relaxed);
        });
        self.finish(&record.header, row, json, written);
        Ok(())
    }
}
