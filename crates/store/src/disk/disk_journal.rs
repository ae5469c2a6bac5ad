//! Keeps a log on disk while it is written.

mod closing;
mod counts;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::commit::{Appended, Commit, State};
use super::compactor::{Compactor, place_of};
use super::contexts::ContextFile;
use super::directory::{Directory, Kind, random};
use super::durable::Durable;
use super::head::{Closed, Head};
use super::losses::{LossFile, remove_others};
use super::placement::Placement;
use super::sealer::{Job, Sealer, Stranded};
use super::sequences::Sequences;
use super::session::Session;
use super::stored::Stored;
use super::syncer::{SyncWaiter, Syncer};
use crate::context::Context;
use crate::error::Error;
use crate::journal::{Journal, Position};
use crate::loss::LossRange;
use crate::options::Durability;
use crate::producer_numbers::FIRST_IMPORT;
use crate::segment::Segment;
use crate::segment_builder::{SegmentBuilder, SegmentLimits};
use crate::shared::Shared;
use crate::slot::{Slot, StoredSegment};

/// After there was no space, the time until the disk is tried again.
const RETRY_SPACE: Duration = Duration::from_millis(100);
/// What a recording may hold in memory while there is no space on the disk, unless it is told otherwise.
pub(crate) const STRANDED_MAX_BYTES: u64 = 256 << 20;

/// The writer's side of a recording on disk.
pub(crate) struct DiskJournal {
    pub(crate) shared: Arc<Shared>,
    pub(crate) directory: Directory,
    pub(crate) state: State,
    pub(crate) commit: Commit,
    pub(crate) losses: LossFile,
    pub(crate) sequences: Sequences,
    /// Heads whose segments are not yet files, by base; the last may be open.
    pub(crate) heads: BTreeMap<u64, Arc<Head>>,
    pub(crate) sealer: Sealer,
    pub(crate) compactor: Compactor,
    /// Bytes of the files of each sealed segment, by base.
    pub(crate) file_bytes: HashMap<u64, u64>,
    /// Of all of them.
    pub(crate) sealed_bytes: u64,
    pub(crate) live: Option<Live>,
    /// Sent to the sealer after the next commit.
    pub(crate) after_commit: Vec<Job>,
    pub(crate) no_space_since: Option<Instant>,
    /// What may be held in memory while there is no space.
    pub(crate) stranded_max_bytes: u64,
    pub(crate) has_new_heads: bool,
    /// Until then no new file of losses is begun, after that has failed.
    pub(crate) losses_rest_until: Option<Instant>,
    pub(crate) import_end: u64,
    pub(crate) begin: Begin,
    /// The highest next number of a producer's sequence that could not be written down.
    pub(crate) unsaved_sequence: Arc<AtomicU64>,
}

/// How a session begins, and what others need of it.
pub(crate) struct Begin {
    pub(crate) keep_here: bool,
    pub(crate) durable: Option<Durable>,
    pub(crate) handles: Arc<OnceLock<Handles>>,
}

/// What others need of a session.
pub(crate) struct Handles {
    pub(crate) session: Arc<Session>,
    pub(crate) waiter: SyncWaiter,
}

/// What there is only while a process records, and not while it takes over from a dead one.
pub(crate) struct Live {
    pub(crate) session: Arc<Session>,
    pub(crate) contexts: ContextFile,
    pub(crate) syncer: Syncer,
}

impl DiskJournal {
    /// Takes over a sealed segment of a dead process, of whose head no file has been made.
    ///
    /// # Errors
    /// `IO`, `CORRUPT_RECORDING`.
    pub(crate) fn adopt(&mut self, segment: &Arc<Segment>, closed: &Closed) -> Result<(), Error> {
        let base_seq = segment.base_seq;
        let head = Head::open(&self.directory, base_seq, true)?;
        self.heads.insert(base_seq, Arc::new(head));
        self.after_commit.push(Job::Seal {
            segment: Arc::clone(segment),
            last_append: closed.last_append,
            stranded: Stranded::default(),
        });
        Ok(())
    }

    fn set_synced_files(&self) {
        if let Some(live) = &self.live {
            let losses = self.losses.handle().ok().map(Arc::new);
            live.syncer
                .set_files(self.heads.values().cloned().collect(), losses);
        }
    }

    fn start_losses_anew(&mut self) {
        let rests = |until: Instant| Instant::now() < until;
        if self.losses_rest_until.is_some_and(rests) {
            return;
        }
        let known = self.shared.all_losses();
        match self.losses.rewrite(known.iter()) {
            Ok(()) => self.has_new_heads = true,
            Err(_) => self.losses_rest_until = Some(Instant::now() + RETRY_SPACE),
        }
    }
}

