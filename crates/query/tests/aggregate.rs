//! Aggregates against grouping a list of rows, whole and in parts that are merged; quantile sketches against sorting.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../../store/tests/support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int32Type, Int64Type, UInt32Type};
use arrow_array::{Array, ArrayRef};
use kinescope_query::aggregate::{
    Aggregate, AggregateAnswer, Aggregation, ColumnType, Function, GroupKey, Partial, Source,
    aggregate,
};
use kinescope_query::condition::{Condition, Field, NumberColumn, Test};
use kinescope_query::{Cancel, Filter};
use kinescope_ring::{Priority, Text, ValueWriter};
use kinescope_store::columns::{DictionaryColumn, NullableColumn};
use kinescope_store::sketch::{MergedQuantiles, QUANTILE_ERROR, Sketch};
use kinescope_store::{ErrorCode, Snapshot, Store};
use proptest::prelude::*;
use support::{head_at, of_type, open, producer, settle};

/// `data.x` of an event. Halves add up exactly, in any order.
#[derive(Clone, Copy, Debug)]
enum X {
    Absent,
    Int(i64),
    Halves(i32),
    Text,
}

#[derive(Clone, Copy, Debug)]
struct Input {
    pid: usize,
    line: Option<u32>,
    x: X,
}

const PIDS: [&str; 3] = ["b", "a", "ä"];

/// Integers of any size, or small ones among halves: floats hold all sums of these exactly.
fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let wide = any::<i64>().prop_map(X::Int);
    let small = prop_oneof![(-3i64..3).prop_map(X::Int), (-9i32..9).prop_map(X::Halves),];
    prop_oneof![inputs_with(wide), inputs_with(small)]
}

fn inputs_with(number: impl Strategy<Value = X>) -> impl Strategy<Value = Vec<Input>> {
    let x = prop_oneof![1 => Just(X::Absent), 1 => Just(X::Text), 4 => number];
    let line = proptest::option::of(1u32..4);
    let input = (0..PIDS.len(), line, x).prop_map(|(pid, line, x)| Input { pid, line, x });
    prop::collection::vec(input, 0..60)
}

fn store_of(inputs: &[Input], segment_events: usize) -> Store {
    let store = open(segment_events);
    let (mut writer, _ring) = producer(&store, "thread");
    for input in inputs {
        let mut data = ValueWriter::new();
        data.object().text(Text::Inline("x"));
        match input.x {
            X::Absent => data.null(),
            X::Int(int) => data.i64(int),
            X::Halves(halves) => data.f64(f64::from(halves) / 2.0),
            X::Text => data.text(Text::Inline("7")),
        };
        data.end();
        let mut event = of_type(if input.pid == 0 { "f" } else { "e" });
        event.module = (input.pid < 2).then_some(Text::Inline(PIDS[input.pid]));
        event.arity = input.line.map(|line| line as u16);
        event.pid = Some(Text::Inline(PIDS[input.pid]));
        event.line = input.line;
        event.data = Some(data.as_bytes());
        writer.event(head_at(1), &event, Priority::Normal);
        settle(&store, &mut writer);
    }
    store
}

fn asked() -> Aggregate {
    let x = || Some(Field::Path(vec!["x".to_owned()]));
    let of = |name: &str, function, field| Aggregation {
        name: name.to_owned(),
        function,
        field,
    };
    let key = |name: &str| GroupKey {
        name: name.to_owned(),
        source: Source::Field(Field::column(name).unwrap()),
    };
    let median = |exact| Function::Quantile { q: 0.5, exact };
    Aggregate {
        filter: Filter::default(),
        keys: vec![key("pid"), key("line")],
        aggregations: vec![
            of("n", Function::Count, None),
            of("present", Function::Count, x()),
            of("distinct", Function::CountDistinct, x()),
            of("sum", Function::Sum, x()),
            of("min", Function::Min, x()),
            of("max", Function::Max, x()),
            of("median", median(true), x()),
            of("sketch", median(false), x()),
        ],
        ..Aggregate::default()
    }
}

/// A number as a count of halves.
fn halves(x: X) -> Option<i128> {
    match x {
        X::Int(int) => Some(i128::from(int) * 2),
        X::Halves(halves) => Some(halves.into()),
        X::Absent | X::Text => None,
    }
}

/// Of a group: events, present values, distinct ones, and sum, lowest, highest and median in halves.
type Expected = (i64, i64, i64, Option<[i128; 4]>);

/// Keys sort as the answer is ordered: absence last.
type GroupOf = (String, u32);

