//! Drains what the last process left in its rings, and begins to write.

use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crossbeam_channel::Receiver;
use kinescope_ring::{Definitions, Ring};

use super::commit::Commit;
use super::contexts;
use super::directory::Directory;
use super::disk_journal::Handles;
use super::lock::Lock;
use super::sequences::{Sequences, jumped};
use super::session::{Remains, remove_orphans};
use crate::error::Error;
use crate::import::ImportNumbers;
use crate::log_writer::LogWriter;
use crate::producer_numbers::{FIRST_IMPORT, ProducerNumbers};
use crate::producer_sink::ProducerState;
use crate::shared::Shared;
use crate::store::Producers;
use crate::writer_thread::{Command, Writer};

/// A recording that was taken over, with what its last process left in rings not drained yet.
pub(crate) struct Opened {
    pub(super) shared: Arc<Shared>,
    pub(super) log: LogWriter,
    pub(super) remains: Remains,
    /// What the remains belong to.
    pub(super) commit: Commit,
    pub(super) directory: Directory,
    pub(super) lock: Lock,
    pub(super) handles: Arc<OnceLock<Handles>>,
    pub(super) unsaved_sequence: Arc<AtomicU64>,
    pub(super) sequence_floor: u64,
}

impl Opened {
    pub(crate) fn recording_id(&self) -> [u8; 16] {
        *self.directory.id()
    }

    /// The writer with the rings of the dead process, and what is left to do.
    pub(crate) fn into_writer(
        self,
        producers: Arc<Producers>,
        commands: Receiver<Command>,
    ) -> (Writer, Finish) {
        let definitions = Arc::new(self.remains.definitions());
        let mut writer = Writer::new(
            Arc::clone(&self.shared),
            producers,
            commands,
            definitions,
            self.log,
        );
        let contexts = self.remains.path.as_ref();
        let mut contexts = contexts.map_or_else(HashMap::new, |path| {
            contexts::read(path, self.commit.contexts)
        });
        let mut has_unreadable = false;
        for path in &self.remains.rings {
            let file = File::options().read(true).write(true).open(path);
            let Some((ring, checkpoint)) = file
                .ok()
                .and_then(|file| Ring::open_in(&file, self.commit.generation).ok())
            else {
                has_unreadable = true;
                continue;
            };
            let number = ring.producer();
            let state = ProducerState::resume(
                number,
                &ring.label(),
                contexts.remove(&number).unwrap_or_default(),
                checkpoint.latest_record_raw_ns,
            );
            writer.adopt(ring, &checkpoint, state);
        }
        let finish = Finish {
            shared: self.shared,
            remains: self.remains,
            directory: self.directory,
            handles: self.handles,
            unsaved_sequence: self.unsaved_sequence,
            sequence_floor: self.sequence_floor,
            has_unreadable,
            lock: self.lock,
        };
        (writer, finish)
    }
}

/// A recording that this process has begun to write.
pub(crate) struct Begun {
    pub(crate) definitions: Arc<Definitions>,
    pub(crate) numbers: ProducerNumbers,
    pub(crate) import_numbers: ImportNumbers,
    pub(crate) shared: Arc<Shared>,
    pub(crate) handles: Arc<OnceLock<Handles>>,
}

/// What is left to do of opening a recording.
pub(crate) struct Finish {
    pub(crate) shared: Arc<Shared>,
    pub(crate) handles: Arc<OnceLock<Handles>>,
    remains: Remains,
    directory: Directory,
    unsaved_sequence: Arc<AtomicU64>,
    sequence_floor: u64,
    has_unreadable: bool,
    lock: Lock,
}

impl Finish {
    /// Drains what the dead process left, and begins this one's session.
    ///
    /// # Errors
    /// `IO`.
    pub(crate) fn run(self, writer: &mut Writer) -> Result<Begun, Error> {
        writer.drain();
        let (numbers, import_numbers, floor) = self.numbers()?;
        let handles = Arc::clone(&self.handles);
        let definitions = writer.begin(floor, || {
            let session = handles.get().map(|handles| &handles.session);
            session
                .map_or_else(|| Ok(Definitions::new()), |session| session.definitions())
                .map(Arc::new)
        })?;
        writer.hold(self.lock);
        self.remains.remove();
        remove_orphans(&self.directory);
        Ok(Begun {
            definitions,
            numbers,
            import_numbers,
            shared: self.shared,
            handles: self.handles,
        })
    }

    /// The numbers that producers of this process get.
    fn numbers(&self) -> Result<(ProducerNumbers, ImportNumbers, u64), Error> {
        let sequences =
            Sequences::create(&self.directory).map_err(|error| Error::io("producers", &error))?;
        let mut floor = self.sequence_floor;
        let entries = sequences.read();
        let unsaved = self.unsaved_sequence.load(Ordering::Relaxed);
        let is_damaged = entries.iter().any(|(_, next)| next.is_none());
        if self.has_unreadable || unsaved > 0 || is_damaged {
            let known = entries
                .iter()
                .filter_map(|(_, next)| *next)
                .chain([unsaved, floor]);
            floor = jumped(known);
        }
        let of_imports = entries
            .iter()
            .find(|(producer, _)| *producer == FIRST_IMPORT);
        let of_imports = of_imports.map_or(0, |(_, next)| next.unwrap_or(floor));
        let import_numbers = ImportNumbers::from(of_imports.max(floor));
        let used = entries
            .into_iter()
            .filter(|(producer, _)| (1..FIRST_IMPORT).contains(producer))
            .map(|(producer, next)| (producer, next.unwrap_or(floor)));
        Ok((ProducerNumbers::resume(used, floor), import_numbers, floor))
    }
}
