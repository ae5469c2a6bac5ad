//! The thread that has what was recorded reach the disk, and keeps the bounds that hold after a power loss.

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::commit::Commit;
use super::directory::Directory;
use super::durable::{Durable, DurableFile};
use super::head::Head;
use super::sequences::Sequences;
use crate::error::{Error, ErrorCode};
use crate::options::Durability;

/// Time between syncs with [`Durability::Interval`] and [`Durability::Sync`].
const INTERVAL: Duration = Duration::from_millis(200);
/// Positions by which the bound of `seq` moves.
const SEQ_STEP: u64 = 1 << 24;
/// The bound moves when the log has come this near to it.
const SEQ_NEAR: u64 = SEQ_STEP / 2;

/// What there is to sync.
#[derive(Default)]
struct Wanted {
    commit: Commit,
    heads: Vec<Arc<Head>>,
    losses: Option<Arc<File>>,
    /// Somebody waits for this generation.
    asked: u64,
    /// The disk has not taken this generation when that was last tried, and what it said.
    failed: Option<(u64, String)>,
    is_over: bool,
}

#[derive(Default)]
struct Common {
    wanted: Mutex<Wanted>,
    changed: Condvar,
    /// The newest generation that is on the disk.
    synced: AtomicU64,
    /// The bound of `seq` that is on the disk.
    seq_bound: AtomicU64,
}

