//! The segment that another process appends to.

use std::sync::{Arc, OnceLock};

use super::Follower;
use crate::disk::columns_of_file::{Lens, check, publish};
use crate::disk::commit::Commit;
use crate::disk::head::Head;
use crate::segment::{Bounds, ProducerRange, Sealed, Segment};
use crate::slot::Slot;
use crate::statistics::Statistics;
use crate::sync::AtomicUsize;

/// The open segment of another process.
pub(super) struct Watched {
    pub(super) segment: Arc<Segment>,
    pub(super) lens: Lens,
}

impl Follower {
    pub(super) fn watch(&self, base_seq: u64) -> Option<Watched> {
        let head = Head::open(&self.directory, base_seq, false).ok()?;
        Some(Watched {
            segment: new_segment(&head)?,
            lens: Lens::default(),
        })
    }

    /// Takes over what the open segment has more; gives where it ends.
    pub(super) fn look_at_open(&mut self, commit: &Commit) -> Option<u64> {
        let open = self.open.as_mut()?;
        let base_seq = open.segment.base_seq;
        // In place of a head that nobody can look at any more, what was seen before stays.
        if commit.head == Some(base_seq) {
            let columns = &open.segment.columns;
            let rows = usize::try_from(commit.rows).unwrap_or(usize::MAX);
            let Ok(lens) = check(columns, base_seq, &open.lens, rows, &commit.entry_lens()) else {
                self.damaged = Some((base_seq, 0));
                self.open = None;
                return None;
            };
            publish(columns, &lens);
            open.lens = lens;
            open.segment.bounds.store(
                commit.min_timestamp,
                commit.max_timestamp,
                commit.in_time_order,
            );
        }
        Some(base_seq + open.lens.rows as u64)
    }
}

/// Position behind the last row of what is no longer appended to.
pub(super) fn end_of(slot: &Slot) -> u64 {
    slot.base_seq() + slot.sealed_rows().unwrap_or(0) as u64
}

/// Says that nothing is appended any more, unless another look has said so.
pub(super) fn seal(segment: &Segment, rows: usize, last_append_raw_ns: i64) {
    let _ = segment.sealed.set(Sealed {
        rows,
        producers: ProducerRange::of(segment.columns.event_id.slice(rows)),
        last_append_raw_ns,
        used_bytes: 0,
    });
}

pub(super) fn new_segment(head: &Head) -> Option<Arc<Segment>> {
    Some(Arc::new(Segment {
        base_seq: head.base_seq,
        columns: head.watch().ok()?,
        bounds: Bounds::new(),
        open_bytes: AtomicUsize::new(0),
        sealed: OnceLock::new(),
        index: OnceLock::new(),
        statistics: Statistics::default(),
    }))
}
