//! One segment is sealed and the next one opened.

use std::sync::Arc;

use super::LogWriter;
use crate::error::Error;
use crate::segment_builder::{SegmentBuilder, SegmentLimits};
use crate::slot::Slot;

/// Rows of a segment that is in memory because there is no space on the disk.
const STRANDED_ROWS: usize = 64 * 1024;

impl LogWriter {
    /// Seals the open segment and opens the next, with room for a row of `row_text_bytes`.
    pub(super) fn roll(&mut self, row_text_bytes: usize) -> Result<(), Error> {
        // First, so that the next segment takes over the memory of what is evicted.
        if self.evict() {
            self.show_segments();
        }
        let next = self.next_builder(row_text_bytes)?;
        self.go_on_in(next);
        Ok(())
    }

    /// Seals the open segment; `next` is the open one from now on.
    pub(super) fn go_on_in(&mut self, next: SegmentBuilder) {
        let sealed = std::mem::replace(&mut self.builder, next);
        self.known.forget();
        self.seal(sealed);
        self.segments.push_open(&self.builder);
        self.opened_raw_ns = self.now_raw_ns;
        self.show_segments();
    }

    fn next_builder(&mut self, row_text_bytes: usize) -> Result<SegmentBuilder, Error> {
        let base_seq = self.builder.next_seq();
        let limits = SegmentLimits::of(self.rows_per_segment, row_text_bytes);
        if let Some(journal) = &mut self.journal {
            let no_space = match journal.may_have_space() {
                true => journal.open_segment(base_seq, limits),
                false => Err(Error::resource_exhausted("no space on the disk")),
            };
            self.is_stranded = no_space.is_err();
            return match no_space {
                Ok(builder) => Ok(builder),
                Err(error) if self.builder.used_bytes() as u64 > journal.memory_left() => {
                    Err(error)
                }
                Err(_) => stranded_builder(base_seq, self.rows_per_segment, row_text_bytes),
            };
        }
        let ordinary = SegmentLimits::of(self.rows_per_segment, 0);
        // No other segment is likely to want the sizes of one that is made for a large row, so no pool outlives them.
        let pool = if limits == ordinary {
            Arc::clone(&self.pool)
        } else {
            Arc::default()
        };
        SegmentBuilder::new(base_seq, limits, &pool)
    }

    /// Seals what was the open segment; an empty one leaves the log.
    pub(super) fn seal(&mut self, builder: SegmentBuilder) {
        self.segments.pop_open();
        self.indexes.leave_head();
        if builder.rows() == 0 {
            return;
        }
        let segment = Arc::clone(builder.segment());
        let position = builder.position(self.own_sequence);
        builder.seal(self.now_raw_ns);
        let slot = Slot::Memory(Arc::clone(&segment));
        self.indexes.index(&slot);
        if let Some(journal) = &mut self.journal {
            let last_append = self
                .now_raw_ns
                .saturating_add(self.shared.clock.offset_ns());
            journal.sealed(&segment, &position, last_append);
        }
        self.segments.push_sealed(slot);
    }
}

/// A segment in memory for want of space: small, to be left soon when there is some again.
pub(super) fn stranded_builder(
    base_seq: u64,
    rows: usize,
    row_text_bytes: usize,
) -> Result<SegmentBuilder, Error> {
    let limits = SegmentLimits::of(rows.min(STRANDED_ROWS), row_text_bytes);
    SegmentBuilder::new(base_seq, limits, &Arc::default())
}
