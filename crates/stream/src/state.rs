//! One subscription: where it is, what it waits for, and what its consumer asks of it.

mod next;
mod plan;
mod seen;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use kinescope_store::Error;

use crate::batch::StreamBatch;
use crate::gap::{Gap, GapCause};
use crate::pace::Pace;
use crate::position::{Start, TimeColumn};
use crate::settings::{Settings, StreamQuery};
use crate::step::View;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    Paused,
}

/// Where to go on after a pause.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resume {
    /// Where it was.
    Here,
    /// Beyond what is left out.
    Skipping(u64),
    /// Anywhere.
    From(Start),
}

/// A start that is still to come.
#[derive(Clone, Copy, Debug)]
struct Time {
    column: TimeColumn,
    at_least: i64,
    timestamp: i64,
}

/// The state of a subscription. `cursor <= made <= scanned`, but for a start that is still to come.
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) query: Arc<StreamQuery>,
    pub(crate) filter_version: u32,
    /// Moves on when work that is under way has lost its point.
    pub(crate) epoch: u64,
    pub(crate) phase: Phase,
    /// How often it was paused, by which a resume knows that it came too late.
    pub(crate) pauses: u64,
    /// The consumer has taken everything below.
    pub(crate) cursor: u64,
    /// Everything below is in batches.
    made: u64,
    /// Where the batch that was planned last was to end.
    planned_end: u64,
    /// Everything below has been looked at.
    scanned: u64,
    /// Matches from `made` on, ascending.
    pending: Vec<u64>,
    /// Left out by the consumer's wish, until it has taken the batch that says so. Starts at the cursor.
    skip: Option<Gap>,
    /// Missing from the log; opens the next batch.
    gap: Option<Gap>,
    /// Missing from the log behind what has been looked at.
    hole: Option<Gap>,
    /// Where to start, as long as that is still to come.
    starts_at: Option<Time>,
    /// What is behind `scanned` may not be in the same batch.
    cut: bool,
    ready: VecDeque<StreamBatch>,
    /// A batch is planned and neither ready nor given up: nothing else happens before it is.
    is_making: bool,
    /// Batches that the consumer has asked for and not taken.
    credit: usize,
    /// When the first of `pending` was found.
    waiting_since: Option<Instant>,
    /// Since when it may have waited to be found, because nobody looked while the consumer did not ask.
    unwatched_since: Option<Instant>,
    last_batch: Instant,
    /// Whether the last batch said that it had caught up.
    told: bool,
    /// Delivers everything below, and ends.
    end_at: Option<u64>,
    pace: Pace,
    /// Events taken.
    pub(crate) delivered: u64,
    /// Positions in gaps that were no wish of the consumer's.
    pub(crate) lost: u64,
    /// Its consumer knows that something is ready.
    pub(crate) announced: bool,
}

impl State {
    pub(crate) fn new(
        settings: Settings,
        query: Arc<StreamQuery>,
        start: Start,
        view: View,
    ) -> Self {
        let mut state = Self {
            settings,
            query,
            filter_version: 1,
            epoch: 0,
            phase: Phase::Running,
            pauses: 0,
            cursor: 0,
            made: 0,
            planned_end: 0,
            scanned: 0,
            pending: Vec::new(),
            skip: None,
            gap: None,
            hole: None,
            starts_at: None,
            cut: false,
            ready: VecDeque::new(),
            is_making: false,
            credit: 0,
            waiting_since: None,
            unwatched_since: None,
            last_batch: view.now,
            told: false,
            end_at: None,
            pace: Pace::default(),
            delivered: 0,
            lost: 0,
            announced: false,
        };
        state.start_at(start, view);
        state
    }

    fn start_at(&mut self, start: Start, view: View) {
        self.skip = None;
        self.starts_at = None;
        self.cursor = match start {
            Start::Now(seq) | Start::At(seq) => seq,
            Start::Time {
                at_least,
                column,
                timestamp,
                from,
            } => {
                self.starts_at = Some(Time {
                    column,
                    at_least,
                    timestamp,
                });
                from
            }
        };
        // Who starts at the end, or beyond it, has nothing to catch up with.
        self.told = matches!(start, Start::Now(_)) || self.cursor > view.watermark;
        self.last_batch = view.now;
        self.rewind();
    }

