//! Turns rows into the log: resolves texts to codes, rolls segments, evicts what retention does not keep.

mod appending;
mod codes;
mod files;
mod imports;
mod indexes;
mod losses;
mod retention;
mod rolling;
mod segments;

use std::sync::Arc;

use self::codes::KnownCodes;
use self::indexes::Indexes;
use self::rolling::stranded_builder;
use self::segments::Segments;
use crate::area::AreaPool;
use crate::context::Context;
use crate::error::Error;
use crate::event_id::EventId;
use crate::journal::Journal;
use crate::loss::LossRange;
use crate::producer_numbers::FIRST_IMPORT;
use crate::segment_builder::{SegmentBuilder, SegmentLimits};
use crate::shared::Shared;
use crate::slot::Slot;
use crate::sync::Ordering;

/// The one writer of the log.
pub struct LogWriter {
    shared: Arc<Shared>,
    builder: SegmentBuilder,
    pool: Arc<AreaPool>,
    segments: Segments,
    indexes: Indexes,
    /// None in memory.
    journal: Option<Box<dyn Journal>>,
    /// The open segment is in memory for want of space on the disk.
    is_stranded: bool,
    /// Losses whose rows had no room.
    unwritten: Vec<(LossRange, String)>,
    known: KnownCodes,
    rows_per_segment: usize,
    bytes_per_segment: u64,
    /// Sequence of producer 0, which is the store itself.
    own_sequence: u64,
    /// Raw time of the open segment's first row.
    opened_raw_ns: i64,
    /// Raw time as of the last publication; what age is measured by.
    now_raw_ns: i64,
    /// Events appended since the last publication.
    stored_unpublished: u64,
}

impl LogWriter {
    /// An empty log in memory.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`.
    pub fn new(shared: Arc<Shared>) -> Result<Self, Error> {
        let (rows_per_segment, _) = shared.options.segment_limits();
        let pool: Arc<AreaPool> = Arc::default();
        shared.share_areas(&pool);
        let builder = SegmentBuilder::new(0, SegmentLimits::of(rows_per_segment, 0), &pool)?;
        Ok(Self::over(shared, builder, pool, Vec::new(), None, 0))
    }

    /// A log on disk that goes on behind `stored`: with the rows of the `open` segment, else with an empty one at
    /// `next_seq`; and with the store's own sequence at `own_sequence`.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`.
    pub fn resume(
        shared: Arc<Shared>,
        open: Option<SegmentBuilder>,
        next_seq: u64,
        stored: Vec<Slot>,
        mut journal: Box<dyn Journal>,
        own_sequence: u64,
    ) -> Result<Self, Error> {
        let (rows, _) = shared.options.segment_limits();
        let limits = SegmentLimits::of(rows, 0);
        let open = open.map_or_else(|| journal.open_segment(next_seq, limits), Ok);
        let is_stranded = open.is_err();
        let builder = open.or_else(|_| stranded_builder(next_seq, rows, 0))?;
        let pool = Arc::default();
        if let Some(range) = builder.producer_range(FIRST_IMPORT) {
            shared.note_given(EventId::new(FIRST_IMPORT, range.last));
        }
        let log = Self::over(shared, builder, pool, stored, Some(journal), own_sequence);
        Ok(Self { is_stranded, ..log })
    }

    fn over(
        shared: Arc<Shared>,
        builder: SegmentBuilder,
        pool: Arc<AreaPool>,
        sealed: Vec<Slot>,
        journal: Option<Box<dyn Journal>>,
        own_sequence: u64,
    ) -> Self {
        let (rows_per_segment, bytes_per_segment) = shared.options.segment_limits();
        let segments = Segments::new(sealed, &builder);
        shared.set_segments(segments.slots().to_vec());
        shared.set_watermark(builder.next_seq());
        let now_raw_ns = shared.clock.raw_now_ns();
        Self {
            shared,
            builder,
            pool,
            segments,
            indexes: Indexes::default(),
            journal,
            is_stranded: false,
            unwritten: Vec::new(),
            known: KnownCodes::default(),
            rows_per_segment,
            bytes_per_segment,
            own_sequence,
            opened_raw_ns: now_raw_ns,
            now_raw_ns,
            stored_unpublished: 0,
        }
    }

    /// `seq` of the next row.
    pub fn next_seq(&self) -> u64 {
        self.builder.next_seq()
    }

    /// The process begins to record, on disk.
    ///
    /// # Errors
    /// `IO`.
    pub fn begin(&mut self, sequence_floor: u64) -> Result<(), Error> {
        self.known.forget();
        match &mut self.journal {
            Some(journal) => journal.begin(sequence_floor),
            None => Ok(()),
        }
    }

    /// What a slot of a producer means from now on.
    pub fn keep_context(&mut self, producer: u16, slot: u16, context: &Context) {
        if let Some(journal) = &mut self.journal {
            journal.context(producer, slot, context);
        }
    }

    /// A producer is gone and drained.
    pub fn buried(&mut self, producer: u16, next_sequence: u64) {
        if let Some(journal) = &mut self.journal {
            journal.buried(producer, next_sequence);
        }
    }

    /// The number that the commit of the next [`LogWriter::publish`] will have; none in memory.
    pub fn next_generation(&self) -> Option<u64> {
        self.journal
            .as_ref()
            .map(|journal| journal.next_generation())
    }

    /// Makes everything appended so far lasting and visible, and applies the limits that time and bytes set.
    pub fn publish(&mut self) {
        self.now_raw_ns = self.shared.clock.raw_now_ns();
        if !self.unwritten.is_empty() {
            self.append_unwritten();
        }
        self.builder.publish();
        let stored = std::mem::take(&mut self.stored_unpublished);
        self.shared
            .counters
            .stored
            .fetch_add(stored, Ordering::Relaxed);
        self.count_indexes();
        self.indexes.index_grown(&self.builder);
        // Before the rows become visible, so that no reader sees more than the limits allow.
        if self.evict() {
            self.show_segments();
        }
        self.commit();
        self.shared.set_watermark(self.builder.next_seq());
        let is_full = self.builder.used_bytes() as u64 >= self.bytes_per_segment;
        if is_full && self.builder.rows() > 0 && self.roll(0).is_ok() {
            // Without memory for another segment this one goes on until its areas are full.
            self.commit();
        }
    }

    /// Shows readers the list of segments as it is now.
    fn show_segments(&self) {
        self.shared.set_segments(self.segments.slots().to_vec());
    }

    /// Makes what has been published lasting.
    fn commit(&mut self) {
        if let Some(journal) = &mut self.journal {
            journal.commit(&self.builder.position(self.own_sequence));
        }
    }

    /// Ends a log on disk: its last segment becomes a file.
    pub fn close(&mut self) {
        if self.journal.is_none() {
            return;
        }
        if self.builder.rows() > 0 {
            // Without space the rows stay in the head, from which the next opener takes them.
            let _ = self.roll(0);
        }
        self.commit();
        if let Some(journal) = &mut self.journal {
            journal.end_merging();
            self.segments.take_merged(journal.as_mut());
            journal.close();
        }
    }
}
