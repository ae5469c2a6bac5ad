//! Waits until something is visible, lasting, or free again.

use std::time::Duration;

use kinescope_ring::Ring;

use super::Store;
use crate::error::{Error, ErrorCode};
#[cfg(all(unix, not(loom)))]
use crate::options::Durability;
use crate::sync::Ordering;

/// Bound of every wait. A waiting native call delays the end of its thread, so it stays around a second.
pub const WAIT_MAX: Duration = Duration::from_secs(1);

/// Bound of waiting for a disk. Nobody waits for it but who asked for `'sync'`.
pub const SYNC_MAX: Duration = Duration::from_secs(10);

impl Store {
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

    /// Waits until everything is visible that was committed before the call.
    #[cfg(all(unix, not(loom)))]
    fn wait_looked(&self) {
        let Some(looks) = &self.looks else { return };
        let wanted = looks.begun.load(Ordering::SeqCst) + 1;
        self.wake();
        self.shared
            .wait_until(WAIT_MAX, || looks.ended.load(Ordering::SeqCst) >= wanted);
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
}
