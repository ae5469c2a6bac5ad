//! What the writer thread publishes and everybody else reads.

use std::ops::Range;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use crate::area::AreaPool;
use crate::clock::Clock;
use crate::error::Error;
use crate::event_id::EventId;
use crate::loss::{LossCause, LossLog, LossRange, first_cause};
use crate::names::Names;
use crate::options::StoreOptions;
use crate::part::HeadIndex;
use crate::producer_numbers::FIRST_IMPORT;
use crate::progress::Progress;
use crate::segment::Segment;
use crate::slot::Slot;
use crate::snapshot::Snapshot;
use crate::sync::{ArcSwap, AtomicBool, AtomicU64, AtomicUsize, Mutex, Ordering, fence, lock};

/// Counts that only grow, written by the writer thread.
#[derive(Default)]
pub struct Counters {
    /// Rows of events, `events_lost` rows left out.
    pub stored: AtomicU64,
    /// Rows that retention evicted.
    pub evicted: AtomicU64,
    /// Lost attempts, in the order of [`LossCause::ROWS`].
    pub lost: [AtomicU64; LossCause::ROWS.len()],
    /// Values of a wrong type that the reader of the rings found.
    pub mistyped: AtomicU64,
    /// Bytes of files; 0 in memory.
    pub disk_bytes: AtomicU64,
    /// Rows of a recording on disk that are in memory only, because the disk takes no more.
    pub unsaved: AtomicU64,
}

/// The state that the writer thread shares.
pub struct Shared {
    /// How the store was opened.
    pub options: StoreOptions,
    /// The clocks.
    pub clock: Clock,
    /// The writer's memory of evicted segments.
    areas: OnceLock<Weak<AreaPool>>,
    /// Replaced when a segment is opened or evicted, before the watermark of its first row.
    segments: ArcSwap<Vec<Slot>>,
    /// Of the segment that is open, or was when this was built.
    head: ArcSwap<Option<HeadIndex>>,
    names: Arc<Names>,
    /// Everything with a lower `seq` is visible.
    watermark: AtomicU64,
    /// What is missing.
    losses: Mutex<LossLog>,
    /// Positions of a recording of another process that are in no file of it.
    holes: Mutex<Vec<LossRange>>,
    /// What has happened.
    pub counters: Counters,
    /// Where the numbers end that events have brought themselves of the producer of imports.
    pub(crate) given_import_end: AtomicU64,
    /// Producers that have been told to leave.
    pub(crate) departures: AtomicU64,
    /// How many of them are drained and forgotten.
    pub(crate) buried: AtomicU64,
    closed: AtomicBool,
    /// Threads that read on when the writer has stopped.
    late_readers: AtomicUsize,
    eager: AtomicBool,
    progress: Progress,
    /// What is told to threads that do not follow the writer: once the store is closed, and what they tell each other.
    notice: Progress,
}

impl Shared {
    /// An empty log's.
    pub fn new(options: StoreOptions) -> Self {
        Self::resume(options, 0, LossLog::default())
    }

    /// A log's that goes on: its time line is raw time plus `offset_ns`, and `losses` are known to be missing.
    pub fn resume(options: StoreOptions, offset_ns: i64, losses: LossLog) -> Self {
        let clock = Clock::new(options.raw_now_ns, options.raw_now_at, offset_ns);
        Self {
            options,
            clock,
            areas: OnceLock::new(),
            segments: ArcSwap::default(),
            head: ArcSwap::default(),
            names: Arc::default(),
            watermark: AtomicU64::new(0),
            losses: Mutex::new(losses),
            holes: Mutex::default(),
            counters: Counters::default(),
            given_import_end: AtomicU64::new(0),
            departures: AtomicU64::new(0),
            buried: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            late_readers: AtomicUsize::new(0),
            eager: AtomicBool::new(false),
            progress: Progress::default(),
            notice: Progress::default(),
        }
    }

    /// The log as it is now. Wait-free but for the reference counts.
    pub fn snapshot(&self) -> Snapshot {
        // The watermark first: the list that is loaded after it has every segment below it that retention has left.
        let watermark = self.watermark.load(Ordering::Acquire);
        Snapshot {
            segments: self.segments.load_full(),
            head: self.head.load_full(),
            names: Arc::clone(&self.names),
            watermark,
        }
    }

