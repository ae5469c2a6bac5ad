//! Turns rows into the log: resolves texts to codes, rolls segments, evicts what retention does not keep.

mod files;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::area::AreaPool;
use crate::columns::DictionaryColumn;
use crate::context::Context;
use crate::error::Error;
use crate::event_id::EventId;
use crate::import::Staged;
use crate::index::indexer::{Indexer, Outcome, give, has_room};
use crate::journal::Journal;
use crate::loss::{LossCause, LossRange};
use crate::producer_numbers::FIRST_IMPORT;
use crate::row::{Inherited, Row, RowCodes, RowValues, SiteCodes, SiteRef, Tag, TextRef};
use crate::segment_builder::{SegmentBuilder, SegmentLimits};
use crate::shared::Shared;
use crate::slot::Slot;
use crate::sync::Ordering;

/// Rows of a segment that is in memory because there is no space on the disk.
const STRANDED_ROWS: usize = 64 * 1024;

/// Codes that texts with definition ids have in the open segment.
#[derive(Default)]
struct KnownCodes {
    event_types: Vec<Option<i32>>,
    sites: Vec<Option<SiteCodes>>,
    node: Option<i32>,
}

impl KnownCodes {
    fn slot<T: Clone>(known: &mut Vec<Option<T>>, id: u32) -> &mut Option<T> {
        let index = id as usize;
        if index >= known.len() {
            known.resize(index + 1, None);
        }
        &mut known[index]
    }
}

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

/// The one writer of the log.
pub struct LogWriter {
    shared: Arc<Shared>,
    builder: SegmentBuilder,
    pool: Arc<AreaPool>,
    /// Of the sealed segments, what `sealed_bytes` has of each.
    counted_bytes: VecDeque<u64>,
    indexer: Option<Indexer>,
    head: Head,
    segments: Vec<Slot>,
    /// None in memory.
    journal: Option<Box<dyn Journal>>,
    /// The open segment is in memory for want of space on the disk.
    is_stranded: bool,
    /// Losses whose rows had no room.
    unwritten: Vec<(LossRange, String)>,
    known: KnownCodes,
    /// Segments opened before the open one. Unlike `base_seq` it tells an empty segment from the one that replaced it.
    generation: u64,
    rows_per_segment: usize,
    bytes_per_segment: u64,
    /// Sequence of producer 0, which is the store itself.
    own_sequence: u64,
    /// Raw time of the open segment's first row.
    opened_raw_ns: i64,
    /// Raw time as of the last publication; what age is measured by.
    now_raw_ns: i64,
    sealed_bytes: u64,
    sealed_rows: u64,
    /// Events appended since the last publication.
    stored_unpublished: u64,
}

