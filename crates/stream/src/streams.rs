//! All subscriptions to one store.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use kinescope_store::{Error, ErrorCode, Shared, Snapshot};

use crate::bell::Bell;
use crate::delivery;
use crate::position::Start;
use crate::reader::Reading;
use crate::settings::{Settings, StreamQuery};
use crate::state::{Ended, State};
use crate::step::{Plan, View};
use crate::subscription::Subscription;

/// Locks, also after a panic of another holder: every change of what is guarded here is made whole or leaves a
/// subscription that ends.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells a consumer's thread to ask [`Consumer::ready`]. Not called again before it has. Called on the delivery thread, or
/// on any that ends a subscription, so it must neither wait nor call back.
pub type Notify = Box<dyn Fn() + Send + Sync>;

/// A subscription and whose it is.
pub(crate) struct Entry {
    pub(crate) consumer: u64,
    pub(crate) state: State,
    /// It is among those that have changed.
    pub(crate) has_changed: bool,
    /// Who waits for its batches, in place of the consumer.
    pub(crate) reading: Option<Arc<Reading>>,
}

impl Entry {
    /// It is forgotten: whoever waits for it is told why.
    fn end(self, error: Option<Error>) {
        if let Some(reading) = self.reading {
            reading.end(error);
        }
    }
}

/// What a consumer has not been told yet.
#[derive(Default)]
pub(crate) struct Inbox {
    ready: Vec<u64>,
    ended: Vec<Ended>,
    /// It has been notified and has not asked.
    notified: bool,
    notify: Arc<NotifySlot>,
}

/// Empty once the consumer is gone. The lock is held during the call, so that none is under way afterwards.
#[derive(Default)]
struct NotifySlot(Mutex<Option<Notify>>);

/// Consumers that are to be notified once the lock is given back.
#[derive(Default)]
pub(crate) struct Notices(Vec<Arc<NotifySlot>>);

impl Notices {
    pub(crate) fn send(self) {
        for slot in self.0 {
            if let Some(notify) = &*lock(&slot.0) {
                notify();
            }
        }
    }
}

#[derive(Default)]
pub(crate) struct Subscriptions {
    pub(crate) entries: BTreeMap<u64, Entry>,
    /// Those that do something else next than the delivery thread knows.
    pub(crate) changed: Vec<u64>,
    inboxes: HashMap<u64, Inbox>,
    last_id: u64,
    /// How many of them want batches at once.
    pub(crate) prompt: usize,
    /// Moves on when a subscription comes, goes, or gets another filter.
    pub(crate) version: u64,
    /// The delivery thread is there.
    is_started: bool,
    /// Nobody will subscribe any more.
    pub(crate) is_over: bool,
}

impl Subscriptions {
    /// Notes that the delivery thread has to ask a subscription what it does next.
    pub(crate) fn note(&mut self, id: u64) {
        if let Some(entry) = self.entries.get_mut(&id)
            && !std::mem::replace(&mut entry.has_changed, true)
        {
            self.changed.push(id);
        }
    }

    /// Whether the subscription is still there and where it was when the batch was planned.
    pub(crate) fn is_wanted(&self, id: u64, plan: &Plan) -> bool {
        let entry = self.entries.get(&id);
        entry.is_some_and(|entry| entry.state.epoch == plan.epoch)
    }

