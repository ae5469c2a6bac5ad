//! The shared-memory ring of Kinescope: one producer's records, their reader, and their JSON.
//!
//! docs/ring-format.md draws the format and the commit protocol. JavaScript writes rings with typed-array stores;
//! [`RingWriter`] is a producer in Rust that keeps to the same protocol. [`RingReader`] hands records over to a
//! [`RecordSink`]; [`write_value`], [`write_emit`] and [`write_exit`] make their JSON.
//!
//! No content of a ring makes anything here panic or read beyond the ring.
#![deny(unsafe_code)]

#[cfg(target_endian = "big")]
compile_error!(
    "the ring format is little-endian, and JavaScript writes it in the machine's own order"
);

mod decode;
mod definition_log;
mod definitions;
mod encode;
mod event;
#[cfg(not(loom))]
mod file_ring;
mod json;
pub mod layout;
mod memory;
mod reader;
mod record;
mod ring;
mod sync;
mod value;
mod value_writer;
mod writer;

pub use decode::read_events;
pub use definition_log::DefinitionLog;
pub use definitions::{
    DEFINITIONS_CAP_BYTES, Definitions, Emitter, EmitterDefinition, EmitterField, FieldType,
    MAX_EMITTER_FIELDS, Site, SiteDefinition, StringDefinition,
};
pub use event::{EventFields, Inherited};
#[cfg(not(loom))]
pub use file_ring::Checkpoint;
pub use json::capture::{CaptureLimits, JsonCapture};
pub use json::cuts::is_identifier;
pub use json::emit::write_emit;
pub use json::scalar::write_string;
pub use json::value::{write_exit, write_value};
pub use reader::{ReadProgress, RingReader};
pub use record::{
    ContextRecord, ContextValues, EmitRecord, EnterRecord, EventRecord, ExitReason, ExitRecord,
    InlineSite, Loss, LossCause, RecordHeader, RecordSink, RecordTime, SiteRef, Tags,
};
pub use ring::{Publication, Ring, RingError, RingState};
pub use value::{CutReason, MAX_DEPTH, Malformed, Text, Token, ValueReader};
pub use value_writer::ValueWriter;
pub use writer::{Counter, EventHead, FieldValue, Outcome, Priority, RingWriter};
