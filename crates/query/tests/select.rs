//! Filters, order, limits and the values of answers, against filtering and sorting a list of rows.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../../store/tests/support/mod.rs"]
mod support;

use std::io::Cursor;
use std::ops::Range;

use arrow_array::RecordBatch;
use arrow_ipc::reader::{FileReader, StreamReader};
use kinescope_query::order::Order;
use kinescope_query::page_token::PageToken;
use kinescope_query::{Answer, Cancel, Filter, IpcFormat, Pages, Query, execute, find_event};
use kinescope_ring::{Inherited, Priority, Text};
use kinescope_store::{ErrorCode, Snapshot};
use proptest::prelude::*;
use support::model::Model;
use support::program::program;
use support::value::{Value, text};
use support::{EventRow, head_at, of_type, open, options, producer, rows, rows_of, settle};

/// Texts that programs use as pids, correlation ids or types, and one that they do not.
fn texts() -> impl Strategy<Value = Option<Vec<String>>> {
    let known = prop::sample::select(vec![
        "thread-0",
        "thread-1",
        "function_entry",
        "function_exit",
        "emitted",
        "events_lost",
        "never seen",
        "",
        "a",
        "日本語",
    ]);
    let text = prop_oneof![known.prop_map(str::to_owned), text()];
    prop_oneof![2 => Just(None), 1 => prop::collection::vec(text, 0..5).prop_map(Some)]
}

fn range() -> impl Strategy<Value = Option<Range<i64>>> {
    let bound = || prop_oneof![3 => 0i64..2000, 1 => any::<i64>()];
    let range = (bound(), bound()).prop_map(|(a, b)| a.min(b)..a.max(b));
    prop_oneof![2 => Just(None), 1 => range.prop_map(Some)]
}

fn filter() -> impl Strategy<Value = Filter> {
    (range(), range(), texts(), texts(), texts()).prop_map(
        |(timestamps, wall_times, pids, correlation_ids, event_types)| Filter {
            timestamps,
            wall_times,
            pids,
            correlation_ids,
            event_types,
            ..Filter::default()
        },
    )
}

fn holds(filter: &Filter, row: &EventRow) -> bool {
    fn one_of(texts: &Option<Vec<String>>, text: Option<&String>) -> bool {
        texts
            .as_ref()
            .is_none_or(|texts| text.is_some_and(|text| texts.contains(text)))
    }
    let within = |range: &Option<Range<i64>>, time: i64| {
        range
            .as_ref()
            .is_none_or(|range| range.start <= time && time < range.end)
    };
    within(&filter.timestamps, row.timestamp)
        && within(&filter.wall_times, row.wall_time)
        && one_of(&filter.pids, Some(&row.pid))
        && one_of(&filter.correlation_ids, row.correlation_id.as_ref())
        && one_of(&filter.event_types, Some(&row.event_type))
}

/// What a query must answer: all that match, and of those the rows of the answer.
fn expected(query: &Query, log: &[EventRow]) -> (u64, Vec<EventRow>) {
    let matching = log.iter().filter(|row| holds(&query.filter, row));
    let mut matching: Vec<_> = matching.cloned().collect();
    matching.sort_by_key(|row| (row.timestamp, row.seq));
    if query.order.descending {
        matching.reverse();
    }
    let total = matching.len() as u64;
    let page = matching.into_iter().skip(query.skip).take(query.limit);
    (total, page.collect())
}

fn answered(answer: &Answer) -> Vec<EventRow> {
    for column in answer.batches.iter().flat_map(RecordBatch::columns) {
        column.to_data().validate_full().unwrap();
    }
    answer.batches.iter().flat_map(rows_of).collect()
}

fn check(query: &Query, snapshot: &Snapshot, log: &[EventRow]) -> Answer {
    let answer = execute(query, snapshot.clone(), &Cancel::default()).unwrap();
    let (total, rows) = expected(query, log);
    assert_eq!(answer.total, total, "{query:?}");
    assert!(answered(&answer) == rows, "other rows for {query:?}");
    assert_eq!(answer.watermark, snapshot.watermark);
    answer
}

