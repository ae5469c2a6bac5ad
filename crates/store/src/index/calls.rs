//! Checkpoints for call stacks: what a segment knows of each logical process's calls.

use std::collections::HashSet;

use foldhash::fast::FixedState;

use super::codes::CodeColumn;
use super::ids::IdIndex;
use crate::columns::{DictionaryColumn, NullableColumn};
use crate::segment::Segment;

/// The type of the event that begins a call.
pub const ENTRY: &str = "function_entry";
/// The type of the event that ends one.
pub const EXIT: &str = "function_exit";

/// Times of one logical process's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PidTimes {
    /// The lowest.
    pub first: i64,
    /// The highest.
    pub last: i64,
    /// They do not decrease from row to row.
    pub in_order: bool,
    /// One of its entries or exits has a parent.
    pub has_links: bool,
}

/// What the segment's calls come to.
pub struct CallIndex {
    /// By code of the pid; of one without rows `first` is above `last`.
    times: Box<[PidTimes]>,
    /// Pid's code and row of each entry that no exit in the segment belongs to, in this order.
    unclosed: Box<[(u32, u32)]>,
    entry_code: Option<u32>,
    exit_code: Option<u32>,
}

impl CallIndex {
    pub(crate) fn build(
        segment: &Segment,
        rows: usize,
        codes: &[CodeColumn; DictionaryColumn::COUNT],
        ids: &IdIndex,
    ) -> Self {
        let columns = &segment.columns;
        let types = &columns.dictionaries[DictionaryColumn::EventType as usize];
        let (entry_code, exit_code) = (types.code_of(ENTRY), types.code_of(EXIT));
        let pids = &codes[DictionaryColumn::Pid as usize];
        let empty = PidTimes {
            first: i64::MAX,
            last: i64::MIN,
            in_order: true,
            has_links: false,
        };
        let mut times = vec![empty; pids.absent() as usize].into_boxed_slice();
        let timestamps = columns.timestamp.slice(rows);
        let event_ids = columns.event_id.slice(rows);
        let parents = columns.parent_id.slice(rows);
        let type_codes = &codes[DictionaryColumn::EventType as usize].codes;
        let mut unclosed = Vec::new();
        let mut exited: HashSet<u64, FixedState> = HashSet::default();
        // Backwards, so that an exit is mostly seen before its entry and nothing has to be looked up.
        for row in (0..rows).rev() {
            let pid = pids.codes.get(row) as usize;
            let own = &mut times[pid];
            own.in_order &= timestamps[row] <= own.first;
            own.first = own.first.min(timestamps[row]);
            own.last = own.last.max(timestamps[row]);
            let event_type = Some(type_codes.get(row) as u32);
            let (is_entry, is_exit) = (event_type == entry_code, event_type == exit_code);
            if !is_entry && !is_exit {
                continue;
            }
            let has_parent = segment.is_valid(NullableColumn::ParentId, row);
            own.has_links |= has_parent;
            if is_exit && has_parent {
                exited.insert(parents[row]);
            }
            if is_entry && !exited.remove(&event_ids[row]) {
                let exits_here = ids
                    .children_of(event_ids[row], parents)
                    .iter()
                    .any(|&child| Some(type_codes.get(child as usize) as u32) == exit_code);
                if !exits_here {
                    unclosed.push((pid as u32, row as u32));
                }
            }
        }
        unclosed.sort_unstable();
        Self {
            times,
            unclosed: unclosed.into_boxed_slice(),
            entry_code,
            exit_code,
        }
    }

    /// Times of a pid, by its code; none when it has no rows here.
    pub fn times(&self, pid: u32) -> Option<PidTimes> {
        let times = *self.times.get(pid as usize)?;
        (times.first <= times.last).then_some(times)
    }

    /// Rows of a pid's entries that no exit in the segment belongs to, ascending, each with the pid's code.
    pub fn unclosed(&self, pid: u32) -> &[(u32, u32)] {
        let start = self.unclosed.partition_point(|&(own, _)| own < pid);
        let end = self.unclosed.partition_point(|&(own, _)| own <= pid);
        &self.unclosed[start..end]
    }

    /// The code of [`ENTRY`].
    pub fn entry_code(&self) -> Option<u32> {
        self.entry_code
    }

    /// The code of [`EXIT`].
    pub fn exit_code(&self) -> Option<u32> {
        self.exit_code
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.times) + size_of_val(&*self.unclosed)
    }
}
