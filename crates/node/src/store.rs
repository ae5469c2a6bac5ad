//! An open recording, as one JavaScript thread holds it.

use std::sync::Arc;
use std::time::{Duration, Instant};

#[cfg(unix)]
use kinescope_store::DiskOptions;
use kinescope_store::{Durability, Error, LossCause, Retention, Store, StoreOptions};
use napi::Env;
use napi::bindgen_prelude::{BigInt, Object};
use napi_derive::napi;

use crate::at_exit;
use crate::convert::{clamped_i64, count, js_error};
use crate::pool;
use crate::producer::NativeProducer;
use crate::registry::{self, Entry};

/// What `open` hands over; validated and complete. 0 means no limit.
#[napi(object)]
pub struct NativeStoreOptions {
    /// Default of the `node` column.
    pub node: String,
    /// Rows of a sealed segment, at most.
    pub segment_events: f64,
    /// Bytes of each ring.
    pub ring_bytes: f64,
    /// Producers wait when their ring is full.
    pub block_when_full: bool,
    /// Bytes.
    pub retention_max_bytes: f64,
    /// Milliseconds.
    pub retention_max_age_ms: f64,
    /// Events.
    pub retention_max_events: f64,
    /// Capture settings as JSON.
    pub config_json: String,
    /// A recording's directory; none: memory.
    pub path: Option<String>,
    /// 0 process, 1 interval, 2 sync.
    pub durability: u32,
}

impl NativeStoreOptions {
    fn into_options(self, raw_now_ns: i64) -> StoreOptions {
        let limit = |value: f64| (value > 0.0).then_some(value as u64);
        StoreOptions {
            node: self.node,
            segment_events: self.segment_events as usize,
            ring_bytes: self.ring_bytes as usize,
            block_when_full: self.block_when_full,
            retention: Retention {
                max_bytes: limit(self.retention_max_bytes),
                max_age: limit(self.retention_max_age_ms).map(Duration::from_millis),
                max_events: limit(self.retention_max_events),
            },
            config_json: self.config_json,
            raw_now_ns,
            raw_now_at: Instant::now(),
            durability: match self.durability {
                0 => Durability::Process,
                1 => Durability::Interval,
                _ => Durability::Sync,
            },
        }
    }
}

#[cfg(unix)]
fn open_on_disk(options: StoreOptions, path: String) -> Result<Store, Error> {
    let disk = DiskOptions {
        path: path.into(),
        ..DiskOptions::default()
    };
    Store::open_on_disk(options, &disk)
}

#[cfg(unix)]
fn open_to_read(options: StoreOptions, path: String) -> Result<Store, Error> {
    Store::open_to_read(options, path.as_ref())
}

#[cfg(not(unix))]
fn open_on_disk(_options: StoreOptions, _path: String) -> Result<Store, Error> {
    Err(no_files())
}

#[cfg(not(unix))]
fn open_to_read(_options: StoreOptions, _path: String) -> Result<Store, Error> {
    Err(no_files())
}

#[cfg(not(unix))]
pub(crate) fn no_files() -> Error {
    let message = "path: expected none on this system, where recordings are kept in memory only";
    Error::new(kinescope_store::ErrorCode::InvalidArgument, message)
}

/// Counts of a recording.
#[napi(object)]
pub struct NativeStats {
    /// Attempts that were not lost.
    pub recorded: f64,
    /// Events in the log so far.
    pub stored: f64,
    /// Rows that retention evicted.
    pub evicted: f64,
    /// By cause, in the order of `NATIVE_LOSS_CAUSES` in TypeScript.
    pub lost: Vec<f64>,
    /// Values of a wrong type.
    pub mistyped: f64,
    /// Exits without their entry or out of order.
    pub unbalanced: f64,
    /// Left out by sampling.
    pub sampled_out: f64,
    /// Recorded after the recording was closed.
    pub after_close: f64,
    /// Rows that an index covers.
    pub indexed: f64,
    /// Segments.
    pub segments: f64,
    /// Bytes of all segments.
    pub memory_bytes: f64,
    /// Live subscriptions.
    pub subscriptions: f64,
    /// Bytes of files.
    pub disk_bytes: f64,
    /// Rows that are in memory only, because the disk takes no more.
    pub unsaved_events: f64,
    /// Bytes that results hold.
    pub leased_bytes: f64,
    /// Bytes gathered for results.
    pub gathered_bytes: f64,
    /// Bytes copied after that.
    pub copied_bytes: f64,
    /// Whether external buffers had to be copied.
    pub copies: bool,
}

/// A recording in one JavaScript thread.
#[napi]
pub struct NativeStore {
    pub(crate) entry: Arc<Entry>,
}

/// Opens a recording to write it; what a dead process has left in it is taken over. `raw_now_ns` is
/// `process.hrtime.bigint()`.
#[napi]
pub fn open_store<'env>(
    env: &'env Env,
    mut options: NativeStoreOptions,
    raw_now_ns: BigInt,
) -> napi::Result<Object<'env>> {
    let path = options.path.take();
    let options = options.into_options(clamped_i64(&raw_now_ns));
    open(env, move || match path {
        Some(path) => open_on_disk(options, path),
        None => Store::open(options),
    })
}

/// Opens a recording that is finished, or that another process writes.
#[napi]
pub fn open_reader<'env>(
    env: &'env Env,
    path: String,
    raw_now_ns: BigInt,
) -> napi::Result<Object<'env>> {
    let options = StoreOptions {
        node: String::new(),
        segment_events: 1,
        ring_bytes: 0,
        block_when_full: false,
        retention: Retention::default(),
        config_json: String::new(),
        raw_now_ns: clamped_i64(&raw_now_ns),
        raw_now_at: Instant::now(),
        durability: Durability::Process,
    };
    open(env, move || open_to_read(options, path))
}

