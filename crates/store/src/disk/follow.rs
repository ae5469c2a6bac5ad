//! Reads a recording that another process may be writing: follows its commits, and changes nothing.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, TryRecvError};

use super::columns_of_file::{Lens, check, publish};
use super::commit::{Appended, Commit, State};
use super::directory::{Directory, Kind, boot_id, read_bounded};
use super::durable::DurableFile;
use super::head::Head;
use super::holes::holes;
use super::losses;
use super::stored::Stored;
use crate::error::Error;
use crate::index::indexer::Indexer;
use crate::loss::{LossCause, LossLog, LossRange};
use crate::options::StoreOptions;
use crate::segment::{Bounds, ProducerRange, Sealed, Segment};
use crate::shared::Shared;
use crate::slot::{Slot, StoredSegment};
use crate::statistics::Statistics;
use crate::sync::AtomicUsize;
use crate::writer_thread::Command;

/// Between two looks at the commit record of a recording that is being written.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// The same, once nothing has changed for a while.
const LOOK_EVERY_IDLE: Duration = Duration::from_millis(20);
const IDLE_AFTER: Duration = Duration::from_secs(1);
/// Attempts to look at the list of files while it changes.
const SCANS: u32 = 5;
/// No configuration is longer.
const CONFIG_MAX_BYTES: u64 = 16 << 20;

/// How often the follower has begun and ended looking: who asks waits for a look that began after it asked.
#[derive(Default)]
pub(crate) struct Looks {
    pub(crate) begun: AtomicU64,
    pub(crate) ended: AtomicU64,
}

/// The open segment of another process.
struct Watched {
    segment: Arc<Segment>,
    lens: Lens,
}

/// Follows a recording.
pub(crate) struct Follower {
    shared: Arc<Shared>,
    directory: Directory,
    state: Option<State>,
    boot_id: [u8; 16],
    commands: Receiver<Command>,
    looks: Arc<Looks>,
    generations: [u64; 2],
    seen: Option<Commit>,
    slots: Vec<Slot>,
    open: Option<Watched>,
    /// The head that was found damaged, which is not looked at again, and how many of its rows have been given up.
    damaged: Option<(u64, u64)>,
    /// Without it, queries look at columns.
    indexer: Option<Indexer>,
}

impl Follower {
    /// Looks at a recording for the first time. `options` is filled in with what the recording says itself.
    ///
    /// # Errors
    /// `NOT_FOUND`, `UNSUPPORTED_VERSION`, `CORRUPT_RECORDING`, `IO`.
    pub(crate) fn open(
        mut options: StoreOptions,
        path: &Path,
        commands: Receiver<Command>,
    ) -> Result<(Arc<Shared>, Self, Arc<Looks>), Error> {
        let directory = Directory::open(path)?;
        let config = read_bounded(&directory.file("config.json"), CONFIG_MAX_BYTES);
        if let Some(config) = config
            .ok()
            .and_then(|config| String::from_utf8(config).ok())
        {
            options.config_json = config;
        }
        let state = State::watch(&directory).ok();
        let boot_id = boot_id();
        let generations = state.as_ref().map_or([0; 2], State::generations);
        let live = state.as_ref().and_then(State::read);
        let live = live.filter(|commit| commit.boot_id == boot_id && boot_id != [0; 16]);
        let commit = live.or_else(|| Some(DurableFile::read(&directory)?.commit));
        let offset_ns = commit.map_or(0, |commit| commit.offset_ns);
        let shared = Arc::new(Shared::resume(options, offset_ns, LossLog::default()));
        let looks = Arc::<Looks>::default();
        let mut follower = Self {
            shared: Arc::clone(&shared),
            directory,
            state,
            boot_id,
            commands,
            looks: Arc::clone(&looks),
            generations,
            seen: None,
            slots: Vec::new(),
            open: None,
            damaged: None,
            indexer: Indexer::start(&shared).ok(),
        };
        follower.take(commit.unwrap_or(Commit {
            next_seq: u64::MAX >> 2,
            ..Commit::default()
        }));
        Ok((shared, follower, looks))
    }

