//! Segments of the log that become files.

use super::LogWriter;
use super::indexes::Indexes;
use crate::index::indexer::give;
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
            match place_of(self.segments.slots(), &slot) {
                Place::At(place) => {
                    let old = &self.segments.slots()[place];
                    hand_over(old, &slot, journal.as_mut(), &mut self.indexes);
                    journal.uses(&slot);
                    self.segments.replace(place, slot);
                }
                Place::Merged => {}
                // Retention has been faster.
                Place::Gone => journal.evicted(&slot),
            }
        }
        has_changed |= self.segments.take_merged(journal.as_mut());
        journal.merge_small(self.segments.slots());
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
            self.show_segments();
            self.commit();
            self.shared.set_watermark(self.builder.next_seq());
        }
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
fn hand_over(old: &Slot, new: &Slot, journal: &mut dyn Journal, indexes: &mut Indexes) {
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
    } else {
        indexes.index(new);
    }
}
