//! Makes rows of one producer's records.

use std::borrow::Cow;
use std::cell::Cell;

use kinescope_ring::{
    ContextRecord, Definitions, EmitRecord, EnterRecord, EventRecord, ExitRecord, InlineSite, Loss,
    Malformed, RecordHeader, RecordSink, RecordTime, Tags, Text, write_emit, write_exit,
    write_value,
};

use crate::context::Context;
use crate::event_id::EventId;
use crate::log_writer::LogWriter;
use crate::loss::{LossCause, LossRange};
use crate::row::{Inherited, Row, SiteRef, Tag, TextRef};
use crate::shared::Shared;
use crate::sync::Ordering;

/// What the writer remembers of a producer between its records.
pub struct ProducerState {
    number: u16,
    /// By slot; slot 0 is the thread's own.
    contexts: Vec<Context>,
    /// Raw time of the last record: a producer's times do not decrease.
    last_raw_ns: i64,
    /// JSON of the row being made.
    json: Vec<u8>,
}

impl ProducerState {
    /// A producer whose thread is called `pid`.
    pub fn new(number: u16, pid: &str) -> Self {
        Self {
            number,
            contexts: vec![Context::of_thread(pid)],
            last_raw_ns: i64::MIN,
            json: Vec::new(),
        }
    }

    /// A producer of a dead process, with what its slots meant.
    #[cfg(all(unix, not(loom)))]
    pub fn resume(
        number: u16,
        pid: &str,
        contexts: impl IntoIterator<Item = (u16, Context)>,
        last_raw_ns: i64,
    ) -> Self {
        let mut state = Self::new(number, pid);
        state.last_raw_ns = last_raw_ns;
        for (slot, context) in contexts {
            state.set_context(slot, context);
        }
        state
    }

    fn set_context(&mut self, slot: u16, context: Context) {
        let slot = usize::from(slot);
        if slot >= self.contexts.len() {
            self.contexts.resize_with(slot + 1, Context::default);
        }
        self.contexts[slot] = context;
    }

    /// Raw time of the last record.
    pub fn last_raw_ns(&self) -> i64 {
        self.last_raw_ns
    }
}

/// Takes a producer's records for the length of one turn of the writer.
pub struct ProducerSink<'w> {
    state: &'w mut ProducerState,
    log: &'w mut LogWriter,
    definitions: &'w Definitions,
    shared: &'w Shared,
}

/// The text behind a reference; one to a definition that does not exist is empty, which only a stray write into
/// the ring can bring about.
fn text<'a>(definitions: &'a Definitions, text: Text<'a>) -> &'a str {
    match text {
        Text::Inline(text) => text,
        Text::Defined(id) => definitions
            .string(id)
            .map_or("", |definition| &*definition.text),
    }
}

fn text_option<'a>(definitions: &'a Definitions, reference: Option<Text<'a>>) -> Option<&'a str> {
    reference.map(|reference| text(definitions, reference))
}

fn text_ref<'a>(definitions: &'a Definitions, reference: Text<'a>) -> TextRef<'a> {
    let id = match reference {
        // Tables are kept by these ids, so one from a stray write may not pass.
        Text::Defined(id) if definitions.string(id).is_some() => Some(id),
        _ => None,
    };
    TextRef {
        id,
        text: text(definitions, reference),
    }
}

fn defined_site(definitions: &Definitions, id: u32) -> SiteRef<'_> {
    let Some(site) = definitions.site(id) else {
        return SiteRef::default();
    };
    let text = |string: Option<u32>| {
        string
            .and_then(|string| definitions.string(string))
            .map(|definition| &*definition.text)
    };
    SiteRef {
        id: Some(id),
        module: text(site.module),
        function: text(site.function),
        arity: site.arity,
        file: text(site.file),
        line: site.line,
    }
}

fn site_of<'a>(definitions: &'a Definitions, site: kinescope_ring::SiteRef<'a>) -> SiteRef<'a> {
    match site {
        kinescope_ring::SiteRef::None => SiteRef::default(),
        kinescope_ring::SiteRef::Defined(id) => defined_site(definitions, id),
        kinescope_ring::SiteRef::Inline(InlineSite {
            module,
            function,
            arity,
            file,
            line,
        }) => {
            let text = |reference| text_option(definitions, reference);
            SiteRef {
                id: None,
                module: text(module),
                function: text(function),
                arity,
                file: text(file),
                line,
            }
        }
    }
}

fn inherited<T, U>(field: kinescope_ring::Inherited<T>, map: impl FnOnce(T) -> U) -> Inherited<U> {
    match field {
        kinescope_ring::Inherited::FromContext => Inherited::FromContext,
        kinescope_ring::Inherited::None => Inherited::Nothing,
        kinescope_ring::Inherited::Value(value) => Inherited::Value(map(value)),
    }
}

fn tags<'a>(definitions: &'a Definitions, entries: Option<Tags<'a>>) -> Vec<Tag<'a>> {
    let entries = entries.into_iter().flatten();
    entries
        .map(|(key, value)| {
            (
                Cow::Borrowed(text(definitions, key)),
                Cow::Borrowed(text(definitions, value)),
            )
        })
        .collect()
}

impl<'w> ProducerSink<'w> {
    /// A sink for one turn.
    pub fn new(
        state: &'w mut ProducerState,
        log: &'w mut LogWriter,
        definitions: &'w Definitions,
        shared: &'w Shared,
    ) -> Self {
        Self {
            state,
            log,
            definitions,
            shared,
        }
    }

