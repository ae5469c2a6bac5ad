//! Batches as ArrayBuffers and a description of where each column is in them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::{Array, RecordBatch};
use arrow_buffer::Buffer;
use arrow_data::ArrayData;
use kinescope_store::{Error, ErrorCode, LossRange};
use napi::Env;
use napi::bindgen_prelude::{ArrayBuffer, BigInt, Float64Array};
use napi_derive::napi;

use crate::convert::{count, js_error};
use crate::external::{Lease, Leases, arrow_buffer};

/// What is missing from the queried time range.
#[napi(object)]
pub struct NativeLoss {
    /// As in events.
    pub cause: String,
    /// Events.
    pub count: f64,
    /// Whose; 0 for retention.
    pub producer: u32,
    /// First number of its sequence, or first `seq` for retention.
    pub first: BigInt,
    /// Last, inclusive.
    pub last: BigInt,
}

/// Losses as JavaScript gets them.
pub(crate) fn losses(lost: &[LossRange]) -> Vec<NativeLoss> {
    let loss = |range: &LossRange| NativeLoss {
        cause: range.cause.as_str().to_owned(),
        count: count(range.count),
        producer: u32::from(range.producer),
        first: BigInt::from(range.first),
        last: BigInt::from(range.last),
    };
    lost.iter().map(loss).collect()
}

/// The error of everything that is asked of a result after its release.
pub(crate) fn released() -> napi::Error {
    js_error(Error::new(
        ErrorCode::Closed,
        "the result has been released",
    ))
}

/// Where the columns are, and the buffers that hold them.
pub(crate) struct Exported {
    nodes: Vec<f64>,
    buffers: Vec<Buffer>,
    /// One for each buffer: counted from the start, until the last ArrayBuffer over it is gone.
    leases: Vec<Arc<Lease>>,
    account: Arc<Leases>,
    /// Whether there may be shares of it.
    shared: AtomicBool,
}

impl Exported {
    /// Describes `batches`, and counts their memory as leased.
    pub(crate) fn of(batches: &[RecordBatch], account: Arc<Leases>) -> Self {
        let mut layout = Layout {
            nodes: vec![count(batches.len() as u64)],
            buffers: Vec::new(),
            by_address: HashMap::new(),
        };
        for batch in batches {
            layout.nodes.push(count(batch.num_rows() as u64));
            for column in batch.columns() {
                layout.node(&column.to_data());
            }
        }
        let leases = layout
            .buffers
            .iter()
            .map(|buffer| Lease::new(&account, buffer.capacity()))
            .collect();
        Self {
            nodes: layout.nodes,
            buffers: layout.buffers,
            leases,
            account,
            shared: AtomicBool::new(false),
        }
    }

    /// Of the recording whose memory it is.
    pub(crate) fn account(&self) -> &Arc<Leases> {
        &self.account
    }

    /// From now on [`Exported::may_be_shared`].
    pub(crate) fn mark_shared(&self) {
        self.shared.store(true, Ordering::Relaxed);
    }

    /// Whether there have ever been shares of it.
    pub(crate) fn may_be_shared(&self) -> bool {
        self.shared.load(Ordering::Relaxed)
    }

    /// Number of buffers; for each of them its address, which is the same for as long as anything holds it, and its
    /// bytes; number of batches; for each of them its rows and for each column a node: length, null count, buffer and
    /// byte offset of the validity bitmap (-1: none), number of buffers, for each of them its index, byte offset
    /// and byte length, number of children, and the children's nodes.
    ///
    /// Numbers in one array, because each call and each object that crosses to JavaScript costs more than a small answer.
    pub(crate) fn layout(&self) -> Float64Array {
        let mut numbers = Vec::with_capacity(1 + 2 * self.buffers.len() + self.nodes.len());
        numbers.push(self.buffers.len() as f64);
        for buffer in &self.buffers {
            let address = buffer.data_ptr().as_ptr() as usize;
            numbers.extend([address as f64, buffer.capacity() as f64]);
        }
        numbers.extend_from_slice(&self.nodes);
        Float64Array::from(numbers)
    }

    /// A new ArrayBuffer over one of them.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when there is no such buffer; what the runtime says when it cannot make one.
    pub(crate) fn buffer<'env>(
        &self,
        env: &'env Env,
        index: u32,
    ) -> napi::Result<ArrayBuffer<'env>> {
        let index = index as usize;
        let (Some(buffer), Some(lease)) = (self.buffers.get(index), self.leases.get(index)) else {
            let message = format!("index: expected one of the answer's buffers, got {index}");
            return Err(js_error(Error::new(ErrorCode::InvalidArgument, message)));
        };
        arrow_buffer(env, buffer, Arc::clone(lease), &self.account)
    }
}

/// An [`Exported`] in the making.
struct Layout {
    nodes: Vec<f64>,
    buffers: Vec<Buffer>,
    by_address: HashMap<usize, usize>,
}

impl Layout {
    /// Index of the allocation behind a buffer, and where in it the buffer starts.
    fn place(&mut self, buffer: &Buffer) -> (f64, f64) {
        let start = buffer.data_ptr().as_ptr() as usize;
        let index = *self.by_address.entry(start).or_insert_with(|| {
            self.buffers.push(buffer.clone());
            self.buffers.len() - 1
        });
        (index as f64, buffer.ptr_offset() as f64)
    }

    fn node(&mut self, data: &ArrayData) {
        self.nodes
            .extend([data.len() as f64, data.null_count() as f64]);
        let (validity, offset) = match data.nulls() {
            Some(nulls) if nulls.null_count() > 0 => self.place(&nulls.inner().sliced()),
            _ => (-1.0, 0.0),
        };
        self.nodes
            .extend([validity, offset, data.buffers().len() as f64]);
        for buffer in data.buffers() {
            // An empty buffer has no address worth naming.
            let (index, offset) = if buffer.is_empty() {
                (-1.0, 0.0)
            } else {
                self.place(buffer)
            };
            self.nodes.extend([index, offset, buffer.len() as f64]);
        }
        self.nodes.push(data.child_data().len() as f64);
        for child in data.child_data() {
            self.node(child);
        }
    }
}
