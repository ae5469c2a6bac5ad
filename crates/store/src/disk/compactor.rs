//! Has small segments of a recording merged: one run at a time, and so that it takes a tenth of a core at most.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::directory::Directory;
use super::merger::{Failure, Merged, Merger, Part};
use crate::compaction::{MergeLimits, Piece, QUICK_ROWS, next_run};
use crate::options::StoreOptions;
use crate::shared::Shared;
use crate::slot::Slot;

/// Bytes of the files that are merged at once, at most: their rows are in memory meanwhile.
const MERGED_MAX_BYTES: u64 = 64 << 20;
/// After merging, so many times what it took is left to others.
const REST: u32 = 9;
/// Rest after something has failed that may go better another time.
const REST_FAILED: Duration = Duration::from_secs(10);

/// Starts threads that merge, and takes what they have made.
#[derive(Default)]
pub(crate) struct Compactor {
    running: Option<Running>,
    rest_until: Option<Instant>,
    /// The version of the list in which nothing was found to be merged, or in which something was.
    looked_at: Option<u64>,
    /// Bases of segments that are left alone, because they are damaged.
    refused: HashSet<u64>,
    /// Nothing is begun any more, and what has been is waited for.
    is_ending: bool,
}

struct Running {
    thread: JoinHandle<Result<Merged, Failure>>,
    parts: Vec<Part>,
    since: Instant,
    stop: Arc<AtomicBool>,
}

impl Compactor {
    /// Begins to merge the next run of a log's segments, if nothing is being merged, the list is not the one that was looked
    /// at last, and the time has come.
    pub(super) fn start(
        &mut self,
        segments: &[Slot],
        list_version: u64,
        directory: &Directory,
        shared: &Arc<Shared>,
    ) {
        let rests = |until: Instant| Instant::now() < until;
        if self.is_ending
            || self.running.is_some()
            || self.looked_at == Some(list_version)
            || self.rest_until.is_some_and(rests)
        {
            return;
        }
        self.looked_at = Some(list_version);
        let pieces: Vec<Piece> = segments.iter().map(|slot| self.piece(slot)).collect();
        let Some(run) = next_run(&pieces, &limits(&shared.options)) else {
            return;
        };
        let part = |piece: &Piece| Part {
            base_seq: piece.base_seq,
            rows: piece.rows as usize,
            last_append: piece.until,
        };
        let parts: Vec<Part> = pieces[run].iter().map(part).collect();
        let stop = Arc::<AtomicBool>::default();
        let merger = Merger {
            directory: directory.clone(),
            shared: Arc::clone(shared),
            parts: parts.clone(),
            stop: Arc::clone(&stop),
        };
        let thread = thread::Builder::new()
            .name("kinescope-merger".to_owned())
            .spawn(move || merger.run());
        match thread {
            Ok(thread) => {
                self.running = Some(Running {
                    thread,
                    parts,
                    since: Instant::now(),
                    stop,
                });
            }
            Err(_) => self.rest(REST_FAILED),
        }
    }

    fn rest(&mut self, rest: Duration) {
        self.rest_until = Some(Instant::now() + rest);
        // The list is as it was, and is to be looked at all the same.
        self.looked_at = None;
    }

    fn piece(&self, slot: &Slot) -> Piece {
        let base_seq = slot.base_seq();
        match slot {
            Slot::File(stored) => {
                let summary = stored.summary();
                Piece {
                    base_seq,
                    rows: summary.rows as u64,
                    bytes: stored.disk_bytes(),
                    // As near as a summary tells: nearly all events are appended at their own time.
                    since: summary.min_timestamp.min(summary.last_append),
                    until: summary.last_append,
                    may_move: !stored.is_damaged() && !self.refused.contains(&base_seq),
                }
            }
            Slot::Memory(_) => Piece {
                base_seq,
                rows: slot.sealed_rows().unwrap_or(0) as u64,
                bytes: 0,
                since: 0,
                until: 0,
                may_move: false,
            },
        }
    }

    /// What has been merged since this was last asked.
    pub(super) fn finished(&mut self) -> Option<Merged> {
        let is_ending = self.is_ending;
        let is_finished = |running: &mut Running| is_ending || running.thread.is_finished();
        let running = self.running.take_if(is_finished)?;
        let Running { thread, parts, .. } = running;
        let failure = match thread.join() {
            Ok(Ok(merged)) => {
                self.rest_until = Some(Instant::now() + running.since.elapsed() * REST);
                return Some(merged);
            }
            Ok(Err(failure)) => failure,
            // A bug there must cost no more than that these stay as they are.
            Err(_) => Failure::Refused(HashSet::new()),
        };
        let rest = match failure {
            Failure::Gone => running.since.elapsed() * REST,
            Failure::NoRoom => REST_FAILED.max(running.since.elapsed() * REST),
            Failure::Refused(damaged) => {
                let all = parts.iter().map(|part| part.base_seq);
                match damaged.is_empty() {
                    true => self.refused.extend(all),
                    false => self.refused.extend(damaged),
                }
                running.since.elapsed() * REST
            }
        };
        self.rest(rest);
        None
    }

    /// From now on nothing is begun. What is being merged is waited for when it is asked for, and given up if it takes long.
    pub(super) fn end(&mut self) {
        self.is_ending = true;
        if let Some(running) = &self.running {
            let rows: usize = running.parts.iter().map(|part| part.rows).sum();
            let is_long = rows as u64 > QUICK_ROWS;
            running.stop.store(is_long, Ordering::Relaxed);
        }
    }
}

impl Drop for Compactor {
    fn drop(&mut self) {
        // Whoever opens the recording next may want to use the same names.
        self.end();
        drop(self.finished());
    }
}

/// As large as segments of the log get, or as is merged at once.
fn limits(options: &StoreOptions) -> MergeLimits {
    let (rows, bytes) = options.segment_limits();
    let eighth_ns = |age: Duration| i64::try_from(age.as_nanos() / 8).unwrap_or(i64::MAX);
    MergeLimits {
        rows: rows as u64,
        bytes: bytes.min(MERGED_MAX_BYTES),
        span_ns: options.retention.max_age.map_or(i64::MAX, eighth_ns),
    }
}

/// Where the parts of a merged segment are in the list; none unless all of them are still there, as files.
pub(super) fn place_of(segments: &[Slot], parts: &[Part]) -> Option<Range<usize>> {
    let first = parts.first()?.base_seq;
    let start = segments.binary_search_by_key(&first, Slot::base_seq).ok()?;
    let run = start..start + parts.len();
    let is_part = |(slot, part): (&Slot, &Part)| {
        matches!(slot, Slot::File(_))
            && slot.base_seq() == part.base_seq
            && slot.sealed_rows() == Some(part.rows)
    };
    let own = segments.get(run.clone())?;
    own.iter().zip(parts).all(is_part).then_some(run)
}
