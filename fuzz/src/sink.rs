//! Decodes all of every record, and counts the numbers of the producer's sequence.

use kinescope_ring::{
    ContextRecord, Definitions, EmitRecord, EnterRecord, EventRecord, ExitRecord, Loss,
    RecordHeader, RecordSink, ValueReader, write_emit, write_exit, write_value,
};

/// What it is given, decoded with these definitions.
pub struct DecodingSink<'a> {
    pub definitions: &'a Definitions,
    /// The number that comes next.
    pub next_sequence: u64,
    pub events: u64,
    pub malformed: u64,
    json: Vec<u8>,
}

impl<'a> DecodingSink<'a> {
    pub fn new(definitions: &'a Definitions, first_sequence: u64) -> Self {
        Self {
            definitions,
            next_sequence: first_sequence,
            events: 0,
            malformed: 0,
            json: Vec::new(),
        }
    }

    fn event_of(&mut self, header: RecordHeader) {
        assert_eq!(header.sequence, self.next_sequence);
        assert!(header.slot < 4096);
        self.next_sequence += 1;
        self.events += 1;
    }

    /// What is written is JSON, and what is malformed leaves nothing.
    fn check<T, E>(&mut self, result: Result<T, E>) {
        match result {
            Ok(_) => {
                let parsed: Result<serde_json::Value, _> = serde_json::from_slice(&self.json);
                assert!(
                    parsed.is_ok() || is_beyond_serde(&parsed),
                    "{parsed:?}: {}",
                    String::from_utf8_lossy(&self.json)
                );
            }
            Err(_) => {
                assert!(self.json.is_empty());
                self.malformed += 1;
            }
        }
        self.json.clear();
    }

    fn data(&mut self, data: Option<&[u8]>) {
        if let Some(data) = data {
            let written = write_value(data, self.definitions, &mut self.json);
            if written.is_ok() {
                assert_eq!(ValueReader::new(data).value(), Ok(data));
            }
            self.check(written);
        }
    }
}

/// Serde gives up where containers nest deeper than 128, and on numbers that no float holds.
fn is_beyond_serde(parsed: &Result<serde_json::Value, serde_json::Error>) -> bool {
    let text = parsed.as_ref().err().map(ToString::to_string);
    text.is_some_and(|text| {
        text.contains("recursion limit") || text.contains("number out of range")
    })
}

impl RecordSink for DecodingSink<'_> {
    fn context(&mut self, record: ContextRecord<'_>) {
        assert!((1..4096).contains(&record.slot));
        if let Ok(values) = record.values() {
            values.tags.into_iter().flatten().for_each(drop);
        }
    }

    fn emit(&mut self, record: EmitRecord<'_>) {
        self.event_of(record.header);
        let definitions = self.definitions;
        if let Some(emitter) = definitions.emitter(record.emitter) {
            let written = write_emit(&record, emitter, definitions, &mut self.json);
            self.check(written);
        }
    }

    fn enter(&mut self, record: EnterRecord<'_>) {
        self.event_of(record.header);
        if let Ok((_, data)) = record.parts() {
            self.data(data);
        }
    }

    fn exit(&mut self, record: ExitRecord<'_>) {
        self.event_of(record.header);
        if let Ok((_, fields)) = record.parts() {
            let fields = fields.unwrap_or_default();
            let (entry, reason) = (record.entry_raw_ns, record.reason);
            let written = write_exit(entry, reason, fields, self.definitions, &mut self.json);
            self.check(written);
        }
    }

    fn event(&mut self, record: EventRecord<'_>) {
        self.event_of(record.header);
        if let Ok(fields) = record.fields() {
            fields.tags.into_iter().flatten().for_each(drop);
            self.data(fields.data);
        }
    }

    fn loss(&mut self, loss: Loss) {
        assert_eq!(loss.first_sequence, self.next_sequence);
        assert_eq!(loss.count, loss.last_sequence - loss.first_sequence + 1);
        assert!(loss.since_raw_ns <= loss.until_raw_ns);
        self.next_sequence = loss.last_sequence + 1;
    }
}
