//! The next batch: from where to where, and what it opens with.

use std::sync::Arc;

use super::State;
use crate::gap::Gap;
use crate::step::{Plan, View};

impl State {
    /// Notes what retention has taken from where the start may be, or from what was about to be delivered: then the log is
    /// looked at again from the last batch on.
    pub(super) fn meet_retention(&mut self, view: View, end: u64) {
        let evicted = view.first_seq.min(end.max(self.made));
        if let Some(time) = self.starts_at {
            if self.scanned < evicted && time.timestamp > view.evicted_until {
                (self.cursor, self.made, self.scanned) = (evicted, evicted, evicted);
            } else if self.scanned < evicted {
                // The start may have been among what is gone.
                self.starts_at = None;
            }
        } else if self.pending.first().is_some_and(|&seq| seq < evicted) {
            self.pending.clear();
            self.hole = None;
            self.cut = false;
            self.scanned = self.opening_gap().map_or(self.made, |gap| gap.end);
        }
    }

    /// Notes what is missing where it looked last. One batch tells of one gap.
    pub(super) fn meet_hole(&mut self, hole: Gap) {
        match &mut self.gap {
            Some(gap) if gap.end == self.scanned && gap.cause == hole.cause => {
                gap.end = hole.end;
                self.scanned = hole.end;
            }
            _ if self.scanned == self.made => self.enter_hole(hole),
            _ => self.hole = Some(hole),
        }
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
            && let Some(hole) = self.hole.take()
        {
            self.enter_hole(hole);
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

    fn enter_hole(&mut self, hole: Gap) {
        self.gap = Some(hole);
        self.scanned = hole.end;
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
            self.hole = self.gap.take().or(self.hole);
            self.made = first;
            self.told = false;
            plan.end = first;
            plan.caught_up = false;
        }
    }
}