/// The answer as another process reads it.
fn read_back(answer: &Answer, format: IpcFormat) -> Vec<EventRow> {
    let bytes = Cursor::new(answer.to_ipc(format).unwrap());
    let batches: Vec<RecordBatch> = match format {
        IpcFormat::Stream => StreamReader::try_new(bytes, None)
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap(),
        IpcFormat::File => FileReader::try_new(bytes, None)
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap(),
    };
    batches.iter().flat_map(rows_of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn answers_are_those_of_a_sorted_list(
        program in program(150),
        segment_events in prop_oneof![1usize..40, Just(100_000)],
        filters in prop::collection::vec(filter(), 6),
        limit in 0usize..60,
        skip in 0usize..20,
        is_indexed: bool,
    ) {
        let mut model = Model::new(open(segment_events));
        model.run(&program);
        let store = model.finish();
        if is_indexed {
            support::index(&store);
        }
        let snapshot = store.snapshot().unwrap();
        let log = rows(&snapshot);
        for filter in filters.into_iter().chain([Filter::default()]) {
            for (limit, skip, descending) in [(0, 0, false), (1, 0, false), (limit, skip, false), (limit, skip, true), (usize::MAX, 0, false), (usize::MAX, 0, true)] {
                let order = Order { descending, ..Order::default() };
                let query = Query { filter: filter.clone(), limit, skip, order, ..Query::default() };
                let answer = check(&query, &snapshot, &log);
                if limit > 1 && descending {
                    let (_, rows) = expected(&query, &log);
                    prop_assert!(read_back(&answer, IpcFormat::Stream) == rows);
                    prop_assert!(read_back(&answer, IpcFormat::File) == rows);
                }
            }
        }
        for row in &log {
            let found = find_event(row.event_id, snapshot.clone()).unwrap().expect("it is there");
            prop_assert_eq!(found.total, 1);
            prop_assert_eq!(&answered(&found), std::slice::from_ref(row));
        }
        for absent in [u64::MAX, 0x7fff << 48, (1 << 48) + 1_000_000] {
            prop_assert!(find_event(absent, snapshot.clone()).unwrap().is_none());
        }
    }
}

#[test]
fn shared_runs_and_gathered_rows_have_the_same_values() {
    let mut options = options(20_000, kinescope_store::Retention::default());
    options.ring_bytes = 4 << 20;
    let store = kinescope_store::Store::open(options).unwrap();
    let (mut writer, _ring) = producer(&store, "thread");
    for number in 0..50_000i64 {
        let data = Value::Text(format!("é{number}")).tagged();
        let trace = format!("trace-{}", number % 1000);
        let mut event = of_type(if number % 3 == 0 { "" } else { "日本語" });
        event.data = (number % 5 > 0).then_some(&*data);
        event.correlation_id = if number % 7 == 0 {
            Inherited::None
        } else {
            Inherited::Value(Text::Inline(&trace))
        };
        event.line = (number % 2 == 0).then_some(number as u32);
        // Out of order in a few places only, so that runs remain.
        let time = if number % 10_000 == 500 { 0 } else { number };
        let mut head = head_at(0);
        head.time = kinescope_ring::RecordTime::Given(time);
        writer.event(head, &event, Priority::Normal);
        if number % 2000 == 0 {
            settle(&store, &mut writer);
        }
    }
    settle(&store, &mut writer);
    support::index(&store);
    let snapshot = store.snapshot().unwrap();
    let log = rows(&snapshot);
    assert_eq!(log.len(), 50_000);
    let all = Query {
        limit: usize::MAX,
        ..Query::default()
    };
    let answer = check(&all, &snapshot, &log);
    assert!(answer.batches.iter().any(|batch| batch.num_rows() >= 8192));
    assert!(answer.batches.len() > 2 && answer.gathered_bytes > 0);
    let (_, expected_rows) = expected(&all, &log);
    for format in [IpcFormat::Stream, IpcFormat::File] {
        assert!(read_back(&answer, format) == expected_rows, "{format:?}");
    }
    let every_other = Filter {
        event_types: Some(vec!["日本語".to_owned()]),
        ..Filter::default()
    };
    let gathered = check(
        &Query {
            filter: every_other,
            ..all
        },
        &snapshot,
        &log,
    );
    assert_eq!(gathered.batches.len(), 1);
}

#[test]
fn a_cancelled_query_ends_with_closed_and_a_late_one_with_resource_exhausted() {
    let store = open(10);
    let (mut writer, _ring) = producer(&store, "thread");
    writer.event(head_at(1), &of_type("e"), Priority::Normal);
    settle(&store, &mut writer);
    let cancel = Cancel::default();
    cancel.cancel();
    let run = |cancel| execute(&Query::default(), store.snapshot().unwrap(), cancel);
    assert_eq!(run(&cancel).err().unwrap().code, ErrorCode::Closed);
    let late = Cancel::at(std::time::Instant::now());
    assert_eq!(run(&late).err().unwrap().code, ErrorCode::ResourceExhausted);
}

/// Puts a number into a token.
type Forge = fn(&mut PageToken, u64);

#[test]
fn a_page_token_with_numbers_that_no_page_ends_with_is_refused() {
    let store = open(10);
    let (mut writer, _ring) = producer(&store, "thread");
    for number in 0..8 {
        writer.event(head_at(number), &of_type("e"), Priority::Normal);
    }
    settle(&store, &mut writer);
    let page = |token: Option<PageToken>| {
        let pages = Pages {
            recording: 1,
            query_hash: 2,
            token,
        };
        let query = Query {
            limit: 3,
            pages: Some(pages),
            ..Query::default()
        };
        execute(&query, store.snapshot().unwrap(), &Cancel::default())
    };
    let token = page(None).unwrap().next_page.unwrap();
    assert_eq!(answered(&page(Some(token.clone())).unwrap()).len(), 3);
    let forges: [(Forge, u64); 3] = [
        (|token, number| token.watermark = number, 9),
        (|token, number| token.total = number, 9),
        (|token, number| token.delivered = number, 8),
    ];
    for (forge, least) in forges {
        for number in [least, 1 << 62, u64::MAX - 2, u64::MAX] {
            let mut forged = token.clone();
            forge(&mut forged, number);
            let refused = page(Some(forged)).err().unwrap();
            assert_eq!(refused.code, ErrorCode::PageTokenInvalid, "{number}");
        }
    }
}
