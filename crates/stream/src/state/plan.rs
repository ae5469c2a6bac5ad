//! The next batch: from where to where, and what it opens with.

use std::sync::Arc;

use super::State;
use crate::gap::{Gap, GapCause};
use crate::step::{Plan, View};

impl State {
    /// Notes what retention has taken from what nobody looked at, or from what was about to be delivered. Returns a batch
    /// that has to go out first, because one batch tells of one gap.
    pub(super) fn meet_retention(&mut self, view: View, end: u64) -> Option<Plan> {
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
    pub(super) fn opening_gap(&self) -> Option<Gap> {
        self.skip
            .filter(|skip| skip.start == self.made)
            .or(self.gap)
    }

    /// The batch up to `until`, which is where the log has been looked at, or the end of the gap that opens the batch.
    pub(super) fn plan(&mut self, until: u64, view: View, end: u64) -> Plan {
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
        self.planned_end = until;
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

    pub(super) fn enter_hole(&mut self, hole_end: u64) {
        self.gap = Gap::new(self.made, hole_end, GapCause::Restart);
        self.scanned = hole_end;
    }

    /// The events of a planned batch were too much for one: the second half of them waits again.
    pub(crate) fn give_back(&mut self, plan: &mut Plan) {
        let rest = plan.seqs.split_off(plan.seqs.len() / 2);
        if let Some(&first) = rest.first()
            && plan.epoch == self.epoch
        {
            // What others have found since is found again: it comes behind the rest.
            self.epoch += 1;
            plan.epoch = self.epoch;
            self.pending.retain(|&seq| seq < self.planned_end);
            self.scanned = self.planned_end;
            self.waiting_since = Some(self.last_batch);
            self.cut = true;
            self.pending.splice(0..0, rest);
            if let Some(gap) = self.gap.take() {
                self.hole_end = Some(gap.end);
            }
            self.made = first;
            self.told = false;
            plan.end = first;
            plan.caught_up = false;
        }
    }
}
