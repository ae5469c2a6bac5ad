//! Threads that wait for each other.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::sync::{AtomicUsize, Condvar, Mutex, Ordering, fence, lock};

/// Lets threads sleep until another has something to tell.
#[derive(Default)]
pub(crate) struct Progress {
    waiters: AtomicUsize,
    mutex: Mutex<()>,
    changed: Condvar,
}

impl Progress {
    pub(crate) fn notify(&self) {
        // Pairs with the increment in `wait_until`: either this sees the waiter, or the waiter sees the change.
        fence(Ordering::SeqCst);
        if self.waiters.load(Ordering::SeqCst) > 0 {
            drop(lock(&self.mutex));
            self.changed.notify_all();
        }
    }

    pub(crate) fn wait_until(&self, bound: Duration, done: impl Fn() -> bool) {
        if done() {
            return;
        }
        let end = Instant::now() + bound;
        self.waiters.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let mut guard = lock(&self.mutex);
        while !done() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            guard = self
                .changed
                .wait_timeout(guard, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        drop(guard);
        self.waiters.fetch_sub(1, Ordering::SeqCst);
    }
}
