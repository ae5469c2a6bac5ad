//! An answer's columns as ArrayBuffers and a description of where each column is in them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::Array;
use arrow_buffer::Buffer;
use arrow_data::ArrayData;
use kinescope_query::page_token::PageToken;
use kinescope_query::projection::SettledItem;
use kinescope_query::{Answer, IpcFormat};
use kinescope_store::columns::event_schema;
use kinescope_store::{Error, LossRange};
use napi::Env;
use napi::bindgen_prelude::{ArrayBuffer, BigInt, Uint8Array};
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

/// A buffer that an answer is made of.
#[napi(object)]
pub struct NativeBufferInfo {
    /// Its address; the same for as long as anything holds it.
    pub address: f64,
    /// Bytes.
    pub length: f64,
}

/// Where the columns are, and the buffers that hold them.
struct Layout {
    numbers: Vec<f64>,
    buffers: Vec<Buffer>,
}

/// An answer; holds its memory until it is released or collected.
#[napi]
pub struct NativeAnswer {
    held: Option<Held>,
    total: u64,
    watermark: u64,
    next_page_token: Option<String>,
    projected_types: Option<Vec<String>>,
    lost: Vec<LossRange>,
    leases: Arc<Leases>,
}

struct Held {
    answer: Answer,
    layout: Layout,
    /// One for each of the layout's buffers: counted from the start, until the last ArrayBuffer over it is gone.
    leases: Vec<Arc<Lease>>,
}

impl NativeAnswer {
    pub(crate) fn new(answer: Answer, lost: Vec<LossRange>, leases: Arc<Leases>) -> Self {
        leases.gathered_bytes.fetch_add(
            answer.gathered_bytes as u64,
            std::sync::atomic::Ordering::Relaxed,
        );
        let (total, watermark) = (answer.total, answer.watermark);
        let next_page_token = answer.next_page.as_ref().map(PageToken::encode);
        let projected_types = answer
            .items
            .as_ref()
            .map(|items| items.iter().map(type_name).collect());
        let layout = Layout::of(&answer);
        let of_buffers = layout
            .buffers
            .iter()
            .map(|buffer| Lease::new(&leases, buffer.capacity()))
            .collect();
        Self {
            held: Some(Held {
                answer,
                layout,
                leases: of_buffers,
            }),
            total,
            watermark,
            next_page_token,
            projected_types,
            lost,
            leases,
        }
    }

    fn held(&self) -> napi::Result<&Held> {
        self.held.as_ref().ok_or_else(|| {
            js_error(Error::new(
                kinescope_store::ErrorCode::Closed,
                "the result has been released",
            ))
        })
    }
}

#[napi]
impl NativeAnswer {
    /// Events that match.
    #[napi(getter)]
    pub fn total_matches(&self) -> f64 {
        count(self.total)
    }

    /// The answer holds for all `seq` below.
    #[napi(getter)]
    pub fn snapshot(&self) -> BigInt {
        BigInt::from(self.watermark)
    }

    /// Names the next page, if there is one.
    #[napi]
    pub fn next_page_token(&self) -> Option<String> {
        self.next_page_token.clone()
    }

    /// Per projected item a column's name, or the type that its values have.
    #[napi]
    pub fn projected_types(&self) -> Option<Vec<String>> {
        self.projected_types.clone()
    }

    /// What is missing.
    #[napi]
    pub fn lost(&self) -> Vec<NativeLoss> {
        let loss = |range: &LossRange| NativeLoss {
            cause: range.cause.as_str().to_owned(),
            count: count(range.count),
            producer: u32::from(range.producer),
            first: BigInt::from(range.first),
            last: BigInt::from(range.last),
        };
        self.lost.iter().map(loss).collect()
    }

    /// Number of batches; then for each batch its rows and for each column a node: length, null count, buffer and
    /// byte offset of the validity bitmap (-1: none), number of buffers, for each of them its index, byte offset
    /// and byte length, number of children, and the children's nodes.
    #[napi]
    pub fn layout(&self) -> napi::Result<Vec<f64>> {
        self.held().map(|held| held.layout.numbers.clone())
    }