fn open(
    env: &Env,
    opening: impl FnOnce() -> Result<Store, Error> + Send + 'static,
) -> napi::Result<Object<'_>> {
    // A worker that alone has loaded the addon unloads it when it ends; the writer thread and external buffers
    // outlive it.
    napi::bindgen_prelude::retain_current_module_for_unload_safety();
    pool::promise_then(env, opening, register)
}

fn register(env: &Env, store: Store) -> napi::Result<NativeStore> {
    at_exit::close_recordings_at_exit();
    let entry = registry::add(store);
    // Weak: a recording that is closed long before its thread ends is freed then.
    env.add_env_cleanup_hook(Arc::downgrade(&entry), |entry| {
        if let Some(entry) = entry.upgrade() {
            registry::remove(entry.id);
            entry.store.close_at_exit();
        }
    })?;
    Ok(NativeStore { entry })
}

/// Opens the recording that a handle names in this thread.
#[napi]
pub fn attach_store(registry_id: u32, nonce: String, process_id: u32) -> napi::Result<NativeStore> {
    napi::bindgen_prelude::retain_current_module_for_unload_safety();
    registry::ensure_own("handle", process_id).map_err(js_error)?;
    let entry = registry::find(registry_id, &nonce).map_err(js_error)?;
    Ok(NativeStore { entry })
}

#[napi]
impl NativeStore {
    /// Names the recording within the process.
    #[napi(getter)]
    pub fn registry_id(&self) -> u32 {
        self.entry.id
    }

    /// Tells it from others of the same id.
    #[napi(getter)]
    pub fn nonce(&self) -> String {
        self.entry.nonce.clone()
    }

    /// Capture settings as JSON.
    #[napi(getter)]
    pub fn config_json(&self) -> String {
        self.entry.store.shared().options.config_json.clone()
    }

    /// Whether producers wait when their ring is full.
    #[napi(getter)]
    pub fn block_when_full(&self) -> bool {
        self.entry.store.shared().options.block_when_full
    }

    /// Turns raw monotonic time into `timestamp` by addition.
    #[napi(getter)]
    pub fn timestamp_offset(&self) -> BigInt {
        BigInt::from(self.entry.store.shared().clock.offset_ns())
    }

    /// A producer for this thread; `thread_label` is its default pid.
    #[napi]
    pub fn create_producer(&self, env: &Env, thread_label: String) -> napi::Result<NativeProducer> {
        let ring = self
            .entry
            .store
            .add_producer(&thread_label)
            .map_err(js_error)?;
        let of_thread = (Arc::downgrade(&self.entry), Arc::downgrade(&ring));
        env.add_env_cleanup_hook(of_thread, |(entry, ring)| {
            if let (Some(entry), Some(ring)) = (entry.upgrade(), ring.upgrade()) {
                entry.store.remove_producer(&ring);
            }
        })?;
        Ok(NativeProducer {
            entry: Arc::clone(&self.entry),
            ring,
        })
    }

    /// # Errors
    /// `CLOSED`.
    fn ensure_open(&self) -> napi::Result<()> {
        if self.entry.store.shared().is_closed() {
            Err(js_error(Error::closed()))
        } else {
            Ok(())
        }
    }

    /// Turns `timestamp` into wall time by addition, as of the last look at the wall clock.
    #[napi]
    pub fn wall_offset(&self) -> napi::Result<BigInt> {
        self.ensure_open()?;
        let clock = &self.entry.store.shared().clock;
        Ok(BigInt::from(clock.wall_minus_timestamp_ns()))
    }

    /// Counts as of now.
    #[napi]
    pub fn stats(&self) -> napi::Result<NativeStats> {
        self.ensure_open()?;
        use std::sync::atomic::Ordering::Relaxed;
        let stats = self.entry.store.stats();
        debug_assert_eq!(stats.lost.len(), LossCause::ROWS.len());
        Ok(NativeStats {
            recorded: count(stats.recorded),
            stored: count(stats.stored),
            evicted: count(stats.evicted),
            lost: stats.lost.into_iter().map(count).collect(),
            mistyped: count(stats.mistyped),
            unbalanced: count(stats.unbalanced),
            sampled_out: count(stats.sampled_out),
            after_close: count(stats.after_close),
            indexed: count(stats.indexed),
            segments: count(stats.segments),
            memory_bytes: count(stats.memory_bytes),
            subscriptions: count(self.entry.streams.count() as u64),
            disk_bytes: count(stats.disk_bytes),
            unsaved_events: count(stats.unsaved),
            leased_bytes: count(self.entry.leases.leased_bytes.load(Relaxed)),
            gathered_bytes: count(self.entry.leases.gathered_bytes.load(Relaxed)),
            copied_bytes: count(self.entry.leases.copied_bytes.load(Relaxed)),
            copies: self.entry.leases.copies.load(Relaxed),
        })
    }

    /// Switches recording on or off, for all threads.
    #[napi]
    pub fn set_enabled(&self, enabled: bool) {
        self.entry.store.set_enabled(enabled);
    }

    /// Drains what has been committed and stops the writer.
    #[napi]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let entry = Arc::clone(&self.entry);
        registry::remove(entry.id);
        pool::promise(env, move || {
            entry.store.close();
            entry.store.ensure_saved()
        })
    }
}
