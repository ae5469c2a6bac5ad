//! A recording's store: opens the writer thread, hands out producers, answers what is there.

use std::sync::Arc;
#[cfg(all(unix, not(loom)))]
use std::sync::OnceLock;
use std::thread::{self, Thread};
use std::time::Duration;

use crossbeam_channel::{Sender, bounded, unbounded};
use kinescope_ring::layout::MIN_CAPACITY_BYTES;
use kinescope_ring::{Definitions, Publication, Ring, RingError, RingState};

#[cfg(all(unix, not(loom)))]
use crate::disk::{DiskOptions, Handles, Looks};
use crate::error::{Error, ErrorCode};
use crate::import::{Gathering, Import, ImportNumbers};
use crate::log_writer::LogWriter;
#[cfg(all(unix, not(loom)))]
use crate::options::Durability;
use crate::options::StoreOptions;
use crate::producer_numbers::ProducerNumbers;
use crate::shared::{Shared, Snapshot, lock};
use crate::sync::{Mutex, Ordering};
use crate::writer_thread::{Command, Writer};

/// Bound of every wait. A waiting native call delays the end of its thread, so it stays around a second.
pub const WAIT_MAX: Duration = Duration::from_secs(1);

/// Bound of waiting for a disk. Nobody waits for it but who asked for `'sync'`.
pub const SYNC_MAX: Duration = Duration::from_secs(10);
/// Bound of waiting for the last files of a recording that is closed.
pub const CLOSE_MAX: Duration = Duration::from_secs(60);

fn default_publication() -> Publication {
    // Commit words can be followed directly where stores become visible in program order.
    if cfg!(target_arch = "x86_64") {
        Publication::CommitWords
    } else {
        Publication::PublishedHead
    }
}

/// Sums over producers that are gone and drained.
#[derive(Default)]
pub(crate) struct Gone {
    attempts: u64,
    mistyped: u64,
    unbalanced: u64,
    sampled_out: u64,
    after_close: u64,
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

/// What a store has done so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Attempts to record that were not lost, drained or not.
    pub recorded: u64,
    /// Events in the log so far, evicted ones included.
    pub stored: u64,
    /// Rows that retention evicted.
    pub evicted: u64,
    /// Lost attempts, in the order of [`crate::LossCause::ROWS`].
    pub lost: [u64; 5],
    /// Values of a wrong type, stored as absent.
    pub mistyped: u64,
    /// Exits without their entry or out of order.
    pub unbalanced: u64,
    /// Events left out by sampling.
    pub sampled_out: u64,
    /// Events recorded after the recording was closed.
    pub after_close: u64,
    /// Rows of the log that an index covers.
    pub indexed: u64,
    /// Segments, the open one included.
    pub segments: u64,
    /// Bytes of all segments.
    pub memory_bytes: u64,
    /// Bytes of files.
    pub disk_bytes: u64,
    /// Rows that are in memory only, because the disk takes no more.
    pub unsaved: u64,
}

/// An open recording.
pub struct Store {
    shared: Arc<Shared>,
    definitions: Arc<Definitions>,
    producers: Arc<Producers>,
    commands: Sender<Command>,
    writer: Thread,
    publication: Publication,
    import_numbers: Mutex<ImportNumbers>,
    #[cfg(all(unix, not(loom)))]
    disk: Option<Arc<OnceLock<Handles>>>,
    #[cfg(all(unix, not(loom)))]
    looks: Option<Arc<Looks>>,
}

impl Store {
    /// Opens a recording in memory and starts its writer thread.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` without memory for the first segment, `IO` when no thread can be started.
    pub fn open(options: StoreOptions) -> Result<Self, Error> {
        Self::open_with(options, default_publication())
    }

