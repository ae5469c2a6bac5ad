//! Events from elsewhere on their way into the log.

use std::sync::Arc;

use super::LogWriter;
use crate::error::Error;
use crate::import::Staged;
use crate::producer_numbers::FIRST_IMPORT;
use crate::segment_builder::{SegmentBuilder, SegmentLimits};
use crate::slot::Slot;

impl LogWriter {
    /// Takes imported events into the log, all of them or none, and makes them visible.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for an id that exists, `RESOURCE_EXHAUSTED`; `IO` when the disk does not take them.
    pub(crate) fn import(&mut self, staged: Staged) -> Result<(), Error> {
        let Staged {
            segments,
            given,
            checked_below,
        } = staged;
        let unchecked = self.segments.slots().iter().rev();
        // By its end: it may have been merged with some before it that have been checked.
        let is_unchecked = |slot: &&Slot| slot.end_seq().is_none_or(|end| end > checked_below);
        for slot in unchecked.take_while(is_unchecked) {
            if let Some(segment) = slot.segment() {
                given.check_segment(segment)?;
            }
        }
        given.check_open(&self.builder)?;
        let rows: usize = segments.iter().map(SegmentBuilder::rows).sum();
        self.keep_import_numbers(&segments);
        match <[SegmentBuilder; 1]>::try_from(segments) {
            Ok([one]) if one.is_small() => self.append_small(one)?,
            Ok([one]) => self.append_segments(vec![one])?,
            Err(segments) => self.append_segments(segments)?,
        }
        given.note(&self.shared);
        self.stored_unpublished += rows as u64;
        self.publish();
        Ok(())
    }

    /// On disk, writes down which numbers of the producer of imports are taken, whether the import comes about or not.
    fn keep_import_numbers(&mut self, segments: &[SegmentBuilder]) {
        let ranges = segments
            .iter()
            .filter_map(|segment| segment.producer_range(FIRST_IMPORT));
        if let (Some(last), Some(journal)) =
            (ranges.map(|range| range.last).max(), &mut self.journal)
        {
            journal.keep_import_end(last + 1);
        }
    }

    /// Appends a few rows to the open segment, or to the next one if they do not fit.
    fn append_small(&mut self, mut rows: SegmentBuilder) -> Result<(), Error> {
        rows.publish();
        let (segment, count) = (Arc::clone(rows.segment()), rows.rows());
        if self.builder.append_all(&segment, count) {
            return Ok(());
        }
        self.roll(0)?;
        if self.builder.append_all(&segment, count) {
            return Ok(());
        }
        self.roll(rows.text_bytes_max())?;
        if self.builder.append_all(&segment, count) {
            Ok(())
        } else {
            Err(Error::resource_exhausted(
                "imported events fit no segment of the recording",
            ))
        }
    }

    /// Seals the open segment and puts others behind it, of which the last is the open one then; on disk an empty one
    /// behind them is.
    fn append_segments(&mut self, segments: Vec<SegmentBuilder>) -> Result<(), Error> {
        self.now_raw_ns = self.shared.clock.raw_now_ns();
        if self.journal.is_some() {
            return self.append_files(segments);
        }
        for mut segment in segments {
            segment.rebase(self.builder.next_seq());
            let sealed = std::mem::replace(&mut self.builder, segment);
            self.seal(sealed);
            self.segments.push_open(&self.builder);
            self.known.forget();
        }
        self.opened_raw_ns = self.now_raw_ns;
        self.evict();
        self.show_segments();
        Ok(())
    }

    /// Writes segments to files, which count from the next commit on, and opens a segment behind them.
    fn append_files(&mut self, segments: Vec<SegmentBuilder>) -> Result<(), Error> {
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        let last_append = self
            .now_raw_ns
            .saturating_add(self.shared.clock.offset_ns());
        let mut next_seq = self.builder.next_seq();
        let mut files = Vec::new();
        for mut segment in segments {
            segment.rebase(next_seq);
            next_seq = segment.next_seq();
            let shared = Arc::clone(segment.segment());
            segment.seal(self.now_raw_ns);
            match journal.store_now(&shared, last_append) {
                Ok(slot) => files.push(slot),
                Err(error) => {
                    files.iter().for_each(|slot| journal.take_back(slot));
                    return Err(error);
                }
            }
        }
        let limits = SegmentLimits::of(self.rows_per_segment, 0);
        let next = match journal.open_segment(next_seq, limits) {
            Ok(next) => next,
            Err(error) => {
                files.iter().for_each(|slot| journal.take_back(slot));
                return Err(error);
            }
        };
        let sealed = std::mem::replace(&mut self.builder, next);
        self.seal(sealed);
        for slot in files {
            self.indexes.index(&slot);
            self.segments.push_sealed(slot);
        }
        self.segments.push_open(&self.builder);
        self.is_stranded = false;
        self.known.forget();
        self.opened_raw_ns = self.now_raw_ns;
        self.evict();
        self.show_segments();
        Ok(())
    }
}
