//! Producers that come and go.

use std::sync::Arc;

use kinescope_ring::layout::MIN_CAPACITY_BYTES;
use kinescope_ring::{Ring, RingError, RingState};

use super::Store;
use crate::error::Error;
use crate::sync::{Ordering, lock};
use crate::writer_thread::Command;

impl Store {
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

    /// A ring that is closed from the start: what is recorded into it is counted as recorded after closing.
    fn closed_ring(&self) -> Result<Arc<Ring>, Error> {
        let ring = Ring::new(1, MIN_CAPACITY_BYTES, 0, self.publication)
            .map_err(|error| Error::resource_exhausted(error.to_string()))?;
        ring.set_state(RingState::Closed);
        lock(&self.producers.inner).alive.push(Arc::clone(&ring));
        Ok(ring)
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
}