    /// As [`Store::open`], with the way in which producers publish.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(options: StoreOptions, publication: Publication) -> Result<Self, Error> {
        let shared = Arc::new(Shared::new(options));
        let definitions = Arc::new(Definitions::new());
        let producers = Arc::new(Producers::default());
        let (commands, receiver) = unbounded();
        let mut log = LogWriter::new(Arc::clone(&shared))?;
        log.start_indexing()?;
        let writer = Writer::new(
            Arc::clone(&shared),
            Arc::clone(&producers),
            receiver,
            Arc::clone(&definitions),
            log,
        );
        Self::start(
            shared,
            definitions,
            producers,
            commands,
            writer,
            publication,
        )
    }

    /// Opens a recording on disk, and goes on with it where the last process ended, in whatever way that was: what it had
    /// recorded is in the log when this returns.
    ///
    /// # Errors
    /// `LOCKED` while another process writes the recording; `UNSUPPORTED_VERSION`; `CORRUPT_RECORDING` when it is none;
    /// `INVALID_ARGUMENT` for a directory that holds something else; `IO`; and as [`Store::open`].
    #[cfg(all(unix, not(loom)))]
    pub fn open_on_disk(options: StoreOptions, disk: &DiskOptions) -> Result<Self, Error> {
        let opened = crate::disk::open(options, disk)?;
        let producers = Arc::new(Producers::default());
        let (commands, receiver) = unbounded();
        let (mut writer, finish) = opened.into_writer(Arc::clone(&producers), receiver);
        let begun = finish.run(&mut writer)?;
        lock(&producers.inner).numbers = begun.numbers;
        let publication = default_publication();
        let mut store = Self::start(
            begun.shared,
            begun.definitions,
            producers,
            commands,
            writer,
            publication,
        )?;
        store.disk = Some(begun.handles);
        store.import_numbers = Mutex::new(begun.import_numbers);
        Ok(store)
    }

    /// Opens a recording that another process writes, or none any more: what it commits is visible here milliseconds
    /// later, and nothing is changed. Of `options` only the clock's reading counts. Producers of it record nothing.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is no recording; `UNSUPPORTED_VERSION`; `CORRUPT_RECORDING` when it is none; `IO`.
    #[cfg(all(unix, not(loom)))]
    pub fn open_to_read(options: StoreOptions, path: &std::path::Path) -> Result<Self, Error> {
        let (commands, receiver) = unbounded();
        let (shared, follower, looks) = crate::disk::Follower::open(options, path, receiver)?;
        let closing = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("kinescope-reader".to_owned())
            .spawn(move || {
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| follower.run()));
                closing.set_closed();
            })
            .map_err(|error| Error::io("the reading thread cannot be started", &error))?;
        Ok(Self {
            shared,
            definitions: Arc::new(Definitions::new()),
            producers: Arc::default(),
            commands,
            writer: thread.thread().clone(),
            publication: default_publication(),
            import_numbers: Mutex::default(),
            disk: None,
            looks: Some(looks),
        })
    }

    /// Whether this only reads what another process records.
    pub fn is_reader(&self) -> bool {
        #[cfg(all(unix, not(loom)))]
        return self.looks.is_some();
        #[cfg(any(loom, not(unix)))]
        false
    }

    /// A ring that is closed from the start: what is recorded into it is counted as recorded after closing.
    fn closed_ring(&self) -> Result<Arc<Ring>, Error> {
        let ring = Ring::new(1, MIN_CAPACITY_BYTES, 0, self.publication)
            .map_err(|error| Error::resource_exhausted(error.to_string()))?;
        ring.set_state(RingState::Closed);
        lock(&self.producers.inner).alive.push(Arc::clone(&ring));
        Ok(ring)
    }

    /// Waits until everything is visible that was committed before the call.
    #[cfg(all(unix, not(loom)))]
    fn wait_looked(&self) {
        let Some(looks) = &self.looks else { return };
        let wanted = looks.begun.load(Ordering::SeqCst) + 1;
        self.wake();
        self.shared
            .wait_until(WAIT_MAX, || looks.ended.load(Ordering::SeqCst) >= wanted);
    }

    fn start(
        shared: Arc<Shared>,
        definitions: Arc<Definitions>,
        producers: Arc<Producers>,
        commands: Sender<Command>,
        writer: Writer,
        publication: Publication,
    ) -> Result<Self, Error> {
        lock(&producers.inner).enabled = true;
        let closing = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("kinescope-writer".to_owned())
            .spawn(move || {
                // A bug in the writer must not leave others waiting for a thread that is gone.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| writer.run()));
                closing.set_closed();
            })
            .map_err(|error| Error::io("the writer thread cannot be started", &error))?;
        Ok(Self {
            shared,
            definitions,
            producers,
            commands,
            writer: thread.thread().clone(),
            publication,
            import_numbers: Mutex::default(),
            #[cfg(all(unix, not(loom)))]
            disk: None,
            #[cfg(all(unix, not(loom)))]
            looks: None,
        })
    }

    /// What the writer publishes.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Strings, sites and emitters of the recording.
    pub fn definitions(&self) -> &Arc<Definitions> {
        &self.definitions
    }

    fn send(&self, command: Command) -> Result<(), Error> {
        self.commands.send(command).map_err(|_| Error::closed())?;
        self.writer.unpark();
        Ok(())
    }

    /// Wakes the writer.
    pub fn wake(&self) {
        self.writer.unpark();
    }

    /// A new producer's ring; `pid` is its thread's default logical process.
    ///
    /// # Errors
    /// `CLOSED`; `RESOURCE_EXHAUSTED` without memory or numbers.
    pub fn add_producer(&self, pid: &str) -> Result<Arc<Ring>, Error> {
        if self.shared.is_closed() {
            return Err(Error::closed());
        }
        if self.is_reader() {
            return self.closed_ring();
        }
        let (number, first_sequence) = lock(&self.producers.inner).numbers.take()?;
        let bytes = self.shared.options.ring_bytes;
        let ring = self
            .new_ring(number, first_sequence, pid)
            .map_err(|error| {
                lock(&self.producers.inner)
                    .numbers
                    .give_back(number, first_sequence);
                Error::resource_exhausted(format!("no memory for a ring of {bytes} bytes: {error}"))
            })?;
        let mut registry = lock(&self.producers.inner);
        ring.set_state(if registry.enabled {
            RingState::Recording
        } else {
            RingState::Off
        });
        registry.alive.push(Arc::clone(&ring));
        drop(registry);
        self.send(Command::Add {
            ring: Arc::clone(&ring),
            pid: pid.to_owned(),
        })?;
        // Checked last: either this sees that the writer has stopped, or the writer sees the new ring when it stops.
        if self.shared.is_closed() {
            ring.set_state(RingState::Closed);
            return Err(Error::closed());
        }
        Ok(ring)
    }

    fn new_ring(
        &self,
        number: u16,
        first_sequence: u64,
        #[cfg_attr(any(loom, not(unix)), allow(unused_variables))] pid: &str,
    ) -> Result<Arc<Ring>, RingError> {
        let bytes = self.shared.options.ring_bytes;
        #[cfg(all(unix, not(loom)))]
        if let Some(handles) = self.disk.as_ref().and_then(|disk| disk.get()) {
            let session = &handles.session;
            return session.create_ring(number, bytes, first_sequence, self.publication, pid);
        }
        Ring::new(number, bytes, first_sequence, self.publication)
    }

    /// Waits until everything that is visible is as lasting as the options ask for: with [`Durability::Sync`], until it is
    /// on the disk.
    ///
    /// # Errors
    /// `IO` when the disk refuses, or some of it is in memory only for want of space; `RESOURCE_EXHAUSTED` after [`SYNC_MAX`].
    pub fn wait_durable(&self) -> Result<(), Error> {
        #[cfg(all(unix, not(loom)))]
        if self.shared.options.durability == Durability::Sync
            && let Some(handles) = self.disk.as_ref().and_then(|disk| disk.get())
        {
            self.ensure_saved()?;
            handles.waiter.sync(SYNC_MAX)?;
        }
        Ok(())
    }

    /// Says whether everything that is visible is in files, of a recording on disk: what is not when it has been closed
    /// is lost.
    ///
    /// # Errors
    /// `IO` saying how much is not.
    pub fn ensure_saved(&self) -> Result<(), Error> {
        match self.shared.counters.unsaved.load(Ordering::Acquire) {
            0 => Ok(()),
            unsaved => Err(Error::new(
                ErrorCode::Io,
                format!(
                    "the recording's directory takes no more: {unsaved} events are in memory only"
                ),
            )),
        }
    }

    /// A producer records no more, because it was closed or its thread has ended; what it committed is still drained.
    /// Every query that is asked from now on sees it. Removing it again does nothing.
    pub fn remove_producer(&self, ring: &Arc<Ring>) {
        let mut registry = lock(&self.producers.inner);
        let is_known = registry.alive.iter().any(|alive| Arc::ptr_eq(alive, ring));
        let is_leaving = registry
            .leaving
            .iter()
            .any(|leaving| Arc::ptr_eq(leaving, ring));
        if !is_known || is_leaving {
            return;
        }
        registry.leaving.push(Arc::clone(ring));
        drop(registry);
        self.shared.departures.fetch_add(1, Ordering::SeqCst);
        // Without a writer there is nothing left to drain into.
        let _ = self.send(Command::Gone(Arc::clone(ring)));
    }

    /// Takes events from elsewhere into the log, all of them or none; they are visible when it returns. Gives their ids.
    /// What is expensive about it happens on the calling thread.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for an id that exists or comes twice, and for a row of a table that is no event;
    /// `RESOURCE_EXHAUSTED` for more events than the recording may keep or memory there is; `CLOSED`.
    pub fn import(&self, import: Import) -> Result<Vec<u64>, Error> {
        if self.is_reader() {
            return Err(Error::new(
                ErrorCode::InvalidArgument,
                "mode: expected 'record' for storing events, got 'read'",
            ));
        }
        if self.shared.is_closed() {
            return Err(Error::closed());
        }
        let gathering = Gathering {
            shared: &self.shared,
            definitions: &self.definitions,
        };
        // Held to the end: who comes next must see which numbers have been given.
        let mut numbers = lock(&self.import_numbers);
        let (staged, ids, next_numbers) = gathering.gather(import, &numbers)?;
        let (reply, stored) = bounded(1);
        self.send(Command::Import {
            staged: Box::new(staged),
            reply,
        })?;
        stored.recv().map_err(|_| Error::closed())??;
        // They are in the log, whatever the disk says.
        *numbers = next_numbers;
        drop(numbers);
        self.wait_durable()?;
        Ok(ids)
    }

    /// Switches recording on or off, for all producers.
    pub fn set_enabled(&self, enabled: bool) {
        let mut registry = lock(&self.producers.inner);
        registry.enabled = enabled;
        if !self.shared.is_closed() {
            let state = if enabled {
                RingState::Recording
            } else {
                RingState::Off
            };
            registry.alive.iter().for_each(|ring| ring.set_state(state));
        }
    }

    /// Waits until everything before `head` of the ring is visible to queries, and everything of producers that have
    /// left.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` after [`WAIT_MAX`], `CLOSED` when the writer has stopped before.
    pub fn wait_visible(&self, ring: &Ring, head: u32) -> Result<(), Error> {
        if self.shared.is_closed() {
            return Err(Error::closed());
        }
        #[cfg(all(unix, not(loom)))]
        self.wait_looked();
        let departures = self.shared.departures.load(Ordering::SeqCst);
        let visible = || {
            ring.tail().wrapping_sub(head) as i32 >= 0
                && self.shared.buried.load(Ordering::SeqCst) >= departures
        };
        if visible() {
            return Ok(());
        }
        self.wake();
        if self.shared.wait_until(WAIT_MAX, visible) {
            return Ok(());
        }
        if self.shared.is_closed() {
            Err(Error::closed())
        } else {
            Err(Error::resource_exhausted(format!(
                "the writer did not catch up within {WAIT_MAX:?}"
            )))
        }
    }

    /// Waits until `words` are free behind `head`; false when [`WAIT_MAX`] has passed before.
    pub fn wait_for_space(&self, ring: &Ring, head: u32, words: u32) -> bool {
        self.wake();
        let free = || {
            ring.capacity_words()
                .saturating_sub(head.wrapping_sub(ring.tail()))
                >= words
        };
        self.shared.wait_until(WAIT_MAX, free)
    }

    /// The log as it is now.
    ///
    /// # Errors
    /// `CLOSED`.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        if self.shared.is_closed() {
            Err(Error::closed())
        } else {
            Ok(self.shared.snapshot())
        }
    }

    /// Drains everything that has been committed and stops the writer. Waits for it, within [`WAIT_MAX`], or for a
    /// recording on disk within [`CLOSE_MAX`], until its last segment is a file. Closing twice does nothing.
    pub fn close(&self) {
        let bound = if self.is_on_disk() {
            CLOSE_MAX
        } else {
            WAIT_MAX
        };
        if self.send(Command::Close).is_ok() {
            self.shared.wait_until(bound, || self.shared.is_closed());
        }
    }

    /// Whether the recording is kept in files.
    pub fn is_on_disk(&self) -> bool {
        #[cfg(all(unix, not(loom)))]
        return self.disk.is_some();
        #[cfg(any(loom, not(unix)))]
        false
    }

    /// Tells the writer to drain and stop, without waiting.
    pub fn close_soon(&self) {
        let _ = self.send(Command::Close);
    }

    /// Counts as of now.
    pub fn stats(&self) -> Stats {
        let snapshot = self.shared.snapshot();
        let counters = &self.shared.counters;
        let registry = lock(&self.producers.inner);
        let mut total = Gone::default();
        total.add(&registry.gone);
        registry
            .alive
            .iter()
            .for_each(|ring| total.add(&Gone::of(ring)));
        drop(registry);
        let lost: [u64; 5] =
            std::array::from_fn(|cause| counters.lost[cause].load(Ordering::Relaxed));
        Stats {
            recorded: lost
                .iter()
                .fold(total.attempts, |left, lost| left.saturating_sub(*lost)),
            stored: counters.stored.load(Ordering::Relaxed),
            evicted: counters.evicted.load(Ordering::Relaxed),
            lost,
            mistyped: total
                .mistyped
                .saturating_add(counters.mistyped.load(Ordering::Relaxed)),
            unbalanced: total.unbalanced,
            sampled_out: total.sampled_out,
            after_close: total.after_close,
            indexed: snapshot.indexed_rows(),
            segments: snapshot.segment_count() as u64,
            memory_bytes: snapshot.used_bytes() as u64,
            disk_bytes: counters.disk_bytes.load(Ordering::Relaxed),
            unsaved: counters.unsaved.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close_soon();
    }
}
