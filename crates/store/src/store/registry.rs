//! All producers of a store, and what is known of those that are gone.

use std::sync::Arc;

use kinescope_ring::Ring;

use crate::producer_numbers::ProducerNumbers;
use crate::sync::Mutex;

/// Sums over producers that are gone and drained.
#[derive(Default)]
pub(crate) struct Gone {
    pub(super) attempts: u64,
    pub(super) mistyped: u64,
    pub(super) unbalanced: u64,
    pub(super) sampled_out: u64,
    pub(super) after_close: u64,
}

impl Gone {
    pub(crate) fn of(ring: &Ring) -> Self {
        Self {
            // Of a ring that a dead process has left, these are whatever its file says.
            attempts: ring.attempts().saturating_sub(ring.first_sequence()),
            mistyped: ring.mistyped(),
            unbalanced: ring.unbalanced(),
            sampled_out: ring.sampled_out(),
            after_close: ring.after_close(),
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.attempts = self.attempts.saturating_add(other.attempts);
        self.mistyped = self.mistyped.saturating_add(other.mistyped);
        self.unbalanced = self.unbalanced.saturating_add(other.unbalanced);
        self.sampled_out = self.sampled_out.saturating_add(other.sampled_out);
        self.after_close = self.after_close.saturating_add(other.after_close);
    }
}

#[derive(Default)]
pub(crate) struct Registry {
    pub(crate) numbers: ProducerNumbers,
    pub(crate) alive: Vec<Arc<Ring>>,
    /// Those of them that record no more.
    pub(crate) leaving: Vec<Arc<Ring>>,
    pub(crate) gone: Gone,
    pub(crate) enabled: bool,
}

/// All producers of a store.
#[derive(Default)]
pub(crate) struct Producers {
    pub(crate) inner: Mutex<Registry>,
}
