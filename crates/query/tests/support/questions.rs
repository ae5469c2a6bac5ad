//! Questions that between them look at everything that an index of a segment has, and payloads that give it all of that.
#![allow(dead_code, reason = "each user takes its part")]

use kinescope_query::aggregate::{Aggregate, Aggregation, Function, GroupKey, Source, aggregate};
use kinescope_query::condition::{Comparison, Condition, Field, Test};
use kinescope_query::order::Order;
use kinescope_query::projection::Item;
use kinescope_query::scalar::Scalar;
use kinescope_query::{
    Cancel, Filter, Query, call_stack_at, describe, execute, find_event, state_at, text_counts,
    trace_seqs,
};
use kinescope_ring::{
    EventFields, EventHead, Inherited, Priority, RecordTime, RingWriter, Text, ValueWriter,
};
use kinescope_store::columns::DictionaryColumn;
use kinescope_store::{Error, EventId, Snapshot, Store};

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

/// Records an event whose every field depends on its number: some are often there and some seldom, with few or many values.
pub fn record(writer: &mut RingWriter, number: i64) {
    let (data, trace) = (data_of(number), format!("trace-{}", number / 3));
    let (pid, function) = (format!("pid-{}", number % 300), format!("f{}", number % 11));
    if number % 10 == 0 {
        let unique = format!("value {number}");
        writer.context(1, None, None, None, &[("tag", "a"), ("unique", &unique)]);
    }
    let head = EventHead {
        slot: u16::from(number % 5 == 0),
        time: RecordTime::Raw(number),
        parent: None,
    };
    let event = EventFields {
        pid: Some(Text::Inline(if number % 4 == 0 { "busy" } else { &pid })),
        correlation_id: match number % 4 {
            0 => Inherited::None,
            _ => Inherited::Value(Text::Inline(&trace)),
        },
        parent_id: match number % 3 {
            0 => Inherited::None,
            _ => Inherited::Value(EventId::new(1 + (number % 2) as u16, number as u64 / 3).0),
        },
        module: (number % 13 > 0).then_some(Text::Inline("module")),
        function: Some(Text::Inline(&function)),
        arity: (number % 9 > 0).then_some((number % 4) as u16),
        data: (number % 17 > 0).then_some(&*data),
        ..EventFields::of_type(Text::Inline(TYPES[(number % 5) as usize]))
    };
    writer.event(head, &event, Priority::Normal);
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

/// Conditions on every kind of column that an index has.
pub fn filters() -> Vec<Filter> {
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

/// Asks every kind of question that looks at an index, as far as `is_asked` says when it is asked once for each. Gives the
/// errors that were answered, or the one for which nothing could be asked.
pub fn ask(store: &Store, mut is_asked: impl FnMut() -> bool) -> Result<Vec<Error>, Error> {
    let snapshot = || store.snapshot();
    let cancel = Cancel::default();
    let mut errors = Vec::new();
    for query in filters().into_iter().map(query_of).chain(sorted()) {
        if is_asked() {
            errors.extend(execute(&query, snapshot()?, &cancel).err());
        }
    }
    for asked in aggregates() {
        if is_asked() {
            errors.extend(aggregate(&asked, &snapshot()?, &cancel).err());
        }
    }
    if is_asked() {
        errors.extend(ask_about_events(&snapshot()?, &cancel));
    }
    if is_asked() {
        errors.extend(describe(&snapshot()?, &cancel).err());
        text_counts(DictionaryColumn::Function, None, &snapshot()?);
        store.stats();
    }
    Ok(errors)
}

/// Answers a filter, the first rows of it.
pub fn query_of(filter: Filter) -> Query {
    Query {
        filter,
        limit: 20,
        ..Query::default()
    }
}

fn sorted() -> impl Iterator<Item = Query> {
    let fields = ["small", "rare", "float", "mixed", "few", "many"];
    let both = |field| [(field, false), (field, true)];
    fields
        .into_iter()
        .flat_map(both)
        .map(|(field, descending)| Query {
            limit: 30,
            order: Order {
                field: Some(path(field)),
                descending,
            },
            projection: Some(vec![Item {
                field: path(field),
                column: None,
                as_type: None,
            }]),
            ..Query::default()
        })
}

fn ask_about_events(snapshot: &Snapshot, cancel: &Cancel) -> Vec<Error> {
    let mut errors = Vec::new();
    for number in [0, 1, 400, 749, 750] {
        for producer in [1, 2] {
            let id = EventId::new(producer, number);
            errors.extend(find_event(id.0, snapshot.clone()).err());
            errors.extend(trace_seqs(&id.to_string(), snapshot, cancel).err());
        }
    }
    for (pid, time) in [
        ("busy", 400),
        ("busy", i64::MAX),
        ("pid-1", 900),
        ("pid-2", i64::MAX),
        ("pid-299", 1200),
    ] {
        errors.extend(trace_seqs("trace-33", snapshot, cancel).err());
        errors.extend(call_stack_at(pid, time, snapshot, cancel).err());
        errors.extend(state_at(pid, time, snapshot, cancel).err());
    }
    errors
}