/// The segment has no room for the row; nothing of the row has been appended.
struct Full;

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
        mut segments: Vec<Slot>,
        journal: Option<Box<dyn Journal>>,
        own_sequence: u64,
    ) -> Self {
        let (rows_per_segment, bytes_per_segment) = shared.options.segment_limits();
        let sealed_rows = segments.iter().filter_map(Slot::sealed_rows);
        let sealed_rows = sealed_rows.sum::<usize>() as u64;
        let counted_bytes: VecDeque<u64> = segments.iter().map(kept_bytes).collect();
        let sealed_bytes = counted_bytes.iter().sum();
        segments.push(Slot::Memory(Arc::clone(builder.segment())));
        shared.set_segments(segments.clone());
        shared.set_watermark(builder.next_seq());
        let now_raw_ns = shared.clock.raw_now_ns();
        Self {
            shared,
            builder,
            pool,
            segments,
            counted_bytes,
            indexer: None,
            head: Head::default(),
            journal,
            is_stranded: false,
            unwritten: Vec::new(),
            known: KnownCodes::default(),
            generation: 0,
            rows_per_segment,
            bytes_per_segment,
            own_sequence,
            opened_raw_ns: now_raw_ns,
            now_raw_ns,
            sealed_bytes,
            sealed_rows,
            stored_unpublished: 0,
        }
    }

    /// From now on sealed segments get indexes, built by a thread of their own.
    ///
    /// # Errors
    /// `IO` when no thread can be started.
    pub fn start_indexing(&mut self) -> Result<(), Error> {
        self.indexer = Some(Indexer::start(&self.shared)?);
        Ok(())
    }

    /// `seq` of the next row.
    pub fn next_seq(&self) -> u64 {
        self.builder.next_seq()
    }

    /// Appends an event; one that fits no segment at all is counted as lost.
    pub fn append(&mut self, row: &Row<'_>, context: &Context) {
        let tags = merged_tags(row.tags, &context.tags);
        if self.try_append(row, context, tags.as_deref()).is_ok() {
            self.stored_unpublished += 1;
            return;
        }
        let rolled = self.roll(text_bytes(row, context, tags.as_deref()));
        // Of a log on disk, what does not fit a new segment has found no space; in memory too: then memory is bounded.
        let cause = if rolled.is_err() && self.journal.is_some() {
            LossCause::DiskFull
        } else {
            LossCause::TooLarge
        };
        let appended =
            rolled.is_ok_and(|()| self.try_append(row, context, tags.as_deref()).is_ok());
        if appended {
            self.stored_unpublished += 1;
        } else {
            let id = EventId(row.event_id);
            self.append_loss(
                &LossRange {
                    cause,
                    producer: id.producer(),
                    first: id.sequence(),
                    last: id.sequence(),
                    count: 1,
                    first_timestamp: row.timestamp,
                    last_timestamp: row.timestamp,
                },
                &context.pid,
            );
        }
    }

    fn try_append(
        &mut self,
        row: &Row<'_>,
        context: &Context,
        tags: Option<&[Tag<'_>]>,
    ) -> Result<(), Full> {
        let codes = self.codes(row, context)?;
        let values = RowValues {
            event_id: row.event_id,
            timestamp: row.timestamp,
            wall_time: row.wall_time.unwrap_or_else(|| {
                row.timestamp
                    .saturating_add(self.shared.clock.wall_minus_timestamp_ns())
            }),
            parent_id: row.parent_id.or(context.parent_id),
            arity: row.site.arity,
            line: row.site.line,
            tags,
            data: row.data,
        };
        if self.builder.push(&values, &codes) {
            Ok(())
        } else {
            Err(Full)
        }
    }

    fn intern(&mut self, column: DictionaryColumn, text: &str) -> Result<i32, Full> {
        self.builder.intern(column, text).ok_or(Full)
    }

    fn codes(&mut self, row: &Row<'_>, context: &Context) -> Result<RowCodes, Full> {
        let (pid, correlation_id) = self.context_codes(context)?;
        Ok(RowCodes {
            event_type: self.event_type_code(row.event_type)?,
            node: self.node_code(row.node)?,
            pid: row
                .pid
                .map_or(Ok(pid), |pid| self.intern(DictionaryColumn::Pid, pid))?,
            correlation_id: match row.correlation_id {
                Inherited::FromContext => correlation_id,
                Inherited::Nothing => None,
                Inherited::Value(id) => Some(self.intern(DictionaryColumn::CorrelationId, id)?),
            },
            site: self.site_codes(&row.site)?,
        })
    }

    #[inline]
    fn context_codes(&mut self, context: &Context) -> Result<(i32, Option<i32>), Full> {
        if let Some((of, pid, correlation_id)) = context.codes.get()
            && of == self.generation
        {
            return Ok((pid, correlation_id));
        }
        let pid = self.intern(DictionaryColumn::Pid, &context.pid)?;
        let correlation_id = context
            .correlation_id
            .as_deref()
            .map(|id| self.intern(DictionaryColumn::CorrelationId, id))
            .transpose()?;
        context
            .codes
            .set(Some((self.generation, pid, correlation_id)));
        Ok((pid, correlation_id))
    }

    #[inline]
    fn event_type_code(&mut self, event_type: TextRef<'_>) -> Result<i32, Full> {
        if let Some(id) = event_type.id
            && let Some(code) = *KnownCodes::slot(&mut self.known.event_types, id)
        {
            return Ok(code);
        }
        let code = self.intern(DictionaryColumn::EventType, event_type.text)?;
        if let Some(id) = event_type.id {
            *KnownCodes::slot(&mut self.known.event_types, id) = Some(code);
        }
        Ok(code)
    }

    #[inline]
    fn node_code(&mut self, node: Option<&str>) -> Result<i32, Full> {
        if let Some(node) = node {
            return self.intern(DictionaryColumn::Node, node);
        }
        if let Some(code) = self.known.node {
            return Ok(code);
        }
        let code = self
            .builder
            .intern(DictionaryColumn::Node, &self.shared.options.node)
            .ok_or(Full)?;
        self.known.node = Some(code);
        Ok(code)
    }

    #[inline]
    fn site_codes(&mut self, site: &SiteRef<'_>) -> Result<SiteCodes, Full> {
        if let Some(id) = site.id
            && let Some(codes) = *KnownCodes::slot(&mut self.known.sites, id)
        {
            return Ok(codes);
        }
        let mut code =
            |column, text: Option<&str>| text.map(|text| self.intern(column, text)).transpose();
        let codes = SiteCodes {
            module: code(DictionaryColumn::Module, site.module)?,
            function: code(DictionaryColumn::Function, site.function)?,
            file: code(DictionaryColumn::File, site.file)?,
        };
        if let Some(id) = site.id {
            *KnownCodes::slot(&mut self.known.sites, id) = Some(codes);
        }
        Ok(codes)
    }

    /// Appends the row that says what is missing, and counts it. The row's pid is that of the thread that lost it.
    pub fn append_loss(&mut self, range: &LossRange, pid: &str) {
        self.shared.add_loss(*range);
        if let Some(journal) = &mut self.journal {
            journal.lost(range);
        }
        if !self.append_loss_row(range, pid) {
            self.keep_unwritten(range, pid);
        }
    }

    /// Remembers a loss until there is room for its row, with the next ones of the same producer and cause in one.
    fn keep_unwritten(&mut self, range: &LossRange, pid: &str) {
        let same = |(kept, _): &&mut (LossRange, String)| {
            (kept.cause, kept.producer) == (range.cause, range.producer)
        };
        match self.unwritten.iter_mut().find(same) {
            Some((kept, _)) => kept.absorb(range),
            None => self.unwritten.push((*range, pid.to_owned())),
        }
    }

    /// Appends the rows of losses that had no room before.
    fn append_unwritten(&mut self) {
        for (range, pid) in std::mem::take(&mut self.unwritten) {
            if !self.append_loss_row(&range, &pid) {
                self.keep_unwritten(&range, &pid);
            }
        }
    }

    /// False, and nothing appended, without room for the row.
    fn append_loss_row(&mut self, range: &LossRange, pid: &str) -> bool {
        let LossRange {
            cause,
            producer,
            first,
            last,
            count,
            last_timestamp,
            ..
        } = *range;
        let cause = cause.as_str();
        let data = format!(
            r#"{{"producer":{producer},"first_sequence":{first},"last_sequence":{last},"count":{count},"cause":"{cause}"}}"#
        );
        let row = Row {
            event_id: EventId::new(0, self.own_sequence).0,
            timestamp: last_timestamp,
            wall_time: None,
            event_type: TextRef {
                id: None,
                text: "events_lost",
            },
            site: SiteRef::default(),
            node: None,
            pid: None,
            correlation_id: Inherited::Nothing,
            parent_id: Inherited::Nothing,
            tags: &[],
            data: Some(&data),
        };
        let context = Context::of_thread(pid);
        // A fresh segment has room for this small row.
        let appended = self.try_append(&row, &context, None).is_ok()
            || (self.roll(0).is_ok() && self.try_append(&row, &context, None).is_ok());
        self.own_sequence += u64::from(appended);
        appended
    }

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
        let unchecked = self.segments.iter().rev();
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
            self.segments
                .push(Slot::Memory(Arc::clone(self.builder.segment())));
            self.generation += 1;
        }
        self.known = KnownCodes::default();
        self.opened_raw_ns = self.now_raw_ns;
        self.evict();
        self.shared.set_segments(self.segments.clone());
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
                    files.iter().for_each(|slot| journal.evicted(slot));
                    return Err(error);
                }
            }
        }
        let limits = SegmentLimits::of(self.rows_per_segment, 0);
        let next = match journal.open_segment(next_seq, limits) {
            Ok(next) => next,
            Err(error) => {
                files.iter().for_each(|slot| journal.evicted(slot));
                return Err(error);
            }
        };
        let sealed = std::mem::replace(&mut self.builder, next);
        self.seal(sealed);
        for slot in files {
            self.sealed_rows += slot.sealed_rows().unwrap_or(0) as u64;
            if let Some(indexer) = &mut self.indexer {
                indexer.index(&slot);
            }
            self.push_sealed(slot);
        }
        self.segments
            .push(Slot::Memory(Arc::clone(self.builder.segment())));
        self.is_stranded = false;
        self.forget_codes();
        self.opened_raw_ns = self.now_raw_ns;
        self.evict();
        self.shared.set_segments(self.segments.clone());
        Ok(())
    }

    /// Seals the open segment and opens the next, with room for a row of `row_text_bytes`.
    fn roll(&mut self, row_text_bytes: usize) -> Result<(), Error> {
        // First, so that the next segment takes over the memory of what is evicted.
        if self.evict() {
            self.shared.set_segments(self.segments.clone());
        }
        let next = self.next_builder(row_text_bytes)?;
        self.go_on_in(next);
        Ok(())
    }

    /// Seals the open segment; `next` is the open one from now on.
    fn go_on_in(&mut self, next: SegmentBuilder) {
        let sealed = std::mem::replace(&mut self.builder, next);
        self.forget_codes();
        self.seal(sealed);
        self.segments
            .push(Slot::Memory(Arc::clone(self.builder.segment())));
        self.opened_raw_ns = self.now_raw_ns;
        self.shared.set_segments(self.segments.clone());
    }

    /// Forgets the codes that texts had: those of another segment, or of definitions of another process.
    pub fn forget_codes(&mut self) {
        self.known = KnownCodes::default();
        self.generation += 1;
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
    fn seal(&mut self, builder: SegmentBuilder) {
        self.segments.pop();
        self.head.rows = 0;
        if builder.rows() == 0 {
            return;
        }
        let segment = Arc::clone(builder.segment());
        self.sealed_rows += builder.rows() as u64;
        let position = builder.position(self.own_sequence);
        builder.seal(self.now_raw_ns);
        let slot = Slot::Memory(Arc::clone(&segment));
        if let Some(indexer) = &mut self.indexer {
            indexer.index(&slot);
        }
        if let Some(journal) = &mut self.journal {
            let last_append = self
                .now_raw_ns
                .saturating_add(self.shared.clock.offset_ns());
            journal.sealed(&segment, &position, last_append);
        }
        self.push_sealed(slot);
    }

    /// Puts a sealed segment at the end of the list.
    fn push_sealed(&mut self, slot: Slot) {
        let bytes = kept_bytes(&slot);
        self.sealed_bytes += bytes;
        self.counted_bytes.push_back(bytes);
        self.segments.push(slot);
    }

    /// Drops sealed segments from the log's start as long as retention says so; true if any was.
    fn evict(&mut self) -> bool {
        let mut evicted = 0;
        while let Some(slot) = self.segments.get(evicted) {
            let Some(rows) = slot.sealed_rows() else {
                break;
            };
            if !self.exceeds_retention(slot, rows as u64) {
                break;
            }
            self.sealed_bytes -= self.counted_bytes.pop_front().unwrap_or_default();
            self.sealed_rows -= rows as u64;
            let range = slot.range(LossCause::Retention, rows);
            self.shared.add_evicted(range);
            if let Some(journal) = &mut self.journal {
                journal.lost(&range);
                journal.evicted(slot);
            }
            evicted += 1;
        }
        self.segments.drain(..evicted);
        evicted > 0
    }

    /// Counts the memory of indexes that have been built since the last call, and has those of files written down.
    fn count_indexes(&mut self) {
        let Some(indexer) = &mut self.indexer else {
            return;
        };
        let mut write_down = Vec::new();
        for indexed in indexer.indexed() {
            if let Some((rows, bytes)) = indexed.head {
                self.head.is_pending = false;
                self.head.bytes = bytes as u64;
                self.head.built = Some((Instant::now(), indexed.took));
                if indexed.base_seq == self.builder.segment().base_seq {
                    self.head.rows = rows;
                }
                continue;
            }
            let place = self
                .segments
                .binary_search_by_key(&indexed.base_seq, Slot::base_seq);
            let Ok(place) = place else { continue };
            let slot = &self.segments[place];
            match (&indexed.outcome, slot) {
                (Outcome::Index(index), Slot::Memory(_)) => {
                    if let Some(counted) = self.counted_bytes.get_mut(place) {
                        *counted += index.bytes() as u64;
                        self.sealed_bytes += index.bytes() as u64;
                    }
                }
                // Memory beside the files that retention counts.
                (Outcome::Index(index), Slot::File(_)) if give(slot, index) => {
                    write_down.push(slot.clone());
                }
                (Outcome::OfFile(index), Slot::File(_)) if !index.is_in_file() => {
                    write_down.push(slot.clone());
                }
                (Outcome::Gone, Slot::File(stored))
                    if stored.loaded().is_some() && has_room(&self.segments) =>
                {
                    indexer.index(slot);
                }
                _ => {}
            }
        }
        if let Some(journal) = &mut self.journal {
            write_down.iter().for_each(|slot| journal.indexed(slot));
        }
    }

    /// Has the open segment's rows indexed, as soon as there are `unindexed_max` that are not.
    fn index_head(&mut self, unindexed_max: usize) {
        let rows = self.builder.rows();
        if let Some(indexer) = &self.indexer
            && !self.head.is_pending
            && rows >= self.head.rows + unindexed_max
        {
            self.head.is_pending = true;
            indexer.index_head(self.builder.segment(), rows);
        }
    }

    /// Nothing has come for a while: what there is may as well be indexed.
    pub fn rest(&mut self) {
        self.count_indexes();
        let has_rested = |&(at, took): &(Instant, Duration)| at.elapsed() >= took * IDLE_REST;
        if self.head.built.as_ref().is_none_or(has_rested) {
            self.index_head(1);
        }
        if let Some(indexer) = &mut self.indexer {
            indexer.index_file(&self.segments);
        }
    }

    /// Whether the oldest segment has to go.
    fn exceeds_retention(&self, oldest: &Slot, oldest_rows: u64) -> bool {
        let retention = self.shared.options.retention;
        let is_older = retention.max_age.is_some_and(|age| {
            let age_ns = i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
            let last_append_raw_ns = match oldest {
                Slot::Memory(segment) => segment.sealed().map(|sealed| sealed.last_append_raw_ns),
                Slot::File(stored) => {
                    let last_append = stored.summary().last_append;
                    Some(last_append.saturating_sub(self.shared.clock.offset_ns()))
                }
            };
            last_append_raw_ns.is_some_and(|last| last < self.now_raw_ns.saturating_sub(age_ns))
        });
        let bytes = self.sealed_bytes + self.builder.used_bytes() as u64 + self.head.bytes;
        let rows = self.sealed_rows + self.builder.rows() as u64;
        is_older
            || retention
                .max_bytes
                .is_some_and(|max_bytes| bytes > max_bytes)
            || retention
                .max_events
                .is_some_and(|max_events| rows - oldest_rows >= max_events)
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
        // In proportion to what is indexed already, so that all of it together costs no more than indexing twice.
        self.index_head(self.head.rows.max(HEAD_ROWS));
        // Before the rows become visible, so that no reader sees more than the limits allow.
        if self.evict() {
            self.shared.set_segments(self.segments.clone());
        }
        self.commit();
        self.shared.set_watermark(self.builder.next_seq());
        let is_full = self.builder.used_bytes() as u64 >= self.bytes_per_segment;
        if is_full && self.builder.rows() > 0 && self.roll(0).is_ok() {
            // Without memory for another segment this one goes on until its areas are full.
            self.commit();
        }
    }

    /// Makes what has been published lasting.
    fn commit(&mut self) {
        if let Some(journal) = &mut self.journal {
            journal.commit(&self.builder.position(self.own_sequence));
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
        }
        self.take_merged();
        if let Some(journal) = &mut self.journal {
            journal.close();
        }
    }

    /// The process begins to record, on disk.
    ///
    /// # Errors
    /// `IO`.
    pub fn begin(&mut self, sequence_floor: u64) -> Result<(), Error> {
        self.forget_codes();
        match &mut self.journal {
            Some(journal) => journal.begin(sequence_floor),
            None => Ok(()),
        }
    }

    /// Applies retention by age; called also while nothing is recorded.
    pub fn age(&mut self) {
        let Some(age) = self.shared.options.retention.max_age else {
            return;
        };
        self.now_raw_ns = self.shared.clock.raw_now_ns();
        let eighth_ns = i64::try_from(age.as_nanos() / 8).unwrap_or(i64::MAX);
        let mut has_changed = false;
        if self.builder.rows() > 0 && self.opened_raw_ns < self.now_raw_ns.saturating_sub(eighth_ns)
        {
            has_changed = self.roll(0).is_ok();
        } else if self.builder.rows() == 0 {
            self.opened_raw_ns = self.now_raw_ns;
        }
        if self.evict() {
            self.shared.set_segments(self.segments.clone());
            has_changed = true;
        }
        if has_changed {
            self.commit();
        }
    }
}

