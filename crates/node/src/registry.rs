//! The process's open recordings, by the id that a handle carries from thread to thread.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use crate::external::Leases;
use crate::shares;
use kinescope_query::page_token::stable_hash;
use kinescope_store::{Error, ErrorCode, Store};
use kinescope_stream::Streams;

/// A recording and what its handles say.
pub(crate) struct Entry {
    pub(crate) id: u32,
    pub(crate) nonce: String,
    pub(crate) store: Store,
    pub(crate) streams: Streams,
    /// Of all threads' results.
    pub(crate) leases: Arc<Leases>,
}

impl Entry {
    /// Tells page tokens of this recording from those of others: for as long as it is open, or on disk as long as it is there.
    pub(crate) fn recording(&self) -> u64 {
        match self.store.recording_id() {
            Some(id) => stable_hash(&id),
            None => stable_hash(self.nonce.as_bytes()),
        }
    }
}

#[derive(Default)]
struct Registry {
    next_id: u32,
    entries: HashMap<u32, Arc<Entry>>,
}

static REGISTRY: Mutex<Option<Registry>> = Mutex::new(None);

fn with<T>(action: impl FnOnce(&mut Registry) -> T) -> T {
    let mut registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
    action(registry.get_or_insert_default())
}

/// Adds an open recording.
pub(crate) fn add(store: Store) -> Arc<Entry> {
    with(|registry| {
        registry.next_id += 1;
        let id = registry.next_id;
        // Guards against a handle of an earlier run of this process id; it keeps no secret.
        let nonce = format!(
            "{:016x}",
            RandomState::new().hash_one((id, std::process::id()))
        );
        let entry = Arc::new(Entry {
            id,
            nonce,
            streams: Streams::new(Arc::clone(store.shared())),
            store,
            leases: Arc::default(),
        });
        registry.entries.insert(id, Arc::clone(&entry));
        entry
    })
}

/// The recording that a handle names.
///
/// # Errors
/// `CLOSED` when there is none: it has been closed, or the handle is of another copy of the addon.
pub(crate) fn find(id: u32, nonce: &str) -> Result<Arc<Entry>, Error> {
    let entry =
        with(|registry| registry.entries.get(&id).cloned()).filter(|entry| entry.nonce == nonce);
    entry.filter(|entry| !entry.store.shared().is_closed()).ok_or_else(|| {
        Error::new(
            ErrorCode::Closed,
            "handle: expected that of an open recording; this one's has been closed, or was opened by another copy of the addon",
        )
    })
}

/// All recordings that are open in this process.
pub(crate) fn all() -> Vec<Arc<Entry>> {
    with(|registry| registry.entries.values().cloned().collect())
}

/// Forgets a recording and what was shared of it; whoever holds the entry keeps it alive.
pub(crate) fn remove(id: u32) {
    if let Some(removed) = with(|registry| registry.entries.remove(&id)) {
        shares::end_all_of_recording(&removed.leases);
    }
}

/// Checks that something which names memory of a process names that of this one.
///
/// # Errors
/// `INVALID_ARGUMENT` when it does not.
pub(crate) fn ensure_own(what: &str, process_id: u32) -> Result<(), Error> {
    let own = std::process::id();
    if process_id == own {
        return Ok(());
    }
    let message = format!(
        "{what}: expected one of this process ({own}), got one of process {process_id}; it does not cross processes"
    );
    Err(Error::new(ErrorCode::InvalidArgument, message))
}
