//! Answers to queries, as JavaScript holds them.

use std::sync::Arc;

use arrow_array::RecordBatch;
use kinescope_query::page_token::PageToken;
use kinescope_query::projection::SettledItem;
use kinescope_query::{Answer, IpcFormat};
use kinescope_store::LossRange;
use kinescope_store::columns::event_schema;
use napi::Env;
use napi::bindgen_prelude::{ArrayBuffer, BigInt, Float64Array, Uint8Array};
use napi_derive::napi;

use crate::c_stream::NativeCStream;
use crate::convert::{count, js_error};
use crate::exported::{Exported, NativeLoss, losses, released};
use crate::external::Leases;
use crate::shares;

/// An answer; holds its memory until it is released or collected.
#[napi]
pub struct NativeAnswer {
    held: Option<Held>,
    total: u64,
    watermark: u64,
    next_page_token: Option<String>,
    projected_types: Option<Vec<String>>,
    lost: Vec<LossRange>,
}

struct Held {
    answer: Answer,
    exported: Arc<Exported>,
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
        let exported = Arc::new(Exported::of(&answer.batches, leases));
        Self {
            held: Some(Held { answer, exported }),
            total,
            watermark,
            next_page_token,
            projected_types,
            lost,
        }
    }

    /// See [`Answer::named_batches`].
    pub(crate) fn batches(&self, names: Option<&[String]>) -> napi::Result<Vec<RecordBatch>> {
        self.held()?.answer.named_batches(names).map_err(js_error)
    }

    fn held(&self) -> napi::Result<&Held> {
        self.held.as_ref().ok_or_else(released)
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
        losses(&self.lost)
    }

    /// Where the columns are, see [`Exported::layout`].
    #[napi]
    pub fn layout(&self) -> napi::Result<Float64Array> {
        self.held().map(|held| held.exported.layout())
    }

    /// A new ArrayBuffer over one of them.
    #[napi]
    pub fn buffer<'env>(&self, env: &'env Env, index: u32) -> napi::Result<ArrayBuffer<'env>> {
        self.held()?.exported.buffer(env, index)
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

    /// The answer as an Arrow C stream.
    #[napi]
    pub fn c_stream(&self, names: Option<Vec<String>>) -> napi::Result<NativeCStream> {
        let batches = self.batches(names.as_deref())?;
        NativeCStream::new(batches, &self.held()?.exported)
    }

    /// See [`shares::add`].
    #[napi]
    pub fn share(&self, description: String) -> napi::Result<String> {
        shares::add(&self.held()?.exported, description).map_err(js_error)
    }

    /// Gives the memory back, as far as no ArrayBuffer holds it, and ends its shares.
    #[napi]
    pub fn release(&mut self) {
        if let Some(held) = self.held.take() {
            shares::end_all_of(&held.exported);
        }
    }
}

/// A whole column's name, or the name of the type that values have.
pub(crate) fn type_name(item: &SettledItem) -> String {
    let name = item.settled.name().map(str::to_owned);
    name.unwrap_or_else(|| {
        item.column.map_or_else(String::new, |column| {
            event_schema().field(column).name().clone()
        })
    })
}
