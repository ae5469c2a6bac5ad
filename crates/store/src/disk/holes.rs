//! Positions of the log that are in no file, although nothing says that they are missing.

use std::ops::Range;

use super::basis::Basis;
use super::parts::Part;
use crate::loss::{LossCause, LossLog, LossRange};

/// Finds them below `end`, between parts of the log that come in any order; `unexplained` says of positions that no part has
/// which of them are not known to be missing.
pub(super) fn holes(
    mut parts: Vec<Range<u64>>,
    end: u64,
    unexplained: impl Fn(Range<u64>) -> Vec<Range<u64>>,
) -> Vec<Range<u64>> {
    parts.push(end..end);
    parts.sort_unstable_by_key(|part| (part.start, part.end));
    let mut holes = Vec::new();
    let mut covered = 0;
    for part in parts {
        if part.start > covered {
            holes.extend(unexplained(covered..part.start));
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
        let unexplained = known.unexplained(end..base.max(end));
        for hole in unexplained {
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
                first: hole.start,
                last: hole.end - 1,
                count: hole.end - hole.start,
                first_timestamp,
                last_timestamp: min_timestamp.max(first_timestamp),
            });
        }
        end = next_end.max(end);
        end_timestamp = max_timestamp;
    }
    holes
}
