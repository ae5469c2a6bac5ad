//! A recording's store: opens the writer thread, hands out producers, answers what is there.

mod opening;
mod producers;
mod registry;
mod stats;
mod waiting;

use std::sync::Arc;
#[cfg(all(unix, not(loom)))]
use std::sync::OnceLock;
use std::thread::Thread;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use kinescope_ring::{Definitions, Publication};

pub(crate) use self::registry::{Gone, Producers};
pub use self::stats::Stats;
pub use self::waiting::{SYNC_MAX, WAIT_MAX};
#[cfg(all(unix, not(loom)))]
use crate::disk::{Handles, Looks};
use crate::error::{Error, ErrorCode};
use crate::import::{Gathering, Import, ImportNumbers};
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::sync::{Mutex, lock};
use crate::writer_thread::Command;

/// Bound of waiting for the last files of a recording that is closed.
pub const CLOSE_MAX: Duration = Duration::from_secs(60);
/// Upper bound of the time that a process waits for a recording which it has not closed when it ends.
pub const EXIT_MAX: Duration = Duration::from_secs(1);

/// An open recording.
pub struct Store {
    shared: Arc<Shared>,
    definitions: Arc<Definitions>,
    producers: Arc<Producers>,
    commands: Sender<Command>,
    writer: Thread,
    publication: Publication,
    import_numbers: Mutex<ImportNumbers>,
    recording_id: Option<[u8; 16]>,
    #[cfg(all(unix, not(loom)))]
    disk: Option<Arc<OnceLock<Handles>>>,
    #[cfg(all(unix, not(loom)))]
    looks: Option<Arc<Looks>>,
}

impl Store {
    /// Whether this only reads what another process records.
    pub fn is_reader(&self) -> bool {
        #[cfg(all(unix, not(loom)))]
        return self.looks.is_some();
        #[cfg(any(loom, not(unix)))]
        false
    }

    /// Whether the recording is kept in files.
    pub fn is_on_disk(&self) -> bool {
        #[cfg(all(unix, not(loom)))]
        return self.disk.is_some();
        #[cfg(any(loom, not(unix)))]
        false
    }

    /// What the recording's directory is called inside, which is the same for everyone who opens it; none in memory.
    pub fn recording_id(&self) -> Option<[u8; 16]> {
        self.recording_id
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

    /// Tells the writer to drain and stop, without waiting.
    pub fn close_soon(&self) {
        let _ = self.send(Command::Close);
    }

    /// Closes, and waits for that for up to [`EXIT_MAX`] when something of the recording is to outlive the process.
    pub fn close_at_exit(&self) {
        self.close_soon();
        if self.is_on_disk() {
            self.shared().wait_until(EXIT_MAX, || false);
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close_soon();
    }
}