    /// Runs until it is told to close.
    pub(crate) fn run(mut self) {
        let mut last_change = Instant::now();
        loop {
            match self.commands.try_recv() {
                Ok(Command::Close) | Err(TryRecvError::Disconnected) => break,
                Ok(_) | Err(TryRecvError::Empty) => {}
            }
            self.looks.begun.fetch_add(1, Ordering::SeqCst);
            if self.look() {
                last_change = Instant::now();
            }
            self.looks.ended.fetch_add(1, Ordering::SeqCst);
            self.shared.notify_progress();
            self.index();
            let is_idle = last_change.elapsed() > IDLE_AFTER;
            thread::park_timeout(if is_idle { LOOK_EVERY_IDLE } else { LOOK_EVERY });
        }
        self.shared.set_closed();
    }

    /// Has the next file indexed that somebody has looked at.
    fn index(&mut self) {
        let Some(indexer) = &mut self.indexer else {
            return;
        };
        // The segments have theirs already.
        drop(indexer.indexed());
        indexer.index_file(&self.slots);
    }

    /// Takes over what has been committed since; true if anything has.
    fn look(&mut self) -> bool {
        if self.state.is_none() {
            self.state = State::watch(&self.directory).ok();
        }
        let Some(state) = &self.state else {
            return false;
        };
        let generations = state.generations();
        if generations == self.generations {
            return false;
        }
        let Some(commit) = state.read().filter(|commit| commit.boot_id == self.boot_id) else {
            return false;
        };
        self.generations = generations;
        if self
            .seen
            .is_some_and(|seen| seen.generation == commit.generation)
        {
            return false;
        }
        self.take(commit);
        true
    }

    fn take(&mut self, commit: Commit) {
        let before = self.seen.replace(commit);
        let is_same_list = before.is_some_and(|before| {
            before.list_version == commit.list_version
                && before.head == commit.head
                && before.session == commit.session
        });
        if before.is_some_and(|before| before.session != commit.session) {
            // Who opens a recording anew makes a head of the base of an empty one that is gone.
            self.open = None;
        }
        let held = if is_same_list {
            Vec::new()
        } else {
            let held = self.held();
            self.scan(&commit);
            held
        };
        let open_end = self.look_at_open(&commit);
        self.take_losses(before.map(|before| before.losses), &commit);
        self.keep_unexplained(held);
        let end = self.slots.last().map_or(0, end_of);
        let end = open_end.unwrap_or(end);
        let mut segments = self.slots.clone();
        segments.extend(
            self.open
                .iter()
                .map(|open| Slot::Memory(Arc::clone(&open.segment))),
        );
        self.shared.set_segments(segments);
        // What the writer holds in memory for want of space is still to come.
        let is_over = commit.session == 0 && commit.generation > 0;
        let end = if is_over {
            end.max(commit.next_seq)
        } else {
            end
        };
        self.find_holes(&commit, end);
        self.shared.set_watermark(end);
    }

    /// Everything that has been seen so far, with its rows.
    fn held(&self) -> Vec<(Slot, usize)> {
        let sealed = |slot: &Slot| (slot.clone(), slot.sealed_rows().unwrap_or(0));
        let open = self.open.iter().map(|open| {
            let slot = Slot::Memory(Arc::clone(&open.segment));
            (slot, open.lens.rows)
        });
        self.slots.iter().map(sealed).chain(open).collect()
    }

    /// Keeps what was seen and is in no file any more, unless a loss says why: somebody else may have removed the file, or a
    /// later commit explains it.
    fn keep_unexplained(&mut self, held: Vec<(Slot, usize)>) {
        let open = self.open.as_ref().map(|open| open.segment.base_seq);
        let found = self.slots.len();
        for (slot, rows) in held {
            let (first, behind) = (slot.base_seq(), slot.base_seq() + rows as u64);
            let files = &self.slots[..found];
            let before = files.partition_point(|file| file.base_seq() < behind);
            let is_in_file = before > 0 && end_of(&files[before - 1]) > first;
            let is_behind = open.is_some_and(|open| first >= open);
            if rows == 0 || is_in_file || is_behind || self.shared.has_lost(first, behind - 1) {
                continue;
            }
            if let Slot::Memory(segment) = &slot {
                seal(segment, rows, segment.bounds.max_timestamp());
            }
            self.slots.push(slot);
        }
        self.slots.sort_unstable_by_key(Slot::base_seq);
    }