impl Common {
    fn lock(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread; it ends when this is dropped.
pub(crate) struct Syncer {
    common: Arc<Common>,
    thread: Option<JoinHandle<(DurableFile, Durable)>>,
}

/// Waits for what is committed to be on the disk.
#[derive(Clone)]
pub(crate) struct SyncWaiter(Arc<Common>);

impl SyncWaiter {
    /// Has everything that is committed now reach the disk.
    ///
    /// # Errors
    /// `IO` when the disk refuses, `RESOURCE_EXHAUSTED` when it has not taken it within `bound`.
    pub(crate) fn sync(&self, bound: Duration) -> Result<(), Error> {
        let end = Instant::now() + bound;
        let mut wanted = self.0.lock();
        let generation = wanted.commit.generation;
        wanted.asked = wanted.asked.max(generation);
        self.0.changed.notify_all();
        while self.0.synced.load(Ordering::Acquire) < generation && !wanted.is_over {
            if let Some((failed, why)) = &wanted.failed
                && *failed >= generation
            {
                return Err(Error::new(
                    ErrorCode::Io,
                    format!("what was recorded is not on the disk: {why}"),
                ));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            wanted = self
                .0
                .changed
                .wait_timeout(wanted, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        if self.0.synced.load(Ordering::Acquire) >= generation {
            return Ok(());
        }
        Err(Error::resource_exhausted(format!(
            "the disk did not take what was recorded within {bound:?}"
        )))
    }
}

impl Syncer {
    /// Starts the thread, after a first record with bounds for what comes.
    ///
    /// # Errors
    /// `IO`.
    pub(crate) fn start(
        directory: &Directory,
        durability: Durability,
        commit: &Commit,
        sequence_floor: u64,
        before: Option<Durable>,
    ) -> Result<Self, Error> {
        let file = DurableFile::create(directory)?;
        let mut durable = before.unwrap_or_default();
        durable.sequence_floor = sequence_floor;
        durable.is_clean = false;
        durable.seq_bound = commit.next_seq + SEQ_STEP;
        // What that commit speaks of may not be on the disk yet.
        durable.commit = unsynced(commit);
        let failed = |error: std::io::Error| Error::io("durable", &error);
        file.write(&mut durable).map_err(failed)?;
        if durability != Durability::Process {
            directory.sync().map_err(failed)?;
        }
        let common = Arc::<Common>::default();
        common.seq_bound.store(durable.seq_bound, Ordering::Release);
        let worker = Worker {
            common: Arc::clone(&common),
            directory: directory.clone(),
            durability,
            file,
            durable,
        };
        let thread = thread::Builder::new()
            .name("kinescope-syncer".to_owned())
            .spawn(move || worker.run())
            .map_err(|error| Error::io("the syncing thread cannot be started", &error))?;
        Ok(Self {
            common,
            thread: Some(thread),
        })
    }

    pub(crate) fn waiter(&self) -> SyncWaiter {
        SyncWaiter(Arc::clone(&self.common))
    }

    /// Something else is to be synced than before.
    pub(crate) fn set_files(&self, heads: Vec<Arc<Head>>, losses: Option<Arc<File>>) {
        let mut wanted = self.common.lock();
        wanted.heads = heads;
        wanted.losses = losses;
    }

    /// A commit has been made. Waits when the bound of `seq` has not moved in time, which takes a disk that does not
    /// answer for millions of events; not for one that refuses, which would be for ever.
    pub(crate) fn committed(&self, commit: &Commit) {
        let bound = self.common.seq_bound.load(Ordering::Acquire);
        let mut wanted = self.common.lock();
        wanted.commit = *commit;
        if commit.next_seq + SEQ_NEAR < bound {
            return;
        }
        self.common.changed.notify_all();
        let is_behind = || commit.next_seq >= self.common.seq_bound.load(Ordering::Acquire);
        while is_behind() && !wanted.is_over && wanted.failed.is_none() {
            wanted = self
                .common
                .changed
                .wait_timeout(wanted, INTERVAL)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Ends the thread; gives what it wrote to.
    pub(crate) fn finish(&mut self) -> Option<(DurableFile, Durable)> {
        self.common.lock().is_over = true;
        self.common.changed.notify_all();
        self.thread.take()?.join().ok()
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        let _ = self.finish();
    }
}

/// A commit that speaks of nothing that has to be synced.
pub(crate) fn unsynced(commit: &Commit) -> Commit {
    Commit {
        head: None,
        rows: 0,
        ..*commit
    }
}

struct Worker {
    common: Arc<Common>,
    directory: Directory,
    durability: Durability,
    file: DurableFile,
    durable: Durable,
}

impl Worker {
    fn run(mut self) -> (DurableFile, Durable) {
        loop {
            let (commit, heads, losses, is_asked) = {
                let mut wanted = self.common.lock();
                let end = Instant::now() + INTERVAL;
                loop {
                    let synced = self.common.synced.load(Ordering::Relaxed);
                    let is_asked = wanted.asked > synced;
                    let is_near = wanted.commit.next_seq + SEQ_NEAR >= self.durable.seq_bound;
                    let left = end.saturating_duration_since(Instant::now());
                    let is_due = self.durability != Durability::Process
                        && left.is_zero()
                        && wanted.commit.generation > synced;
                    if wanted.is_over || is_asked || is_near || is_due {
                        break;
                    }
                    let left = if left.is_zero() { INTERVAL } else { left };
                    wanted = self
                        .common
                        .changed
                        .wait_timeout(wanted, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0;
                }
                if wanted.is_over {
                    return (self.file, self.durable);
                }
                let (heads, losses) = (wanted.heads.clone(), wanted.losses.clone());
                let is_asked = wanted.asked > self.common.synced.load(Ordering::Relaxed);
                (wanted.commit, heads, losses, is_asked)
            };
            let synced = self.sync(commit, &heads, losses.as_deref(), is_asked);
            let failed = synced.err().map(|error| error.to_string());
            let has_failed = failed.is_some();
            self.common.lock().failed = failed.map(|why| (commit.generation, why));
            self.common.changed.notify_all();
            if has_failed {
                // It is tried again; nobody is told that anything is on it.
                thread::sleep(INTERVAL / 4);
            }
        }
    }

    fn sync(
        &mut self,
        commit: Commit,
        heads: &[Arc<Head>],
        losses: Option<&File>,
        is_asked: bool,
    ) -> std::io::Result<()> {
        let all = is_asked || self.durability != Durability::Process;
        if commit.next_seq + SEQ_NEAR >= self.durable.seq_bound {
            // First: whatever else fails, the log must be able to go on.
            let mut next = self.durable;
            next.seq_bound = commit.next_seq + SEQ_STEP;
            self.file.write(&mut next)?;
            self.durable = next;
            self.common
                .seq_bound
                .store(next.seq_bound, Ordering::Release);
        }
        if all {
            for head in heads {
                head.sync()?;
            }
            losses.map_or(Ok(()), File::sync_data)?;
            Sequences::create(&self.directory)?.sync()?;
            self.directory.sync()?;
            let mut next = self.durable;
            next.commit = commit;
            self.file.write(&mut next)?;
            self.durable = next;
            self.common
                .synced
                .store(commit.generation, Ordering::Release);
        }
        Ok(())
    }
}