    /// Lets segments that are made elsewhere use the memory that the writer keeps, for as long as there is a writer.
    pub(crate) fn share_areas(&self, areas: &Arc<AreaPool>) {
        // There is one writer, which does it once.
        let _ = self.areas.set(Arc::downgrade(areas));
    }

    /// What the writer shares, or a pool of one's own.
    pub(crate) fn areas(&self) -> Arc<AreaPool> {
        self.areas.get().and_then(Weak::upgrade).unwrap_or_default()
    }

    /// Builds the index of a sealed segment that has none; returns its bytes, none of an open one.
    pub fn index_sealed(&self, segment: &Segment) -> Option<usize> {
        segment.ensure_index(&self.names).map(|index| index.bytes())
    }

    /// Builds the index of the first `rows` rows of the open segment, all of them published; returns its bytes.
    pub fn index_head(&self, segment: &Arc<Segment>, rows: usize) -> usize {
        let head = HeadIndex::build(segment, rows, &self.names);
        let bytes = head.bytes();
        self.head.store(Arc::new(Some(head)));
        bytes
    }

    /// Numbers of texts and cells that hold for the whole recording.
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    pub(crate) fn set_segments(&self, segments: Vec<Slot>) {
        self.segments.store(Arc::new(segments));
    }

    pub(crate) fn set_watermark(&self, watermark: u64) {
        self.watermark.store(watermark, Ordering::Release);
    }

    /// What is missing from the half-open time range.
    pub fn lost_between(&self, start: i64, end: i64) -> Vec<LossRange> {
        let mut missing = lock(&self.losses).overlapping(start, end);
        let damaged = self.segments.load_full();
        let damaged = damaged.iter().filter_map(Slot::damage);
        let holes = lock(&self.holes);
        let others = damaged.chain(holes.iter().copied());
        missing.extend(others.filter(|range| range.overlaps(&(start..end))));
        missing
    }

    /// Why positions are missing that a snapshot does not have: how far the cause of the first of them goes, and which it
    /// is; none where nothing known says why.
    pub fn why_missing(
        &self,
        missing: Range<u64>,
        snapshot: &Snapshot,
    ) -> (u64, Option<LossCause>) {
        let mut known: Vec<LossRange> = lock(&self.losses).all().copied().collect();
        known.extend(lock(&self.holes).iter());
        known.extend(snapshot.segments.iter().filter_map(Slot::damage));
        known.retain(|range| range.first < missing.end && range.last >= missing.start);
        first_cause(&known, missing)
    }

    /// Whether positions of the log are known to be missing.
    #[cfg(all(unix, not(loom)))]
    pub(crate) fn has_lost(&self, first: u64, last: u64) -> bool {
        lock(&self.losses).covers(first, last)
    }

    /// What of these positions is not known to be missing.
    #[cfg(all(unix, not(loom)))]
    pub(crate) fn unexplained(&self, missing: Range<u64>) -> Vec<Range<u64>> {
        lock(&self.losses).unexplained(missing)
    }

    /// Positions that are in no file, in place of those that were not before.
    #[cfg(all(unix, not(loom)))]
    pub(crate) fn set_holes(&self, holes: Vec<LossRange>) {
        *lock(&self.holes) = holes;
    }

    /// Everything that is known to be missing, as a log of losses.
    #[cfg(all(unix, not(loom)))]
    pub(crate) fn all_losses(&self) -> Vec<LossRange> {
        lock(&self.losses).all().copied().collect()
    }

    /// Takes over losses from a file; with `anew`, in place of all that was known.
    #[cfg(all(unix, not(loom)))]
    pub(crate) fn take_losses(&self, read: Vec<LossRange>, anew: bool) {
        let mut losses = lock(&self.losses);
        if anew {
            *losses = LossLog::default();
            let counters = self.counters.lost.iter().chain([&self.counters.evicted]);
            counters.for_each(|counter| counter.store(0, Ordering::Relaxed));
        }
        for range in read {
            self.count_loss(&range);
            match range.cause {
                LossCause::Retention => losses.push_evicted(range),
                _ => losses.push(range),
            }
        }
    }

