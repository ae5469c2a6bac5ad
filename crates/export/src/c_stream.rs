//! Batches as an Arrow C stream: over the memory that they have, for whoever speaks Arrow's C data interface. Only validity bits that begin
//! in the middle of a byte are shifted into new memory.

use std::any::Any;
use std::sync::Arc;

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{Array, RecordBatch, RecordBatchIterator, RecordBatchOptions, make_array};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow_data::ArrayData;
use arrow_schema::{ArrowError, Schema, SchemaRef};
use bytes::Bytes;
use kinescope_store::{Error, ErrorCode};

/// Whatever lives as long as anything of a stream does.
pub type Owner = Arc<dyn Any + Send + Sync>;

/// A stream of the batches, which have the schema of the first. `owner` is dropped when the consumer has released the stream and
/// every array that it took from it, in whichever thread that is.
///
/// # Errors
/// `INVALID_ARGUMENT` when a column's name is none in C, because there is a NUL in it.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use arrow_array::ffi_stream::RecordBatchStreamReader;
/// use arrow_array::{RecordBatch, UInt64Array};
///
/// let numbers = Arc::new(UInt64Array::from(vec![1, 2, 3]));
/// let batch = RecordBatch::try_from_iter([("number", numbers as _)]).unwrap();
/// let stream = kinescope_export::c_stream(vec![batch.clone()], Arc::new(())).unwrap();
/// let read: Vec<_> = RecordBatchStreamReader::try_new(stream).unwrap().collect();
/// assert_eq!(read[0].as_ref().unwrap(), &batch);
/// ```
pub fn c_stream(batches: Vec<RecordBatch>, owner: Owner) -> Result<FFI_ArrowArrayStream, Error> {
    let schema = batches
        .first()
        .map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
    let owned = batches
        .into_iter()
        .map(move |batch| Ok((batch, Arc::clone(&owner))));
    live_c_stream(schema, owned)
}

/// A stream of batches that are made when the consumer asks for them, in its thread, which may wait there. Each has an owner of
/// its own, as in [`c_stream`]. The consumer is told of errors as failures of the system, with their texts, and may go on behind
/// them as far as the iterator does. The iterator is dropped with the stream.
///
/// # Errors
/// As [`c_stream`].
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use arrow_array::ffi_stream::RecordBatchStreamReader;
/// use arrow_array::{RecordBatch, UInt64Array};
/// use kinescope_export::Owner;
///
/// let numbers = Arc::new(UInt64Array::from(vec![1, 2, 3]));
/// let batch = RecordBatch::try_from_iter([("number", numbers as _)]).unwrap();
/// let forever = std::iter::repeat_with(move || Ok((batch.clone(), Arc::new(()) as Owner)));
/// let schema = forever.clone().next().unwrap().unwrap().0.schema();
/// let stream = kinescope_export::live_c_stream(schema, forever).unwrap();
/// let mut reader = RecordBatchStreamReader::try_new(stream).unwrap();
/// assert_eq!(reader.nth(1000).unwrap().unwrap().num_rows(), 3);
/// ```
pub fn live_c_stream(
    schema: SchemaRef,
    batches: impl Iterator<Item = Result<(RecordBatch, Owner), Error>> + Send + 'static,
) -> Result<FFI_ArrowArrayStream, Error> {
    let mut names = schema.fields().iter().map(|field| field.name());
    if let Some(name) = names.find(|name| name.contains('\0')) {
        let message = format!("columns: expected names without NUL, got {name:?}");
        return Err(Error::new(ErrorCode::InvalidArgument, message));
    }
    let owned = batches.map(|next| {
        let (batch, owner) = next.map_err(failed)?;
        with_owner(&batch, &owner)
    });
    let reader = RecordBatchIterator::new(owned, schema);
    Ok(FFI_ArrowArrayStream::new(Box::new(reader)))
}

fn failed(error: Error) -> ArrowError {
    ArrowError::IoError(error.to_string(), std::io::Error::other(error))
}

/// The same batch, whose every buffer keeps the owner alive.
fn with_owner(batch: &RecordBatch, owner: &Owner) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter();
    let columns = columns.map(|column| make_array(owned_data(column.to_data(), owner)));
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns.collect(), &rows)
}

struct Owned {
    buffer: Buffer,
    _owner: Owner,
}

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

fn owned_buffer(buffer: &Buffer, owner: &Owner) -> Buffer {
    Buffer::from(Bytes::from_owner(Owned {
        buffer: buffer.clone(),
        _owner: Arc::clone(owner),
    }))
}

fn owned_data(data: ArrayData, owner: &Owner) -> ArrayData {
    let buffers = data
        .buffers()
        .iter()
        .map(|buffer| owned_buffer(buffer, owner));
    let nulls = data.nulls().map(|nulls| {
        let bits = owned_buffer(nulls.buffer(), owner);
        NullBuffer::new(BooleanBuffer::new(bits, nulls.offset(), nulls.len()))
    });
    let children = data.child_data().iter().cloned();
    let children = children.map(|child| owned_data(child, owner)).collect();
    let (buffers, builder) = (buffers.collect(), data.clone().into_builder());
    let builder = builder.buffers(buffers).nulls(nulls).child_data(children);
    // SAFETY: the same values at the same addresses as in `data`, which is valid; only who keeps them alive is another.
    unsafe { builder.build_unchecked() }
}