    /// The buffers, by index.
    #[napi]
    pub fn buffer_infos(&self) -> napi::Result<Vec<NativeBufferInfo>> {
        let info = |buffer: &Buffer| NativeBufferInfo {
            address: buffer.data_ptr().as_ptr() as usize as f64,
            length: buffer.capacity() as f64,
        };
        self.held()
            .map(|held| held.layout.buffers.iter().map(info).collect())
    }

    /// A new ArrayBuffer over one of them.
    #[napi]
    pub fn buffer<'env>(&self, env: &'env Env, index: u32) -> napi::Result<ArrayBuffer<'env>> {
        let held = self.held()?;
        let index = index as usize;
        let (Some(buffer), Some(lease)) = (held.layout.buffers.get(index), held.leases.get(index))
        else {
            let message = format!("index: expected one of the answer's buffers, got {index}");
            return Err(js_error(Error::new(
                kinescope_store::ErrorCode::InvalidArgument,
                message,
            )));
        };
        arrow_buffer(env, buffer, Arc::clone(lease), &self.leases)
    }

    /// The answer in Arrow's interprocess format.
    #[napi]
    pub fn to_ipc(&self, file: bool) -> napi::Result<Uint8Array> {
        let format = if file {
            IpcFormat::File
        } else {
            IpcFormat::Stream
        };
        self.held()?
            .answer
            .to_ipc(format)
            .map(Uint8Array::from)
            .map_err(js_error)
    }

    /// Gives the memory back, as far as no ArrayBuffer holds it.
    #[napi]
    pub fn release(&mut self) {
        self.held = None;
    }
}

/// A whole column's name, or the name of the type that values have.
fn type_name(item: &SettledItem) -> String {
    let name = item.settled.name().map(str::to_owned);
    name.unwrap_or_else(|| {
        item.column.map_or_else(String::new, |column| {
            event_schema().field(column).name().clone()
        })
    })
}

impl Layout {
    fn of(answer: &Answer) -> Self {
        let mut layout = Self {
            numbers: vec![count(answer.batches.len() as u64)],
            buffers: Vec::new(),
        };
        let mut by_address = HashMap::new();
        for batch in &answer.batches {
            layout.numbers.push(count(batch.num_rows() as u64));
            for column in batch.columns() {
                layout.node(&column.to_data(), &mut by_address);
            }
        }
        layout
    }

    /// Index of the allocation behind a buffer, and where in it the buffer starts.
    fn place(&mut self, buffer: &Buffer, by_address: &mut HashMap<usize, usize>) -> (f64, f64) {
        let start = buffer.data_ptr().as_ptr() as usize;
        let index = *by_address.entry(start).or_insert_with(|| {
            self.buffers.push(buffer.clone());
            self.buffers.len() - 1
        });
        (index as f64, buffer.ptr_offset() as f64)
    }

    fn node(&mut self, data: &ArrayData, by_address: &mut HashMap<usize, usize>) {
        self.numbers
            .extend([data.len() as f64, data.null_count() as f64]);
        let (validity, offset) = match data.nulls() {
            Some(nulls) if nulls.null_count() > 0 => {
                self.place(&nulls.inner().sliced(), by_address)
            }
            _ => (-1.0, 0.0),
        };
        self.numbers
            .extend([validity, offset, data.buffers().len() as f64]);
        for buffer in data.buffers() {
            // An empty buffer has no address worth naming.
            let (index, offset) = if buffer.is_empty() {
                (-1.0, 0.0)
            } else {
                self.place(buffer, by_address)
            };
            self.numbers.extend([index, offset, buffer.len() as f64]);
        }
        self.numbers.push(data.child_data().len() as f64);
        for child in data.child_data() {
            self.node(child, by_address);
        }
    }
}
