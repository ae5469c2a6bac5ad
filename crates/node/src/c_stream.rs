//! Results and subscriptions as Arrow C streams, for native code in this process.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, ThreadId};
use std::time::Duration;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, Schema, SchemaRef};
use kinescope_export::Owner;
use kinescope_query::no_rows;
use kinescope_store::{Error, ErrorCode};
use kinescope_stream::{Gap, OnGap, Read, Reader, StreamBatch, Subscription};
use napi::bindgen_prelude::BigInt;
use napi_derive::napi;

use crate::convert::js_error;
use crate::exported::Exported;
use crate::external::CStream;
use crate::registry::Entry;

/// Nothing can interrupt a JavaScript thread that waits in native code.
const OWN_THREAD_WAIT_MAX: Duration = Duration::from_secs(1);

/// A stream, until it is released; it is not when this is collected.
#[napi]
pub struct NativeCStream {
    stream: Option<CStream>,
    address: u64,
}

impl NativeCStream {
    /// A stream of `batches`, whose memory `exported` counts.
    ///
    /// # Errors
    /// See [`kinescope_export::c_stream`].
    pub(crate) fn new(batches: Vec<RecordBatch>, exported: &Arc<Exported>) -> napi::Result<Self> {
        let owner = Arc::clone(exported);
        let stream = kinescope_export::c_stream(batches, owner).map_err(js_error)?;
        Ok(Self::at_address(CStream::new(stream)))
    }

    /// A stream of the batches of a subscription of this thread, whose columns have these names; none when it has ended.
    ///
    /// # Errors
    /// See [`kinescope_export::live_c_stream`].
    pub(crate) fn live(
        entry: &Arc<Entry>,
        subscription: &Subscription,
        names: Option<&[String]>,
        on_gap: OnGap,
    ) -> napi::Result<Option<Self>> {
        let Some(query) = subscription.query() else {
            return Ok(None);
        };
        let snapshot = entry.store.shared().snapshot();
        let schema = no_rows(&snapshot, query.items()).map_err(js_error)?;
        let schema = named(&schema.schema(), names);
        let Some(reader) = subscription.read(on_gap) else {
            return Ok(None);
        };
        let batches = LiveBatches {
            reader,
            schema: Arc::clone(&schema),
            own_thread: thread::current().id(),
            entry: Arc::clone(entry),
        };
        let stream = kinescope_export::live_c_stream(schema, batches).map_err(js_error)?;
        Ok(Some(Self::at_address(CStream::new(stream))))
    }

    fn at_address(stream: CStream) -> Self {
        Self {
            address: stream.address(),
            stream: Some(stream),
        }
    }
}

/// The schema under the names that were asked for.
fn named(schema: &SchemaRef, names: Option<&[String]>) -> SchemaRef {
    let Some(names) = names else {
        return Arc::clone(schema);
    };
    let fields = schema.fields().iter().zip(names);
    let fields = fields.map(|(field, name)| field.as_ref().clone().with_name(name));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A subscription's batches, for whichever thread asks.
struct LiveBatches {
    /// Dropped first: it ends the subscription.
    reader: Reader,
    schema: SchemaRef,
    /// The subscription's JavaScript thread.
    own_thread: ThreadId,
    /// Delivery goes on for as long as this is there, also when the recording has been closed.
    entry: Arc<Entry>,
}

impl LiveBatches {
    fn owned(&self, batch: StreamBatch) -> Result<(RecordBatch, Owner), Error> {
        let leases = &self.entry.leases;
        leases
            .gathered_bytes
            .fetch_add(batch.gathered_bytes as u64, Ordering::Relaxed);
        let exported = Exported::of(batch.events.as_slice(), Arc::clone(leases));
        let batch = match batch.events {
            None => Ok(RecordBatch::new_empty(Arc::clone(&self.schema))),
            Some(events) => renamed(&events, &self.schema),
        };
        let batch = batch.map_err(|error| {
            let message = format!("a batch under the names of its stream: {error}");
            Error::new(ErrorCode::Io, message)
        })?;
        Ok((batch, Arc::new(exported)))
    }
}

fn renamed(events: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let rows = RecordBatchOptions::new().with_row_count(Some(events.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), events.columns().to_vec(), &rows)
}

impl Iterator for LiveBatches {
    type Item = Result<(RecordBatch, Owner), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let is_own = thread::current().id() == self.own_thread;
        match self.reader.next(is_own.then_some(OWN_THREAD_WAIT_MAX)) {
            Ok(Read::Batch(batch)) => Some(self.owned(batch)),
            Ok(Read::Gap(gap)) => Some(Err(missing(gap))),
            Ok(Read::Nothing) => Some(Err(Error::resource_exhausted(
                "no batch has come within a second, and the JavaScript thread of the subscription waits no longer; ask again, or in another thread",
            ))),
            Ok(Read::End) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

fn missing(gap: Gap) -> Error {
    let (first, last, cause) = (gap.start, gap.end - 1, gap.cause.as_str());
    let message = format!("positions {first} to {last} of the log are missing: {cause}");
    Error::new(ErrorCode::NotFound, message)
}

#[napi]
impl NativeCStream {
    /// Of its `struct ArrowArrayStream`.
    #[napi(getter)]
    pub fn address(&self) -> BigInt {
        BigInt::from(self.address)
    }

    /// Frees it.
    #[napi]
    pub fn release(&mut self) {
        if let Some(stream) = self.stream.take() {
            stream.free();
        }
    }
}
