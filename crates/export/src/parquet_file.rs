//! Parquet.

use std::io::Write;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};
use kinescope_store::Error;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use crate::failed;

/// A group of rows is in memory until it is complete.
const GROUP_ROWS_MAX: usize = 1 << 20;
const GROUP_BYTES_MAX: usize = 64 << 20;

pub(crate) struct ParquetFile<W: Write + Send>(Option<ArrowWriter<W>>);

/// Numbers that grow, or are near their neighbours, as differences; payloads, which seldom come twice, without a dictionary.
fn properties(schema: &SchemaRef) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(GROUP_ROWS_MAX))
        .set_max_row_group_bytes(Some(GROUP_BYTES_MAX))
        .set_created_by(format!("kinescope {}", env!("CARGO_PKG_VERSION")));
    for field in schema.fields() {
        let column = ColumnPath::new(vec![field.name().clone()]);
        let encoding = match field.data_type() {
            DataType::UInt64 | DataType::Int64 | DataType::Timestamp(_, _) => {
                Encoding::DELTA_BINARY_PACKED
            }
            DataType::Utf8 => Encoding::PLAIN,
            _ => continue,
        };
        properties = properties
            .set_column_encoding(column.clone(), encoding)
            .set_column_dictionary_enabled(column, false);
    }
    properties.build()
}

impl<W: Write + Send> ParquetFile<W> {
    pub(crate) fn new(to: W, schema: &SchemaRef) -> Result<Self, Error> {
        let writer = ArrowWriter::try_new(to, schema.clone(), Some(properties(schema)));
        Ok(Self(Some(writer.map_err(failed)?)))
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let writer = self.0.as_mut();
        let writer = writer.ok_or_else(|| failed("it is complete"))?;
        writer.write(batch).map_err(failed)
    }

    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        let writer = self.0.take();
        let writer = writer.ok_or_else(|| failed("it is complete"))?;
        writer.close().map(|_| ()).map_err(failed)
    }
}
