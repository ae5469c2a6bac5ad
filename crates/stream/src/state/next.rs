//! What a subscription does next, and when.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::State;
use crate::pace::Pace;
use crate::scan::Stretch;
use crate::settings::{AT_ONCE, Settings};
use crate::step::{Look, Plan, Step, View};

impl State {
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
        if !self.is_watching() {
            return Step::Rest;
        }
        self.meet_retention(view, end);
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
        if self.scanned < end && self.hole.is_none() {
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

    /// For how long it leaves a few new rows alone.
    pub(crate) fn hold(&self) -> Duration {
        if self.settings.is_prompt() {
            return Duration::ZERO;
        }
        Pace::hold(self.settings.batch_timeout)
    }

    /// When the next batch is due while others look on its behalf, who do not say how far they are.
    pub(crate) fn deadline_among_others(&self) -> Instant {
        self.deadline()
            .unwrap_or(self.last_batch + self.settings.progress_interval)
    }

    /// How many more events its batch may have.
    pub(super) fn wanted(&self) -> Option<usize> {
        match self.settings.batch_size {
            0 => None,
            size => Some(size - self.pending.len()),
        }
    }

    fn stretch(&self, end: u64, wanted: Option<usize>) -> Stretch {
        let left = usize::try_from(end - self.scanned).unwrap_or(usize::MAX);
        Stretch {
            from: self.scanned,
            end,
            rows_max: self.pace.rows(wanted).min(left),
            wanted,
        }
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
        if self.hole.is_some() {
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
}
