//! Memory that Rust owns, for others to read: ArrayBuffers, and Arrow C streams.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_buffer::Buffer;
use kinescope_ring::Ring;
use kinescope_store::Error;
use napi::Env;
use napi::bindgen_prelude::ArrayBuffer;

/// How much memory results hold, and how much had to be copied for JavaScript.
#[derive(Default)]
pub(crate) struct Leases {
    pub(crate) leased_bytes: AtomicU64,
    pub(crate) gathered_bytes: AtomicU64,
    pub(crate) copied_bytes: AtomicU64,
    pub(crate) copies: AtomicBool,
    /// The recording has been closed, and with it what was shared of it.
    pub(crate) closed: AtomicBool,
}

/// A number of bytes that a result holds, for as long as anything of it is alive.
pub(crate) struct Lease {
    leases: Arc<Leases>,
    bytes: u64,
}

impl Lease {
    pub(crate) fn new(leases: &Arc<Leases>, bytes: usize) -> Arc<Self> {
        leases
            .leased_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
        Arc::new(Self {
            leases: Arc::clone(leases),
            bytes: bytes as u64,
        })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leases
            .leased_bytes
            .fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// An ArrayBuffer over a ring, header and data area.
///
/// # Errors
/// `IO` where the runtime does not allow external buffers: recording needs memory that both sides see.
pub(crate) fn ring_buffer<'env>(
    env: &'env Env,
    ring: &Arc<Ring>,
) -> napi::Result<ArrayBuffer<'env>> {
    let (start, len) = (ring.as_ptr(), ring.len_bytes());
    // SAFETY: the ring's memory is `len` bytes from `start`, never moves, and is freed with the last reference to
    // the ring, of which the finalizer holds one. JavaScript is its one producer; the reader takes any content.
    let buffer = unsafe {
        ArrayBuffer::from_external(env, start, len, Arc::clone(ring), |_, ring| drop(ring))
    }?;
    if std::ptr::eq(buffer.as_ptr(), start) {
        Ok(buffer)
    } else {
        let message =
            "this runtime does not allow external buffers, without which nothing can be recorded";
        Err(crate::convert::js_error(Error::new(
            kinescope_store::ErrorCode::Io,
            message,
        )))
    }
}

/// An ArrayBuffer over the whole allocation behind an Arrow buffer.
///
/// # Errors
/// What the runtime says when it cannot make one.
pub(crate) fn arrow_buffer<'env>(
    env: &'env Env,
    buffer: &Buffer,
    lease: Arc<Lease>,
    leases: &Leases,
) -> napi::Result<ArrayBuffer<'env>> {
    let (start, len) = (buffer.data_ptr().as_ptr(), buffer.capacity());
    let hint = (buffer.clone(), lease);
    // SAFETY: the allocation is `len` bytes from `start` and lives as long as the clone of the buffer that the
    // finalizer holds. JavaScript gets no API to write to it; a stray write garbles values, which is bounded to
    // what reads them, and all readers in Rust check what they read or do not depend on it for memory safety.
    let external =
        unsafe { ArrayBuffer::from_external(env, start, len, hint, |_, hint| drop(hint)) }?;
    if !std::ptr::eq(external.as_ptr(), start) {
        leases.copied_bytes.fetch_add(len as u64, Ordering::Relaxed);
        leases.copies.store(true, Ordering::Relaxed);
    }
    Ok(external)
}

/// An Arrow C stream at an address that stays the same until it is freed. Nothing but [`CStream::free`] frees it: whoever has been
/// given the address may be reading it.
pub(crate) struct CStream(NonNull<FFI_ArrowArrayStream>);

impl CStream {
    pub(crate) fn new(stream: FFI_ArrowArrayStream) -> Self {
        Self(NonNull::from(Box::leak(Box::new(stream))))
    }

    pub(crate) fn address(&self) -> u64 {
        self.0.as_ptr() as u64
    }

    /// Frees it, and releases what no consumer has taken out of it.
    pub(crate) fn free(self) {
        // SAFETY: the pointer comes from a leaked box, and `self` is the only one that could free it. Consumers are told not to
        // use the address afterwards. Dropping calls the release callback, which a consumer that took the stream has cleared.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}
