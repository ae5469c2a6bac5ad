//! The thread that indexes segments, one after the other, so that it never takes more than one core.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::SegmentIndex;
use crate::error::{Error, ErrorCode};
use crate::names::Names;
use crate::segment::Segment;
use crate::shared::Shared;
use crate::slot::{Slot, StoredSegment};

/// What the writer has of the thread. Dropping it ends the thread after the segment in hand.
pub(crate) struct Indexer {
    requests: Sender<Request>,
    indexed: Receiver<Indexed>,
    /// Bases of sealed segments that have been asked for.
    pending: HashSet<u64>,
    /// Bases of those that could not be indexed: they are not tried again.
    failed: HashSet<u64>,
}

/// What is to be indexed. Weak: what retention evicts meanwhile need not be any more.
enum Target {
    /// A sealed segment.
    Sealed(Weak<Segment>),
    /// The first rows of an open one.
    Head(Weak<Segment>, usize),
    /// A segment in a file, which may have an index there.
    File(Weak<dyn StoredSegment>),
}

struct Request {
    base_seq: u64,
    target: Target,
}

/// What indexes of segments in files may take up together in memory, before they are in files too or because nobody may
/// write there: a recording on disk may be larger than memory. What has none is read column by column.
const BUILT_MAX_BYTES: usize = 512 << 20;

/// What has become of a request.
pub(crate) struct Indexed {
    pub(crate) base_seq: u64,
    /// Of an open segment, the rows that are indexed, and the bytes of its index.
    pub(crate) head: Option<(usize, usize)>,
    /// Of a sealed segment.
    pub(crate) outcome: Outcome,
    /// What it took.
    pub(crate) took: Duration,
}

/// What has become of a sealed segment's index.
pub(crate) enum Outcome {
    /// The segment, which was in memory, has it.
    Index(Arc<SegmentIndex>),
    /// The segment, which was in a file, has it.
    OfFile(Arc<SegmentIndex>),
    /// The segment was gone, or is a file by now.
    Gone,
    /// It cannot be built.
    Failed,
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
                for Request { base_seq, target } in received {
                    let start = Instant::now();
                    // A bug here must cost speed only.
                    let index = std::panic::AssertUnwindSafe(|| index(&shared, &target));
                    let outcome = std::panic::catch_unwind(index);
                    let (outcome, head_bytes) = outcome.unwrap_or((Outcome::Failed, 0));
                    let head = match target {
                        Target::Head(_, rows) => Some((rows, head_bytes)),
                        Target::Sealed(_) | Target::File(_) => None,
                    };
                    let indexed = Indexed {
                        base_seq,
                        head,
                        outcome,
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
        Ok(Self {
            requests,
            indexed,
            pending: HashSet::new(),
            failed: HashSet::new(),
        })
    }

    /// Indexes a sealed segment, unless it is being done.
    pub(crate) fn index(&mut self, slot: &Slot) {
        let base_seq = slot.base_seq();
        if self.failed.contains(&base_seq) || !self.pending.insert(base_seq) {
            return;
        }
        let target = match slot {
            Slot::Memory(segment) => Target::Sealed(Arc::downgrade(segment)),
            Slot::File(stored) => Target::File(Arc::downgrade(stored)),
        };
        // Without the thread, queries look at the columns.
        let _ = self.requests.send(Request { base_seq, target });
    }

    /// Indexes the first rows of an open segment, all of them published.
    pub(crate) fn index_head(&self, segment: &Arc<Segment>, rows: usize) {
        let target = Target::Head(Arc::downgrade(segment), rows);
        let base_seq = segment.base_seq;
        let _ = self.requests.send(Request { base_seq, target });
    }

    /// Indexes the newest segment in a file that somebody has looked at and that has no index, if there is memory, and if
    /// nothing else is being done.
    pub(crate) fn index_file(&mut self, slots: &[Slot]) {
        if !self.pending.is_empty() || !has_room(slots) {
            return;
        }
        let lacks_index = |slot: &&Slot| match slot {
            Slot::File(stored) => stored.loaded().is_some_and(|segment| {
                segment.index().is_none() && !self.failed.contains(&segment.base_seq)
            }),
            Slot::Memory(_) => false,
        };
        if let Some(slot) = slots.iter().rev().find(lacks_index) {
            self.index(slot);
        }
    }

    /// What has been done since the last call.
    pub(crate) fn indexed(&mut self) -> Vec<Indexed> {
        let indexed: Vec<Indexed> = self.indexed.try_iter().collect();
        let sealed = indexed.iter().filter(|indexed| indexed.head.is_none());
        for Indexed {
            base_seq, outcome, ..
        } in sealed
        {
            self.pending.remove(base_seq);
            if matches!(outcome, Outcome::Failed) {
                self.failed.insert(*base_seq);
            }
        }
        indexed
    }
}

/// Whether indexes of segments in files may take up more memory.
pub(crate) fn has_room(slots: &[Slot]) -> bool {
    let built = slots.iter().filter_map(|slot| match slot {
        Slot::File(stored) => stored.loaded()?.index().filter(|index| !index.is_in_file()),
        Slot::Memory(_) => None,
    });
    built.map(SegmentIndex::bytes).sum::<usize>() < BUILT_MAX_BYTES
}

/// Gives a segment that has become a file the index that was built for it; false if it has one.
pub(crate) fn give(slot: &Slot, index: &Arc<SegmentIndex>) -> bool {
    let Slot::File(stored) = slot else {
        return false;
    };
    // What it was built for may have been merged with others since.
    let has_rows = stored.summary().rows == index.rows();
    let segment = stored.loaded().filter(|_| has_rows);
    segment.is_some_and(|segment| segment.index.set(Arc::clone(index)).is_ok())
}

/// The outcome, and the bytes of an open segment's index.
fn index(shared: &Weak<Shared>, target: &Target) -> (Outcome, usize) {
    let Some(shared) = shared.upgrade() else {
        return (Outcome::Gone, 0);
    };
    match target {
        Target::Head(segment, rows) => {
            // Sealed meanwhile: its own index comes next.
            let open = segment.upgrade().filter(|open| open.sealed().is_none());
            let bytes = open.map_or(0, |open| shared.index_head(&open, *rows));
            (Outcome::Gone, bytes)
        }
        Target::Sealed(segment) => {
            let segment = segment.upgrade();
            let index = segment.and_then(|segment| segment.ensure_index(shared.names()).cloned());
            (index.map_or(Outcome::Gone, Outcome::Index), 0)
        }
        Target::File(stored) => {
            let index = stored
                .upgrade()
                .and_then(|stored| index_of_file(&*stored, shared.names()));
            (index.map_or(Outcome::Gone, Outcome::OfFile), 0)
        }
    }
}

fn index_of_file(stored: &dyn StoredSegment, names: &Names) -> Option<Arc<SegmentIndex>> {
    let segment = stored.segment()?;
    let index = segment.index.get_or_init(|| {
        // Its writer may have written it by now.
        let index = stored.read_index(names);
        let rows = stored.summary().rows;
        Arc::new(index.unwrap_or_else(|| SegmentIndex::build(segment, rows, names)))
    });
    Some(Arc::clone(index))
}
