//! The thread that makes files of sealed segments.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use super::directory::Directory;
use super::placement::Placement;
use super::stored::Stored;
use crate::error::Error;
use crate::segment::Segment;
use crate::shared::Shared;
use crate::slot::{Slot, StoredSegment};

/// Between attempts to write a segment for which there was no space.
const RETRY: Duration = Duration::from_millis(100);
/// Attempts that a recording which is being closed makes.
const LAST_ATTEMPTS: u32 = 3;
/// Rows of segments that wait, from which on they are written without an index: that takes longer than writing, and what
/// is written need not be recovered. The index comes later then.
const LAG_ROWS: usize = 2_500_000;

pub(crate) enum Job {
    /// Make files of a segment.
    Seal {
        segment: Arc<Segment>,
        last_append: i64,
        stranded: Stranded,
    },
    /// Write down the index that a segment in a file has in memory.
    Index(Arc<dyn StoredSegment>),
    /// Have the files of a merged segment take the place of others, of which the log makes no use any more.
    Place(Box<Placement>),
    /// A file is of no use any more.
    Remove(PathBuf),
    /// A segment's files are of no use any more.
    RemoveSegment(u64),
}

/// How much of a segment is nowhere but in memory: all of it, or nothing.
#[derive(Clone, Copy, Default)]
pub(crate) struct Stranded {
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
}

/// What the thread has done, for the log's writer.
#[derive(Default)]
pub(crate) struct Done {
    stored: Mutex<Vec<Arc<dyn StoredSegment>>>,
    /// Bytes of segments that are in memory only.
    pub(crate) stranded_bytes: AtomicU64,
    /// Their rows.
    pub(crate) stranded_rows: AtomicU64,
    has_stored: std::sync::atomic::AtomicBool,
}

impl Done {
    /// Segments that have become files since this was last asked.
    pub(crate) fn take(&self) -> Vec<Slot> {
        if !self.has_stored.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        stored.drain(..).map(Slot::File).collect()
    }

    pub(crate) fn strand(&self, stranded: Stranded) {
        self.stranded_bytes
            .fetch_add(stranded.bytes, Ordering::Relaxed);
        self.stranded_rows
            .fetch_add(stranded.rows, Ordering::Relaxed);
    }

    fn unstrand(&self, stranded: Stranded) {
        self.stranded_bytes
            .fetch_sub(stranded.bytes, Ordering::Relaxed);
        self.stranded_rows
            .fetch_sub(stranded.rows, Ordering::Relaxed);
    }

    fn push(&self, stored: Arc<dyn StoredSegment>) {
        let mut all = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(stored);
        self.has_stored.store(true, Ordering::Release);
    }
}

/// The thread; it ends when this is dropped, with everything done that it was asked for.
pub(crate) struct Sealer {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    pub(crate) done: Arc<Done>,
}

impl Sealer {
    /// Starts the thread. With `sync`, files are on the disk before they take anything's place.
    ///
    /// # Errors
    /// `IO` when no thread can be started.
    pub(crate) fn start(
        directory: Directory,
        shared: Arc<Shared>,
        sync: bool,
    ) -> Result<Self, Error> {
        let (jobs, receiver) = unbounded();
        let done = Arc::<Done>::default();
        let worker = Worker {
            directory,
            shared,
            sync,
            done: Arc::clone(&done),
            waiting: Vec::new(),
            placing: Vec::new(),
        };
        let thread = thread::Builder::new()
            .name("kinescope-sealer".to_owned())
            .spawn(move || worker.run(&receiver))
            .map_err(|error| Error::io("the sealing thread cannot be started", &error))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
            done,
        })
    }

    pub(crate) fn send(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // The thread lives for as long as this does.
            let _ = jobs.send(job);
        }
    }

    /// Waits until everything that it was asked for is done, as far as it can be.
    pub(crate) fn finish(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it has left files that the next opener makes anew.
            let _ = thread.join();
        }
    }
}

impl Drop for Sealer {
    fn drop(&mut self) {
        self.finish();
    }
}

struct Worker {
    directory: Directory,
    shared: Arc<Shared>,
    sync: bool,
    done: Arc<Done>,
    /// Segments for which there was no space, the oldest first.
    waiting: Vec<(Arc<Segment>, i64, Stranded)>,
    /// Merged segments whose files are not all in place.
    placing: Vec<Placement>,
}

impl Worker {
    fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let job = if self.is_done() {
                jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                jobs.recv_timeout(RETRY)
            };
            match job {
                Ok(job) => {
                    self.take(job);
                    // How much there is to do is to be known.
                    jobs.try_iter().for_each(|job| self.take(job));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.work();
        }
        for _ in 0..LAST_ATTEMPTS {
            self.work();
            if self.is_done() {
                break;
            }
            thread::sleep(RETRY);
        }
    }

    fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.placing.is_empty()
    }

    /// Does everything that was asked for, as far as it can be done now.
    fn work(&mut self) {
        self.seal_waiting();
        let done = &self.done;
        let directory = &self.directory;
        self.placing.retain_mut(|placement| {
            let placed = placement.run(directory);
            if placed.is_ok() {
                // Others that follow the recording are to look at the list.
                done.push(placement.stored());
            }
            placed.is_err()
        });
    }

    fn take(&mut self, job: Job) {
        match job {
            Job::Seal {
                segment,
                last_append,
                stranded,
            } => self.waiting.push((segment, last_append, stranded)),
            Job::Index(stored) => {
                // What cannot be written stays in memory.
                if let Ok(stored) = stored.write_index(self.sync, self.shared.names()) {
                    self.done.push(stored);
                }
            }
            Job::Place(placement) => self.placing.push(*placement),
            Job::Remove(path) => {
                let _ = self.directory.remove(&path);
            }
            Job::RemoveSegment(base_seq) => {
                for base_seq in self.forget(base_seq) {
                    let _ = Stored::remove(&self.directory, base_seq);
                }
            }
        }
    }

    /// Retention was faster. Gives the bases of the files that the segment's rows may be in.
    fn forget(&mut self, base_seq: u64) -> Vec<u64> {
        let done = &self.done;
        self.waiting.retain(|(segment, _, stranded)| {
            let stays = segment.base_seq != base_seq;
            if !stays {
                done.unstrand(*stranded);
            }
            stays
        });
        let is_of = |placement: &mut Placement| placement.base_seq() == base_seq;
        let placing: Vec<Placement> = self.placing.extract_if(.., is_of).collect();
        let bases: Vec<u64> = placing.iter().flat_map(Placement::bases).collect();
        match bases.is_empty() {
            true => vec![base_seq],
            false => bases,
        }
    }

    fn seal_waiting(&mut self) {
        while let Some((segment, last_append, stranded)) = self.waiting.first() {
            let sealed = self
                .waiting
                .iter()
                .filter_map(|(waiting, ..)| waiting.sealed());
            if sealed.map(|sealed| sealed.rows).sum::<usize>() < LAG_ROWS {
                // A bug there must cost speed only.
                let index = std::panic::AssertUnwindSafe(|| self.shared.index_sealed(segment));
                let _ = std::panic::catch_unwind(index);
            }
            let written = Stored::write(&self.directory, segment, *last_append, self.sync)
                .and_then(|stored| stored.map_own(self.shared.names()).map(|()| stored));
            let Ok(stored) = written else { return };
            self.done.unstrand(*stranded);
            self.done.push(Arc::new(stored));
            self.waiting.remove(0);
        }
    }
}
