//! The thread that indexes segments, one after the other, so that it never takes more than one core.

use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::error::{Error, ErrorCode};
use crate::segment::Segment;
use crate::shared::Shared;
use crate::slot::Slot;

/// What the writer has of the thread. Dropping it ends the thread after the segment in hand.
pub(crate) struct Indexer {
    /// Weak: what retention evicts meanwhile need not be indexed any more.
    requests: Sender<Request>,
    indexed: Receiver<Indexed>,
}

struct Request {
    segment: Weak<Segment>,
    /// Of an open segment, the rows to index.
    head_rows: Option<usize>,
}

/// What indexes of segments in files may take up together: a recording on disk may be larger than memory. What has none is
/// read column by column.
const FILE_INDEXES_MAX_BYTES: usize = 512 << 20;

/// Which segments in files have indexes: those that somebody has looked at, one after the other, while there is memory.
#[derive(Default)]
pub(crate) struct FileIndexes {
    bytes: usize,
    pending: Option<u64>,
}

impl FileIndexes {
    /// The next segment to be indexed, if it is time for one.
    pub(crate) fn next(&mut self, slots: &[Slot]) -> Option<Arc<Segment>> {
        if self.pending.is_some() || self.bytes >= FILE_INDEXES_MAX_BYTES {
            return None;
        }
        let files = slots.iter().rev().filter_map(|slot| match slot {
            Slot::File(stored) => stored.loaded(),
            Slot::Memory(_) => None,
        });
        let segment = files
            .into_iter()
            .find(|segment| segment.index().is_none())?;
        self.pending = Some(segment.base_seq);
        Some(Arc::clone(segment))
    }

    /// A segment in a file has got its index; or nothing has, for a fault of the indexer.
    pub(crate) fn add(&mut self, indexed: &Indexed) {
        self.bytes += indexed.bytes;
        if self.pending == Some(indexed.base_seq) && indexed.bytes > 0 {
            self.pending = None;
        }
    }

    /// A segment in memory has become a file, which has the same rows and so the same index.
    pub(crate) fn take_over(&mut self, old: &Slot, new: &Slot) {
        let index = match old {
            Slot::Memory(segment) => segment.index.get(),
            Slot::File(_) => None,
        };
        if let (Some(index), Slot::File(stored)) = (index, new)
            && let Some(segment) = stored.loaded()
            && segment.index.set(Arc::clone(index)).is_ok()
        {
            self.bytes += index.bytes();
        }
    }
}

/// A segment that has got its index.
pub(crate) struct Indexed {
    pub(crate) base_seq: u64,
    pub(crate) bytes: usize,
    /// Of an open segment, the rows that are indexed.
    pub(crate) head_rows: Option<usize>,
    /// What it took.
    pub(crate) took: Duration,
}

impl Indexer {
    /// # Errors
    /// `IO` when no thread can be started.
    pub(crate) fn start(shared: &Arc<Shared>) -> Result<Self, Error> {
        let (requests, received) = unbounded::<Request>();
        let (report, indexed) = unbounded();
        let shared = Arc::downgrade(shared);
        thread::Builder::new()
            .name("kinescope-index".to_owned())
            .spawn(move || {
                for Request { segment, head_rows } in received {
                    // A bug here must cost speed only.
                    let index =
                        std::panic::AssertUnwindSafe(|| index(&shared, &segment, head_rows));
                    let start = Instant::now();
                    let (base_seq, bytes) = std::panic::catch_unwind(index).unwrap_or_default();
                    let indexed = Indexed {
                        base_seq,
                        bytes,
                        head_rows,
                        took: start.elapsed(),
                    };
                    if report.send(indexed).is_err() {
                        break;
                    }
                }
            })
            .map_err(|error| {
                let message = format!("the indexing thread cannot be started: {error}");
                Error::new(ErrorCode::Io, message)
            })?;
        Ok(Self { requests, indexed })
    }

    /// Indexes a sealed segment, or the first rows of an open one, all of them published.
    pub(crate) fn index(&self, segment: &Arc<Segment>, head_rows: Option<usize>) {
        let segment = Arc::downgrade(segment);
        // Without the thread, queries look at the columns.
        let _ = self.requests.send(Request { segment, head_rows });
    }

    /// What has been indexed since the last call.
    pub(crate) fn indexed(&self) -> impl Iterator<Item = Indexed> + '_ {
        self.indexed.try_iter()
    }
}

/// The segment's first `seq` and the bytes of its index; 0 of what nobody needs any more.
fn index(shared: &Weak<Shared>, segment: &Weak<Segment>, head_rows: Option<usize>) -> (u64, usize) {
    let (Some(shared), Some(segment)) = (shared.upgrade(), segment.upgrade()) else {
        return (0, 0);
    };
    let bytes = match head_rows {
        // Sealed meanwhile: its own index comes next.
        Some(_) if segment.sealed().is_some() => 0,
        Some(rows) => shared.index_head(&segment, rows),
        None => shared.index_sealed(&segment).unwrap_or_default(),
    };
    (segment.base_seq, bytes)
}
