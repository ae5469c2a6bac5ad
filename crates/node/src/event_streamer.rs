//! Streams: hands subscriptions to a JavaScript thread, and tells it when there is something to take.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use kinescope_query::projection::settle_for_any;
use kinescope_store::{Error, ErrorCode, EventId};
use kinescope_stream::{Consumer, Settings, Start, StreamQuery, TimeColumn, locate};
use napi::bindgen_prelude::{BigInt, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status};
use napi_derive::napi;

use crate::convert::{clamped_i64, count, js_error};
use crate::producer::NativeProducer;
use crate::query::{Asker, NativeQuery};
use crate::registry::Entry;
use crate::store::NativeStore;
use crate::subscription::NativeSubscription;

/// Calls JavaScript without arguments and without keeping its thread alive, unless it is told to.
type OnNews = ThreadsafeFunction<(), (), (), Status, false, true>;

/// How batches are cut.
#[napi(object)]
pub struct NativeStreamSettings {
    /// Matching events; 0: whatever is there.
    pub batch_size: u32,
    /// Milliseconds.
    pub batch_timeout_ms: u32,
    /// Milliseconds.
    pub progress_interval_ms: u32,
}

impl NativeStreamSettings {
    fn settings(&self) -> Settings {
        Settings {
            batch_size: self.batch_size as usize,
            batch_timeout: Duration::from_millis(self.batch_timeout_ms.into()),
            progress_interval: Duration::from_millis(self.progress_interval_ms.into()),
        }
    }
}

/// Where to start; the first that is given counts, and none of them means now.
#[napi(object)]
pub struct NativeStart {
    /// At this position.
    pub seq: Option<BigInt>,
    /// After this event.
    pub event_id: Option<String>,
    /// At the first event of this time or later.
    pub timestamp: Option<BigInt>,
    /// At the first event of this wall time or later.
    pub wall_time: Option<BigInt>,
}

impl NativeStart {
    /// The position, as the thread that asks knows the log.
    pub(crate) fn locate(&self, entry: &Entry, asker: &Asker) -> Result<Start, Error> {
        let snapshot = asker.snapshot()?;
        let log = entry.store.shared();
        if let Some(seq) = &self.seq {
            return Ok(Start::At(clamped_i64(seq).unsigned_abs()));
        }
        if let Some(id) = &self.event_id {
            let unknown = || {
                Error::new(
                    ErrorCode::NotFound,
                    format!("startFrom.eventId: no event {id}"),
                )
            };
            let event_id = EventId::parse(id).ok_or_else(unknown)?;
            return locate(event_id, &snapshot).map(|seq| Start::At(seq + 1));
        }
        if let Some(time) = &self.timestamp {
            let time = clamped_i64(time);
            return Ok(Start::of_time(TimeColumn::Timestamp, time, log, &snapshot));
        }
        if let Some(time) = &self.wall_time {
            let time = clamped_i64(time);
            return Ok(Start::of_time(TimeColumn::WallTime, time, log, &snapshot));
        }
        Ok(Start::Now(snapshot.watermark))
    }
}

/// A filter and a projection as TypeScript has validated them.
pub(crate) fn stream_query(query: NativeQuery, recording: u64) -> Result<StreamQuery, Error> {
    let query = query.into_query(recording)?;
    Ok(StreamQuery::new(
        query.filter,
        query.projection.map(settle_for_any),
    ))
}

/// A subscription that has ended.
#[napi(object)]
pub struct NativeEnded {
    /// Which.
    pub id: f64,
    /// What ended it; absent: everything was delivered.
    pub error: Option<String>,
}

