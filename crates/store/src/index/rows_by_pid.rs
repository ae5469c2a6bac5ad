//! Some rows of each logical process.

use super::array::Array;
use super::file::{Sink, Source, are_below};

/// Rows by the code of their pid, then by themselves.
#[derive(Default, PartialEq)]
pub(super) struct RowsByPid {
    pids: Array<u32>,
    rows: Array<u32>,
}

impl RowsByPid {
    /// Of pairs of pid and row, in any order.
    pub(super) fn new(mut pairs: Vec<(u32, u32)>) -> Self {
        pairs.sort_unstable();
        pairs.dedup();
        Self {
            pids: pairs.iter().map(|&(pid, _)| pid).collect(),
            rows: pairs.iter().map(|&(_, row)| row).collect(),
        }
    }

    /// Those of a pid, ascending.
    pub(super) fn of(&self, pid: u32) -> &[u32] {
        let pids = &*self.pids;
        let start = pids.partition_point(|&own| own < pid);
        let end = pids.partition_point(|&own| own <= pid);
        &self.rows[start..end]
    }

    pub(super) fn write(&self, to: &mut Sink<'_>) {
        to.array(&self.pids);
        to.array(&self.rows);
    }

    pub(super) fn read(from: &mut Source<'_>, rows_max: usize) -> Option<Self> {
        let pids: Array<u32> = from.array()?;
        let rows: Array<u32> = from.array_of(pids.len())?;
        let pairs = || pids.iter().zip(&rows);
        let is_whole = are_below(&rows, rows_max) && pairs().is_sorted_by(|a, b| a < b);
        is_whole.then_some(Self { pids, rows })
    }

    pub(super) fn bytes(&self) -> usize {
        self.pids.bytes() + self.rows.bytes()
    }
}
