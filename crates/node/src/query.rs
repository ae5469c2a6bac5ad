//! Queries: converts what is asked, runs it off the JavaScript thread, converts nothing of the answer.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kinescope_query::page_token::stable_hash;
use kinescope_query::{Answer, Cancel, Filter, Pages, Query, execute, find_event, trace_seqs};
use kinescope_store::{Error, EventId, LossRange, Store};
use napi::Env;
use napi::bindgen_prelude::{BigInt, Object};
use napi_derive::napi;

use crate::answer::NativeAnswer;
use crate::convert::{clamped_i64, js_error};
use crate::plan;
use crate::pool;
use crate::producer::NativeProducer;
use crate::store::NativeStore;

/// A query as TypeScript has validated it; absent times are open ends.
#[napi(object)]
pub struct NativeQuery {
    /// Inclusive, on the recording's time line.
    pub start_time: Option<BigInt>,
    /// Exclusive.
    pub end_time: Option<BigInt>,
    /// Inclusive, nanoseconds since the Unix epoch.
    pub start_wall_time: Option<BigInt>,
    /// Exclusive.
    pub end_wall_time: Option<BigInt>,
    /// One of these.
    pub pids: Option<Vec<String>>,
    /// One of these.
    pub correlation_ids: Option<Vec<String>>,
    /// One of these.
    pub event_types: Option<Vec<String>>,
    /// Rows at most.
    pub limit: f64,
    /// Only events of this trace: a correlation id or an event id.
    pub trace: Option<String>,
    /// JSON of everything else, see `plan.rs`.
    pub plan: Option<String>,
}

fn range(start: Option<&BigInt>, end: Option<&BigInt>) -> Option<Range<i64>> {
    (start.is_some() || end.is_some())
        .then(|| start.map_or(i64::MIN, clamped_i64)..end.map_or(i64::MAX, clamped_i64))
}

impl NativeQuery {
    /// # Errors
    /// See [`plan::apply`].
    pub(crate) fn into_query(self, recording: u64) -> Result<Query, Error> {
        let filter = Filter {
            timestamps: range(self.start_time.as_ref(), self.end_time.as_ref()),
            wall_times: range(self.start_wall_time.as_ref(), self.end_wall_time.as_ref()),
            pids: self.pids,
            correlation_ids: self.correlation_ids,
            event_types: self.event_types,
            seqs: None,
            condition: None,
        };
        let filters = format!("{filter:?}{:?}", self.trace);
        let mut query = Query {
            filter,
            limit: self.limit as usize,
            ..Query::default()
        };
        match &self.plan {
            Some(plan) => plan::apply(plan, recording, &filters, &mut query)?,
            None => {
                query.pages = Some(Pages {
                    recording,
                    query_hash: stable_hash(format!("\0{filters}").as_bytes()),
                    token: None,
                })
            }
        }
        Ok(query)
    }
}

/// Stops the query it was given to.
#[napi]
#[derive(Default)]
pub struct NativeCancel {
    cancel: Arc<Cancel>,
}

#[napi]
impl NativeCancel {
    /// A token that has not been used.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the query within one segment's work.
    #[napi]
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}

impl NativeCancel {
    /// What the token stops, or something that nobody stops.
    pub(crate) fn shared(token: Option<&Self>) -> Arc<Cancel> {
        token.map_or_else(Arc::default, |token| Arc::clone(&token.cancel))
    }
}

/// Stops a blocking call after so many milliseconds.
pub(crate) fn deadline(timeout_ms: f64) -> Cancel {
    Cancel::at(Instant::now() + Duration::from_millis(timeout_ms as u64))
}

/// What a query needs of the thread that asks.
pub(crate) struct Asker {
    producer: Arc<kinescope_ring::Ring>,
    head: u32,
    entry: Arc<crate::registry::Entry>,
}

impl Asker {
    pub(crate) fn of(producer: &NativeProducer, head: u32) -> Self {
        Self {
            producer: Arc::clone(&producer.ring),
            head,
            entry: Arc::clone(&producer.entry),
        }
    }

    /// Waits until everything is in the log that the asking thread recorded before it asked.
    pub(crate) fn wait_visible(&self) -> Result<(), Error> {
        self.entry.store.wait_visible(&self.producer, self.head)
    }

    pub(crate) fn store(&self) -> &Store {
        &self.entry.store
    }

    /// The log once everything is in it that the asking thread recorded before it asked.
    pub(crate) fn snapshot(&self) -> Result<kinescope_store::Snapshot, Error> {
        self.wait_visible()?;
        self.entry.store.snapshot()
    }