    /// Takes over what the open segment has more; gives where it ends.
    fn look_at_open(&mut self, commit: &Commit) -> Option<u64> {
        let open = self.open.as_mut()?;
        let base_seq = open.segment.base_seq;
        // In place of a head that nobody can look at any more, what was seen before stays.
        if commit.head == Some(base_seq) {
            let columns = &open.segment.columns;
            let rows = usize::try_from(commit.rows).unwrap_or(usize::MAX);
            let Ok(lens) = check(columns, base_seq, &open.lens, rows, &commit.entry_lens()) else {
                self.damaged = Some((base_seq, 0));
                self.open = None;
                return None;
            };
            publish(columns, &lens);
            open.lens = lens;
            open.segment.bounds.store(
                commit.min_timestamp,
                commit.max_timestamp,
                commit.in_time_order,
            );
        }
        Some(base_seq + open.lens.rows as u64)
    }

    /// Finds positions below `end` that are in no file, and of which no loss is known.
    fn find_holes(&self, commit: &Commit, end: u64) {
        let has_moved = |state: &State| state.generations() != self.generations;
        if self.seen.is_some() && self.state.as_ref().is_some_and(has_moved) {
            // Files may have gone that a later commit explains.
            return;
        }
        let open = self.open.iter().map(|open| open.segment.base_seq);
        let given_up = self
            .damaged
            .map(|(base_seq, rows)| base_seq..base_seq + rows);
        let slots = self.slots.iter();
        let parts: Vec<Range<u64>> = slots
            .map(|slot| slot.base_seq()..end_of(slot))
            .chain(open.map(|base_seq| base_seq..end))
            .chain(given_up)
            .collect();
        let holes = holes(parts, end, |first, last| self.shared.has_lost(first, last));
        let lost = holes.into_iter().map(|hole| LossRange {
            cause: LossCause::Corrupt,
            producer: 0,
            first: hole.start,
            last: hole.end - 1,
            count: hole.end - hole.start,
            first_timestamp: i64::MIN,
            last_timestamp: commit.timestamp,
        });
        self.shared.set_holes(lost.collect());
    }

    /// Takes over what has become known to be missing.
    fn take_losses(&mut self, before: Option<Appended>, commit: &Commit) {
        let from = match before {
            Some(before) if before.number == commit.losses.number => before.len,
            _ => {
                self.shared.forget_losses();
                0
            }
        };
        for range in losses::read(&self.directory, from, commit.losses) {
            if range.cause == LossCause::Retention {
                self.shared.add_evicted(range);
            } else {
                self.shared.add_loss(range);
            }
        }
        if let Some((base_seq, given_up)) = &mut self.damaged
            && commit.head == Some(*base_seq)
            && commit.rows > *given_up
        {
            self.shared.add_loss(LossRange {
                cause: LossCause::Corrupt,
                producer: 0,
                first: *base_seq + *given_up,
                last: *base_seq + commit.rows - 1,
                count: commit.rows - *given_up,
                first_timestamp: commit.min_timestamp,
                last_timestamp: commit.max_timestamp,
            });
            *given_up = commit.rows;
        }
    }

    /// Looks at the list of files anew.
    fn scan(&mut self, commit: &Commit) {
        for _ in 0..SCANS {
            let Some(bases) = self.bases() else { return };
            if self.try_scan(commit, &bases) {
                break;
            }
        }
        let is_damaged = |head: &u64| self.damaged.is_some_and(|(damaged, _)| damaged == *head);
        let head = commit.head.filter(|head| !is_damaged(head));
        let is_open = |open: &Watched| Some(open.segment.base_seq) == head;
        if !self.open.as_ref().is_some_and(is_open) {
            let is_stored = self.slots.iter().any(|slot| Some(slot.base_seq()) == head);
            self.open = head
                .filter(|_| !is_stored)
                .and_then(|head| self.watch(head));
        }
    }

    /// Bases of heads and of sealed segments; none when the directory is gone, or does not let us look any more: what is
    /// open stays then.
    fn bases(&self) -> Option<[Vec<u64>; 2]> {
        // Heads first: a head that goes after that has a file by then.
        let heads = self.directory.bases(Kind::Head).ok()?;
        Some([heads, self.directory.bases(Kind::Arrow).ok()?])
    }