fn expected(inputs: &[Input]) -> BTreeMap<GroupOf, Expected> {
    let mut groups: BTreeMap<GroupOf, Vec<X>> = BTreeMap::new();
    for input in inputs {
        let key = (PIDS[input.pid].to_owned(), input.line.unwrap_or(u32::MAX));
        groups.entry(key).or_default().push(input.x);
    }
    let of_group = |values: Vec<X>| {
        let present = values.iter().filter(|x| !matches!(x, X::Absent)).count();
        let has_text = values.iter().any(|x| matches!(x, X::Text));
        let mut numbers: Vec<i128> = values.iter().filter_map(|&x| halves(x)).collect();
        numbers.sort_unstable();
        let distinct = BTreeSet::from_iter(&numbers).len() + usize::from(has_text);
        let middle = numbers.len().div_ceil(2).saturating_sub(1);
        let of_numbers = numbers.first().map(|&lowest| {
            let sum = numbers.iter().sum();
            [sum, lowest, *numbers.last().unwrap(), numbers[middle]]
        });
        (
            values.len() as i64,
            present as i64,
            distinct as i64,
            of_numbers,
        )
    };
    groups
        .into_iter()
        .map(|(key, values)| (key, of_group(values)))
        .collect()
}

/// A number of a column, in halves.
fn number(column: &ArrayRef, column_type: ColumnType, row: usize) -> Option<i128> {
    if column.is_null(row) {
        return None;
    }
    Some(match column_type {
        ColumnType::I64 => i128::from(column.as_primitive::<Int64Type>().value(row)) * 2,
        ColumnType::Decimal => column.as_primitive::<Decimal128Type>().value(row) * 2,
        ColumnType::F64 => (column.as_primitive::<Float64Type>().value(row) * 2.0) as i128,
        other => panic!("{other:?} is no type of a number"),
    })
}

fn check(answer: &AggregateAnswer, inputs: &[Input]) {
    let batch = &answer.batch;
    for column in batch.columns() {
        column.to_data().validate_full().unwrap();
    }
    let expected = expected(inputs);
    assert_eq!(batch.num_rows(), expected.len());
    let pids = batch.column(0).as_dictionary::<Int32Type>();
    let lines = batch.column(1).as_primitive::<UInt32Type>();
    let count = |column: usize, row| batch.column(column).as_primitive::<Int64Type>().value(row);
    for (row, ((pid, line), (events, present, distinct, numbers))) in expected.iter().enumerate() {
        let code = pids.keys().value(row) as usize;
        assert_eq!(pids.values().as_string::<i32>().value(code), pid);
        let own_line = lines.is_valid(row).then(|| lines.value(row));
        assert_eq!(own_line.unwrap_or(u32::MAX), *line);
        assert_eq!(
            [count(2, row), count(3, row), count(4, row)],
            [*events, *present, *distinct]
        );
        for index in 0..4 {
            let column = 5 + index;
            let found = number(batch.column(column), answer.types[column], row);
            let wanted = numbers.map(|numbers| numbers[index]);
            assert_eq!(found, wanted, "column {column} of row {row}");
        }
        let sketches = batch.column(9).as_primitive::<Float64Type>();
        match numbers {
            None => assert!(sketches.is_null(row)),
            Some([_, _, _, median]) => {
                let median = *median as f64 / 2.0;
                assert!((sketches.value(row) - median).abs() <= median.abs() * QUANTILE_ERROR);
            }
        }
    }
}

