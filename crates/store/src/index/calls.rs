//! Checkpoints for call stacks: what a segment knows of each logical process's calls.

use std::collections::HashSet;

use foldhash::fast::FixedState;

use super::array::Array;
use super::codes::CodeColumn;
use super::file::{Sink, Source};
use super::ids::IdIndex;
use super::rows_by_pid::RowsByPid;
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

/// Bit of a pid's flags for [`PidTimes::in_order`].
const IN_ORDER: u8 = 1;
/// Bit of a pid's flags for [`PidTimes::has_links`].
const HAS_LINKS: u8 = 2;

/// What the segment's calls come to.
#[derive(PartialEq)]
pub struct CallIndex {
    /// By code of the pid, as [`PidTimes`]; of one without rows `first` is above `last`.
    first: Array<i64>,
    last: Array<i64>,
    flags: Array<u8>,
    /// Entries that no exit in the segment belongs to.
    unclosed: RowsByPid,
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
        let (entry_code, exit_code) = codes_in(segment);
        let pids = &codes[DictionaryColumn::Pid as usize];
        let empty = PidTimes {
            first: i64::MAX,
            last: i64::MIN,
            in_order: true,
            has_links: false,
        };
        let mut times = vec![empty; pids.absent() as usize];
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
        let flags = |of: &PidTimes| {
            let in_order = if of.in_order { IN_ORDER } else { 0 };
            in_order | if of.has_links { HAS_LINKS } else { 0 }
        };
        Self {
            first: times.iter().map(|of| of.first).collect(),
            last: times.iter().map(|of| of.last).collect(),
            flags: times.iter().map(flags).collect(),
            unclosed: RowsByPid::new(unclosed),
            entry_code,
            exit_code,
        }
    }

    /// Times of a pid, by its code; none when it has no rows here.
    pub fn times(&self, pid: u32) -> Option<PidTimes> {
        let pid = pid as usize;
        let (first, last) = (*self.first.get(pid)?, *self.last.get(pid)?);
        let flags = *self.flags.get(pid)?;
        (first <= last).then_some(PidTimes {
            first,
            last,
            in_order: flags & IN_ORDER != 0,
            has_links: flags & HAS_LINKS != 0,
        })
    }

    /// Rows of a pid's entries that no exit in the segment belongs to, ascending.
    pub fn unclosed(&self, pid: u32) -> &[u32] {
        self.unclosed.of(pid)
    }

    /// The code of [`ENTRY`].
    pub fn entry_code(&self) -> Option<u32> {
        self.entry_code
    }

    /// The code of [`EXIT`].
    pub fn exit_code(&self) -> Option<u32> {
        self.exit_code
    }

    pub(super) fn write(&self, to: &mut Sink<'_>) {
        to.array(&self.first);
        to.array(&self.last);
        to.array(&self.flags);
        self.unclosed.write(to);
    }

    /// Of a segment with `pids` pids.
    pub(super) fn read(
        from: &mut Source<'_>,
        segment: &Segment,
        rows: usize,
        pids: usize,
    ) -> Option<Self> {
        let (entry_code, exit_code) = codes_in(segment);
        Some(Self {
            first: from.array_of(pids)?,
            last: from.array_of(pids)?,
            flags: from.array_of(pids)?,
            unclosed: RowsByPid::read(from, rows)?,
            entry_code,
            exit_code,
        })
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.first.bytes() + self.last.bytes() + self.flags.bytes() + self.unclosed.bytes()
    }
}

/// The codes of [`ENTRY`] and [`EXIT`] in a segment.
fn codes_in(segment: &Segment) -> (Option<u32>, Option<u32>) {
    let types = &segment.columns.dictionaries[DictionaryColumn::EventType as usize];
    (types.code_of(ENTRY), types.code_of(EXIT))
}