    /// Goes back to what the consumer has taken. What was made since is made again, if it is still wanted.
    fn rewind(&mut self) {
        self.epoch += 1;
        self.ready.clear();
        self.is_making = false;
        self.pending.clear();
        self.gap = None;
        self.hole = None;
        self.cut = false;
        self.waiting_since = None;
        self.pace.forget();
        self.made = self.cursor;
        self.scanned = self.skip.map_or(self.cursor, |skip| skip.end);
    }

    /// The consumer wants so many more batches.
    pub(crate) fn want(&mut self, batches: usize) {
        self.credit = self.credit.saturating_add(batches);
    }

    /// Whether there is a batch that the consumer asked for and that is not made yet.
    pub(crate) fn is_asking(&self) -> bool {
        self.phase == Phase::Running && self.credit > self.ready.len()
    }

    /// Whether new rows concern it now: it owes a batch and makes none.
    pub(crate) fn is_watching(&self) -> bool {
        self.is_asking() && !self.is_making
    }

    /// Whether there is a batch that the consumer asked for and has not taken.
    pub(crate) fn is_owing(&self) -> bool {
        self.credit > 0
    }

    /// What the batch opens with that is taken next.
    pub(crate) fn next_gap(&self) -> Option<Gap> {
        self.ready.front()?.gap
    }

    /// The batch that was planned last is made.
    pub(crate) fn accept(&mut self, batch: StreamBatch) {
        self.ready.push_back(batch);
        self.is_making = false;
    }

    /// Hands out the next batch, which moves the cursor.
    pub(crate) fn take(&mut self) -> Option<StreamBatch> {
        let batch = self.ready.pop_front()?;
        self.credit = self.credit.saturating_sub(1);
        self.cursor = batch.end;
        self.delivered += batch.rows() as u64;
        match batch.gap {
            Some(gap) if gap.cause == GapCause::Skipped => self.skip = None,
            Some(gap) => self.lost += gap.count(),
            None => {}
        }
        Some(batch)
    }

    pub(crate) fn pause(&mut self) {
        self.pauses += 1;
        if self.phase == Phase::Running {
            self.phase = Phase::Paused;
            self.rewind();
        }
    }

    /// Goes on; one that was not paused just does.
    pub(crate) fn resume(&mut self, how: Resume, view: View) {
        if self.phase == Phase::Running {
            return;
        }
        self.phase = Phase::Running;
        match how {
            Resume::Here => {}
            Resume::Skipping(end) => {
                let end = self.skip.map_or(end, |skip| skip.end.max(end));
                if self.starts_at.is_none() {
                    self.skip = Gap::new(self.cursor, end, GapCause::Skipped);
                    self.rewind();
                }
            }
            Resume::From(start) => self.start_at(start, view),
        }
    }

    /// Another filter, from what the consumer has not taken on.
    pub(crate) fn update(&mut self, query: Arc<StreamQuery>) {
        self.query = query;
        self.filter_version += 1;
        self.rewind();
    }

    /// Delivers everything below, and ends.
    pub(crate) fn finish_at(&mut self, end: u64) {
        self.end_at.get_or_insert(end);
    }

    /// Whether it has nothing more to deliver, for ever.
    pub(crate) fn is_over(&self) -> bool {
        self.end_at.is_some_and(|end_at| {
            self.phase == Phase::Paused
                || self.cursor >= end_at
                || (self.starts_at.is_some() && self.scanned >= end_at)
        })
    }

    /// How many positions of the log are left to look at or to take.
    pub(crate) fn lag(&self, watermark: u64) -> u64 {
        watermark.saturating_sub(self.cursor)
    }
}

/// How a subscription ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) id: u64,
    /// None: it was told to, and all is delivered.
    pub(crate) error: Option<Error>,
}
