//! Indexes in files that somebody has made up with the right checksums: whatever they say, every query comes to an end with an
//! answer or an error.
#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../../store/tests/support/sections.rs"]
mod sections;
#[path = "../../store/tests/support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use kinescope_query::aggregate::{Aggregate, Aggregation, Function, GroupKey, Source, aggregate};
use kinescope_query::condition::{Comparison, Condition, Field, Test};
use kinescope_query::order::Order;
use kinescope_query::projection::Item;
use kinescope_query::scalar::Scalar;
use kinescope_query::{
    Cancel, Filter, Query, call_stack_at, describe, execute, find_event, state_at, text_counts,
    trace_seqs,
};
use kinescope_ring::{EventFields, Inherited, Priority, Text, ValueWriter};
use kinescope_store::columns::DictionaryColumn;
use kinescope_store::index::SegmentIndex;
use kinescope_store::{Error, EventId, Retention, Snapshot, Store};
use proptest::prelude::*;
use sections::{index_files, replace, seal_section, sections};
use support::disk::{Scratch, image, open_on_disk};
use support::{head_at, of_type, options, producer, settle};

const EVENTS: i64 = 1500;

/// A payload with values of all types, few and many distinct ones, some rare, and more keys than have columns.
fn data_of(number: i64) -> Vec<u8> {
    let mut out = ValueWriter::new();
    let text = |out: &mut ValueWriter, text: &str| {
        out.text(Text::Inline(text));
    };
    out.object();
    text(&mut out, "small");
    out.i64(number % 7);
    if number % 50 == 0 {
        text(&mut out, "rare");
        out.i64(number * 1_000_003);
        text(&mut out, "large");
        out.u64(u64::MAX - number as u64);
    }
    text(&mut out, "float");
    out.f64(number as f64 + 0.5);
    text(&mut out, "mixed");
    match number % 6 {
        0 => out.null(),
        1 => out.bool(true),
        2 => out.bool(false),
        3 => out.i64(number),
        4 => out.array().i64(1).text(Text::Inline("inner")).end(),
        _ => out.object().text(Text::Inline("deep")).i64(number).end(),
    };
    text(&mut out, "few");
    text(&mut out, ["red", "green", "日本語"][(number % 3) as usize]);
    text(&mut out, "many");
    text(&mut out, &format!("Text number {number} \"quoted\""));
    text(&mut out, &format!("key{}", number % 200));
    out.bool(true);
    text(&mut out, "name");
    text(&mut out, if number % 2 == 0 { "door" } else { "cart" });
    text(&mut out, "state");
    out.i64(number);
    text(&mut out, "variables");
    out.object().text(Text::Inline("x")).i64(number).end();
    out.end();
    out.as_bytes().to_vec()
}

const TYPES: [&str; 5] = [
    "function_entry",
    "function_exit",
    "state_snapshot",
    "local_variable_snapshot",
    "log",
];

/// Every kind of index there is, in one sealed segment and a part of another.
fn recording() -> &'static Scratch {
    static RECORDING: OnceLock<Scratch> = OnceLock::new();
    RECORDING.get_or_init(|| {
        let scratch = Scratch::new();
        let mut options = options(1000, Retention::default());
        options.ring_bytes = 4 << 20;
        let store = open_on_disk(options, scratch.path());
        let (mut first, _ring) = producer(&store, "first");
        let (mut second, _ring) = producer(&store, "second");
        for number in 0..EVENTS {
            let (data, trace) = (data_of(number), format!("trace-{}", number / 3));
            let (pid, function) = (format!("pid-{}", number % 300), format!("f{}", number % 11));
            let writer = if number % 2 == 0 {
                &mut first
            } else {
                &mut second
            };
            if number % 10 == 0 {
                let unique = format!("value {number}");
                writer.context(1, None, None, None, &[("tag", "a"), ("unique", &unique)]);
            }
            let mut head = head_at(number);
            head.slot = u16::from(number % 5 == 0);
            let event = EventFields {
                pid: Some(Text::Inline(if number % 4 == 0 { "busy" } else { &pid })),
                correlation_id: match number % 4 {
                    0 => Inherited::None,
                    _ => Inherited::Value(Text::Inline(&trace)),
                },
                parent_id: match number % 3 {
                    0 => Inherited::None,
                    _ => {
                        Inherited::Value(EventId::new(1 + (number % 2) as u16, number as u64 / 3).0)
                    }
                },
                module: (number % 13 > 0).then_some(Text::Inline("module")),
                function: Some(Text::Inline(&function)),
                arity: (number % 9 > 0).then_some((number % 4) as u16),
                data: (number % 17 > 0).then_some(&*data),
                ..of_type(TYPES[(number % 5) as usize])
            };
            writer.event(head, &event, Priority::Normal);
            if number % 100 == 0 {
                settle(&store, &mut first);
                settle(&store, &mut second);
            }
        }
        settle(&store, &mut first);
        settle(&store, &mut second);
        store.close();
        scratch
    })
}

