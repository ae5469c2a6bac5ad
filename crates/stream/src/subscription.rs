//! A subscription, as its consumer holds it.

use std::sync::Arc;

use kinescope_query::Cancel;
use kinescope_store::{Error, Snapshot};

use crate::batch::StreamBatch;
use crate::position::{Start, latest};
use crate::reader::{OnGap, Reader, Reading};
use crate::settings::StreamQuery;
use crate::state::{Phase, Resume, State};
use crate::streams::{Hub, lock};

/// Whether a subscription is there, and whether it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It delivers what it is asked for.
    Running,
    /// It delivers nothing until it is resumed.
    Paused,
    /// It has ended.
    Ended,
}

/// What a subscription has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriptionStats {
    /// The next position that its consumer will get.
    pub position: u64,
    /// Positions of the log from there on.
    pub lag_events: u64,
    /// The time of the oldest of them that is there; none: it has caught up.
    pub oldest_timestamp: Option<i64>,
    /// Events that its consumer has taken.
    pub delivered: u64,
    /// Positions in gaps that its consumer did not wish for.
    pub lost: u64,
    /// Whether it is paused.
    pub paused: bool,
    /// How many filters it has had.
    pub filter_version: u32,
}

/// A handle on a subscription. Dropping it does not end it.
#[derive(Clone)]
pub struct Subscription {
    hub: Arc<Hub>,
    id: u64,
}

impl Subscription {
    pub(crate) fn new(hub: Arc<Hub>, id: u64) -> Self {
        Self { hub, id }
    }

    /// Tells subscriptions of a store apart; never used again.
    pub fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Looks at the subscription, or does what leaves to it what it does next; none when it has ended.
    fn with<T>(&self, action: impl FnOnce(&mut State) -> T) -> Option<T> {
        let mut subscriptions = lock(&self.hub.subscriptions);
        let entry = subscriptions.entries.get_mut(&self.id)?;
        Some(action(&mut entry.state))
    }

    /// As [`Subscription::with`], for what the delivery thread has to know.
    fn change<T>(&self, action: impl FnOnce(&mut State) -> T) -> Option<T> {
        let mut subscriptions = lock(&self.hub.subscriptions);
        let entry = subscriptions.entries.get_mut(&self.id)?;
        let done = action(&mut entry.state);
        subscriptions.note(self.id);
        drop(subscriptions);
        self.hub.bell.ring(&self.hub.log);
        Some(done)
    }

    /// Asks for so many more batches.
    pub fn want(&self, batches: usize) {
        self.change(|state| state.want(batches));
    }

    /// Takes the next batch that is ready, which moves the cursor behind it.
    pub fn take(&self) -> Option<StreamBatch> {
        let (batch, is_over) = self.with(|state| (state.take(), state.is_over()))?;
        if is_over {
            // Nobody may ask any more, and the delivery thread is what ends it.
            self.change(|_| ());
        }
        batch
    }

    /// Whether it is there, and moves.
    pub fn status(&self) -> Status {
        match self.with(|state| state.phase) {
            Some(Phase::Running) => Status::Running,
            Some(Phase::Paused) => Status::Paused,
            None => Status::Ended,
        }
    }

    /// Whether it owes a batch that was asked for.
    pub fn is_asking(&self) -> bool {
        self.with(|state| state.is_asking()).unwrap_or(false)
    }

    /// Stops where its consumer has taken the last batch. Whatever is ready and not taken will be made again.
    pub fn pause(&self) {
        self.change(State::pause);
    }

    /// Goes on where it was; one that is not paused just does.
    pub fn resume(&self) {
        let view = self.hub.view();
        self.change(|state| state.resume(Resume::Here, view));
    }

    /// Goes on elsewhere; one that is not paused just goes on.
    pub fn resume_from(&self, start: Start) {
        let view = self.hub.view();
        self.change(|state| state.resume(Resume::From(start), view));
    }

