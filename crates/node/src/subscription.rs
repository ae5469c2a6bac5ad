//! A subscription, as its JavaScript thread holds it.

use std::sync::Arc;

use kinescope_query::Cancel;
use kinescope_store::{Error, ErrorCode};
use kinescope_stream::{OnGap, Subscription};
use napi::Env;
use napi::bindgen_prelude::{BigInt, Object};
use napi_derive::napi;

use crate::answer::type_name;
use crate::c_stream::NativeCStream;
use crate::convert::{count, js_error};
use crate::event_batch::NativeStreamBatch;
use crate::event_streamer::{NativeStart, stream_query};
use crate::pool;
use crate::producer::NativeProducer;
use crate::query::{Asker, NativeQuery};
use crate::registry::Entry;

/// Where a subscription is.
#[napi(object)]
pub struct NativeSubscriptionStats {
    /// The next position that its consumer will get.
    pub position: BigInt,
    /// Positions of the log from there on.
    pub lag_events: f64,
    /// How old the oldest of them is, in nanoseconds.
    pub lag_ns: BigInt,
    /// Events taken.
    pub delivered: f64,
    /// Positions in gaps.
    pub lost: f64,
}

/// A subscription.
#[napi]
pub struct NativeSubscription {
    entry: Arc<Entry>,
    subscription: Subscription,
}

impl NativeSubscription {
    pub(crate) fn new(entry: Arc<Entry>, subscription: Subscription) -> Self {
        Self {
            entry,
            subscription,
        }
    }
}

#[napi]
impl NativeSubscription {
    /// Tells the recording's subscriptions apart.
    #[napi(getter)]
    pub fn id(&self) -> f64 {
        count(self.subscription.id())
    }

    /// Per projected item a column's name, or the type that its values have; null without a projection, and once ended.
    #[napi]
    pub fn projected_types(&self) -> Option<Vec<String>> {
        let query = self.subscription.query()?;
        let items = query.items()?;
        Some(items.iter().map(type_name).collect())
    }

    /// Asks for so many more batches.
    #[napi]
    pub fn want(&self, batches: u32) {
        self.subscription.want(batches as usize);
    }

    /// The next batch that is ready.
    #[napi]
    pub fn take(&self) -> Option<NativeStreamBatch> {
        let batch = self.subscription.take()?;
        Some(NativeStreamBatch::new(batch, &self.entry.leases))
    }

    /// Stops at what was taken last.
    #[napi]
    pub fn pause(&self) {
        self.subscription.pause();
    }

    /// Goes on where it was.
    #[napi]
    pub fn resume(&self) {
        self.subscription.resume();
    }

    /// Goes on elsewhere.
    #[napi]
    pub fn resume_from(
        &self,
        start: NativeStart,
        producer: &NativeProducer,
        head: u32,
    ) -> napi::Result<()> {
        let start = start
            .locate(&self.entry, &Asker::of(producer, head))
            .map_err(js_error)?;
        self.subscription.resume_from(start);
        Ok(())
    }

    /// Goes on after everything that is there, and tells of what lies before as a gap.
    #[napi]
    pub fn resume_after_all(&self, producer: &NativeProducer, head: u32) -> napi::Result<()> {
        let snapshot = Asker::of(producer, head).snapshot().map_err(js_error)?;
        self.subscription.resume_at(snapshot.watermark);
        Ok(())
    }

    /// Goes on with the last so many events that match of what is there.
    #[napi]
    pub fn resume_latest<'env>(
        &self,
        env: &'env Env,
        events: f64,
        producer: &NativeProducer,
        head: u32,
    ) -> napi::Result<Object<'env>> {
        let snapshot = Asker::of(producer, head).snapshot().map_err(js_error)?;
        let subscription = self.subscription.clone();
        pool::promise(env, move || {
            subscription.resume_latest(&snapshot, events as usize, &Cancel::default())
        })
    }

    /// Replaces filter and projection.
    #[napi]
    pub fn update(&self, query: NativeQuery) -> napi::Result<()> {
        let query = stream_query(query, self.entry.recording()).map_err(js_error)?;
        self.subscription.update(query);
        Ok(())
    }

    /// Where it is; null once it has ended.
    #[napi]
    pub fn stats(&self) -> Option<NativeSubscriptionStats> {
        let stats = self.subscription.stats()?;
        let clock = &self.entry.store.shared().clock;
        let now = clock.raw_now_ns().saturating_add(clock.offset_ns());
        let lag_ns = stats
            .oldest_timestamp
            .map_or(0, |oldest| now.saturating_sub(oldest).max(0));
        Some(NativeSubscriptionStats {
            position: BigInt::from(stats.position),
            lag_events: count(stats.lag_events),
            lag_ns: BigInt::from(lag_ns),
            delivered: count(stats.delivered),
            lost: count(stats.lost),
        })
    }

    /// Its batches as an Arrow C stream, and for nobody else any more; null once it has ended.
    #[napi]
    pub fn c_stream(
        &self,
        names: Option<Vec<String>>,
        skips_gaps: bool,
    ) -> napi::Result<Option<NativeCStream>> {
        let on_gap = if skips_gaps { OnGap::GoOn } else { OnGap::Stop };
        NativeCStream::live(&self.entry, &self.subscription, names.as_deref(), on_gap)
    }

    /// Ends it; whoever reads the C stream is told of what failed, if something did.
    #[napi]
    pub fn unsubscribe(&self, failure: Option<String>) {
        match failure {
            None => self.subscription.unsubscribe(),
            Some(message) => self
                .subscription
                .fail(Error::new(ErrorCode::Closed, message)),
        }
    }
}