fn path(keys: &str) -> Field {
    Field::Path(keys.split('.').map(str::to_owned).collect())
}

fn conditions() -> Vec<Condition> {
    let number = |int: i128| Scalar::Int(int);
    let of = |field: Field, test: Test| Condition::Test(field, test);
    let column = |name: &str| Field::column(name).unwrap();
    let texts = [
        Test::Contains("o".to_owned()),
        Test::StartsWith("T".to_owned()),
        Test::Exists,
    ];
    let mut all = vec![
        Condition::Text(vec!["number 7".to_owned()]),
        Condition::Text(vec!["inner".to_owned(), "trace-1".to_owned()]),
        Condition::Text(vec!["key19".to_owned()]),
        of(path("mixed.0"), Test::Exists),
        of(path("key150"), Test::Exists),
        of(
            column("function"),
            Test::In(vec![Scalar::Text("f1".into()), Scalar::Text("f2".into())]),
        ),
        of(column("arity"), Test::Compare(Comparison::Gt, number(1))),
        of(
            Field::Tag("tag".to_owned()),
            Test::Compare(Comparison::Eq, Scalar::Text("a".into())),
        ),
    ];
    for field in [
        "small",
        "rare",
        "large",
        "float",
        "mixed",
        "mixed.deep",
        "few",
        "many",
        "absent",
    ] {
        for test in [
            Test::Compare(Comparison::Eq, number(3)),
            Test::Compare(Comparison::Gte, number(1_000_000)),
            Test::Compare(Comparison::Lt, Scalar::Float(700.25)),
            Test::Compare(Comparison::Eq, Scalar::Bool(true)),
            Test::In(vec![number(1), Scalar::Text("red".into())]),
        ] {
            all.push(of(path(field), test));
        }
        all.extend(texts.iter().map(|test| of(path(field), test.clone())));
        all.push(Condition::Not(Box::new(of(path(field), Test::Exists))));
    }
    all.extend(texts.map(|test| of(Field::Tag("unique".to_owned()), test)));
    all
}

fn filters() -> Vec<Filter> {
    let some = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
    let mut filters: Vec<Filter> = conditions()
        .into_iter()
        .map(|condition| Filter {
            condition: Some(condition),
            ..Filter::default()
        })
        .collect();
    filters.push(Filter {
        pids: some(&["busy", "pid-1", "pid-2"]),
        ..Filter::default()
    });
    filters.push(Filter {
        correlation_ids: some(&["trace-7"]),
        event_types: some(&["log"]),
        ..Filter::default()
    });
    filters.push(Filter {
        timestamps: Some(200..700),
        pids: some(&["pid-33"]),
        ..Filter::default()
    });
    filters
}

fn aggregates() -> Vec<Aggregate> {
    let functions = [
        Function::Count,
        Function::CountDistinct,
        Function::Sum,
        Function::Average,
        Function::Min,
        Function::Max,
        Function::Quantile {
            q: 0.9,
            exact: false,
        },
        Function::Quantile {
            q: 0.5,
            exact: true,
        },
    ];
    let keys = |names: &[&str]| {
        let key = |name: &&str| GroupKey {
            name: (*name).to_owned(),
            source: Source::Field(Field::column(name).unwrap_or_else(|| path(name))),
        };
        names.iter().map(key).collect()
    };
    let mut all = Vec::new();
    for names in [
        &["event_type", "module", "function", "arity"][..],
        &["few"],
        &["many"],
        &["pid"],
        &[],
    ] {
        for field in ["small", "rare", "float", "mixed"] {
            all.extend(functions.map(|function| Aggregate {
                keys: keys(names),
                aggregations: vec![Aggregation {
                    name: "value".to_owned(),
                    function,
                    field: Some(path(field)),
                }],
                ..Aggregate::default()
            }));
        }
    }
    let mut counts = all[0].clone();
    counts.aggregations[0].field = None;
    counts.filter.condition = Some(Condition::Test(
        Field::column("function").unwrap(),
        Test::Compare(Comparison::Eq, Scalar::Text("f3".into())),
    ));
    all.push(counts);
    all
}

/// Asks every kind of question that looks at an index. Errors are as good as answers.
fn ask_everything(store: &Store) -> Result<(), Error> {
    let snapshot = || store.snapshot();
    let cancel = Cancel::default();
    for filter in filters() {
        let query = Query {
            filter,
            limit: 20,
            ..Query::default()
        };
        let _ = execute(&query, snapshot()?, &cancel);
    }
    for field in ["small", "rare", "float", "mixed", "few", "many"] {
        for descending in [false, true] {
            let order = Order {
                field: Some(path(field)),
                descending,
            };
            let item = Item {
                field: path(field),
                column: None,
                as_type: None,
            };
            let query = Query {
                limit: 30,
                order,
                projection: Some(vec![item]),
                ..Query::default()
            };
            let _ = execute(&query, snapshot()?, &cancel);
        }
    }
    for asked in aggregates() {
        let _ = aggregate(&asked, &snapshot()?, &cancel);
    }
    ask_about_events(&snapshot()?, &cancel);
    let _ = describe(&snapshot()?, &cancel);
    text_counts(DictionaryColumn::Function, None, &snapshot()?);
    store.stats();
    Ok(())
}

