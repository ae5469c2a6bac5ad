//! Recordings of many small segments.

use std::io;
use std::path::Path;
use std::sync::Arc;

use kinescope_ring::{Priority, RingWriter};
use kinescope_store::{Probe, Store, StoreOptions};

use super::disk::{disk, files, later};
use super::value::Value;
use super::{EventRow, head_at, log, of_type, producer, settle};

/// Events whose types differ between segments, so that equal codes mean different texts.
pub fn record(store: &Store, writer: &mut RingWriter, first: usize, count: usize) {
    for number in first..first + count {
        let data = Value::Text(format!("{number}")).tagged();
        let event_type = format!("type-{}", number * 7 % 5);
        let mut event = of_type(&event_type);
        event.data = Some(&data);
        writer.event(head_at(number as i64), &event, Priority::Normal);
    }
    settle(store, writer);
}

/// Opens, records and closes so often, without anything being merged: by recordings of their own, one behind the other,
/// the merger would be at work already. Gives the rows.
pub fn small_segments(path: &Path, lives: &[usize], options: &StoreOptions) -> Vec<EventRow> {
    let mut all = Vec::new();
    for (life, count) in (0..).zip(lives) {
        let refusing: Probe = Arc::new(|_| match std::thread::current().name() {
            Some("kinescope-merger") => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        });
        let options = later(options.clone(), life);
        let store = Store::open_on_disk(options, &disk(path, Some(refusing))).unwrap();
        assert_eq!(log(&store), all);
        let (mut writer, _ring) = producer(&store, "thread");
        record(&store, &mut writer, all.len(), *count);
        all = log(&store);
        drop(writer);
        store.close();
    }
    assert_eq!(files(path, ".arrow"), lives.len());
    assert_eq!(files(path, ".new"), 0);
    all
}
