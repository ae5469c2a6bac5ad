//! What is written is what readers of the format find, whatever dictionaries the batches have.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::io::Cursor;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, UInt64Type};
use arrow_array::{ArrayRef, DictionaryArray, Int32Array, RecordBatch, StringArray, UInt64Array};
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use kinescope_export::{Export, Format};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;

type Row = (u64, Option<String>, String);

fn schema() -> SchemaRef {
    let text = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    Arc::new(Schema::new(vec![
        Field::new("number", DataType::UInt64, false),
        Field::new("maybe", text(), true),
        Field::new("always", text(), false),
    ]))
}

/// A column whose dictionary has its texts in an order of its own, and some that nobody uses.
fn dictionary(texts: &[Option<&str>], salt: usize) -> ArrayRef {
    let mut values: Vec<&str> = texts.iter().flatten().copied().collect();
    values.push("unused");
    values.sort_unstable();
    values.dedup();
    let turn = salt % values.len();
    values.rotate_left(turn);
    let code = |text: &&str| values.iter().position(|value| value == text).unwrap() as i32;
    let codes: Int32Array = texts.iter().map(|text| text.as_ref().map(code)).collect();
    let values = StringArray::from_iter_values(&values);
    Arc::new(DictionaryArray::new(codes, Arc::new(values)))
}

fn batch(rows: &[Row], salt: usize) -> RecordBatch {
    let maybe: Vec<_> = rows.iter().map(|(_, maybe, _)| maybe.as_deref()).collect();
    let always: Vec<_> = rows
        .iter()
        .map(|(_, _, always)| Some(always.as_str()))
        .collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.0))),
        dictionary(&maybe, salt),
        dictionary(&always, salt + 1),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn texts(column: &ArrayRef) -> Vec<Option<String>> {
    let column = column.as_dictionary::<Int32Type>();
    let texts = column.downcast_dict::<StringArray>().unwrap();
    texts
        .into_iter()
        .map(|text| text.map(str::to_owned))
        .collect()
}

fn rows_of(batches: impl Iterator<Item = RecordBatch>) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in batches {
        assert_eq!(batch.schema().fields(), schema().fields());
        let numbers = batch
            .column(0)
            .as_primitive::<UInt64Type>()
            .values()
            .to_vec();
        let texts = texts(batch.column(1))
            .into_iter()
            .zip(texts(batch.column(2)));
        rows.extend(
            numbers
                .into_iter()
                .zip(texts)
                .map(|(number, (maybe, always))| (number, maybe, always.unwrap())),
        );
    }
    rows
}

fn written(format: Format, batches: &[RecordBatch]) -> Vec<u8> {
    let mut export = Export::new(format, &schema()).unwrap();
    let mut bytes = Vec::new();
    for batch in batches {
        export.write(batch).unwrap();
        bytes.extend(export.take());
    }
    export.finish().unwrap();
    bytes.extend(export.take());
    assert!(export.take().is_empty());
    bytes
}

fn read(format: Format, bytes: Vec<u8>) -> Vec<Row> {
    match format {
        Format::ArrowFile => {
            let reader = FileReader::try_new(Cursor::new(bytes), None).unwrap();
            rows_of(reader.map(Result::unwrap))
        }
        Format::ArrowStream => {
            let reader = StreamReader::try_new(Cursor::new(bytes), None).unwrap();
            rows_of(reader.map(Result::unwrap))
        }
        Format::Parquet => {
            // The reader takes files and `Bytes` only.
            let mut file = tempfile();
            std::io::Write::write_all(&mut file, &bytes).unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
            rows_of(reader.build().unwrap().map(Result::unwrap))
        }
    }
}

/// A file that nobody else sees.
fn tempfile() -> std::fs::File {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("kinescope-export-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .unwrap();
    std::fs::remove_file(path).unwrap();
    file
}

const FORMATS: [Format; 3] = [Format::ArrowFile, Format::ArrowStream, Format::Parquet];

proptest! {
    #[test]
    fn every_format_gives_back_what_was_written(
        batches in prop::collection::vec(prop::collection::vec((any::<u64>(), prop::option::of("[a-cø]{0,2}"), "[x-z]{0,2}"), 1..20), 0..8),
    ) {
        let made: Vec<_> = batches.iter().enumerate().map(|(salt, rows)| batch(rows, salt)).collect();
        for format in FORMATS {
            prop_assert_eq!(read(format, written(format, &made)), batches.concat());
        }
    }

    #[test]
    fn slices_of_a_batch_are_written_as_rows_of_their_own(
        rows in prop::collection::vec((any::<u64>(), prop::option::of("[a-c]{0,2}"), "[x-z]{0,2}"), 1..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = batch(&rows, 1);
        let cut = cut.index(rows.len());
        let parts = [whole.slice(0, cut), whole.slice(cut, rows.len() - cut)];
        let parts: Vec<_> = parts.into_iter().filter(|part| part.num_rows() > 0).collect();
        for format in FORMATS {
            prop_assert_eq!(read(format, written(format, &parts)), rows.clone());
        }
    }
}
