//! One subscription: where it is, what it waits for, and what it does next.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kinescope_store::Error;

use crate::batch::StreamBatch;
use crate::gap::{Gap, GapCause};
use crate::pace::Pace;
use crate::position::{Start, TimeColumn};
use crate::scan::{Found, Stretch};
use crate::settings::{AT_ONCE, Settings, StreamQuery};
use crate::step::{Look, Piece, Plan, Seen, Step, View};

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
    /// Everything below has been looked at.
    scanned: u64,
    /// Matches from `made` on, ascending.
    pending: Vec<u64>,
    /// Left out by the consumer's wish, until it has taken the batch that says so. Starts at the cursor.
    skip: Option<Gap>,
    /// Missing from the log; opens the next batch.
    gap: Option<Gap>,
    /// Where the log goes on behind what has been looked at.
    hole_end: Option<u64>,
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
            scanned: 0,
            pending: Vec::new(),
            skip: None,
            gap: None,
            hole_end: None,
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
        self.hole_end = None;
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

    /// Decides what to do next, and has done the part of it that needs no looking at rows.
    pub(crate) fn step(&mut self, view: View) -> Step {
        if view.is_final {
            self.finish_at(view.watermark);
        }
        let end = self
            .end_at
            .map_or(view.watermark, |end| end.min(view.watermark));
        if self.is_over() {
            return Step::End;
        }
        if self.is_making || !self.is_asking() {
            return Step::Rest;
        }
        if let Some(plan) = self.meet_retention(view, end) {
            return Step::Make(plan);
        }
        if let Some(time) = self.starts_at {
            if self.scanned < end {
                let look = Look::Time(time.column, time.at_least);
                return Step::Look(look, self.stretch(end, None));
            }
            return Step::Wait(None);
        }
        if self.is_due(view.now, end) {
            return Step::Make(self.plan(self.scanned, view, end));
        }
        if self.scanned < end && self.hole_end.is_none() {
            if let Some(until) = self.hold_until(end)
                && view.now < until
            {
                return Step::Hold(until);
            }
            let look = Look::Rows(Arc::clone(&self.query));
            return Step::Look(look, self.stretch(end, self.wanted()));
        }
        Step::Wait(self.deadline())
    }

    /// When to look at the few rows that are new; none: at once.
    fn hold_until(&self, end: u64) -> Option<Instant> {
        if self.settings.is_prompt() || self.end_at.is_some() {
            return None;
        }
        let timeout = self.settings.batch_timeout;
        let until = self.pace.hold_until(timeout, end - self.scanned)?;
        let due = self.waiting_since.map(|since| since + timeout);
        Some(due.map_or(until, |due| due.min(until)))
    }

    /// The next batch, if it has waited long enough.
    pub(crate) fn due(&mut self, view: View) -> Option<Plan> {
        match self.step(view) {
            Step::Make(plan) => Some(plan),
            _ => None,
        }
    }

    /// How far it has looked, and when, if nothing but events of its own and its deadline concern it: then it may move along
    /// with others.
    pub(crate) fn following(&self) -> Option<(u64, Option<Instant>)> {
        let is_waiting = self.is_asking() && !self.is_making && !self.cut;
        let is_told = self.told || !self.pending.is_empty();
        let has_plain_way = self.starts_at.is_none()
            && self.end_at.is_none()
            && self.hole_end.is_none()
            && self.opening_gap().is_none();
        (self.query.key.is_some() && is_waiting && is_told && has_plain_way)
            .then_some((self.scanned, self.pace.last_look()))
    }

    /// For how long it leaves a few new rows alone.
    pub(crate) fn hold(&self) -> Duration {
        if self.settings.is_prompt() {
            return Duration::ZERO;
        }
        Pace::hold(self.settings.batch_timeout)
    }

    /// Others have looked on its behalf, and found nothing, up to a position.
    pub(crate) fn follow(&mut self, scanned: u64, looked_at: Option<Instant>) {
        if scanned <= self.scanned {
            return;
        }
        if let Some(at) = looked_at {
            self.pace.note((scanned - self.scanned) as usize, 0, at);
        }
        self.scanned = scanned;
        if self.pending.is_empty() {
            self.unwatched_since = None;
        }
    }

    /// Others have found something on its behalf.
    pub(crate) fn see_together(&mut self, mut seqs: Vec<u64>, piece: &Piece, view: View) {
        let matches = seqs.len();
        let wanted = self.wanted().unwrap_or(usize::MAX);
        let scanned = seqs.get(wanted).copied().unwrap_or(piece.end);
        seqs.truncate(wanted);
        let found = Found::Rows {
            seqs,
            scanned,
            ends_segment: piece.ends_segment && scanned == piece.end,
            rows: piece.rows,
            matches,
        };
        self.see(Seen::Rows(found), Duration::ZERO, view);
    }

    /// How many more events its batch may have.
    fn wanted(&self) -> Option<usize> {
        match self.settings.batch_size {
            0 => None,
            size => Some(size - self.pending.len()),
        }
    }

    fn stretch(&self, end: u64, wanted: Option<usize>) -> Stretch {
        let left = usize::try_from(end - self.scanned).unwrap_or(usize::MAX);
        Stretch {
            from: self.scanned,
            rows_max: self.pace.rows(wanted).min(left),
            wanted,
        }
    }

    /// Notes what retention has taken from what nobody looked at, or from what was about to be delivered. Returns a batch
    /// that has to go out first, because one batch tells of one gap.
    fn meet_retention(&mut self, view: View, end: u64) -> Option<Plan> {
        let evicted = view.first_seq.min(end.max(self.made));
        let is_unseen = self.scanned < evicted;
        let was_due = self.pending.first().is_some_and(|&seq| seq < evicted);
        if !is_unseen && !was_due {
            return None;
        }
        let opening = self.opening_gap();
        if let Some(gap) = opening
            && gap.cause != GapCause::Retention
        {
            return Some(self.plan(gap.end, view, end));
        }
        if let Some(time) = self.starts_at {
            if time.timestamp > view.evicted_until {
                (self.cursor, self.made, self.scanned) = (evicted, evicted, evicted);
                return None;
            }
            // The start may have been among what is gone.
            self.starts_at = None;
        }
        self.gap = Gap::new(self.made, evicted, GapCause::Retention);
        self.pending.retain(|&seq| seq >= evicted);
        self.scanned = self.scanned.max(evicted);
        self.hole_end = self.hole_end.filter(|&hole_end| hole_end > evicted);
        None
    }

    /// What the next batch opens with.
    fn opening_gap(&self) -> Option<Gap> {
        self.skip
            .filter(|skip| skip.start == self.made)
            .or(self.gap)
    }

    /// Whether the next batch has waited long enough.
    fn is_due(&self, now: Instant, end: u64) -> bool {
        let Settings {
            batch_size,
            batch_timeout,
            progress_interval,
        } = self.settings;
        let at_end = self.scanned == end;
        let is_last = at_end && self.end_at.is_some();
        if self.hole_end.is_some() {
            return true;
        }
        if !self.pending.is_empty() {
            let is_full = batch_size > 0 && self.pending.len() >= batch_size;
            let at_once = batch_size == 0 || batch_timeout <= AT_ONCE;
            let has_waited =
                |since: Option<Instant>| since.is_some_and(|since| now >= since + batch_timeout);
            return is_full
                || self.cut
                || is_last
                || (at_end && (at_once || has_waited(self.unwatched_since)))
                || has_waited(self.waiting_since);
        }
        let has_moved = self.scanned > self.made;
        let has_news = !self.told || self.opening_gap().is_some();
        (at_end && has_news)
            || (has_moved && (is_last || now >= self.last_batch + progress_interval))
    }

    /// When the next batch is due, if nothing more is found.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if !self.pending.is_empty() {
            return self
                .unwatched_since
                .or(self.waiting_since)
                .map(|since| since + self.settings.batch_timeout);
        }
        (self.scanned > self.made).then(|| self.last_batch + self.settings.progress_interval)
    }

    /// The batch up to `until`, which is where the log has been looked at, or the end of the gap that opens the batch.
    fn plan(&mut self, until: u64, view: View, end: u64) -> Plan {
        let gap = self.opening_gap();
        let start = self.made;
        let seqs = if until == self.scanned {
            self.waiting_since = None;
            self.cut = false;
            std::mem::take(&mut self.pending)
        } else {
            Vec::new()
        };
        self.made = until;
        self.is_making = true;
        self.gap = None;
        self.last_batch = view.now;
        self.told = until == end;
        if until == self.scanned
            && let Some(hole_end) = self.hole_end.take()
        {
            self.enter_hole(hole_end);
        }
        self.unwatched_since = (self.credit <= self.ready.len() + 1).then_some(view.now);
        Plan {
            is_prompt: self.settings.is_prompt(),
            epoch: self.epoch,
            start,
            end: until,
            seqs,
            gap,
            caught_up: self.told,
            filter_version: self.filter_version,
            query: Arc::clone(&self.query),
        }
    }

    fn enter_hole(&mut self, hole_end: u64) {
        self.gap = Gap::new(self.made, hole_end, GapCause::Restart);
        self.scanned = hole_end;
    }

    /// Takes note of what a look that began at `from` has found, and how long it took.
    pub(crate) fn see(&mut self, seen: Seen, took: Duration, view: View) {
        self.pace.keep(took);
        match seen {
            Seen::Time(Ok(seq)) => {
                self.starts_at = None;
                (self.cursor, self.made, self.scanned) = (seq, seq, seq);
            }
            Seen::Time(Err(scanned)) => {
                (self.cursor, self.made, self.scanned) = (scanned, scanned, scanned);
            }
            Seen::Rows(Found::Rows {
                seqs,
                scanned,
                ends_segment,
                rows,
                matches,
            }) => {
                self.scanned = scanned;
                self.pace.note(rows, matches, view.now);
                self.cut = ends_segment && self.settings.batch_size == 0;
                if self.pending.is_empty() && !seqs.is_empty() {
                    self.waiting_since = Some(view.now);
                }
                self.pending.extend(seqs);
                if self.pending.is_empty() && scanned >= view.watermark {
                    self.unwatched_since = None;
                }
            }
            Seen::Rows(Found::Hole(end)) if self.scanned == self.made => self.enter_hole(end),
            Seen::Rows(Found::Hole(end)) => self.hole_end = Some(end),
            Seen::Rows(Found::Nothing) => {}
        }
    }

    /// The events of a planned batch were too much for one: the second half of them waits again.
    pub(crate) fn give_back(&mut self, plan: &mut Plan) {
        let rest = plan.seqs.split_off(plan.seqs.len() / 2);
        if let Some(&first) = rest.first()
            && plan.epoch == self.epoch
        {
            self.waiting_since = Some(self.last_batch);
            self.cut = true;
            self.pending.splice(0..0, rest);
            if let Some(gap) = self.gap.take() {
                self.hole_end = Some(gap.end);
                self.scanned = gap.start;
            }
            self.made = first;
            self.told = false;
            plan.end = first;
            plan.caught_up = false;
        }
    }
}

/// How a subscription ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) id: u64,
    /// None: it was told to, and all is delivered.
    pub(crate) error: Option<Error>,
}
