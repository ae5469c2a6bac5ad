//! The store of a Kinescope recording: one writer thread drains the producers' rings into a log of segments, whose
//! memory has the layout of the public Arrow schema; readers take snapshots without locks.
//!
//! The road: [`Store`] owns the writer thread, which gives each ring's records to a producer sink; that makes a
//! [`Row`](row::Row) of each and hands it to the [`LogWriter`](log_writer::LogWriter), which appends to the open
//! segment through a [`SegmentBuilder`](segment_builder::SegmentBuilder). A [`Snapshot`] is the segment list and a
//! watermark.
#![deny(unsafe_code)]
#![cfg_attr(
    loom,
    allow(dead_code, reason = "models have no files, and what only these need")
)]

#[allow(
    unsafe_code,
    reason = "shared append-only memory; every block says why it holds"
)]
pub mod area;
pub mod arrow_view;
pub mod clock;
pub mod columns;
pub mod compaction;
pub mod context;
pub mod dictionary;
#[cfg(all(unix, not(loom)))]
mod disk;
mod error;
mod event_id;
mod import;
pub mod index;
pub mod journal;
pub mod json;
pub mod log_writer;
mod loss;
#[allow(unsafe_code, reason = "files as memory; every block says why it holds")]
mod mapping;
pub mod memory_source;
mod names;
mod options;
mod part;
mod producer_numbers;
mod producer_sink;
mod progress;
pub mod row;
pub mod scalar;
mod segment;
pub mod segment_builder;
mod shared;
pub mod sketch;
mod slot;
mod snapshot;
mod statistics;
mod store;
mod sync;
pub mod validity;
mod writer_thread;

#[cfg(all(unix, not(loom)))]
pub use disk::{
    DiskOptions, Probe, Verification, VerifiedFile, VerifiedSegment, is_unrecovered, verify,
};
pub use error::{Error, ErrorCode};
pub use event_id::{EventId, SEQUENCE_BITS};
pub use import::{Import, ImportBatch, ImportColumn, ImportSource, Integers, Texts};
pub use loss::{LossCause, LossLog, LossRange};
pub use options::{Durability, Retention, StoreOptions};
pub use part::{HeadIndex, Part};
pub use segment::{Bounds, Columns, ProducerRange, Sealed, Segment, TextColumn};
pub use shared::{Counters, LateReader, Shared};
pub use slot::{Slot, StoredSegment, Summary};
pub use snapshot::Snapshot;
pub use statistics::{PathCount, Payloads, Statistics, ValueType};
pub use store::{CLOSE_MAX, EXIT_MAX, SYNC_MAX, Stats, Store, WAIT_MAX};
