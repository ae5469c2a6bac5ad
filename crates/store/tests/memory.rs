//! Memory of the whole process, and so alone in its file.
#![cfg(target_os = "linux")]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use kinescope_ring::Priority;
use kinescope_store::{Retention, Store};
use support::value::Value;
use support::{head_at, of_type, options, producer, settle};

/// Bytes of this process's memory that are present.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = status.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[test]
fn memory_of_segments_made_for_large_rows_is_given_back() {
    let retention = Retention {
        max_events: Some(8),
        ..Retention::default()
    };
    let mut options = options(1, retention);
    options.ring_bytes = 32 << 20;
    let store = Store::open(options).unwrap();
    let (mut writer, _ring) = producer(&store, "thread");
    let mut record = |length: usize| {
        let data = Value::Text("d".repeat(length)).tagged();
        let mut event = of_type("e");
        event.data = Some(&data);
        writer.event(head_at(0), &event, Priority::Normal);
        settle(&store, &mut writer);
    };
    record(1);
    let before = resident_bytes();
    // Each one's segment has a size of its own.
    for number in 1..100usize {
        record(4_000_000 + number * 5000);
    }
    let more = resident_bytes().saturating_sub(before);
    assert!(
        more < 200_000_000,
        "{more} bytes more, with nine rows of about 4 MB kept"
    );
}
