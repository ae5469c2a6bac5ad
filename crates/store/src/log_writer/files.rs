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
            let place = self
                .segments
                .binary_search_by_key(&slot.base_seq(), Slot::base_seq);
            // Retention may have been faster.
            match place {
                Ok(place) => {
                    let old = &self.segments[place];
                    hand_over(old, &slot, journal.as_mut(), self.indexer.as_mut());
                    if let Some(counted) = self.counted_bytes.get_mut(place) {
                        self.sealed_bytes -= *counted;
                        *counted = kept_bytes(&slot);
                        self.sealed_bytes += *counted;
                    }
                    self.segments[place] = slot;
                }
                Err(_) => journal.evicted(&slot),
            }
        }
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
