//! The list of the log's segments, and what retention counts of those that are sealed.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::journal::Journal;
use crate::segment_builder::SegmentBuilder;
use crate::slot::Slot;

/// The log's segments in their order, the open one behind those that are sealed.
pub(super) struct Segments {
    slots: Vec<Slot>,
    /// Of the sealed segments, what `sealed_bytes` has of each.
    counted_bytes: VecDeque<u64>,
    sealed_bytes: u64,
    sealed_rows: u64,
}

impl Segments {
    /// Sealed segments with the open one behind them.
    pub(super) fn new(sealed: Vec<Slot>, open: &SegmentBuilder) -> Self {
        let sealed_rows = sealed.iter().filter_map(Slot::sealed_rows);
        let sealed_rows = sealed_rows.sum::<usize>() as u64;
        let counted_bytes: VecDeque<u64> = sealed.iter().map(kept_bytes).collect();
        let sealed_bytes = counted_bytes.iter().sum();
        let mut segments = Self {
            slots: sealed,
            counted_bytes,
            sealed_bytes,
            sealed_rows,
        };
        segments.push_open(open);
        segments
    }

    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub(super) fn sealed_bytes(&self) -> u64 {
        self.sealed_bytes
    }

    pub(super) fn sealed_rows(&self) -> u64 {
        self.sealed_rows
    }

    /// Puts the open segment at the end of the list.
    pub(super) fn push_open(&mut self, open: &SegmentBuilder) {
        self.slots.push(Slot::Memory(Arc::clone(open.segment())));
    }

    /// Takes the open segment off the list.
    pub(super) fn pop_open(&mut self) {
        self.slots.pop();
    }

    /// Puts a sealed segment at the end of the list.
    pub(super) fn push_sealed(&mut self, slot: Slot) {
        let bytes = kept_bytes(&slot);
        self.sealed_bytes += bytes;
        self.sealed_rows += slot.sealed_rows().unwrap_or(0) as u64;
        self.counted_bytes.push_back(bytes);
        self.slots.push(slot);
    }

    /// A sealed segment takes up more memory than before.
    pub(super) fn add_bytes(&mut self, place: usize, bytes: u64) {
        if let Some(counted) = self.counted_bytes.get_mut(place) {
            *counted += bytes;
            self.sealed_bytes += bytes;
        }
    }

    /// Puts a file in place of a sealed segment with the same rows.
    pub(super) fn replace(&mut self, place: usize, slot: Slot) {
        if let Some(counted) = self.counted_bytes.get_mut(place) {
            self.sealed_bytes -= *counted;
            *counted = kept_bytes(&slot);
            self.sealed_bytes += *counted;
        }
        self.slots[place] = slot;
    }

    /// Uses a segment in place of those that it has been merged of; true if there is one.
    pub(super) fn take_merged(&mut self, journal: &mut dyn Journal) -> bool {
        let Some(run) = journal.take_merged(&mut self.slots) else {
            return false;
        };
        let start = run.start;
        let before: u64 = self.counted_bytes.drain(run).sum();
        let bytes = kept_bytes(&self.slots[start]);
        self.counted_bytes.insert(start, bytes);
        self.sealed_bytes = self.sealed_bytes + bytes - before;
        true
    }

    /// Counts the oldest of those that are counted no more; [`Segments::drop_oldest`] takes it off the list.
    pub(super) fn uncount_oldest(&mut self, rows: u64) {
        self.sealed_bytes -= self.counted_bytes.pop_front().unwrap_or_default();
        self.sealed_rows -= rows;
    }

    /// Takes segments that are not counted any more off the list.
    pub(super) fn drop_oldest(&mut self, count: usize) {
        self.slots.drain(..count);
    }
}

/// What a sealed segment counts for retention by bytes.
fn kept_bytes(slot: &Slot) -> u64 {
    match slot {
        Slot::Memory(segment) => segment.used_bytes() as u64,
        Slot::File(stored) => stored.disk_bytes(),
    }
}
