//! A subscription whose batches are taken by a thread that waits for them.

use std::sync::{Arc, Condvar, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use kinescope_store::Error;

use crate::batch::StreamBatch;
use crate::gap::{Gap, GapCause};
use crate::state::State;
use crate::streams::{Notices, Subscriptions, lock};
use crate::subscription::Subscription;

/// What a reader waits on. Everything that wakes it happens under the lock of the subscriptions, which it waits with, so nothing
/// can happen between its looking and its sleeping.
#[derive(Default)]
pub(crate) struct Reading {
    changed: Condvar,
    /// Set once the subscription is gone: what ended it, unless everything was delivered.
    end: OnceLock<Option<Error>>,
}

impl Reading {
    /// There is a batch to take.
    pub(crate) fn announce(&self) {
        self.changed.notify_one();
    }

    /// The subscription is gone.
    pub(crate) fn end(&self, error: Option<Error>) {
        let _ = self.end.set(error);
        self.changed.notify_one();
    }

    fn outcome(&self) -> Result<Read, Error> {
        let error = self.end.get().cloned().flatten();
        error.map_or(Ok(Read::End), Err)
    }
}

/// What a reader does where the log has a gap that was no wish of its consumer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnGap {
    /// Tells of it each time that it is asked, until the subscription is sent elsewhere, and takes nothing.
    Stop,
    /// Goes on behind it. The batch that opens with it and the statistics tell of it.
    GoOn,
}

/// What [`Reader::next`] has come to.
#[derive(Debug)]
pub enum Read {
    /// A batch, which moves the cursor behind it.
    Batch(StreamBatch),
    /// See [`OnGap::Stop`]. The cursor is before it.
    Gap(Gap),
    /// Nothing has come for as long as was to be waited.
    Nothing,
    /// There will be no more.
    End,
}

/// Takes a subscription's batches, in any thread, waiting for them. Its consumer is told of the subscription's end and no
/// longer of batches. Dropping it ends the subscription.
pub struct Reader {
    subscription: Subscription,
    reading: Arc<Reading>,
    on_gap: OnGap,
}

impl Reader {
    pub(crate) fn new(subscription: Subscription, reading: Arc<Reading>, on_gap: OnGap) -> Self {
        Self {
            subscription,
            reading,
            on_gap,
        }
    }

    /// Asks for the next batch and waits until it is there or the subscription has ended, or for `bound`. A paused subscription
    /// is waited for as well.
    ///
    /// # Errors
    /// What ended the subscription, unless it has delivered everything or was unsubscribed; every time.
    pub fn next(&mut self, bound: Option<Duration>) -> Result<Read, Error> {
        let until = bound.map(|bound| Instant::now() + bound);
        let hub = Arc::clone(self.subscription.hub());
        let mut subscriptions = lock(&hub.subscriptions);
        loop {
            let entry = subscriptions.entries.get_mut(&self.subscription.id());
            let Some(state) = entry.map(|entry| &mut entry.state) else {
                return self.reading.outcome();
            };
            if let Some(read) = self.take(state) {
                if state.is_over() {
                    // Nobody may ask any more, and the delivery thread is what ends it.
                    subscriptions.note(self.subscription.id());
                    drop(subscriptions);
                    hub.bell.ring(&hub.log);
                }
                return Ok(read);
            }
            if state.is_owing() {
                let Some(guard) = self.wait(subscriptions, until) else {
                    return Ok(Read::Nothing);
                };
                subscriptions = guard;
            } else {
                state.want(1);
                subscriptions.note(self.subscription.id());
                drop(subscriptions);
                hub.bell.ring(&hub.log);
                subscriptions = lock(&hub.subscriptions);
            }
        }
    }

    fn take(&self, state: &mut State) -> Option<Read> {
        let gap = state
            .next_gap()
            .filter(|gap| gap.cause != GapCause::Skipped);
        match gap {
            Some(gap) if self.on_gap == OnGap::Stop => Some(Read::Gap(gap)),
            _ => state.take().map(Read::Batch),
        }
    }

    /// Sleeps until something has changed; none: it is too late for that.
    fn wait<'a>(
        &self,
        subscriptions: MutexGuard<'a, Subscriptions>,
        until: Option<Instant>,
    ) -> Option<MutexGuard<'a, Subscriptions>> {
        let changed = &self.reading.changed;
        let Some(until) = until else {
            let guard = changed.wait(subscriptions);
            return Some(guard.unwrap_or_else(PoisonError::into_inner));
        };
        let left = until.checked_duration_since(Instant::now());
        let left = left.filter(|left| !left.is_zero())?;
        let woken = changed.wait_timeout(subscriptions, left);
        Some(woken.unwrap_or_else(PoisonError::into_inner).0)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let hub = self.subscription.hub();
        let mut notices = Notices::default();
        lock(&hub.subscriptions).end(self.subscription.id(), None, &mut notices);
        notices.send();
        hub.bell.ring(&hub.log);
    }
}
