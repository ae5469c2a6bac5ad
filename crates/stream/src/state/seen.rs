//! What was found, alone or together with others.

use std::time::{Duration, Instant};

use super::{Phase, State};
use crate::scan::Found;
use crate::step::{Piece, Seen, View};

/// So many events may be found for a subscription whose consumer has not asked for them yet.
const UNASKED_MAX: usize = 64;

impl State {
    /// How far it has looked, and when, if nothing but events of its own and its deadline concern it: then it may move along
    /// with others. Also while its consumer is busy with the last batch, until a few events are there: one that asks again soon
    /// has not fallen behind.
    pub(crate) fn following(&self) -> Option<(u64, Option<Instant>)> {
        let is_running = self.phase == Phase::Running && !self.cut;
        let is_waiting =
            is_running && (self.is_watching() || self.pending.len() < self.unasked_max());
        let is_told = self.told || !self.pending.is_empty();
        let has_plain_way = self.starts_at.is_none()
            && self.end_at.is_none()
            && self.hole.is_none()
            && self.opening_gap().is_none();
        (self.query.key.is_some() && is_waiting && is_told && has_plain_way)
            .then_some((self.scanned, self.pace.last_look()))
    }

    fn unasked_max(&self) -> usize {
        match self.settings.batch_size {
            0 => UNASKED_MAX,
            size => size.min(UNASKED_MAX),
        }
    }

    /// Others looked on its behalf, for the last time then, although its consumer did not ask.
    pub(crate) fn set_unwatched(&mut self, since: Option<Instant>) {
        if self.pending.is_empty() && since.is_some() {
            self.unwatched_since = since;
        }
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
        let wanted = match self.is_watching() {
            true => self.wanted().unwrap_or(usize::MAX),
            false => self.unasked_max().saturating_sub(self.pending.len()),
        };
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
            Seen::Rows(Found::Hole(hole)) => self.meet_hole(hole),
        }
    }
}