    /// What retention has evicted so far, all of it together.
    pub fn evicted(&self) -> Option<LossRange> {
        lock(&self.losses).evicted()
    }

    pub(crate) fn add_loss(&self, range: LossRange) {
        self.count_loss(&range);
        lock(&self.losses).push(range);
    }

    pub(crate) fn add_evicted(&self, range: LossRange) {
        self.count_loss(&range);
        lock(&self.losses).push_evicted(range);
    }

    fn count_loss(&self, range: &LossRange) {
        let mut rows = LossCause::ROWS.iter();
        let counter = match rows.position(|cause| *cause == range.cause) {
            Some(index) => &self.counters.lost[index],
            None if range.cause == LossCause::Retention => &self.counters.evicted,
            None => return,
        };
        counter.fetch_add(range.count, Ordering::Relaxed);
    }

    /// An event brings its own id: no imported event may be given the same.
    pub(crate) fn note_given(&self, id: EventId) {
        if id.producer() == FIRST_IMPORT {
            self.given_import_end
                .fetch_max(id.sequence() + 1, Ordering::AcqRel);
        }
    }

    /// Whether the writer has stopped for good.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The writer has stopped: what it has published is the whole log. Its memory is freed, as far as nobody holds it.
    pub fn set_closed(&self) {
        self.closed.store(true, Ordering::SeqCst);
        // Pairs with the fences of the readers: either this sees the reader, or the reader sees that it is too late.
        fence(Ordering::SeqCst);
        if self.late_readers.load(Ordering::SeqCst) == 0 {
            self.set_segments(Vec::new());
        }
        self.notify_progress();
        self.notify();
    }

    /// Keeps the log readable after the store has been closed, until the guard is dropped.
    ///
    /// # Errors
    /// `CLOSED` when it is too late.
    pub fn read_on(self: &Arc<Self>) -> Result<LateReader, Error> {
        self.late_readers.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let reader = LateReader(Arc::clone(self));
        if self.closed.load(Ordering::SeqCst) {
            return Err(Error::closed());
        }
        Ok(reader)
    }

    /// Wakes everyone in [`Shared::wait_until`], to look again.
    pub fn notify_progress(&self) {
        self.progress.notify();
    }

    /// Says whether somebody wants to see the next event as soon as it is recorded. Nothing but the writer's pace depends on it.
    pub fn set_eager(&self, is_eager: bool) {
        self.eager.store(is_eager, Ordering::Relaxed);
    }

    /// What was said last.
    pub(crate) fn is_eager(&self) -> bool {
        self.eager.load(Ordering::Relaxed)
    }

    /// Everything with a lower `seq` is visible.
    pub fn watermark(&self) -> u64 {
        self.watermark.load(Ordering::Acquire)
    }

    /// Wakes everyone in [`Shared::wait_for_notice`], to look again.
    pub fn notify(&self) {
        self.notice.notify();
    }

    /// Waits until `done` holds or `bound` has passed. Looks again at every [`Shared::notify`] and when the store is closed,
    /// and is left alone by the writer's progress.
    pub fn wait_for_notice(&self, bound: Duration, done: impl Fn() -> bool) {
        self.notice.wait_until(bound, done);
    }

    /// Waits until `done` holds, the store is closed, or `bound` has passed; true if `done` holds at the end.
    pub fn wait_until(&self, bound: Duration, done: impl Fn() -> bool) -> bool {
        self.progress
            .wait_until(bound, || done() || self.is_closed());
        done()
    }
}

/// Lets its thread read the log of a store that has been closed.
pub struct LateReader(Arc<Shared>);

impl Drop for LateReader {
    fn drop(&mut self) {
        let is_last = self.0.late_readers.fetch_sub(1, Ordering::SeqCst) == 1;
        fence(Ordering::SeqCst);
        if is_last && self.0.closed.load(Ordering::SeqCst) {
            self.0.set_segments(Vec::new());
        }
    }
}