    /// Notes that a subscription has something to take.
    pub(crate) fn announce(&mut self, id: u64, notices: &mut Notices) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        if let Some(reading) = &entry.reading {
            reading.announce();
            return;
        }
        if entry.state.announced {
            return;
        }
        entry.state.announced = true;
        let consumer = entry.consumer;
        if let Some(inbox) = self.inboxes.get_mut(&consumer) {
            inbox.ready.push(id);
            inbox.wake(notices);
        }
    }

    fn take_out(&mut self, id: u64) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.prompt -= usize::from(entry.state.settings.is_prompt());
        self.version += 1;
        // The delivery thread forgets it too.
        self.changed.push(id);
        Some(entry)
    }

    /// Forgets a subscription, and tells its consumer why.
    pub(crate) fn end(&mut self, id: u64, error: Option<Error>, notices: &mut Notices) {
        let Some(entry) = self.take_out(id) else {
            return;
        };
        if let Some(inbox) = self.inboxes.get_mut(&entry.consumer) {
            let error = error.clone();
            inbox.ended.push(Ended { id, error });
            inbox.wake(notices);
        }
        entry.end(error);
    }

    /// Forgets a subscription whose consumer knows.
    pub(crate) fn remove(&mut self, id: u64, error: Option<Error>) {
        if let Some(entry) = self.take_out(id) {
            entry.end(error);
        }
    }

    /// Ends all of them for the same reason.
    pub(crate) fn end_all(&mut self, error: &Error, notices: &mut Notices) {
        let ids: Vec<u64> = self.entries.keys().copied().collect();
        for id in ids {
            self.end(id, Some(error.clone()), notices);
        }
    }
}

impl Inbox {
    fn wake(&mut self, notices: &mut Notices) {
        if !std::mem::replace(&mut self.notified, true) {
            notices.0.push(Arc::clone(&self.notify));
        }
    }
}

/// What the delivery thread and the consumers share.
pub(crate) struct Hub {
    pub(crate) log: Arc<Shared>,
    pub(crate) bell: Bell,
    pub(crate) subscriptions: Mutex<Subscriptions>,
}

impl Hub {
    pub(crate) fn view(&self) -> View {
        let is_final = self.log.is_closed();
        self.view_of(&self.log.snapshot(), is_final)
    }

    pub(crate) fn view_of(&self, snapshot: &Snapshot, is_final: bool) -> View {
        let evicted = self.log.evicted();
        View {
            first_seq: snapshot.first_seq(),
            evicted_until: evicted.map_or(i64::MIN, |evicted| evicted.last_timestamp),
            watermark: snapshot.watermark,
            is_final,
            now: Instant::now(),
        }
    }
}

/// The subscriptions to a store. Its thread begins with the first consumer.
pub struct Streams {
    hub: Arc<Hub>,
}

impl Streams {
    /// Without subscriptions.
    pub fn new(log: Arc<Shared>) -> Self {
        Self {
            hub: Arc::new(Hub {
                log,
                bell: Bell::default(),
                subscriptions: Mutex::default(),
            }),
        }
    }

    /// Live subscriptions.
    pub fn count(&self) -> usize {
        lock(&self.hub.subscriptions).entries.len()
    }

    /// A thread's share; see [`Notify`].
    ///
    /// # Errors
    /// `CLOSED`; `IO` when no thread can be started.
    pub fn consumer(&self, notify: Notify) -> Result<Consumer, Error> {
        let mut subscriptions = lock(&self.hub.subscriptions);
        if subscriptions.is_over || self.hub.log.is_closed() {
            return Err(Error::closed());
        }
        if !subscriptions.is_started {
            self.start()?;
            subscriptions.is_started = true;
        }
        subscriptions.last_id += 1;
        let id = subscriptions.last_id;
        let inbox = Inbox {
            notify: Arc::new(NotifySlot(Mutex::new(Some(notify)))),
            ..Inbox::default()
        };
        subscriptions.inboxes.insert(id, inbox);
        drop(subscriptions);
        Ok(Consumer {
            hub: Arc::clone(&self.hub),
            id,
        })
    }

    fn start(&self) -> Result<(), Error> {
        let reader = self.hub.log.read_on()?;
        let hub = Arc::clone(&self.hub);
        let thread = thread::Builder::new().name("kinescope-stream".to_owned());
        let started = thread.spawn(move || {
            let run = std::panic::AssertUnwindSafe(|| delivery::run(&hub));
            // A bug in the delivery must not leave consumers waiting for a thread that is gone.
            let error = match std::panic::catch_unwind(run) {
                Ok(()) => Error::closed(),
                Err(_) => Error::new(ErrorCode::Io, "the delivery of streams has failed"),
            };
            let mut notices = Notices::default();
            let mut subscriptions = lock(&hub.subscriptions);
            subscriptions.is_over = true;
            subscriptions.end_all(&error, &mut notices);
            drop(subscriptions);
            notices.send();
            drop(reader);
        });
        started.map(|_| ()).map_err(|error| {
            let message = format!("the delivery thread cannot be started: {error}");
            Error::new(ErrorCode::Io, message)
        })
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        lock(&self.hub.subscriptions).is_over = true;
        self.hub.bell.ring(&self.hub.log);
    }
}

