//! An Arrow C stream gives a consumer what it was made of, at the same addresses, and keeps its owner as long as anything of it lives.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use arrow_array::builder::{MapBuilder, StringBuilder};
use arrow_array::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, DictionaryArray, Float64Array, RecordBatch,
    RecordBatchReader, StringArray, TimestampNanosecondArray, UInt16Array, UInt64Array,
};
use arrow_buffer::Buffer;
use arrow_data::ArrayData;
use kinescope_export::c_stream;
use kinescope_store::ErrorCode;
use proptest::prelude::*;

struct Owner(Arc<AtomicUsize>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

type Row = (u64, Option<String>, bool);

/// A column of every kind that answers have.
fn batch(rows: &[Row]) -> RecordBatch {
    let mut tags = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for (number, text, there) in rows {
        if let Some(text) = text {
            tags.keys().append_value(text);
            tags.values().append_value(number.to_string());
        }
        tags.append(*there).unwrap();
    }
    let numbers = || rows.iter().map(|row| row.0);
    let texts: Vec<_> = rows.iter().map(|row| row.1.as_deref()).collect();
    let maybe = |row: &Row| row.2.then_some(row.0 as u16);
    let times = rows.iter().map(|row| row.0 as i64).collect::<Vec<_>>();
    let columns: [ArrayRef; 9] = [
        Arc::new(UInt64Array::from_iter_values(numbers())),
        Arc::new(UInt16Array::from_iter(rows.iter().map(maybe))),
        Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC")),
        Arc::new(
            texts
                .iter()
                .copied()
                .collect::<DictionaryArray<Int32Type>>(),
        ),
        Arc::new(StringArray::from(texts)),
        Arc::new(BooleanArray::from_iter(rows.iter().map(|row| Some(row.2)))),
        Arc::new(Float64Array::from_iter_values(numbers().map(|n| n as f64))),
        Arc::new(
            Decimal128Array::from_iter_values(numbers().map(i128::from))
                .with_data_type(arrow_schema::DataType::Decimal128(38, 0)),
        ),
        Arc::new(tags.finish()),
    ];
    let named = columns.into_iter().enumerate();
    RecordBatch::try_from_iter_with_nullable(
        named.map(|(index, column)| (format!("column {index}"), column, true)),
    )
    .unwrap()
}

/// Where its validity begins, if it begins with a byte; the bits of others are shifted on the way.
fn validity(data: &ArrayData) -> Option<Buffer> {
    let nulls = data.nulls().filter(|nulls| nulls.null_count() > 0);
    let nulls = nulls.filter(|nulls| nulls.offset() % 8 == 0);
    nulls.map(|nulls| nulls.inner().sliced())
}

/// How many buffers a consumer reads at the addresses at which they were given. It sees none of what no row needs.
fn same_places(read: &ArrayData, given: &ArrayData) -> Result<usize, TestCaseError> {
    let mut same = 0;
    let mut compare = |read: &Buffer, given: &Buffer| -> Result<(), TestCaseError> {
        if !read.is_empty() {
            prop_assert_eq!(read.as_ptr(), given.as_ptr());
            same += 1;
        }
        Ok(())
    };
    prop_assert_eq!(read.buffers().len(), given.buffers().len());
    for (read, given) in read.buffers().iter().zip(given.buffers()) {
        compare(read, given)?;
    }
    if let (Some(read), Some(given)) = (validity(read), validity(given)) {
        compare(&read, &given)?;
    }
    for (read, given) in read.child_data().iter().zip(given.child_data()) {
        same += same_places(read, given)?;
    }
    Ok(same)
}

/// As a consumer does that was given an address.
fn import(stream: FFI_ArrowArrayStream) -> RecordBatchStreamReader {
    let raw = Box::into_raw(Box::new(stream));
    // SAFETY: a stream that nobody else looks at.
    let reader = unsafe { RecordBatchStreamReader::from_raw(raw) }.unwrap();
    // SAFETY: it comes from a box; the consumer has moved the stream out of it.
    drop(unsafe { Box::from_raw(raw) });
    reader
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let text = proptest::option::of("[a-c]{0,3}|ü");
    prop::collection::vec((0..1000_u64, text, any::<bool>()), 0..40)
}

proptest! {
    #[test]
    fn a_consumer_in_another_thread_reads_the_same_memory(
        batches in prop::collection::vec(rows(), 1..4),
        (start, share) in (0..8_usize, 0..100_usize),
    ) {
        let dropped = Arc::new(AtomicUsize::new(0));
        let slice = |batch: RecordBatch| {
            let start = start.min(batch.num_rows());
            let length = (batch.num_rows() - start) * share / 100;
            batch.slice(start, length)
        };
        let given: Vec<RecordBatch> = batches.iter().map(|rows| slice(batch(rows))).collect();
        let stream = c_stream(given.clone(), Arc::new(Owner(Arc::clone(&dropped)))).unwrap();
        let read = thread::spawn(move || {
            let reader = import(stream);
            let schema = reader.schema();
            let read: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
            (schema, read)
        });
        let (schema, read) = read.join().unwrap();
        prop_assert_eq!(schema, given[0].schema());
        prop_assert_eq!(&read, &given);
        for (read, given) in read.iter().zip(&given) {
            let mut same = 0;
            for (read, given) in read.columns().iter().zip(given.columns()) {
                same += same_places(&read.to_data(), &given.to_data())?;
            }
            // Of a column without nulls, at least its values; of one of texts also their offsets.
            prop_assert!(read.num_rows() == 0 || same >= read.num_columns());
            // Of an array without rows, the consumer here keeps the offset and forgets the values.
            for column in read.columns().iter().filter(|column| !column.is_empty()) {
                let valid = column.to_data().validate_full();
                prop_assert!(valid.is_ok(), "{valid:?}");
            }
        }
        // One column of one batch is enough to keep the owner.
        let last = read.iter().rev().find(|batch| batch.num_rows() > 0).map(|batch| Arc::clone(batch.column(4)));
        drop(read);
        prop_assert_eq!(dropped.load(Ordering::SeqCst), usize::from(last.is_none()));
        drop(last);
        prop_assert_eq!(dropped.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_stream_that_nobody_reads_to_its_end_lets_its_owner_go(rows in rows(), read in 0..3_usize) {
        let dropped = Arc::new(AtomicUsize::new(0));
        let stream = c_stream(vec![batch(&rows); 3], Arc::new(Owner(Arc::clone(&dropped)))).unwrap();
        let mut reader = import(stream);
        for _ in 0..read {
            prop_assert!(reader.next().is_some());
        }
        prop_assert_eq!(dropped.load(Ordering::SeqCst), 0);
        drop(reader);
        prop_assert_eq!(dropped.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn a_name_that_is_none_in_c_is_refused() {
    let numbers = || Arc::new(UInt64Array::from(vec![1])) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("a", numbers()), ("b\0c", numbers())]).unwrap();
    let error = c_stream(vec![batch], Arc::new(())).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidArgument);
    assert!(error.to_string().contains(r#""b\0c""#), "{error}");
}