fn whole(asked: &Aggregate, snapshot: &Snapshot) -> AggregateAnswer {
    aggregate(asked, snapshot, &Cancel::default()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn has_the_groups_of_a_list_of_rows_whole_or_merged(
        inputs in inputs(),
        segment_events in 1usize..20,
        cuts in prop::collection::vec(any::<bool>(), 61),
        is_indexed: bool,
    ) {
        let store = store_of(&inputs, segment_events);
        if is_indexed {
            support::index(&store);
        }
        let snapshot = store.snapshot().unwrap();
        let asked = asked();
        let whole = whole(&asked, &snapshot);
        check(&whole, &inputs);
        let cancel = Cancel::default();
        let mut merged = Partial::new(&asked);
        let mut part = Partial::new(&asked);
        for (rows, cut) in snapshot.parts().iter().zip(cuts) {
            part.add(rows, &cancel).unwrap();
            if cut {
                merged.merge(std::mem::replace(&mut part, Partial::new(&asked))).unwrap();
            }
        }
        merged.merge(part).unwrap();
        let merged = merged.finish(snapshot.watermark).unwrap();
        check(&merged, &inputs);
        prop_assert_eq!(merged.types, whole.types);
    }

    #[test]
    fn cells_tell_what_their_rows_tell(
        inputs in inputs(),
        segment_events in 1usize..20,
        event_types in prop::option::of(Just(vec!["e".to_owned(), "f".to_owned(), "never".to_owned()])),
    ) {
        let store = store_of(&inputs, segment_events);
        support::index(&store);
        let snapshot = store.snapshot().unwrap();
        let text = |column, nullable| Source::Field(Field::Text(column, nullable));
        let key = |name: &str, source| GroupKey { name: name.to_owned(), source };
        let by_cells = Aggregate {
            keys: vec![
                key("type", text(DictionaryColumn::EventType, None)),
                key("module", text(DictionaryColumn::Module, Some(NullableColumn::Module))),
                key("arity", Source::Field(Field::Number(NumberColumn::Arity))),
            ],
            filter: Filter { event_types, ..Filter::default() },
            ..asked()
        };
        let mut by_rows = by_cells.clone();
        by_rows.filter.condition = Some(Condition::Test(Field::Number(NumberColumn::Seq), Test::Exists));
        let (cells, rows) = (whole(&by_cells, &snapshot), whole(&by_rows, &snapshot));
        prop_assert_eq!(cells.types, rows.types);
        prop_assert_eq!(cells.batch, rows.batch);
    }

    #[test]
    fn sketches_are_as_near_as_they_say_whole_or_merged(
        mut values in prop::collection::vec(prop_oneof![
            any::<f64>().prop_filter("finite", |value| value.is_finite()),
            (-300i32..300, -9.99f64..9.99).prop_map(|(exponent, digits)| digits * 10f64.powi(exponent)),
            (0u64..200).prop_map(f64::from_bits),
            (0u64..200).prop_map(|bits| -f64::from_bits(bits)),
            -2f64..2.0,
        ], 1..80),
        q in 0f64..=1.0,
        split in 0usize..80,
    ) {
        let split = split.min(values.len());
        let sketch_of = |values: &[f64]| {
            let mut sketch = Sketch::default();
            values.iter().for_each(|&value| sketch.add(value));
            sketch
        };
        let whole = sketch_of(&values);
        let mut merged = sketch_of(&values[..split]);
        merged.merge(&sketch_of(&values[split..]));
        prop_assert_eq!(&merged, &whole);
        let (first, rest) = (sketch_of(&values[..split / 2]), sketch_of(&values[split..]));
        let between = sketch_of(&values[split / 2..split]);
        let runs = [first, rest].map(|sketch| sketch.to_buckets().unwrap());
        let of_runs = MergedQuantiles::default().quantile(&between, &runs.each_ref().map(|run| &**run), q);
        prop_assert_eq!(of_runs, whole.quantile(q));
        let mut merged = between;
        runs.iter().for_each(|run| merged.merge_buckets(run));
        prop_assert_eq!(&merged, &whole);
        values.sort_by(f64::total_cmp);
        let rank = ((q * values.len() as f64).ceil() as usize).max(1) - 1;
        let (found, exact) = (whole.quantile(q).unwrap(), values[rank]);
        prop_assert!((found - exact).abs() / QUANTILE_ERROR <= exact.abs(), "{} for {}", found, exact);
    }
}

#[test]
fn a_sketch_of_nothing_has_no_quantile() {
    assert_eq!(Sketch::default().quantile(0.5), None);
}

#[test]
fn time_buckets_begin_at_multiples_however_wide() {
    let store = open(4);
    let (mut writer, _ring) = producer(&store, "thread");
    for _ in 0..5 {
        writer.event(head_at(1), &of_type("e"), Priority::Normal);
    }
    settle(&store, &mut writer);
    let snapshot = store.snapshot().unwrap();
    for width_ns in [1, 7, i64::MAX] {
        let mut asked = asked();
        asked.keys = vec![GroupKey {
            name: "time_bucket".to_owned(),
            source: Source::TimeBucket(width_ns),
        }];
        asked.aggregations.truncate(1);
        let answer = whole(&asked, &snapshot);
        let (segment, rows) = snapshot.segments().next().unwrap();
        let first = segment.columns.timestamp.slice(rows)[0];
        let buckets = answer.batch.column(0).as_primitive::<Int64Type>();
        assert_eq!(buckets.value(0), first.div_euclid(width_ns) * width_ns);
        let counts = answer.batch.column(1).as_primitive::<Int64Type>();
        assert_eq!(counts.values().iter().sum::<i64>(), 5);
    }
}

#[test]
fn stops_when_cancelled_and_past_its_deadline() {
    let input = Input {
        pid: 0,
        line: None,
        x: X::Text,
    };
    let store = store_of(&[input], 4);
    let snapshot = store.snapshot().unwrap();
    let mut asked = asked();
    asked.keys = vec![GroupKey {
        name: "seq".to_owned(),
        source: Source::Field(Field::Number(NumberColumn::Seq)),
    }];
    let cancelled = Cancel::default();
    cancelled.cancel();
    let code = |cancel: &Cancel| {
        aggregate(&asked, &snapshot, cancel)
            .err()
            .map(|error| error.code)
    };
    assert_eq!(code(&cancelled), Some(ErrorCode::Closed));
    assert_eq!(
        code(&Cancel::at(Instant::now())),
        Some(ErrorCode::ResourceExhausted)
    );
    assert_eq!(code(&Cancel::default()), None);
}