/// What has become of a thread's subscriptions.
#[napi(object)]
pub struct NativeNews {
    /// Subscriptions with something to take.
    pub ready: Vec<f64>,
    /// Subscriptions that have ended.
    pub ended: Vec<NativeEnded>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The subscriptions of one JavaScript thread.
#[napi]
pub struct NativeStreams {
    entry: Arc<Entry>,
    on_news: Weak<Mutex<OnNews>>,
    /// None once the thread ends or has closed it.
    consumer: Arc<Mutex<Option<Consumer>>>,
}

#[napi]
impl NativeStore {
    /// This thread's share of the streams. `on_news` is called when [`NativeStreams::news`] has something new, and not again
    /// before that was asked for; it must not throw.
    #[napi]
    pub fn create_streams(
        &self,
        env: &Env,
        on_news: Function<'_, (), ()>,
    ) -> napi::Result<NativeStreams> {
        let on_news: OnNews = on_news
            .build_threadsafe_function()
            .callee_handled::<false>()
            .weak::<true>()
            .build()?;
        let on_news = Arc::new(Mutex::new(on_news));
        let weak = Arc::downgrade(&on_news);
        let notify = move || {
            // A thread that is ending needs no news.
            let _ = lock(&on_news).call((), ThreadsafeFunctionCallMode::NonBlocking);
        };
        let consumer = self
            .entry
            .streams
            .consumer(Box::new(notify))
            .map_err(js_error)?;
        let consumer = Arc::new(Mutex::new(Some(consumer)));
        // Hooks run in reverse order, so this one runs before the runtime takes the function down: from then on nobody
        // calls it.
        env.add_env_cleanup_hook(Arc::downgrade(&consumer), |consumer| {
            if let Some(consumer) = consumer.upgrade() {
                drop(lock(&consumer).take());
            }
        })?;
        Ok(NativeStreams {
            entry: Arc::clone(&self.entry),
            on_news: weak,
            consumer,
        })
    }
}

#[napi]
impl NativeStreams {
    /// A subscription from a start on, which sees everything that `producer` committed before `head`.
    #[napi]
    pub fn subscribe(
        &self,
        query: NativeQuery,
        settings: NativeStreamSettings,
        start: NativeStart,
        producer: &NativeProducer,
        head: u32,
    ) -> napi::Result<NativeSubscription> {
        let query = stream_query(query, self.entry.recording()).map_err(js_error)?;
        let start = start
            .locate(&self.entry, &Asker::of(producer, head))
            .map_err(js_error)?;
        let consumer = lock(&self.consumer);
        let subscription = consumer
            .as_ref()
            .ok_or_else(Error::closed)
            .and_then(|consumer| consumer.subscribe(query, settings.settings(), start))
            .map_err(js_error)?;
        Ok(NativeSubscription::new(
            Arc::clone(&self.entry),
            subscription,
        ))
    }

    /// What is new since it was asked for last.
    #[napi]
    pub fn news(&self) -> NativeNews {
        let news = lock(&self.consumer)
            .as_ref()
            .map(Consumer::ready)
            .unwrap_or_default();
        NativeNews {
            ready: news.ready.into_iter().map(count).collect(),
            ended: news
                .ended
                .into_iter()
                .map(|(id, error)| NativeEnded {
                    id: count(id),
                    error: error.map(|error| error.to_string()),
                })
                .collect(),
        }
    }

    /// Whether waiting for news keeps the thread alive.
    #[napi]
    #[allow(
        deprecated,
        reason = "what is advised instead, dropping the function, would end the subscriptions"
    )]
    pub fn set_referenced(&self, env: &Env, referenced: bool) -> napi::Result<()> {
        let Some(on_news) = self.on_news.upgrade() else {
            return Ok(());
        };
        let mut on_news = lock(&on_news);
        if referenced {
            on_news.refer(env)
        } else {
            on_news.unref(env)
        }
    }

    /// Delivers what has been published by now, and ends the subscriptions that are there.
    #[napi]
    pub fn finish(&self) {
        let end = self.entry.store.shared().watermark();
        if let Some(consumer) = &*lock(&self.consumer) {
            consumer.finish_at(end);
        }
    }

    /// Ends whatever is left.
    #[napi]
    pub fn close(&self) {
        drop(lock(&self.consumer).take());
    }
}
