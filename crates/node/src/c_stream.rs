//! Results as Arrow C streams, for native code in this process.

use std::sync::Arc;

use arrow_array::RecordBatch;
use napi::bindgen_prelude::BigInt;
use napi_derive::napi;

use crate::convert::js_error;
use crate::exported::Exported;
use crate::external::CStream;

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
        let stream = CStream::new(stream);
        Ok(Self {
            address: stream.address(),
            stream: Some(stream),
        })
    }
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
