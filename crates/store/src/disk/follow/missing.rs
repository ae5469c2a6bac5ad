//! What is in no file: what is known to be lost, what was seen before and is kept, and what nothing explains.

use std::ops::Range;
use std::sync::Arc;

use super::Follower;
use super::open_segment::{end_of, seal};
use crate::disk::commit::{Appended, Commit, State};
use crate::disk::holes::holes;
use crate::disk::losses;
use crate::loss::{LossCause, LossRange};
use crate::slot::Slot;

impl Follower {
    /// Everything that has been seen so far, with its rows.
    pub(super) fn held(&self) -> Vec<(Slot, usize)> {
        let sealed = |slot: &Slot| (slot.clone(), slot.sealed_rows().unwrap_or(0));
        let open = self.open.iter().map(|open| {
            let slot = Slot::Memory(Arc::clone(&open.segment));
            (slot, open.lens.rows)
        });
        self.slots.iter().map(sealed).chain(open).collect()
    }

    /// Keeps what was seen and is in no file any more, unless a loss says why: somebody else may have removed the file, or a
    /// later commit explains it.
    pub(super) fn keep_unexplained(&mut self, held: Vec<(Slot, usize)>) {
        let open = self.open.as_ref().map(|open| open.segment.base_seq);
        let found = self.slots.len();
        for (slot, rows) in held {
            let (first, behind) = (slot.base_seq(), slot.base_seq() + rows as u64);
            let files = &self.slots[..found];
            let before = files.partition_point(|file| file.base_seq() < behind);
            let is_in_file = before > 0 && end_of(&files[before - 1]) > first;
            let is_behind = open.is_some_and(|open| first >= open);
            if rows == 0 || is_in_file || is_behind || self.shared.has_lost(first, behind - 1) {
                continue;
            }
            if let Slot::Memory(segment) = &slot {
                seal(segment, rows, segment.bounds.max_timestamp());
            }
            self.slots.push(slot);
        }
        self.slots.sort_unstable_by_key(Slot::base_seq);
    }

    /// Finds positions below `end` that are in no file, and of which no loss is known.
    pub(super) fn find_holes(&self, commit: &Commit, end: u64) {
        let has_moved = |state: &State| state.generations() != self.generations;
        if self.seen.is_some() && self.state.as_ref().is_some_and(has_moved) {
            // Files may have gone that a later commit explains.
            return;
        }
        let open = self.open.iter().map(|open| open.segment.base_seq);
        let given_up = self
            .damaged
            .map(|(base_seq, rows)| base_seq..base_seq + rows);
        let slots = self.slots.iter();
        let parts: Vec<Range<u64>> = slots
            .map(|slot| slot.base_seq()..end_of(slot))
            .chain(open.map(|base_seq| base_seq..end))
            .chain(given_up)
            .collect();
        let holes = holes(parts, end, |missing| self.shared.unexplained(missing));
        let lost = holes.into_iter().map(|hole| LossRange {
            cause: LossCause::Corrupt,
            producer: 0,
            first: hole.start,
            last: hole.end - 1,
            count: hole.end - hole.start,
            first_timestamp: i64::MIN,
            last_timestamp: commit.timestamp,
        });
        self.shared.set_holes(lost.collect());
    }

    /// Takes over what has become known to be missing.
    pub(super) fn take_losses(&mut self, before: Option<Appended>, commit: &Commit) {
        let from = before.filter(|before| before.number == commit.losses.number);
        let read = losses::read(
            &self.directory,
            from.map_or(0, |before| before.len),
            commit.losses,
        );
        self.shared.take_losses(read, from.is_none());
        if let Some((base_seq, given_up)) = &mut self.damaged
            && commit.head == Some(*base_seq)
            && commit.rows > *given_up
        {
            self.shared.add_loss(LossRange {
                cause: LossCause::Corrupt,
                producer: 0,
                first: *base_seq + *given_up,
                last: *base_seq + commit.rows - 1,
                count: commit.rows - *given_up,
                first_timestamp: commit.min_timestamp,
                last_timestamp: commit.max_timestamp,
            });
            *given_up = commit.rows;
        }
    }
}
