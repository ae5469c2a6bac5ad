//! Opens a store: in memory, on disk, or to read what another process records.

use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Sender, unbounded};
use kinescope_ring::{Definitions, Publication};

use super::Store;
use super::registry::Producers;
#[cfg(all(unix, not(loom)))]
use crate::disk::DiskOptions;
use crate::error::Error;
use crate::log_writer::LogWriter;
use crate::options::StoreOptions;
use crate::shared::Shared;
use crate::sync::{Mutex, lock};
use crate::writer_thread::{Command, Writer};

fn default_publication() -> Publication {
    // Commit words can be followed directly where stores become visible in program order.
    if cfg!(target_arch = "x86_64") {
        Publication::CommitWords
    } else {
        Publication::PublishedHead
    }
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
        let recording_id = opened.recording_id();
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
        store.recording_id = Some(recording_id);
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
        let recording_id = Some(follower.recording_id());
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
            recording_id,
            disk: None,
            looks: Some(looks),
        })
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
            recording_id: None,
            #[cfg(all(unix, not(loom)))]
            disk: None,
            #[cfg(all(unix, not(loom)))]
            looks: None,
        })
    }
}
