//! What the delivery thread sleeps on.

use std::time::Duration;

use kinescope_store::Shared;

use crate::sync::{AtomicBool, Ordering};

/// What ends a sleep besides the bell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// The log growing beyond this watermark, or its end.
    Log(u64),
    /// The end of the log: no consumer asks for anything.
    End,
    /// Nothing: the log has ended.
    Bell,
}

/// Rung by whoever changes what there is to deliver, to whom, or where.
#[derive(Default)]
pub struct Bell {
    rung: AtomicBool,
}

impl Bell {
    /// Wakes the sleeper, or keeps it from falling asleep.
    pub fn ring(&self, log: &Shared) {
        // Both this and `hear` exchange, so that of a ring and a hearing one takes note of the other.
        self.rung.swap(true, Ordering::SeqCst);
        log.notify();
        log.notify_progress();
    }

    /// Forgets that the bell was rung; what it was rung for is looked at afterwards, and never before.
    pub fn hear(&self) {
        // Takes the ring in: whoever rang has changed something before, which is seen from here on.
        self.rung.swap(false, Ordering::SeqCst);
    }

    /// Sleeps until there is something to look at or `bound` has passed. A bell that was rung since [`Bell::hear`], and a log
    /// that has grown since its watermark was read, let nobody sleep.
    pub fn sleep(&self, log: &Shared, watch: Watch, bound: Duration) {
        let rung = || self.rung.load(Ordering::SeqCst);
        match watch {
            Watch::Log(seen) => {
                log.wait_until(bound, || rung() || log.watermark() != seen);
            }
            Watch::End => log.wait_for_notice(bound, || rung() || log.is_closed()),
            Watch::Bell => log.wait_for_notice(bound, rung),
        }
    }
}
