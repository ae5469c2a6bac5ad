//! What the writer remembers of a producer.

use crate::context::Context;

/// What the writer remembers of a producer between its records.
pub struct ProducerState {
    pub(super) number: u16,
    /// By slot; slot 0 is the thread's own.
    pub(super) contexts: Vec<Context>,
    /// Raw time of the last record: a producer's times do not decrease.
    pub(super) last_raw_ns: i64,
    /// JSON of the row being made.
    pub(super) json: Vec<u8>,
}

impl ProducerState {
    /// A producer whose thread is called `pid`.
    pub fn new(number: u16, pid: &str) -> Self {
        Self {
            number,
            contexts: vec![Context::of_thread(pid)],
            last_raw_ns: i64::MIN,
            json: Vec::new(),
        }
    }

    /// A producer of a dead process, with what its slots meant.
    #[cfg(all(unix, not(loom)))]
    pub fn resume(
        number: u16,
        pid: &str,
        contexts: impl IntoIterator<Item = (u16, Context)>,
        last_raw_ns: i64,
    ) -> Self {
        let mut state = Self::new(number, pid);
        state.last_raw_ns = last_raw_ns;
        for (slot, context) in contexts {
            state.set_context(slot, context);
        }
        state
    }

    pub(super) fn set_context(&mut self, slot: u16, context: Context) {
        let slot = usize::from(slot);
        if slot >= self.contexts.len() {
            self.contexts.resize_with(slot + 1, Context::default);
        }
        self.contexts[slot] = context;
    }

    /// Raw time of the last record.
    pub fn last_raw_ns(&self) -> i64 {
        self.last_raw_ns
    }
}
