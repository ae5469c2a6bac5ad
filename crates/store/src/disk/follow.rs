//! Reads a recording that another process may be writing: follows its commits, and changes nothing.

mod missing;
mod open_segment;
mod scan;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, TryRecvError};

use self::open_segment::{Watched, end_of};
use super::commit::{Commit, State};
use super::directory::{Directory, boot_id, read_bounded};
use super::durable::{Durable, DurableFile};
use crate::error::Error;
use crate::index::indexer::Indexer;
use crate::loss::LossLog;
use crate::options::StoreOptions;
use crate::shared::Shared;
use crate::slot::Slot;
use crate::writer_thread::Command;

/// Between two looks at the commit record of a recording that is being written.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// The same, once nothing has changed for a while.
const LOOK_EVERY_IDLE: Duration = Duration::from_millis(20);
const IDLE_AFTER: Duration = Duration::from_secs(1);
/// No configuration is longer.
const CONFIG_MAX_BYTES: u64 = 16 << 20;

/// Every segment that is there counts.
const ANY_SEQ: u64 = u64::MAX >> 2;

/// How often the follower has begun and ended looking: who asks waits for a look that began after it asked.
#[derive(Default)]
pub(crate) struct Looks {
    pub(crate) begun: AtomicU64,
    pub(crate) ended: AtomicU64,
}

/// Follows a recording.
pub(crate) struct Follower {
    shared: Arc<Shared>,
    directory: Directory,
    state: Option<State>,
    boot_id: [u8; 16],
    commands: Receiver<Command>,
    looks: Arc<Looks>,
    /// Of both places of the commit record, when it was last looked at.
    generations: [u64; 2],
    /// Whether the newest of them was read. It is not while it is being written, or if its writer was killed then.
    is_newest: bool,
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
        let commit = live.or_else(|| DurableFile::read(&directory).map(on_disk));
        let offset_ns = commit.map_or(0, |commit| commit.offset_ns);
        let shared = Arc::new(Shared::resume(options, offset_ns, LossLog::default()));
        shared.clock.forget_anchors();
        let looks = Arc::<Looks>::default();
        let mut follower = Self {
            shared: Arc::clone(&shared),
            directory,
            state,
            boot_id,
            commands,
            looks: Arc::clone(&looks),
            generations,
            is_newest: live.is_some_and(|commit| is_newest(&commit, generations)),
            seen: None,
            slots: Vec::new(),
            open: None,
            damaged: None,
            indexer: Indexer::start(&shared).ok(),
        };
        follower.take(commit.unwrap_or(Commit {
            next_seq: ANY_SEQ,
            ..Commit::default()
        }));
        Ok((shared, follower, looks))
    }

    pub(crate) fn recording_id(&self) -> [u8; 16] {
        *self.directory.id()
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
        if generations == self.generations && self.is_newest {
            return false;
        }
        let Some(commit) = state.read().filter(|commit| commit.boot_id == self.boot_id) else {
            return false;
        };
        self.generations = generations;
        self.is_newest = is_newest(&commit, generations);
        // Who is interrupted between the two places may find an older one than before.
        if self
            .seen
            .is_some_and(|seen| seen.generation >= commit.generation)
        {
            return false;
        }
        self.take(commit);
        true
    }

    fn take(&mut self, commit: Commit) {
        if commit.timestamp != 0 {
            self.shared.clock.note(commit.wall_minus_timestamp_ns);
        }
        let before = self.seen.replace(commit);
        let is_same_list = before.is_some_and(|before| {
            before.list_version == commit.list_version
                && before.head == commit.head
                && before.session == commit.session
        });
        let is_empty = |open: &Watched| open.lens.rows == 0;
        let is_other_session = before.is_some_and(|before| before.session != commit.session);
        if is_other_session || (!is_same_list && self.open.as_ref().is_some_and(is_empty)) {
            // In place of an empty head there may be another of its base: of who opens the recording anew, and of a first row
            // that is too large for it.
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
}

/// The generation of a commit is stored first, and what says that the commit is whole last.
fn is_newest(commit: &Commit, generations: [u64; 2]) -> bool {
    generations
        .iter()
        .all(|generation| commit.generation >= *generation)
}

/// What of a recording counts whose machine has been stopped since it was written, or which comes from another one: what was
/// closed, or else what was synced and every sealed segment.
fn on_disk(durable: Durable) -> Commit {
    if durable.is_clean {
        return durable.commit;
    }
    // Without a generation it is not the end of the recording.
    Commit {
        generation: 0,
        next_seq: ANY_SEQ,
        ..durable.commit
    }
}
