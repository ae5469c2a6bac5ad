//! Makes rows of one producer's records.

mod references;
mod rows;
mod state;

use std::borrow::Cow;
use std::cell::Cell;

use kinescope_ring::{
    ContextRecord, Definitions, EmitRecord, EnterRecord, EventRecord, ExitRecord, Loss, Malformed,
    RecordHeader, RecordSink, RecordTime, Text,
};

use self::references::{tags, text};
pub use self::state::ProducerState;
use crate::context::Context;
use crate::log_writer::LogWriter;
use crate::loss::{LossCause, LossRange};
use crate::row::Row;
use crate::shared::Shared;

/// Takes a producer's records for the length of one turn of the writer.
pub struct ProducerSink<'w> {
    state: &'w mut ProducerState,
    log: &'w mut LogWriter,
    definitions: &'w Definitions,
    shared: &'w Shared,
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