    /// Goes on at a position, and tells of what lies before as a gap.
    pub fn resume_at(&self, end: u64) {
        let view = self.hub.view();
        self.change(|state| state.resume(Resume::Skipping(end), view));
    }

    /// Goes on with the last `count` events that match in a snapshot, unless it is resumed or paused once more meanwhile.
    ///
    /// # Errors
    /// As [`Cancel::check`].
    pub fn resume_latest(
        &self,
        snapshot: &Snapshot,
        count: usize,
        cancel: &Cancel,
    ) -> Result<(), Error> {
        let now = |state: &State| (state.pauses, state.phase, state.filter_version);
        loop {
            let Some((asked, cursor, query)) =
                self.with(|state| (now(state), state.cursor, Arc::clone(&state.query)))
            else {
                return Ok(());
            };
            let from = latest(&query, snapshot, cursor, count, cancel)?;
            let view = self.hub.view();
            let is_done = self.change(|state| {
                // Another filter may have other matches; another pause came after this was asked.
                let is_current = now(state) == asked;
                if is_current {
                    state.resume(Resume::Skipping(from), view);
                }
                is_current || state.pauses != asked.0 || state.phase == Phase::Running
            });
            if is_done.unwrap_or(true) {
                return Ok(());
            }
        }
    }

    /// Replaces filter and projection, for everything that the consumer has not taken.
    pub fn update(&self, query: StreamQuery) {
        let query = Arc::new(query);
        let mut subscriptions = lock(&self.hub.subscriptions);
        if let Some(entry) = subscriptions.entries.get_mut(&self.id) {
            entry.state.update(query);
            // Not before: what is made of this version has to be made of the new filter.
            subscriptions.version += 1;
            subscriptions.note(self.id);
        }
        drop(subscriptions);
        self.hub.bell.ring(&self.hub.log);
    }

    /// Filter and projection as they are now; none when it has ended.
    pub fn query(&self) -> Option<Arc<StreamQuery>> {
        self.with(|state| Arc::clone(&state.query))
    }

    /// Where it is; none when it has ended.
    pub fn stats(&self) -> Option<SubscriptionStats> {
        let snapshot = self.hub.log.snapshot();
        let mut stats = self.with(|state| SubscriptionStats {
            position: state.cursor,
            lag_events: state.lag(snapshot.watermark),
            oldest_timestamp: None,
            delivered: state.delivered,
            lost: state.lost,
            paused: state.phase == Phase::Paused,
            filter_version: state.filter_version,
        })?;
        stats.oldest_timestamp = timestamp_from(&snapshot, stats.position);
        Some(stats)
    }

    /// Hands its batches to a reader, the only one that it may have; none when it has ended. Nobody else may ask for batches or
    /// take them from now on.
    pub fn read(&self, on_gap: OnGap) -> Option<Reader> {
        let reading = Arc::<Reading>::default();
        let mut subscriptions = lock(&self.hub.subscriptions);
        let entry = subscriptions.entries.get_mut(&self.id)?;
        entry.reading = Some(Arc::clone(&reading));
        drop(subscriptions);
        Some(Reader::new(self.clone(), reading, on_gap))
    }

    /// Ends it, whatever it had still to deliver.
    pub fn unsubscribe(&self) {
        self.end(None);
    }

    /// Ends it for a reason that its reader is told.
    pub fn fail(&self, error: Error) {
        self.end(Some(error));
    }

    fn end(&self, error: Option<Error>) {
        lock(&self.hub.subscriptions).remove(self.id, error);
        self.hub.bell.ring(&self.hub.log);
    }
}

/// The timestamp of the first row at or behind a position.
fn timestamp_from(snapshot: &Snapshot, position: u64) -> Option<i64> {
    let (segment, rows) = snapshot
        .segments_where(|summary| summary.may_hold(position..=u64::MAX))
        .find(|(segment, rows)| segment.base_seq + *rows as u64 > position)?;
    let row = position.saturating_sub(segment.base_seq) as usize;
    segment.columns.timestamp.slice(rows).get(row).copied()
}
