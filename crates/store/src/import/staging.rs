//! Segments in the making that nobody sees yet.

use std::sync::Arc;

use super::{ImportBatch, ImportSource};
use crate::area::AreaPool;
use crate::error::Error;
use crate::options::StoreOptions;
use crate::segment_builder::{SegmentBuilder, SegmentLimits};

/// Rows between two looks at how much memory a segment takes.
const ROWS_PER_LOOK: usize = 1024;
/// JSON takes this many bytes at most for a byte of what it is made of, but in rare cases, which get further segments.
const JSON_BYTES_PER_BYTE: usize = 4;

const DEFAULT_TEXT_BYTES: usize = 1024;

/// The segment has no room for the row; nothing of the row has been appended.
pub(super) struct Full;

/// Gathers rows into segments of the size that the log's own have.
pub(super) struct Staging<'a> {
    options: &'a StoreOptions,
    pool: Arc<AreaPool>,
    limits: SegmentLimits,
    segment_bytes_max: u64,
    full: Vec<SegmentBuilder>,
    full_bytes: u64,
    open: SegmentBuilder,
    rows_since_look: usize,
    text_bytes_since_look: usize,
}

impl<'a> Staging<'a> {
    /// Sized for what is to come.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`.
    pub(super) fn new(
        options: &'a StoreOptions,
        pool: &Arc<AreaPool>,
        source: &ImportSource,
    ) -> Result<Self, Error> {
        let (rows_max, segment_bytes_max) = options.segment_limits();
        let (rows, text_bytes) = match source {
            ImportSource::Events { ids, pieces } => {
                let bytes: usize = pieces.iter().map(Vec::len).sum();
                (ids.len(), bytes.saturating_mul(JSON_BYTES_PER_BYTE))
            }
            ImportSource::Table(batches) => {
                let bytes: usize = batches.iter().map(ImportBatch::text_bytes).sum();
                // Rows without a node or a pid have texts that the table has not.
                let bytes = bytes + DEFAULT_TEXT_BYTES;
                let rows = batches.iter().map(ImportBatch::rows).sum();
                (rows, bytes.saturating_mul(JSON_BYTES_PER_BYTE))
            }
        };
        let ordinary = SegmentLimits::of(rows_max, 0);
        let limits = SegmentLimits {
            rows: rows.min(ordinary.rows),
            data_bytes: text_bytes.min(ordinary.data_bytes),
            dictionary_bytes: text_bytes.min(ordinary.dictionary_bytes),
            tag_bytes: text_bytes.min(ordinary.tag_bytes),
            tag_entries: text_bytes.min(ordinary.tag_entries),
        };
        let pool = pool_for(&limits, &ordinary, pool);
        let open = SegmentBuilder::new(0, limits, &pool)?;
        Ok(Self {
            options,
            pool,
            limits,
            segment_bytes_max,
            full: Vec::new(),
            full_bytes: 0,
            open,
            rows_since_look: 0,
            text_bytes_since_look: 0,
        })
    }

    /// Appends a row by `push`, which is called again for another segment when it finds this one full; the number that it
    /// gets tells one segment from the next. No column of the row has more than `text_bytes` of text.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` without memory, and when the import is larger than what the recording may keep.
    pub(super) fn append(
        &mut self,
        text_bytes: usize,
        mut push: impl FnMut(&mut SegmentBuilder, usize) -> Result<(), Full>,
    ) -> Result<(), Error> {
        if push(&mut self.open, self.full.len()).is_err() {
            self.next_segment(text_bytes)?;
            push(&mut self.open, self.full.len()).map_err(|Full| {
                Error::resource_exhausted(format!(
                    "an imported event of {text_bytes} bytes fits no segment"
                ))
            })?;
        }
        self.rows_since_look += 1;
        self.text_bytes_since_look += text_bytes;
        if self.rows_since_look == ROWS_PER_LOOK
            || self.text_bytes_since_look as u64 > self.segment_bytes_max / 8
        {
            self.look()?;
        }
        Ok(())
    }

    /// Ends the open segment if it has become large, as the log's writer does.
    fn look(&mut self) -> Result<(), Error> {
        (self.rows_since_look, self.text_bytes_since_look) = (0, 0);
        let bytes = self.open.used_bytes() as u64;
        self.ensure_bounded(self.full_bytes + bytes)?;
        if bytes >= self.segment_bytes_max {
            self.next_segment(0)?;
        }
        Ok(())
    }

    fn next_segment(&mut self, text_bytes: usize) -> Result<(), Error> {
        let bytes = self.full_bytes + self.open.used_bytes() as u64;
        self.ensure_bounded(bytes)?;
        let large = SegmentLimits::of(1, text_bytes);
        let limits = SegmentLimits {
            rows: self.limits.rows,
            data_bytes: self.limits.data_bytes.max(large.data_bytes),
            dictionary_bytes: self.limits.dictionary_bytes.max(large.dictionary_bytes),
            tag_bytes: self.limits.tag_bytes.max(large.tag_bytes),
            tag_entries: self.limits.tag_entries.max(large.tag_entries),
        };
        let pool = pool_for(&limits, &self.limits, &self.pool);
        let next = SegmentBuilder::new(0, limits, &pool)?;
        let full = std::mem::replace(&mut self.open, next);
        self.full_bytes = bytes;
        self.full.push(full);
        Ok(())
    }

    fn ensure_bounded(&self, bytes: u64) -> Result<(), Error> {
        match self.options.retention.max_bytes {
            Some(bytes_max) if bytes > bytes_max => Err(Error::resource_exhausted(format!(
                "the import takes more than the {bytes_max} bytes that retention.maxBytes keeps; raise it, or import fewer events at a time"
            ))),
            _ => Ok(()),
        }
    }

    /// The segments, none of them empty; the last one may have room left.
    pub(super) fn finish(mut self) -> Vec<SegmentBuilder> {
        self.full.push(self.open);
        self.full.retain(|segment| segment.rows() > 0);
        self.full
    }
}

/// Memory of unusual size is of no use to later segments, so no pool outlives it.
fn pool_for(limits: &SegmentLimits, usual: &SegmentLimits, pool: &Arc<AreaPool>) -> Arc<AreaPool> {
    if limits == usual {
        Arc::clone(pool)
    } else {
        Arc::default()
    }
}