    /// Raw time of a record that has one, never before the producer's last.
    #[inline]
    fn raw_ns(&mut self, raw_ns: i64) -> i64 {
        self.state.last_raw_ns = self.state.last_raw_ns.max(raw_ns);
        self.state.last_raw_ns
    }

    #[inline]
    fn timestamp(&mut self, time: RecordTime) -> i64 {
        match time {
            RecordTime::Raw(raw_ns) | RecordTime::Coarse(raw_ns) => self
                .raw_ns(raw_ns)
                .saturating_add(self.shared.clock.offset_ns()),
            RecordTime::Given(timestamp) => timestamp,
        }
    }

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

    #[inline]
    fn append(&mut self, slot: u16, row: &Row<'_>) {
        // A slot is defined before its first use; after a stray write the thread's own context stands in.
        let index = if usize::from(slot) < self.state.contexts.len() {
            usize::from(slot)
        } else {
            0
        };
        self.log.append(row, &self.state.contexts[index]);
    }

    fn take_json(&mut self) -> Vec<u8> {
        let mut json = std::mem::take(&mut self.state.json);
        json.clear();
        json
    }

    /// Appends the row with what was written into `json`, or reports the attempt as lost; keeps the buffer.
    #[inline]
    fn finish(
        &mut self,
        header: &RecordHeader,
        row: Row<'_>,
        json: Vec<u8>,
        written: Result<(), Malformed>,
    ) {
        match written.map(|()| std::str::from_utf8(&json)) {
            Ok(Ok(data)) => self.append(
                header.slot,
                &Row {
                    data: Some(data),
                    ..row
                },
            ),
            _ => self.lose(header, row.timestamp),
        }
        self.state.json = json;
    }

    /// An attempt whose record does not hold what the format says.
    fn lose(&mut self, header: &RecordHeader, timestamp: i64) {
        let range = LossRange {
            cause: LossCause::Encoder,
            producer: self.state.number,
            first: header.sequence,
            last: header.sequence,
            count: 1,
            first_timestamp: timestamp,
            last_timestamp: timestamp,
        };
        self.log.append_loss(&range, &self.state.contexts[0].pid);
    }

    fn event_row(&mut self, record: &EventRecord<'_>) -> Result<(), Malformed> {
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

    fn enter_row(&mut self, record: &EnterRecord<'_>) -> Result<(), Malformed> {
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

    fn exit_row(&mut self, record: &ExitRecord<'_>) -> Result<(), Malformed> {
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

    fn emit_row(&mut self, record: &EmitRecord<'_>) -> Result<(), Malformed> {
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

    /// What happens to a record that does not hold what the format says: its attempt is lost.
    fn checked(&mut self, header: &RecordHeader, result: Result<(), Malformed>) {
        if result.is_err() {
            let timestamp = self.timestamp(header.time);
            self.lose(header, timestamp);
        }
    }
}

impl RecordSink for ProducerSink<'_> {
    fn context(&mut self, record: ContextRecord<'_>) {
        let Ok(values) = record.values() else { return };
        let definitions = self.definitions;
        let owned = |reference: Option<Text<'_>>| {
            reference.map(|reference| text(definitions, reference).to_owned())
        };
        let pid = owned(values.pid).unwrap_or_else(|| self.state.contexts[0].pid.clone());
        let tags = tags(definitions, values.tags).into_iter();
        let context = Context {
            pid,
            correlation_id: owned(values.correlation_id),
            parent_id: record.parent,
            tags: tags
                .map(|(key, value)| (Cow::Owned(key.into_owned()), Cow::Owned(value.into_owned())))
                .collect(),
            codes: Cell::new(None),
        };
        self.log
            .keep_context(self.state.number, record.slot, &context);
        self.state.set_context(record.slot, context);
    }

    fn emit(&mut self, record: EmitRecord<'_>) {
        let result = self.emit_row(&record);
        self.checked(&record.header, result);
    }

    fn enter(&mut self, record: EnterRecord<'_>) {
        let result = self.enter_row(&record);
        self.checked(&record.header, result);
    }

    fn exit(&mut self, record: ExitRecord<'_>) {
        let result = self.exit_row(&record);
        self.checked(&record.header, result);
    }

    fn event(&mut self, record: EventRecord<'_>) {
        let result = self.event_row(&record);
        self.checked(&record.header, result);
    }

    fn loss(&mut self, loss: Loss) {
        let offset_ns = self.shared.clock.offset_ns();
        let cause = match loss.cause {
            kinescope_ring::LossCause::RingFull => LossCause::RingFull,
            kinescope_ring::LossCause::TooLarge => LossCause::TooLarge,
            kinescope_ring::LossCause::Encoder => LossCause::Encoder,
            kinescope_ring::LossCause::Torn => LossCause::Torn,
        };
        let range = LossRange {
            cause,
            producer: self.state.number,
            first: loss.first_sequence,
            last: loss.last_sequence,
            count: loss.count,
            first_timestamp: loss.since_raw_ns.saturating_add(offset_ns),
            last_timestamp: loss.until_raw_ns.saturating_add(offset_ns),
        };
        self.log.append_loss(&range, &self.state.contexts[0].pid);
    }
}
