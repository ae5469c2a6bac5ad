//! Positions of the log that are in no file, although nothing says that they are missing.

use std::ops::Range;

use super::basis::Basis;
use super::parts::Part;
use crate::loss::{LossCause, LossLog, LossRange};

/// Finds them below `end`, between parts of the log that come in any order; `is_known` says of the first and the last of
/// some positions that no part has whether they are known to be missing.
pub(super) fn holes(
    mut parts: Vec<Range<u64>>,
    end: u64,
    is_known: impl Fn(u64, u64) -> bool,
) -> Vec<Range<u64>> {
    parts.push(end..end);
    parts.sort_unstable_by_key(|part| (part.start, part.end));
    let mut holes = Vec::new();
    let mut covered = 0;
    for part in parts {
        if part.start > covered && !is_known(covered, part.start - 1) {
            holes.push(covered..part.start);
        }
        covered = covered.max(part.end);
    }
    holes
}

/// What is missing between the parts of a log that is opened, and between the last of them and `open_base`, where no loss
/// is known yet.
pub(super) fn lost_in_holes(
    basis: &Basis,
    parts: &[Part],
    open_base: u64,
    known: &LossLog,
) -> Vec<LossRange> {
    let commit = &basis.commit;
    let mut holes = Vec::new();
    let mut end = 0;
    let mut end_timestamp = i64::MIN;
    let bases = parts
        .iter()
        .map(|part| (part.base_seq(), part.end_seq(), part.timestamps()));
    let last = (open_base, open_base, (commit.timestamp, commit.timestamp));
    for (base, next_end, (min_timestamp, max_timestamp)) in bases.chain([last]) {
        let is_known = base > end && known.covers(end, base - 1);
        if base > end && !is_known {
            let is_tail = base == open_base;
            let was_in_memory = is_tail && commit.head.is_none();
            let cause = if is_tail && (basis.lost_power || was_in_memory) {
                LossCause::Restart
            } else {
                LossCause::Corrupt
            };
            let first_timestamp = end_timestamp.min(min_timestamp);
            holes.push(LossRange {
                cause,
                producer: 0,
                first: end,
                last: base - 1,
                count: base - end,
                first_timestamp,
                last_timestamp: min_timestamp.max(first_timestamp),
            });
        }
        end = next_end.max(end);
        end_timestamp = max_timestamp;
    }
    holes
}
