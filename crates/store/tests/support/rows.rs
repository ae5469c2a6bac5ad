//! Rows in the form that tests compare.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Int32Type, Int64Type, TimestampNanosecondType, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use kinescope_store::{Snapshot, Store, arrow_view};

/// One row of the log, in the order of the columns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventRow {
    pub seq: u64,
    pub event_id: u64,
    pub timestamp: i64,
    pub wall_time: i64,
    pub event_type: String,
    pub node: String,
    pub pid: String,
    pub correlation_id: Option<String>,
    pub parent_id: Option<u64>,
    pub module: Option<String>,
    pub function: Option<String>,
    pub arity: Option<u16>,
    pub file: Option<String>,
    pub line: Option<u32>,
    pub tags: Option<Vec<(String, String)>>,
    pub data: Option<String>,
}

fn values<T: ArrowPrimitiveType>(batch: &RecordBatch, name: &str) -> Vec<Option<T::Native>> {
    let column = batch.column_by_name(name).unwrap();
    column.as_primitive::<T>().iter().collect()
}

fn texts(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let column = batch
        .column_by_name(name)
        .unwrap()
        .as_dictionary::<Int32Type>();
    let texts = column.values().as_string::<i32>();
    let code = |row| column.keys().value(row) as usize;
    (0..column.len())
        .map(|row| {
            column
                .is_valid(row)
                .then(|| texts.value(code(row)).to_owned())
        })
        .collect()
}

fn tags(batch: &RecordBatch) -> Vec<Option<Vec<(String, String)>>> {
    let column = batch.column_by_name("tags").unwrap().as_map();
    let entries = |row| {
        let entries = column.value(row);
        let (keys, values) = (
            entries.column(0).as_string::<i32>(),
            entries.column(1).as_string::<i32>(),
        );
        let entry = |entry| {
            assert!(values.is_valid(entry));
            (keys.value(entry).to_owned(), values.value(entry).to_owned())
        };
        (0..entries.len()).map(entry).collect()
    };
    (0..column.len())
        .map(|row| column.is_valid(row).then(|| entries(row)))
        .collect()
}

/// The rows of a batch; what may not be null must not be.
pub fn rows_of(batch: &RecordBatch) -> Vec<EventRow> {
    let (seq, event_id, timestamp) = (
        values::<UInt64Type>(batch, "seq"),
        values::<UInt64Type>(batch, "event_id"),
        values::<Int64Type>(batch, "timestamp"),
    );
    let wall_time = values::<TimestampNanosecondType>(batch, "wall_time");
    let (event_type, node, pid) = (
        texts(batch, "event_type"),
        texts(batch, "node"),
        texts(batch, "pid"),
    );
    let (correlation_id, parent_id) = (
        texts(batch, "correlation_id"),
        values::<UInt64Type>(batch, "parent_id"),
    );
    let (module, function, file) = (
        texts(batch, "module"),
        texts(batch, "function"),
        texts(batch, "file"),
    );
    let (arity, line) = (
        values::<UInt16Type>(batch, "arity"),
        values::<UInt32Type>(batch, "line"),
    );
    let tags = tags(batch);
    let data = batch.column_by_name("data").unwrap().as_string::<i32>();
    let row = |row: usize| EventRow {
        seq: seq[row].unwrap(),
        event_id: event_id[row].unwrap(),
        timestamp: timestamp[row].unwrap(),
        wall_time: wall_time[row].unwrap(),
        event_type: event_type[row].clone().unwrap(),
        node: node[row].clone().unwrap(),
        pid: pid[row].clone().unwrap(),
        correlation_id: correlation_id[row].clone(),
        parent_id: parent_id[row],
        module: module[row].clone(),
        function: function[row].clone(),
        arity: arity[row],
        file: file[row].clone(),
        line: line[row],
        tags: tags[row].clone(),
        data: data.is_valid(row).then(|| data.value(row).to_owned()),
    };
    (0..batch.num_rows()).map(row).collect()
}

/// Everything that is visible.
pub fn log(store: &Store) -> Vec<EventRow> {
    rows(&store.snapshot().unwrap())
}

/// All rows of a snapshot, each segment's batch checked against every rule of Arrow.
pub fn rows(snapshot: &Snapshot) -> Vec<EventRow> {
    let batches = snapshot.segments().map(|(segment, rows)| {
        let batch = arrow_view::record_batch(segment, rows).unwrap();
        for column in batch.columns() {
            column.to_data().validate_full().unwrap();
        }
        rows_of(&batch)
    });
    batches.flatten().collect()
}

/// What an `events_lost` row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LossRow {
    pub producer: u16,
    pub first: u64,
    pub last: u64,
    pub count: u64,
    pub cause: String,
}

/// The loss that a row tells of; none for an event.
pub fn loss_of(row: &EventRow) -> Option<LossRow> {
    if row.event_type != "events_lost" {
        return None;
    }
    let data: serde_json::Value = serde_json::from_str(row.data.as_deref().unwrap()).unwrap();
    let number = |field: &str| data[field].as_u64().unwrap();
    let loss = LossRow {
        producer: number("producer") as u16,
        first: number("first_sequence"),
        last: number("last_sequence"),
        count: number("count"),
        cause: data["cause"].as_str().unwrap().to_owned(),
    };
    assert_eq!(loss.count, loss.last - loss.first + 1);
    Some(loss)
}
