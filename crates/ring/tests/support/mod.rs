//! A sink that keeps everything, and heads for records.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;

use kinescope_ring::*;

/// A record as a test compares it.
#[derive(Clone, Debug, PartialEq)]
pub enum Kept {
    Context {
        slot: u16,
        parent: Option<u64>,
        text: String,
    },
    Event {
        header: RecordHeader,
        kind: &'static str,
        text: String,
    },
    Loss(Loss),
}

/// Keeps what is handed over; JSON is made with the definitions.
pub struct KeepingSink {
    pub definitions: Arc<Definitions>,
    pub kept: Vec<Kept>,
}

impl KeepingSink {
    pub fn new(definitions: &Arc<Definitions>) -> Self {
        Self {
            definitions: Arc::clone(definitions),
            kept: Vec::new(),
        }
    }

    /// The numbers handed over or lost, in order.
    pub fn sequences(&self) -> Vec<u64> {
        let numbers = self.kept.iter().flat_map(|kept| match kept {
            Kept::Context { .. } => 0..0,
            Kept::Event { header, .. } => header.sequence..header.sequence + 1,
            Kept::Loss(loss) => loss.first_sequence..loss.last_sequence + 1,
        });
        numbers.collect()
    }

    pub fn losses(&self) -> Vec<Loss> {
        let losses = self.kept.iter().filter_map(|kept| {
            if let Kept::Loss(loss) = kept {
                Some(*loss)
            } else {
                None
            }
        });
        losses.collect()
    }

    pub fn texts(&self) -> Vec<&str> {
        let texts = self.kept.iter().filter_map(|kept| match kept {
            Kept::Context { text, .. } | Kept::Event { text, .. } => Some(text.as_str()),
            Kept::Loss(_) => None,
        });
        texts.collect()
    }

    fn json(&self, data: Option<&[u8]>) -> String {
        let mut out = Vec::new();
        match data.map(|data| write_value(data, &self.definitions, &mut out)) {
            Some(Err(error)) => {
                assert!(out.is_empty(), "{out:?} remains after {error}");
                format!("malformed: {error}")
            }
            _ => String::from_utf8(out).expect("JSON is UTF-8"),
        }
    }

    fn keep(&mut self, header: RecordHeader, kind: &'static str, text: String) {
        self.kept.push(Kept::Event { header, kind, text });
    }
}

impl RecordSink for KeepingSink {
    fn context(&mut self, record: ContextRecord<'_>) {
        let text = match record.values() {
            Ok(values) => {
                let tags: Vec<_> = values.tags.into_iter().flatten().collect();
                format!("{:?} {:?} {tags:?}", values.pid, values.correlation_id)
            }
            Err(error) => format!("malformed: {error}"),
        };
        self.kept.push(Kept::Context {
            slot: record.slot,
            parent: record.parent,
            text,
        });
    }

    fn emit(&mut self, record: EmitRecord<'_>) {
        let mut out = Vec::new();
        let definitions = Arc::clone(&self.definitions);
        let text = match definitions.emitter(record.emitter) {
            None => "unknown emitter".to_owned(),
            Some(emitter) => match write_emit(&record, emitter, &definitions, &mut out) {
                Ok(0) => String::from_utf8(out).expect("JSON is UTF-8"),
                Ok(mistyped) => format!(
                    "{} mistyped {mistyped}",
                    String::from_utf8(out).expect("JSON is UTF-8")
                ),
                Err(error) => format!("malformed: {error}"),
            },
        };
        self.keep(record.header, "emit", text);
    }

    fn enter(&mut self, record: EnterRecord<'_>) {
        let text = match record.parts() {
            Ok((site, data)) => format!("{site:?} {}", self.json(data)),
            Err(error) => format!("malformed: {error}"),
        };
        self.keep(record.header, "enter", text);
    }

    fn exit(&mut self, record: ExitRecord<'_>) {
        let mut out = Vec::new();
        let text = match record.parts() {
            Ok((site, fields)) => {
                let fields = fields.unwrap_or_default();
                match write_exit(
                    record.entry_raw_ns,
                    record.reason,
                    fields,
                    &self.definitions,
                    &mut out,
                ) {
                    Ok(()) => format!(
                        "{site:?} {}",
                        String::from_utf8(out).expect("JSON is UTF-8")
                    ),
                    Err(error) => format!("malformed: {error}"),
                }
            }
            Err(error) => format!("malformed: {error}"),
        };
        self.keep(record.header, "exit", text);
    }

    fn event(&mut self, record: EventRecord<'_>) {
        let text = match record.fields() {
            Ok(fields) => describe(&fields, &self.json(fields.data)),
            Err(error) => format!("malformed: {error}"),
        };
        self.keep(record.header, "event", text);
    }

    fn loss(&mut self, loss: Loss) {
        assert_eq!(loss.count, loss.last_sequence - loss.first_sequence + 1);
        assert!(loss.since_raw_ns <= loss.until_raw_ns);
        self.kept.push(Kept::Loss(loss));
    }
}

/// Everything that an envelope says, with its tags spelled out.
pub fn describe(fields: &EventFields<'_>, json: &str) -> String {
    let tags: Option<Vec<_>> = fields.tags.clone().map(Iterator::collect);
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {tags:?} {:?} {json}",
        fields.event_type,
        fields.event_id,
        fields.node,
        fields.pid,
        fields.correlation_id,
        fields.parent_id,
        fields.site,
        fields.module,
        fields.function,
        fields.arity,
        fields.file,
        fields.line,
        fields.wall_time_ns,
    )
}

pub fn head_at(raw_ns: i64) -> EventHead {
    EventHead {
        slot: 0,
        time: RecordTime::Raw(raw_ns),
        parent: None,
    }
}

/// A recording ring of `capacity_words` with both of its sides.
pub fn recording(
    capacity_words: u32,
    first_sequence: u64,
    publication: Publication,
) -> (RingWriter, RingReader) {
    let ring = Ring::with_capacity_words(3, capacity_words, first_sequence, publication)
        .expect("valid arguments");
    ring.set_state(RingState::Recording);
    (
        RingWriter::new(Arc::clone(&ring)).expect("first writer"),
        RingReader::new(ring).expect("first reader"),
    )
}
