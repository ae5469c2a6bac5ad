//! Segments as small as they can be made.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use kinescope_ring::{Inherited, Outcome, Priority, Text};
use support::value::Value;
use support::{head_at, log, of_type, open, producer, settle};

#[test]
fn one_row_may_bring_a_pid_and_a_correlation_id_beside_its_contexts() {
    let store = open(1);
    let (mut writer, _ring) = producer(&store, "thread");
    assert!(writer.context(
        1,
        None,
        Some(Text::Inline("context's")),
        Some(Text::Inline("trace")),
        &[]
    ));
    let mut event = of_type("e");
    event.pid = Some(Text::Inline("own"));
    event.correlation_id = Inherited::Value(Text::Inline("own trace"));
    let mut head = head_at(1);
    head.slot = 1;
    writer.event(head, &event, Priority::Normal);
    settle(&store, &mut writer);
    let rows = log(&store);
    assert_eq!(rows.len(), 1);
    assert_eq!((&*rows[0].event_type, &*rows[0].pid), ("e", "own"));
    assert_eq!(rows[0].correlation_id.as_deref(), Some("own trace"));
}

#[test]
fn a_first_row_larger_than_its_segment_keeps_its_contexts_texts() {
    let store = open(2);
    let (mut writer, _ring) = producer(&store, "thread");
    let trace = Some(Text::Inline("trace"));
    assert!(writer.context(1, None, Some(Text::Inline("context's")), trace, &[]));
    let data = Value::Text("x".repeat(10_000)).tagged();
    let mut event = of_type("large");
    event.data = Some(&data);
    let mut head = head_at(1);
    head.slot = 1;
    for _ in 0..2 {
        let outcome = writer.event(head, &event, Priority::Normal);
        assert!(matches!(outcome, Outcome::Stored(_)));
        settle(&store, &mut writer);
    }
    let rows = log(&store);
    let expected = [("context's", Some("trace")); 2];
    let found: Vec<_> = rows
        .iter()
        .map(|row| (&*row.pid, row.correlation_id.as_deref()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn every_segment_but_the_last_is_sealed_with_no_more_rows_than_asked_for() {
    for segment_events in [1, 7, 64, 65] {
        let store = open(segment_events);
        let (mut writer, _ring) = producer(&store, "thread");
        for _ in 0..200 {
            writer.event(head_at(1), &of_type("e"), Priority::Normal);
            settle(&store, &mut writer);
        }
        let snapshot = store.snapshot().unwrap();
        let segments: Vec<_> = snapshot.segments().collect();
        assert_eq!(segments.len(), 200usize.div_ceil(segment_events));
        let (_, sealed) = segments.split_last().unwrap();
        for (segment, rows) in sealed {
            assert_eq!(*rows, segment_events);
            assert_eq!(segment.sealed().unwrap().rows, segment_events);
        }
    }
}
