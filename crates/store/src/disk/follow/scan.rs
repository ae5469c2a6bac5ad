//! Looks at the list of a recording's files.

use std::sync::Arc;

use super::Follower;
use super::open_segment::{Watched, end_of, new_segment, seal};
use crate::disk::columns_of_file::{Lens, check, publish};
use crate::disk::commit::Commit;
use crate::disk::directory::Kind;
use crate::disk::head::Head;
use crate::disk::stored::Stored;
use crate::slot::{Slot, StoredSegment};

/// Attempts to look at the list of files while it changes.
const SCANS: u32 = 5;

impl Follower {
    /// Looks at the list of files anew.
    pub(super) fn scan(&mut self, commit: &Commit) {
        for _ in 0..SCANS {
            let Some(bases) = self.bases() else { return };
            if self.try_scan(commit, &bases) {
                break;
            }
        }
        let is_damaged = |head: &u64| self.damaged.is_some_and(|(damaged, _)| damaged == *head);
        let head = commit.head.filter(|head| !is_damaged(head));
        let is_open = |open: &Watched| Some(open.segment.base_seq) == head;
        if !self.open.as_ref().is_some_and(is_open) {
            let is_stored = self.slots.iter().any(|slot| Some(slot.base_seq()) == head);
            self.open = head
                .filter(|_| !is_stored)
                .and_then(|head| self.watch(head));
        }
    }

    /// Bases of heads and of sealed segments; none when the directory is gone, or does not let us look any more: what is
    /// open stays then.
    fn bases(&self) -> Option<[Vec<u64>; 2]> {
        // Heads first: a head that goes after that has a file by then.
        let heads = self.directory.bases(Kind::Head).ok()?;
        Some([heads, self.directory.bases(Kind::Arrow).ok()?])
    }

    /// False when a file went while it was looked at.
    fn try_scan(&mut self, commit: &Commit, [heads, arrows]: &[Vec<u64>; 2]) -> bool {
        let mut slots: Vec<Slot> = Vec::new();
        let mut is_whole = true;
        let mut all: Vec<(u64, bool)> = arrows.iter().map(|base_seq| (*base_seq, true)).collect();
        let rolled = heads.iter().filter(|base_seq| {
            arrows.binary_search(base_seq).is_err()
                && commit.head.is_some_and(|head| **base_seq < head)
        });
        all.extend(rolled.map(|base_seq| (*base_seq, false)));
        all.sort_unstable();
        for (place, &(base_seq, is_stored)) in all.iter().enumerate() {
            let end = slots.last().map_or(0, end_of);
            if base_seq < end || base_seq >= commit.next_seq {
                continue;
            }
            let known = self.slots.iter().find(|slot| slot.base_seq() == base_seq);
            let known = known.filter(|slot| is_stored == matches!(slot, Slot::File(_)));
            let slot = match known {
                Some(slot) => {
                    let next = all.get(place + 1).map(|(next, _)| *next);
                    let next = next.or(commit.head).unwrap_or(commit.next_seq);
                    let is_followed = end_of(slot) >= next.min(commit.next_seq);
                    let longer = (!is_followed).then(|| self.longer(slot)).flatten();
                    Some(longer.unwrap_or_else(|| slot.clone()))
                }
                None if is_stored => match Stored::open(&self.directory, base_seq) {
                    Ok(stored) => {
                        stored.map(|stored| Slot::File(Arc::new(stored) as Arc<dyn StoredSegment>))
                    }
                    Err(_) => {
                        is_whole = false;
                        None
                    }
                },
                None => self.rolled(base_seq),
            };
            slots.extend(slot);
        }
        self.slots = slots;
        is_whole
    }

    /// The file that has taken the place of a known one, with the rows of those behind it, which are gone.
    fn longer(&self, known: &Slot) -> Option<Slot> {
        let Slot::File(_) = known else { return None };
        let stored = Stored::open(&self.directory, known.base_seq()).ok()??;
        let slot = Slot::File(Arc::new(stored) as Arc<dyn StoredSegment>);
        (end_of(&slot) > end_of(known)).then_some(slot)
    }

    /// A head that is no longer appended to, and of which there is no file yet.
    fn rolled(&self, base_seq: u64) -> Option<Slot> {
        let head = Head::open(&self.directory, base_seq, false).ok()?;
        let closed = head.closed().filter(|closed| closed.rows > 0)?;
        let watched = self
            .open
            .as_ref()
            .filter(|open| open.segment.base_seq == base_seq);
        let (segment, before) = match watched {
            Some(open) => (Arc::clone(&open.segment), open.lens),
            None => (new_segment(&head)?, Lens::default()),
        };
        let entries = closed.entries.map(|entries| entries as usize);
        let lens = check(&segment.columns, base_seq, &before, closed.rows, &entries).ok()?;
        publish(&segment.columns, &lens);
        segment.bounds.store(
            closed.min_timestamp,
            closed.max_timestamp,
            closed.in_time_order,
        );
        seal(&segment, lens.rows, closed.last_append);
        Some(Slot::Memory(segment))
    }
}
