//! Rows of a recording as a file that grows a batch at a time: [`Export`] is given batches, and gives the bytes that
//! have come of them. Whoever asked puts them into a file, a pipe or an answer. And as an Arrow C stream: [`c_stream`],
//! [`live_c_stream`].
#![deny(unsafe_code)]

mod arrow_file;
#[allow(
    unsafe_code,
    reason = "arrays that are put together again as they were need no validation"
)]
mod c_stream;
mod parquet_file;
mod texts;

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, SchemaRef};
use kinescope_store::{Error, ErrorCode};

use arrow_file::ArrowFile;
pub use c_stream::{Owner, c_stream, live_c_stream};
use parquet_file::ParquetFile;

/// What a file is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Arrow's file format, which can be read in any order and be mapped. One dictionary a column holds for all batches,
    /// and is in memory until the end.
    ArrowFile,
    /// Arrow's streaming format. Batches bring their own dictionaries.
    ArrowStream,
    /// Parquet, compressed with zstd.
    Parquet,
}

/// Where writers put what nobody has fetched yet.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Writer {
    ArrowFile(Box<ArrowFile<Sink>>),
    ArrowStream(Box<StreamWriter<Sink>>),
    Parquet(Box<ParquetFile<Sink>>),
}

/// A file in the making.
pub struct Export {
    sink: Sink,
    writer: Writer,
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorCode::Io,
        format!("the export cannot be written: {error}"),
    )
}

impl Export {
    /// A file of batches of a schema.
    ///
    /// # Errors
    /// `IO` for a schema that the format has no types for.
    pub fn new(format: Format, schema: &SchemaRef) -> Result<Self, Error> {
        let sink = Sink::default();
        let writer = match format {
            Format::ArrowFile => Writer::ArrowFile(Box::new(ArrowFile::new(sink.clone(), schema)?)),
            Format::ArrowStream => {
                let stream = StreamWriter::try_new(sink.clone(), schema);
                Writer::ArrowStream(Box::new(stream.map_err(failed)?))
            }
            Format::Parquet => Writer::Parquet(Box::new(ParquetFile::new(sink.clone(), schema)?)),
        };
        Ok(Self { sink, writer })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when a dictionary has more text than Arrow can address; `IO` for a bug.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        match &mut self.writer {
            Writer::ArrowFile(file) => file.write(batch),
            Writer::ArrowStream(stream) => stream.write(batch).map_err(failed),
            Writer::Parquet(file) => file.write(batch),
        }
    }

    /// Adds what comes behind the last row; nothing can be added afterwards.
    ///
    /// # Errors
    /// As [`Export::write`].
    pub fn finish(&mut self) -> Result<(), Error> {
        match &mut self.writer {
            Writer::ArrowFile(file) => file.finish(),
            Writer::ArrowStream(stream) => stream.finish().map_err(failed),
            Writer::Parquet(file) => file.finish(),
        }
    }

    /// The bytes that have come since this was last asked.
    pub fn take(&mut self) -> Vec<u8> {
        self.sink.take()
    }
}

fn arrow(result: Result<(), ArrowError>) -> Result<(), Error> {
    result.map_err(failed)
}