fn ask_about_events(snapshot: &Snapshot, cancel: &Cancel) {
    for number in [0, 1, 400, 749, 750] {
        for producer in [1, 2] {
            let id = EventId::new(producer, number);
            let _ = find_event(id.0, snapshot.clone());
            let _ = trace_seqs(&id.to_string(), snapshot, cancel);
        }
    }
    for (pid, time) in [
        ("busy", 400),
        ("busy", i64::MAX),
        ("pid-1", 900),
        ("pid-2", i64::MAX),
        ("pid-299", 1200),
    ] {
        let _ = trace_seqs("trace-33", snapshot, cancel);
        let _ = call_stack_at(pid, time, snapshot, cancel);
        let _ = state_at(pid, time, snapshot, cancel);
    }
}

/// How many of the segments have the index of their file.
fn loaded(store: &Store) -> usize {
    let snapshot = store.snapshot().unwrap();
    let indexes = snapshot
        .segments()
        .filter_map(|(segment, _)| segment.index());
    indexes
        .filter(|index| SegmentIndex::is_in_file(index))
        .count()
}

fn read(path: &Path) -> Store {
    Store::open_to_read(options(1000, Retention::default()), path).unwrap()
}

/// What is put in a place of a section.
#[derive(Clone, Debug)]
enum Change {
    Byte(u8),
    /// Of the numbers that lengths, counts and codes are.
    Number(u64, usize),
    /// What stands elsewhere in the section, so many bytes of it.
    Copy(prop::sample::Index, usize),
}

fn change() -> impl Strategy<Value = (prop::sample::Index, Change)> {
    let number = prop_oneof![
        0u64..3,
        Just(u64::MAX),
        Just(1 << 63),
        Just(u64::from(u32::MAX)),
        (0u32..64).prop_map(|bit| 1 << bit),
        900u64..1600,
        any::<u64>(),
    ];
    let width = prop::sample::select(vec![1usize, 2, 4, 8]);
    let change = prop_oneof![
        2 => any::<u8>().prop_map(Change::Byte),
        3 => (number, width).prop_map(|(number, width)| Change::Number(number, width)),
        1 => (any::<prop::sample::Index>(), 1usize..64).prop_map(|(from, len)| Change::Copy(from, len)),
    ];
    (any::<prop::sample::Index>(), change)
}

fn apply(body: &mut [u8], at: usize, change: &Change) {
    let put = |body: &mut [u8], bytes: &[u8]| {
        let len = bytes.len().min(body.len() - at);
        body[at..at + len].copy_from_slice(&bytes[..len]);
    };
    match change {
        Change::Byte(byte) => put(body, &[*byte]),
        Change::Number(number, width) => put(body, &number.to_le_bytes()[..*width]),
        Change::Copy(from, len) => {
            let from = from.index(body.len());
            let copied = body[from..(from + len).min(body.len())].to_vec();
            put(body, &copied);
        }
    }
}

#[test]
fn an_index_of_a_file_answers_everything() {
    let store = read(recording().path());
    assert_eq!(store.snapshot().unwrap().indexed_rows(), EVENTS as u64);
    ask_everything(&store).unwrap();
    assert_eq!(loaded(&store), 2);
}

/// How many made-up indexes have been used, and how many not.
static TAKEN: AtomicU32 = AtomicU32::new(0);
static REFUSED: AtomicU32 = AtomicU32::new(0);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    fn made_up_indexes_do_no_harm(
        section in 3usize..11,
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let scratch = Scratch::new();
        image(recording().path(), scratch.path());
        let file = index_files(scratch.path()).remove(0);
        let mut bytes = fs::read(&file).unwrap();
        let section = sections(&bytes)[section].clone();
        let body = section.body..section.crc;
        for (at, change) in &changes {
            let at = at.index(body.len());
            apply(&mut bytes[body.clone()], at, change);
        }
        seal_section(&mut bytes, &section);
        replace(&file, &bytes);
        let store = read(scratch.path());
        let taken = loaded(&store) == 2;
        if taken { &TAKEN } else { &REFUSED }.fetch_add(1, Ordering::Relaxed);
        ask_everything(&store).unwrap();
    }
}

#[test]
fn a_made_up_index_does_no_harm() {
    made_up_indexes_do_no_harm();
    let (taken, refused) = (
        TAKEN.load(Ordering::Relaxed),
        REFUSED.load(Ordering::Relaxed),
    );
    assert!(
        taken > 10 && refused > 10,
        "{taken} were used, {refused} were not"
    );
}