impl Journal for DiskJournal {
    fn open_segment(
        &mut self,
        base_seq: u64,
        limits: SegmentLimits,
    ) -> Result<SegmentBuilder, Error> {
        match Head::create(&self.directory, base_seq, limits) {
            Ok((head, builder)) => {
                self.no_space_since = None;
                self.heads.insert(base_seq, Arc::new(head));
                self.has_new_heads = true;
                Ok(builder)
            }
            Err(error) => {
                self.no_space_since = Some(Instant::now());
                Err(error)
            }
        }
    }

    fn may_have_space(&mut self) -> bool {
        self.no_space_since
            .is_none_or(|since| since.elapsed() >= RETRY_SPACE)
    }

    fn memory_left(&self) -> u64 {
        let stranded = self.sealer.done.stranded_bytes.load(Ordering::Relaxed);
        self.stranded_max_bytes.saturating_sub(stranded)
    }

    fn sealed(&mut self, segment: &Arc<Segment>, position: &Position, last_append: i64) {
        let mut stranded = Stranded::default();
        if let Some(head) = self.heads.get(&segment.base_seq) {
            // A head that cannot be closed is taken for damaged after a crash that comes before its file.
            let _ = head.close(position, last_append);
        } else {
            stranded = Stranded {
                bytes: segment.used_bytes() as u64,
                rows: position.rows as u64,
            };
            self.sealer.done.strand(stranded);
        }
        self.after_commit.push(Job::Seal {
            segment: Arc::clone(segment),
            last_append,
            stranded,
        });
    }

    fn store_now(&mut self, segment: &Arc<Segment>, last_append: i64) -> Result<Slot, Error> {
        let sync = self.shared.options.durability != Durability::Process;
        let stored = Stored::write(&self.directory, segment, last_append, sync)
            .and_then(|stored| stored.map_own(self.shared.names()).map(|()| stored));
        match stored {
            Ok(stored) => {
                self.count_file(segment.base_seq, stored.disk_bytes());
                self.commit.list_version += 1;
                Ok(Slot::File(Arc::new(stored)))
            }
            Err(error) => {
                // What cannot be removed is removed by the next opener: no commit counts it.
                let _ = Stored::remove(&self.directory, segment.base_seq);
                Err(error)
            }
        }
    }

    fn take_back(&mut self, slot: &Slot) {
        let base_seq = slot.base_seq();
        self.count_file(base_seq, 0);
        // What cannot be removed is removed by the next opener: no commit counts it.
        let _ = Stored::remove(&self.directory, base_seq);
    }

    fn keep_import_end(&mut self, end: u64) {
        if end <= self.import_end {
            return;
        }
        match self.sequences.write(FIRST_IMPORT, end) {
            Ok(()) => self.import_end = end,
            Err(_) => {
                self.unsaved_sequence.fetch_max(end, Ordering::Relaxed);
            }
        }
    }

    fn lost(&mut self, range: &LossRange) {
        self.losses.push(range);
    }

    fn evicted(&mut self, slot: &Slot) {
        let base_seq = slot.base_seq();
        self.commit.list_version += 1;
        self.after_commit.push(Job::RemoveSegment(base_seq));
        self.count_file(base_seq, 0);
        if self.heads.remove(&base_seq).is_some() {
            let path = self.directory.segment_file(base_seq, Kind::Head);
            self.after_commit.push(Job::Remove(path));
            self.has_new_heads = true;
        }
    }

    fn context(&mut self, producer: u16, slot: u16, context: &Context) {
        if let Some(live) = &mut self.live {
            live.contexts.push(producer, slot, context);
        }
    }

    fn next_generation(&self) -> u64 {
        self.commit.generation + 1
    }