/// A segment in memory for want of space: small, to be left soon when there is some again.
fn stranded_builder(
    base_seq: u64,
    rows: usize,
    row_text_bytes: usize,
) -> Result<SegmentBuilder, Error> {
    let limits = SegmentLimits::of(rows.min(STRANDED_ROWS), row_text_bytes);
    SegmentBuilder::new(base_seq, limits, &Arc::default())
}

/// What a sealed segment counts for retention by bytes.
fn kept_bytes(slot: &Slot) -> u64 {
    match slot {
        Slot::Memory(segment) => segment.used_bytes() as u64,
        Slot::File(stored) => stored.disk_bytes(),
    }
}

/// The context's tags with the event's own over them; none when there are none.
fn merged_tags<'a>(
    own: &'a [Tag<'a>],
    context: &'a [Tag<'static>],
) -> Option<std::borrow::Cow<'a, [Tag<'a>]>> {
    match (own.is_empty(), context.is_empty()) {
        (true, true) => None,
        (true, false) => Some(std::borrow::Cow::Borrowed(context)),
        (false, true) => Some(std::borrow::Cow::Borrowed(own)),
        (false, false) => {
            let mut merged: Vec<Tag<'a>> = context
                .iter()
                .filter(|(key, _)| own.iter().all(|(own, _)| own != key))
                .cloned()
                .collect();
            merged.extend(own.iter().cloned());
            Some(std::borrow::Cow::Owned(merged))
        }
    }
}

/// An upper bound of the text that a row puts into any one column.
fn text_bytes(row: &Row<'_>, context: &Context, tags: Option<&[Tag<'_>]>) -> usize {
    let texts = [
        row.node,
        row.pid,
        row.site.module,
        row.site.function,
        row.site.file,
        row.data,
        Some(&context.pid),
        context.correlation_id.as_deref(),
    ];
    let correlation_id = if let Inherited::Value(id) = row.correlation_id {
        id.len()
    } else {
        0
    };
    let tags: usize = tags
        .unwrap_or_default()
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    texts.into_iter().flatten().map(str::len).sum::<usize>()
        + row.event_type.text.len()
        + correlation_id
        + tags
}
