//! Segments of the log that become files.

use super::{LogWriter, kept_bytes};
use crate::index::indexer::{Indexer, give};
use crate::journal::Journal;
use crate::segment_builder::SegmentLimits;
use crate::slot::Slot;

impl LogWriter {
    /// Takes over segments that have become files, and goes back to the disk when it has space again. Called once per
    /// turn, when nothing is unpublished.
    pub fn tend(&mut self) {
        let Some(journal) = &mut self.journal else {
            return;
        };
        let stored = journal.take_stored();
        let has_space = self.is_stranded && journal.may_have_space();
        let mut has_changed = !stored.is_empty();
        for slot in stored {
            match place_of(&self.segments, &slot) {
                Place::At(place) => {
                    let old = &self.segments[place];
                    hand_over(old, &slot, journal.as_mut(), self.indexer.as_mut());
                    journal.uses(&slot);
                    if let Some(counted) = self.counted_bytes.get_mut(place) {
                        self.sealed_bytes -= *counted;
                        *counted = kept_bytes(&slot);
                        self.sealed_bytes += *counted;
                    }
                    self.segments[place] = slot;
                }
                Place::Merged => {}
                // Retention has been faster.
                Place::Gone => journal.evicted(&slot),
            }
        }
        has_changed |= self.take_merged();
        let Some(journal) = &mut self.journal else {
            return;
        };
        journal.merge_small(&self.segments);
        if has_space {
            let limits = SegmentLimits::of(self.rows_per_segment, 0);
            if let Ok(next) = journal.open_segment(self.builder.next_seq(), limits) {
                self.is_stranded = false;
                self.go_on_in(next);
                has_changed = true;
            }
        }
        if !self.unwritten.is_empty() {
            self.append_unwritten();
            has_changed = true;
        }
        if has_changed {
            self.builder.publish();
            self.shared.set_segments(self.segments.clone());
            self.commit();
            self.shared.set_watermark(self.builder.next_seq());
        }
    }

    /// Uses a segment in place of those that it has been merged of; true if there is one.
    pub(super) fn take_merged(&mut self) -> bool {
        let journal = self.journal.as_mut();
        let Some(run) = journal.and_then(|journal| journal.take_merged(&mut self.segments)) else {
            return false;
        };
        let start = run.start;
        let before: u64 = self.counted_bytes.drain(run).sum();
        let bytes = kept_bytes(&self.segments[start]);
        self.counted_bytes.insert(start, bytes);
        self.sealed_bytes = self.sealed_bytes + bytes - before;
        true
    }
}

/// Where a segment that has become a file, or another file than before, belongs.
enum Place {
    /// In place of this one.
    At(usize),
    /// Nowhere: its rows are in a segment that it has been merged into.
    Merged,
    /// Nowhere: its rows have been evicted.
    Gone,
}

fn place_of(segments: &[Slot], slot: &Slot) -> Place {
    let base_seq = slot.base_seq();
    let behind = segments.partition_point(|own| own.base_seq() <= base_seq);
    let Some((place, own)) = behind.checked_sub(1).map(|place| (place, &segments[place])) else {
        return Place::Gone;
    };
    if own.base_seq() == base_seq && own.end_seq() == slot.end_seq() {
        Place::At(place)
    } else if own.end_seq().is_some_and(|end| end > base_seq) {
        Place::Merged
    } else {
        Place::Gone
    }
}

/// A segment has become a file, or got an index there: what has been built for it goes on to be used, until it is in the
/// file too.
fn hand_over(old: &Slot, new: &Slot, journal: &mut dyn Journal, indexer: Option<&mut Indexer>) {
    let Slot::File(stored) = new else { return };
    if stored.indexed_rows() > 0 {
        return;
    }
    let built = match old {
        Slot::Memory(segment) => segment.index.get().cloned(),
        Slot::File(_) => None,
    };
    if let Some(index) = built {
        if give(new, &index) {
            journal.indexed(new);
        }
    } else if let Some(indexer) = indexer {
        indexer.index(new);
    }
}
