//! What the tests of the store and of its queries share: stores, producers, and rows in the form tests compare.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[cfg(unix)]
pub mod disk;
pub mod expected;
pub mod imports;
pub mod model;
#[cfg(unix)]
pub mod power;
pub mod program;
pub mod rows;
#[cfg(unix)]
pub mod small_segments;
pub mod value;

use std::sync::Arc;
use std::time::{Duration, Instant};

use kinescope_ring::{EventFields, EventHead, RecordTime, Ring, RingWriter, Text};
use kinescope_store::{ErrorCode, Retention, Store, StoreOptions};
use proptest::prelude::ProptestConfig;

#[allow(unused_imports, reason = "each test file uses its part")]
pub use rows::{EventRow, LossRow, log, loss_of, rows, rows_of};

/// `node` of every store here.
pub const NODE: &str = "node-α";
/// Only a failing test waits this long.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A store's options with the smallest rings that there are.
pub fn options(segment_events: usize, retention: Retention) -> StoreOptions {
    StoreOptions {
        node: NODE.to_owned(),
        segment_events,
        ring_bytes: 64 << 10,
        block_when_full: false,
        retention,
        config_json: "{}".to_owned(),
        raw_now_ns: 1_000_000,
        raw_now_at: std::time::Instant::now(),
        durability: kinescope_store::Durability::Process,
    }
}

/// The same without retention.
pub fn plain(segment_events: usize) -> StoreOptions {
    options(segment_events, Retention::default())
}

/// A store without retention.
pub fn open(segment_events: usize) -> Store {
    Store::open(plain(segment_events)).unwrap()
}

/// A producer with its ring, both as a thread of its own would have them.
pub fn producer(store: &Store, pid: &str) -> (RingWriter, Arc<Ring>) {
    let ring = store.add_producer(pid).unwrap();
    (RingWriter::new(Arc::clone(&ring)).unwrap(), ring)
}

/// Until everything that the writer has recorded is visible.
pub fn settle(store: &Store, writer: &mut RingWriter) {
    writer.publish();
    wait_visible(store, writer.ring(), writer.head());
}

/// Waits on a machine that has no time for the store, too.
pub fn wait_visible(store: &Store, ring: &Ring, head: u32) {
    eventually("everything recorded", || {
        match store.wait_visible(ring, head) {
            Err(error) if error.code == ErrorCode::ResourceExhausted => false,
            waited => {
                waited.unwrap();
                true
            }
        }
    });
}

/// Has whoever follows a recording look at it once more.
pub fn look(reader: &Store, none: &Ring) {
    wait_visible(reader, none, 0);
}

/// Gives every sealed segment its index now, and the open one that of its first rows, of which a third is left out.
pub fn index(store: &Store) {
    let snapshot = store.snapshot().unwrap();
    for (segment, rows) in snapshot.segments() {
        if store.shared().index_sealed(segment).is_none() {
            store.shared().index_head(segment, rows - rows / 3);
        }
    }
}

/// So many cases of a property; `PROPTEST_CASES` asks for more.
pub fn cases(usual: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok();
    ProptestConfig::with_cases(asked.and_then(|cases| cases.parse().ok()).unwrap_or(usual))
}

/// Tries again until `done` holds.
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "{what} did not come about");
        std::thread::sleep(Duration::from_micros(200));
    }
}

pub fn head_at(raw_ns: i64) -> EventHead {
    EventHead {
        slot: 0,
        time: RecordTime::Raw(raw_ns),
        parent: None,
    }
}

/// An event of a type with nothing else.
pub fn of_type(event_type: &str) -> EventFields<'_> {
    EventFields::of_type(Text::Inline(event_type))
}