    /// False when a file went while it was looked at.
    fn try_scan(&mut self, commit: &Commit, [heads, arrows]: &[Vec<u64>; 2]) -> bool {
        let mut slots: Vec<Slot> = Vec::new();
        let mut is_whole = true;
        let mut all: Vec<(u64, bool)> = arrows.iter().map(|base_seq| (*base_seq, true)).collect();
        let rolled = heads.iter().filter(|base_seq| {
            arrows.binary_search(base_seq).is_err()
                && commit.head.is_some_and(|head| **base_seq < head)
        });
        all.extend(rolled.map(|base_seq| (*base_seq, false)));
        all.sort_unstable();
        for (place, &(base_seq, is_stored)) in all.iter().enumerate() {
            let end = slots.last().map_or(0, end_of);
            if base_seq < end || base_seq >= commit.next_seq {
                continue;
            }
            let known = self.slots.iter().find(|slot| slot.base_seq() == base_seq);
            let known = known.filter(|slot| is_stored == matches!(slot, Slot::File(_)));
            let slot = match known {
                Some(slot) => {
                    let next = all.get(place + 1).map(|(next, _)| *next);
                    let next = next.or(commit.head).unwrap_or(commit.next_seq);
                    let is_followed = end_of(slot) >= next.min(commit.next_seq);
                    let longer = (!is_followed).then(|| self.longer(slot)).flatten();
                    Some(longer.unwrap_or_else(|| slot.clone()))
                }
                None if is_stored => match Stored::open(&self.directory, base_seq) {
                    Ok(stored) => {
                        stored.map(|stored| Slot::File(Arc::new(stored) as Arc<dyn StoredSegment>))
                    }
                    Err(_) => {
                        is_whole = false;
                        None
                    }
                },
                None => self.rolled(base_seq),
            };
            slots.extend(slot);
        }
        self.slots = slots;
        is_whole
    }

    /// The file that has taken the place of a known one, with the rows of those behind it, which are gone.
    fn longer(&self, known: &Slot) -> Option<Slot> {
        let Slot::File(_) = known else { return None };
        let stored = Stored::open(&self.directory, known.base_seq()).ok()??;
        let slot = Slot::File(Arc::new(stored) as Arc<dyn StoredSegment>);
        (end_of(&slot) > end_of(known)).then_some(slot)
    }

    /// A head that is no longer appended to, and of which there is no file yet.
    fn rolled(&self, base_seq: u64) -> Option<Slot> {
        let head = Head::open(&self.directory, base_seq, false).ok()?;
        let closed = head.closed().filter(|closed| closed.rows > 0)?;
        let watched = self
            .open
            .as_ref()
            .filter(|open| open.segment.base_seq == base_seq);
        let (segment, before) = match watched {
            Some(open) => (Arc::clone(&open.segment), open.lens),
            None => (new_segment(&head)?, Lens::default()),
        };
        let entries = closed.entries.map(|entries| entries as usize);
        let lens = check(&segment.columns, base_seq, &before, closed.rows, &entries).ok()?;
        publish(&segment.columns, &lens);
        segment.bounds.store(
            closed.min_timestamp,
            closed.max_timestamp,
            closed.in_time_order,
        );
        seal(&segment, lens.rows, closed.last_append);
        Some(Slot::Memory(segment))
    }

    fn watch(&self, base_seq: u64) -> Option<Watched> {
        let head = Head::open(&self.directory, base_seq, false).ok()?;
        Some(Watched {
            segment: new_segment(&head)?,
            lens: Lens::default(),
        })
    }
}

/// Position behind the last row of what is no longer appended to.
fn end_of(slot: &Slot) -> u64 {
    slot.base_seq() + slot.sealed_rows().unwrap_or(0) as u64
}

/// Says that nothing is appended any more, unless another look has said so.
fn seal(segment: &Segment, rows: usize, last_append_raw_ns: i64) {
    let _ = segment.sealed.set(Sealed {
        rows,
        producers: ProducerRange::of(segment.columns.event_id.slice(rows)),
        last_append_raw_ns,
        used_bytes: 0,
    });
}

fn new_segment(head: &Head) -> Option<Arc<Segment>> {
    Some(Arc::new(Segment {
        base_seq: head.base_seq,
        columns: head.watch().ok()?,
        bounds: Bounds::new(),
        open_bytes: AtomicUsize::new(0),
        sealed: OnceLock::new(),
        index: OnceLock::new(),
        statistics: Statistics::default(),
    }))
}
