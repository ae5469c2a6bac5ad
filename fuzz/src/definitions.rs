//! The log of a dead process's definitions, and records that name what it defines.
//!
//! An input is flags and the log.

use std::sync::{Arc, Mutex};

use kinescope_ring::{
    DEFINITIONS_CAP_BYTES, Definitions, EmitterDefinition, FieldType, FieldValue, Publication,
    Ring, RingReader, RingState, RingWriter, SiteDefinition,
};

use crate::recordings::{ORDER_FIELDS, head_at, record_all_kinds};
use crate::sink::DecodingSink;
use crate::{seal, take};

/// Checksums stay as they are.
const UNSEALED: u8 = 1;
/// Ids that records name.
const IDS: u32 = 4;

pub fn run(mut input: &[u8]) {
    let [flags] = take(&mut input);
    let mut log = input.to_vec();
    if flags & UNSEALED == 0 {
        seal::definitions(&mut log);
    }
    let definitions = Definitions::of_log(&log);
    assert!(definitions.used_bytes() <= DEFINITIONS_CAP_BYTES);
    let strings = (0..).map_while(|id| definitions.string(id));
    let texts: Vec<_> = strings.map(|string| Arc::clone(&string.text)).collect();
    for (id, text) in texts.iter().enumerate() {
        assert_eq!(definitions.define_string(text), Some(id as u32));
        let key: String =
            serde_json::from_str(definitions.string(id as u32).unwrap().json()).unwrap();
        assert_eq!(*key, **text);
    }
    drain(&definitions);
    for id in 0..IDS {
        if let Some(emitter) = definitions.emitter(id) {
            emit(
                &definitions,
                id,
                emitter.fields.iter().map(|field| field.field_type),
            );
        }
    }
}

fn pair() -> (RingWriter, RingReader) {
    let ring = Ring::with_capacity_words(3, 1 << 14, 0, Publication::CommitWords).unwrap();
    ring.set_state(RingState::Recording);
    let writer = RingWriter::new(Arc::clone(&ring)).unwrap();
    (writer, RingReader::new(ring).unwrap())
}

/// Records of every kind, with whatever these ids mean.
fn drain(definitions: &Definitions) {
    let (mut writer, mut reader) = pair();
    for id in 0..IDS {
        record_all_kinds(&mut writer, id, id, id);
    }
    let mut sink = DecodingSink::new(definitions, 0);
    reader.read_dead(u32::MAX, &mut sink);
    assert_eq!(sink.events, u64::from(IDS) * 7);
}

/// Records that have what the emitter's fields are, which are never malformed.
fn emit(definitions: &Definitions, id: u32, types: impl Iterator<Item = FieldType>) {
    let values = types.map(|field_type| match field_type {
        FieldType::I64 => FieldValue::I64(-1),
        FieldType::F64 => FieldValue::F64(f64::NAN),
        FieldType::Bool => FieldValue::Bool(true),
        FieldType::Utf8 => FieldValue::Utf8("text"),
        FieldType::Symbol => FieldValue::Symbol(0),
    });
    let values: Vec<_> = values.collect();
    let (mut writer, mut reader) = pair();
    writer.emit(head_at(1), id, &values);
    let mut sink = DecodingSink::new(definitions, 0);
    reader.read_dead(u32::MAX, &mut sink);
    assert_eq!(sink.next_sequence, 1);
}

/// Logs of definitions as a process writes them.
pub fn seeds() -> Vec<Vec<u8>> {
    let log = Arc::new(Mutex::new(vec![0]));
    let kept = Arc::clone(&log);
    let definitions = Definitions::with_log(Box::new(move |entry| {
        kept.lock().unwrap().extend(entry);
        true
    }));
    let mut seeds = Vec::new();
    let mut keep = || seeds.push(log.lock().unwrap().clone());
    definitions.define_string("größe \"quoted\"");
    keep();
    let site = definitions.define_site(SiteDefinition {
        module: Some("module"),
        function: Some("function"),
        arity: Some(1),
        file: Some("file"),
        line: Some(3),
    });
    definitions.define_site(SiteDefinition::default());
    keep();
    for (event_type, fields) in [
        ("order", &ORDER_FIELDS[..]),
        ("$cut", &[("$cut", FieldType::F64)]),
        ("empty", &[]),
    ] {
        definitions.define_emitter(EmitterDefinition {
            event_type,
            fields,
            site,
        });
        keep();
    }
    seeds
}