    fn commit(&mut self, position: &Position) {
        if self.losses.is_long() {
            self.start_losses_anew();
        }
        let clock = &self.shared.clock;
        let losses = self.losses.flush();
        if losses.number != self.commit.losses.number {
            self.commit.list_version += 1;
        }
        if self.has_new_heads {
            self.commit.list_version += 1;
        }
        let contexts = self
            .live
            .as_mut()
            .map_or(self.commit.contexts, |live| live.contexts.flush());
        self.commit = Commit {
            generation: self.commit.generation + 1,
            next_seq: position.next_seq,
            head: self
                .heads
                .contains_key(&position.base_seq)
                .then_some(position.base_seq),
            rows: position.rows as u64,
            entries: position.entries,
            in_time_order: position.in_time_order,
            min_timestamp: position.min_timestamp,
            max_timestamp: position.max_timestamp,
            own_sequence: position.own_sequence,
            losses,
            contexts,
            timestamp: clock.raw_now_ns().saturating_add(clock.offset_ns()),
            wall_minus_timestamp_ns: clock.wall_minus_timestamp_ns(),
            ..self.commit
        };
        self.count_unsaved(position);
        let _ = self.directory.step("commit");
        self.state.write(&self.commit);
        let _ = self.directory.step("committed");
        if std::mem::take(&mut self.has_new_heads) {
            self.set_synced_files();
            remove_others(&self.directory, losses);
        }
        if let Some(live) = &self.live {
            live.syncer.committed(&self.commit);
        }
        for job in self.after_commit.drain(..) {
            self.sealer.send(job);
        }
        self.count_disk_bytes();
    }

    fn take_stored(&mut self) -> Vec<Slot> {
        let stored = self.sealer.done.take();
        for slot in &stored {
            let base_seq = slot.base_seq();
            self.commit.list_version += 1;
            if self.heads.remove(&base_seq).is_some() {
                let path = self.directory.segment_file(base_seq, Kind::Head);
                self.after_commit.push(Job::Remove(path));
                self.has_new_heads = true;
            }
        }
        stored
    }

    fn uses(&mut self, slot: &Slot) {
        if let Slot::File(file) = slot {
            self.count_file(slot.base_seq(), file.disk_bytes());
        }
    }

    fn merge_small(&mut self, segments: &[Slot]) {
        let version = self.commit.list_version;
        self.compactor
            .start(segments, version, &self.directory, &self.shared);
    }

    fn take_merged(&mut self, segments: &mut Vec<Slot>) -> Option<Range<usize>> {
        let merged = self.compactor.finished()?;
        // Retention may have been faster: then the new files go, with what tells of them.
        let run = place_of(segments, &merged.parts)?;
        for part in &merged.parts {
            self.count_file(part.base_seq, 0);
        }
        let slot = Slot::File(Arc::clone(&merged.stored) as Arc<dyn StoredSegment>);
        self.uses(&slot);
        segments.splice(run.clone(), [slot]);
        // Behind everything that the sealer has been told of the parts, and before what it is told of the merged segment.
        self.sealer.send(Job::Place(Box::new(Placement(merged))));
        Some(run)
    }

    fn end_merging(&mut self) {
        self.compactor.end();
    }

    fn indexed(&mut self, slot: &Slot) {
        if let Slot::File(stored) = slot {
            self.sealer.send(Job::Index(Arc::clone(stored)));
        }
    }

    fn begin(&mut self, sequence_floor: u64) -> Result<(), Error> {
        let options = &self.shared.options;
        let session = Session::create(
            &self.directory,
            random_session(),
            options.ring_bytes,
            self.begin.keep_here,
        )?;
        let contexts = ContextFile::create(&session.path)
            .map_err(|error| Error::io(session.path.display(), &error))?;
        let syncer = Syncer::start(
            &self.directory,
            options.durability,
            &self.commit,
            sequence_floor,
            self.begin.durable,
        )?;
        self.commit.generation += 1;
        self.commit.session = session.id;
        self.commit.place = session.place;
        self.commit.contexts = Appended::default();
        self.state.write(&self.commit);
        let session = Arc::new(session);
        let handles = Handles {
            session: Arc::clone(&session),
            waiter: syncer.waiter(),
        };
        // A journal begins once, so the cell is empty.
        let _ = self.begin.handles.set(handles);
        self.live = Some(Live {
            session,
            contexts,
            syncer,
        });
        self.set_synced_files();
        if let Some(live) = &self.live {
            live.syncer.committed(&self.commit);
        }
        Ok(())
    }

    fn buried(&mut self, producer: u16, next_sequence: u64) {
        if self.sequences.write(producer, next_sequence).is_err() {
            // The ring stays, and says the same, until its session is over.
            self.unsaved_sequence
                .fetch_max(next_sequence, Ordering::Relaxed);
        } else if let Some(live) = &mut self.live {
            live.session.remove_ring(producer);
            live.contexts.forget(producer);
        }
    }

    fn close(&mut self) {
        self.finish();
    }
}

/// Any number but 0.
fn random_session() -> u64 {
    let mut bytes = [0; 8];
    // Without the device, time and process tell sessions of one recording apart.
    let fallback = super::directory::wall_now_ns() as u64 ^ u64::from(std::process::id()) << 48;
    let number = random(&mut bytes).map_or(fallback, |()| u64::from_le_bytes(bytes));
    number.max(1)
}
