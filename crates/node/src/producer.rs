//! One thread's side of its ring.

use std::sync::Arc;

use kinescope_ring::Ring;
use napi::Env;
use napi::bindgen_prelude::{ArrayBuffer, Object};
use napi_derive::napi;

use crate::convert::js_error;
use crate::pool;
use crate::registry::Entry;

/// A thread's producer; gives its ring back when the thread ends.
#[napi]
pub struct NativeProducer {
    pub(crate) entry: Arc<Entry>,
    pub(crate) ring: Arc<Ring>,
}

#[napi]
impl NativeProducer {
    /// The producer's number.
    #[napi(getter)]
    pub fn number(&self) -> u32 {
        u32::from(self.ring.producer())
    }

    /// A new ArrayBuffer over the ring.
    #[napi]
    pub fn map_ring<'env>(&self, env: &'env Env) -> napi::Result<ArrayBuffer<'env>> {
        crate::external::ring_buffer(env, &self.ring)
    }

    /// Wakes the writer thread and refreshes the ring's coarse clock.
    #[napi]
    pub fn wake(&self) {
        self.ring
            .set_tick(self.entry.store.shared().clock.raw_now_ns());
        self.ring.set_asleep(false);
        self.entry.store.wake();
    }

    /// Waits until `words` are free behind `head`; false when the bound has passed.
    #[napi]
    pub fn wait_for_space(&self, head: u32, words: u32) -> bool {
        self.entry.store.wait_for_space(&self.ring, head, words)
    }

    /// Waits until everything before `head` is visible to queries, and as lasting as the options ask for; throws when the
    /// bound has passed.
    #[napi]
    pub fn wait_visible(&self, head: u32) -> napi::Result<()> {
        let store = &self.entry.store;
        store
            .wait_visible(&self.ring, head)
            .and_then(|()| store.wait_durable())
            .map_err(js_error)
    }

    /// The same without blocking the thread.
    #[napi]
    pub fn flush<'env>(&self, env: &'env Env, head: u32) -> napi::Result<Object<'env>> {
        let (entry, ring) = (Arc::clone(&self.entry), Arc::clone(&self.ring));
        pool::promise(env, move || {
            entry.store.wait_visible(&ring, head)?;
            entry.store.wait_durable()
        })
    }

    /// The thread records no more; what it committed is still drained.
    #[napi]
    pub fn close(&self) {
        self.entry.store.remove_producer(&self.ring);
    }
}
