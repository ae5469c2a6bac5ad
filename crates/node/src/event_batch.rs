//! Batches of subscriptions, as JavaScript holds them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use kinescope_stream::{Gap, StreamBatch};
use napi::Env;
use napi::bindgen_prelude::{ArrayBuffer, BigInt, Float64Array};
use napi_derive::napi;

use crate::convert::js_error;
use crate::exported::{Exported, NativeLoss, losses, released};
use crate::external::Leases;
use crate::shares;

/// Positions that a batch leaves out.
#[napi(object)]
pub struct NativeGap {
    /// The first.
    pub start: BigInt,
    /// One more than the last.
    pub end: BigInt,
    /// As batches spell it.
    pub cause: String,
}

/// Everything about a batch but its events.
#[napi(object)]
pub struct NativeBatchFacts {
    /// The first position that it covers.
    pub start: BigInt,
    /// One more than the last.
    pub end: BigInt,
    /// Whether there was nothing behind it.
    pub caught_up: bool,
    /// Of the filter that it was made with.
    pub filter_version: u32,
    /// What it leaves out at its start.
    pub gap: Option<NativeGap>,
    /// What is missing from its time.
    pub lost: Vec<NativeLoss>,
}

/// A batch; holds its memory until it is released or collected.
#[napi]
pub struct NativeStreamBatch {
    batch: StreamBatch,
    exported: Option<Arc<Exported>>,
}

impl NativeStreamBatch {
    pub(crate) fn new(mut batch: StreamBatch, leases: &Arc<Leases>) -> Self {
        leases
            .gathered_bytes
            .fetch_add(batch.gathered_bytes as u64, Ordering::Relaxed);
        let events = batch.events.take();
        let exported = Exported::of(events.as_slice(), Arc::clone(leases));
        Self {
            batch,
            exported: Some(Arc::new(exported)),
        }
    }

    fn exported(&self) -> napi::Result<&Arc<Exported>> {
        self.exported.as_ref().ok_or_else(released)
    }
}

fn gap(gap: &Gap) -> NativeGap {
    NativeGap {
        start: BigInt::from(gap.start),
        end: BigInt::from(gap.end),
        cause: gap.cause.as_str().to_owned(),
    }
}

#[napi]
impl NativeStreamBatch {
    /// Everything but the events.
    #[napi]
    pub fn facts(&self) -> NativeBatchFacts {
        NativeBatchFacts {
            start: BigInt::from(self.batch.start),
            end: BigInt::from(self.batch.end),
            caught_up: self.batch.caught_up,
            filter_version: self.batch.filter_version,
            gap: self.batch.gap.as_ref().map(gap),
            lost: losses(&self.batch.lost),
        }
    }

    /// Where the columns are, see [`Exported::layout`].
    #[napi]
    pub fn layout(&self) -> napi::Result<Float64Array> {
        self.exported().map(|exported| exported.layout())
    }

    /// A new ArrayBuffer over one of them.
    #[napi]
    pub fn buffer<'env>(&self, env: &'env Env, index: u32) -> napi::Result<ArrayBuffer<'env>> {
        self.exported()?.buffer(env, index)
    }

    /// See [`shares::add`].
    #[napi]
    pub fn share(&self, description: String) -> napi::Result<String> {
        shares::add(self.exported()?, description).map_err(js_error)
    }

    /// Gives the memory back, as far as no ArrayBuffer holds it, and ends its shares.
    #[napi]
    pub fn release(&mut self) {
        if let Some(exported) = self.exported.take() {
            shares::end_all_of(&exported);
        }
    }
}