    fn run(
        &self,
        query: &Query,
        trace: Option<&str>,
        cancel: &Cancel,
    ) -> Result<(Answer, Vec<LossRange>), Error> {
        let snapshot = self.snapshot()?;
        let first_seq = snapshot.first_seq();
        let mut query = Cow::Borrowed(query);
        if let Some(id) = trace {
            // A later page sees the trace as its first page did.
            let token = query.pages.as_ref().and_then(|pages| pages.token.as_ref());
            let first = token.map_or_else(
                || snapshot.clone(),
                |token| token.snapshot_in(snapshot.clone()),
            );
            let seqs = trace_seqs(id, &first, cancel)?;
            query.to_mut().filter.seqs = Some(Arc::new(seqs));
        }
        let answer = execute(&query, snapshot, cancel)?;
        let lost = self.lost(&query.filter, first_seq);
        Ok((answer, lost))
    }

    /// What is missing from the filter's time ranges in a snapshot that starts at `first_seq`.
    pub(crate) fn lost(&self, filter: &Filter, first_seq: u64) -> Vec<LossRange> {
        let timestamps = filter.timestamps.clone().unwrap_or(i64::MIN..i64::MAX);
        let shared = self.entry.store.shared();
        let of_wall_times = |wall_times| shared.clock.timestamps_of(wall_times);
        let of_wall_times = filter.wall_times.as_ref().map(of_wall_times);
        let overlaps = |range: &LossRange| {
            let own = of_wall_times.as_ref();
            own.is_none_or(|timestamps| range.overlaps(timestamps))
        };
        let lost = shared.lost_between(timestamps.start, timestamps.end);
        lost.into_iter()
            .filter(overlaps)
            .filter_map(|range| range.before(first_seq))
            .collect()
    }
}

#[napi]
impl NativeStore {
    /// Runs a query on the pool; everything that `producer` committed before `head` is seen.
    #[napi]
    pub fn query<'env>(
        &self,
        env: &'env Env,
        query: NativeQuery,
        producer: &NativeProducer,
        head: u32,
        cancel: Option<&NativeCancel>,
    ) -> napi::Result<Object<'env>> {
        let asker = Asker::of(producer, head);
        let cancel = NativeCancel::shared(cancel);
        let trace = query.trace.clone();
        let query = query.into_query(self.entry.recording()).map_err(js_error)?;
        let leases = Arc::clone(&self.entry.leases);
        pool::promise(env, move || {
            asker
                .run(&query, trace.as_deref(), &cancel)
                .map(|(answer, lost)| NativeAnswer::new(answer, lost, leases))
        })
    }

    /// Runs a query on this thread.
    #[napi]
    pub fn query_sync(
        &self,
        query: NativeQuery,
        producer: &NativeProducer,
        head: u32,
        timeout_ms: f64,
    ) -> napi::Result<NativeAnswer> {
        let cancel = deadline(timeout_ms);
        let trace = query.trace.clone();
        let query = query.into_query(self.entry.recording()).map_err(js_error)?;
        let (answer, lost) = Asker::of(producer, head)
            .run(&query, trace.as_deref(), &cancel)
            .map_err(js_error)?;
        Ok(NativeAnswer::new(
            answer,
            lost,
            Arc::clone(&self.entry.leases),
        ))
    }

    /// The event of an id that TypeScript has checked, or null.
    #[napi]
    pub fn event<'env>(
        &self,
        env: &'env Env,
        id: String,
        producer: &NativeProducer,
        head: u32,
    ) -> napi::Result<Object<'env>> {
        let asker = Asker::of(producer, head);
        let leases = Arc::clone(&self.entry.leases);
        pool::promise(env, move || {
            find(&asker, &id)
                .map(|answer| answer.map(|answer| NativeAnswer::new(answer, Vec::new(), leases)))
        })
    }

    /// The same on this thread.
    #[napi]
    pub fn event_sync(
        &self,
        id: String,
        producer: &NativeProducer,
        head: u32,
    ) -> napi::Result<Option<NativeAnswer>> {
        let answer = find(&Asker::of(producer, head), &id).map_err(js_error)?;
        Ok(answer
            .map(|answer| NativeAnswer::new(answer, Vec::new(), Arc::clone(&self.entry.leases))))
    }
}

fn find(asker: &Asker, id: &str) -> Result<Option<Answer>, Error> {
    let snapshot = asker.snapshot()?;
    EventId::parse(id).map_or(Ok(None), |id| find_event(id.0, snapshot))
}
