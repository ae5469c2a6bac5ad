//! The indexes of the log's segments, which a thread of their own builds while the log goes on.

use std::time::{Duration, Instant};

use super::LogWriter;
use super::segments::Segments;
use crate::error::Error;
use crate::index::indexer::{Indexer, Outcome, give, has_room};
use crate::segment_builder::SegmentBuilder;
use crate::slot::Slot;

/// Rows from which on an open segment gets an index.
const HEAD_ROWS: usize = 65_536;
/// While nothing is recorded, what is there is indexed to its last row, again and again if it has to be; so much longer
/// than that takes nothing is done then, which bounds it to a twentieth of a core.
const IDLE_REST: u32 = 20;

/// The index of the open segment's first rows.
#[derive(Default)]
struct Head {
    rows: usize,
    bytes: u64,
    /// It is being built.
    is_pending: bool,
    /// When that was done the last time, and what it took.
    built: Option<(Instant, Duration)>,
}

/// What is indexed, and what is to be.
#[derive(Default)]
pub(super) struct Indexes {
    indexer: Option<Indexer>,
    head: Head,
}

impl Indexes {
    /// Bytes of the open segment's index.
    pub(super) fn head_bytes(&self) -> u64 {
        self.head.bytes
    }

    /// Has a sealed segment indexed.
    pub(super) fn index(&mut self, slot: &Slot) {
        if let Some(indexer) = &mut self.indexer {
            indexer.index(slot);
        }
    }

    /// The open segment is another one than before.
    pub(super) fn leave_head(&mut self) {
        self.head.rows = 0;
    }

    /// Takes over what has been built since the last call, and counts its memory; gives the files whose indexes are to be
    /// written down.
    fn take_built(&mut self, open: &SegmentBuilder, segments: &mut Segments) -> Vec<Slot> {
        let mut write_down = Vec::new();
        let Some(indexer) = &mut self.indexer else {
            return write_down;
        };
        for indexed in indexer.indexed() {
            if let Some((rows, bytes)) = indexed.head {
                self.head.is_pending = false;
                self.head.bytes = bytes as u64;
                self.head.built = Some((Instant::now(), indexed.took));
                if indexed.base_seq == open.segment().base_seq {
                    self.head.rows = rows;
                }
                continue;
            }
            let place = segments
                .slots()
                .binary_search_by_key(&indexed.base_seq, Slot::base_seq);
            let Ok(place) = place else { continue };
            let slot = &segments.slots()[place];
            match (&indexed.outcome, slot) {
                (Outcome::Index(index), Slot::Memory(_)) => {
                    segments.add_bytes(place, index.bytes() as u64);
                }
                // Memory beside the files that retention counts.
                (Outcome::Index(index), Slot::File(_)) if give(slot, index) => {
                    write_down.push(slot.clone());
                }
                (Outcome::OfFile(index), Slot::File(_)) if !index.is_in_file() => {
                    write_down.push(slot.clone());
                }
                (Outcome::Gone, Slot::File(stored))
                    if stored.loaded().is_some() && has_room(segments.slots()) =>
                {
                    indexer.index(slot);
                }
                _ => {}
            }
        }
        write_down
    }

    /// Has the open segment indexed once it has grown by as much again as is indexed already, so that all of it together
    /// costs no more than indexing twice.
    pub(super) fn index_grown(&mut self, open: &SegmentBuilder) {
        self.index_head(open, self.head.rows.max(HEAD_ROWS));
    }

    /// Has the open segment's rows indexed, as soon as there are `unindexed_max` that are not.
    fn index_head(&mut self, open: &SegmentBuilder, unindexed_max: usize) {
        let rows = open.rows();
        if let Some(indexer) = &self.indexer
            && !self.head.is_pending
            && rows >= self.head.rows + unindexed_max
        {
            self.head.is_pending = true;
            indexer.index_head(open.segment(), rows);
        }
    }

    fn rest(&mut self, open: &SegmentBuilder, segments: &Segments) {
        let has_rested = |&(at, took): &(Instant, Duration)| at.elapsed() >= took * IDLE_REST;
        if self.head.built.as_ref().is_none_or(has_rested) {
            self.index_head(open, 1);
        }
        if let Some(indexer) = &mut self.indexer {
            indexer.index_file(segments.slots());
        }
    }
}

impl LogWriter {
    /// From now on sealed segments get indexes, built by a thread of their own.
    ///
    /// # Errors
    /// `IO` when no thread can be started.
    pub fn start_indexing(&mut self) -> Result<(), Error> {
        self.indexes.indexer = Some(Indexer::start(&self.shared)?);
        Ok(())
    }

    /// Counts the memory of indexes that have been built since the last call, and has those of files written down.
    pub(super) fn count_indexes(&mut self) {
        let write_down = self.indexes.take_built(&self.builder, &mut self.segments);
        if let Some(journal) = &mut self.journal {
            write_down.iter().for_each(|slot| journal.indexed(slot));
        }
    }

    /// Nothing has come for a while: what there is may as well be indexed.
    pub fn rest(&mut self) {
        self.count_indexes();
        self.indexes.rest(&self.builder, &self.segments);
    }
}