/// One thread's subscriptions. Dropping it ends them, and no notice is under way or comes afterwards.
pub struct Consumer {
    hub: Arc<Hub>,
    id: u64,
}

/// What has become of a consumer's subscriptions since it asked last.
#[derive(Debug, Default)]
pub struct News {
    /// Subscriptions with something to take.
    pub ready: Vec<u64>,
    /// Those that have ended, and what ended them, unless everything was delivered.
    pub ended: Vec<(u64, Option<Error>)>,
}

impl Consumer {
    /// A subscription of this thread's. It delivers nothing until it is asked to.
    ///
    /// # Errors
    /// `CLOSED`.
    pub fn subscribe(
        &self,
        query: StreamQuery,
        settings: Settings,
        start: Start,
    ) -> Result<Subscription, Error> {
        let view = self.hub.view();
        let mut subscriptions = lock(&self.hub.subscriptions);
        if subscriptions.is_over || view.is_final {
            return Err(Error::closed());
        }
        subscriptions.last_id += 1;
        subscriptions.version += 1;
        let id = subscriptions.last_id;
        let entry = Entry {
            consumer: self.id,
            state: State::new(settings, Arc::new(query), start, view),
            reading: None,
            has_changed: false,
        };
        subscriptions.prompt += usize::from(settings.is_prompt());
        subscriptions.entries.insert(id, entry);
        Ok(Subscription::new(Arc::clone(&self.hub), id))
    }

    /// What is new. Notices come again from now on.
    pub fn ready(&self) -> News {
        let mut subscriptions = lock(&self.hub.subscriptions);
        let Some(inbox) = subscriptions.inboxes.get_mut(&self.id) else {
            return News::default();
        };
        inbox.notified = false;
        let ready = std::mem::take(&mut inbox.ready);
        let ended = std::mem::take(&mut inbox.ended);
        for id in &ready {
            if let Some(entry) = subscriptions.entries.get_mut(id) {
                entry.state.announced = false;
            }
        }
        News {
            ready,
            ended: ended
                .into_iter()
                .map(|ended| (ended.id, ended.error))
                .collect(),
        }
    }

    /// Delivers what is below a position to those that ask, and ends each subscription that is there. Those that are there
    /// already, and paused ones, have ended when this returns.
    pub fn finish_at(&self, end: u64) {
        let mut notices = Notices::default();
        let mut subscriptions = lock(&self.hub.subscriptions);
        let (mut over, mut left) = (Vec::new(), Vec::new());
        for (&id, entry) in &mut subscriptions.entries {
            if entry.consumer == self.id {
                entry.state.finish_at(end);
                let is_over = entry.state.is_over();
                if is_over { &mut over } else { &mut left }.push(id);
            }
        }
        over.into_iter()
            .for_each(|id| subscriptions.end(id, None, &mut notices));
        left.into_iter().for_each(|id| subscriptions.note(id));
        drop(subscriptions);
        notices.send();
        self.hub.bell.ring(&self.hub.log);
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let mut subscriptions = lock(&self.hub.subscriptions);
        let entries = subscriptions.entries.iter();
        let own = entries.filter(|(_, entry)| entry.consumer == self.id);
        let own: Vec<u64> = own.map(|(&id, _)| id).collect();
        for id in own {
            let message = "the thread of the subscription has ended";
            let error = Error::new(ErrorCode::Closed, message);
            subscriptions.remove(id, Some(error));
        }
        let inbox = subscriptions.inboxes.remove(&self.id);
        drop(subscriptions);
        if let Some(inbox) = inbox {
            *lock(&inbox.notify.0) = None;
        }
        self.hub.bell.ring(&self.hub.log);
    }
}
