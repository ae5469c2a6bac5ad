//! Events from elsewhere.

use kinescope_ring::CaptureLimits;
use kinescope_store::{Import, ImportBatch, ImportSource};

/// What is captured of them: as much as nobody asks for less or more.
pub fn limits() -> CaptureLimits {
    CaptureLimits {
        max_string_length: 8192,
        max_depth: 8,
        max_fields: 128,
        max_items: 128,
        max_event_bytes: 65_536,
        redact: Default::default(),
    }
}

/// A table of them.
pub fn import(batches: Vec<ImportBatch>) -> Import {
    Import {
        source: ImportSource::Table(batches),
        pid: "importing".to_owned(),
        now: 77,
        limits: limits(),
    }
}
