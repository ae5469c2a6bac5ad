//! What a log on disk does beside what a log in memory does.

use std::ops::Range;
use std::sync::Arc;

use crate::columns::DictionaryColumn;
use crate::context::Context;
use crate::error::Error;
use crate::loss::LossRange;
use crate::segment::Segment;
use crate::segment_builder::{SegmentBuilder, SegmentLimits};
use crate::slot::Slot;

/// The state of the log that a commit makes lasting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// `seq` of the next row.
    pub next_seq: u64,
    /// `seq` of the open segment's first row.
    pub base_seq: u64,
    /// Rows of the open segment.
    pub rows: usize,
    /// Entries of its dictionaries.
    pub entries: [u32; DictionaryColumn::COUNT],
    /// Its lowest timestamp.
    pub min_timestamp: i64,
    /// Its highest timestamp.
    pub max_timestamp: i64,
    /// Whether its timestamps do not decrease.
    pub in_time_order: bool,
    /// Next number of the store's own sequence.
    pub own_sequence: u64,
}

/// Keeps a log on disk. Called by the log's one writer; docs/format.md has the order of things.
pub trait Journal: Send {
    /// An empty segment in a file of its own.
    ///
    /// # Errors
    /// `IO` without space; the log then goes on in memory.
    fn open_segment(
        &mut self,
        base_seq: u64,
        limits: SegmentLimits,
    ) -> Result<SegmentBuilder, Error>;

    /// Whether it is worth trying to go on in a file, after that has failed.
    fn may_have_space(&mut self) -> bool;

    /// Bytes that the log may hold in memory for want of space, beyond what it holds already.
    fn memory_left(&self) -> u64;

    /// The open segment has been sealed where `position` says; `last_append` is a timestamp. It becomes a file after the
    /// next commit.
    fn sealed(&mut self, segment: &Arc<Segment>, position: &Position, last_append: i64);

    /// Makes files of a sealed segment at once; they count from the next commit on.
    ///
    /// # Errors
    /// `IO`; nothing is left of it then.
    fn store_now(&mut self, segment: &Arc<Segment>, last_append: i64) -> Result<Slot, Error>;

    /// Removes what [`Journal::store_now`] has made, and no commit has counted. At once: its place may be another's soon.
    fn take_back(&mut self, slot: &Slot);

    /// Numbers of the producer of imports below this are taken.
    fn keep_import_end(&mut self, end: u64);

    /// Something is missing that was not before.
    fn lost(&mut self, range: &LossRange);

    /// Retention has removed a segment.
    fn evicted(&mut self, slot: &Slot);

    /// What a slot of a producer means from now on; slot 0 is its thread's own.
    fn context(&mut self, producer: u16, slot: u16, context: &Context);

    /// The number that the next commit will have.
    fn next_generation(&self) -> u64;

    /// Makes everything up to here outlive the process. Rows must not be visible before.
    fn commit(&mut self, position: &Position);

    /// Segments that have become files since this was last asked, or are other files than before; they replace those of the
    /// same base and rows.
    fn take_stored(&mut self) -> Vec<Slot>;

    /// The log uses a segment that [`Journal::take_stored`] gave.
    fn uses(&mut self, slot: &Slot);

    /// Has some of the log's segments merged in the background, if that is worth it.
    fn merge_small(&mut self, segments: &[Slot]);

    /// Puts a segment in place of those that it has been merged of, if there is one and all of these are still there; gives
    /// where they were. What they take up on the disk is given back later.
    fn take_merged(&mut self, segments: &mut Vec<Slot>) -> Option<Range<usize>>;

    /// From now on [`Journal::take_merged`] waits for what is being merged, as far as it is worth waiting for, and nothing else
    /// is begun.
    fn end_merging(&mut self);

    /// A segment in a file has got an index in memory, which is to be written down.
    fn indexed(&mut self, slot: &Slot);

    /// A producer is gone and drained: its next number.
    fn buried(&mut self, producer: u16, next_sequence: u64);

    /// The log ends here, with its last commit made and its last segment sealed.
    fn close(&mut self);

    /// The process begins to record, with rings of its own; no sequence of a new producer begins below
    /// `sequence_floor`. Until then, what is committed is what a dead process left.
    ///
    /// # Errors
    /// `IO`.
    fn begin(&mut self, sequence_floor: u64) -> Result<(), Error>;
}
