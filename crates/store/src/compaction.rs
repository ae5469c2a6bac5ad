//! Which small segments of a log are worth being merged into one.

use std::cmp::Reverse;
use std::ops::Range;

/// Segments that are merged at once, at most.
const PARTS_MAX: usize = 64;
/// A segment that takes up more than this part of a limit is not small.
const SMALL: u64 = 4;
/// Rows up to which merging takes so little time that who closes a recording waits for it.
pub const QUICK_ROWS: u64 = 65_536;

/// What is known of one segment of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Position of its first row.
    pub base_seq: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes of its files.
    pub bytes: u64,
    /// None of its rows was appended before this, on the recording's time line.
    pub since: i64,
    /// None of its rows was appended after this.
    pub until: i64,
    /// Whether it is sealed, in a file, and not known to be damaged.
    pub may_move: bool,
}

/// How large a merged segment may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeLimits {
    /// Rows.
    pub rows: u64,
    /// Bytes of the files that it is made of.
    pub bytes: u64,
    /// Time in which all of its rows were appended.
    pub span_ns: i64,
}

impl MergeLimits {
    fn is_small(&self, piece: &Piece) -> bool {
        piece.may_move && piece.rows <= self.rows / SMALL && piece.bytes <= self.bytes / SMALL
    }
}

/// A run of small segments without a hole.
struct Run {
    rows: u64,
    bytes: u64,
    since: i64,
    until: i64,
    end_seq: u64,
}

impl Run {
    fn of(piece: &Piece) -> Self {
        Self {
            rows: piece.rows,
            bytes: piece.bytes,
            since: piece.since,
            until: piece.until,
            end_seq: piece.base_seq + piece.rows,
        }
    }

    /// The run with the next segment, if that follows and both together are within limits.
    fn with(&self, next: &Piece, limits: &MergeLimits) -> Option<Self> {
        let run = Self {
            rows: self.rows.saturating_add(next.rows),
            bytes: self.bytes.saturating_add(next.bytes),
            since: self.since.min(next.since),
            until: self.until.max(next.until),
            end_seq: next.base_seq + next.rows,
        };
        let is_within = run.rows <= limits.rows
            && run.bytes <= limits.bytes
            && run.until.saturating_sub(run.since) <= limits.span_ns;
        let follows = next.base_seq == self.end_seq && limits.is_small(next);
        (follows && is_within).then_some(run)
    }
}

/// The segments to be merged next, of all that are there in the order of the log; none when it is not worth it.
///
/// Segments are merged with one before them as soon as they have as many rows together as that one. So nearly each time
/// that a row is copied its segment doubles, and of `n` rows in small segments there are about `log2(n)` at most. Of all
/// runs, one that is merged quickly comes first, then one of many segments.
///
/// ```
/// use kinescope_store::compaction::{MergeLimits, Piece, next_run};
///
/// let limits = MergeLimits { rows: 1000, bytes: 1 << 20, span_ns: i64::MAX };
/// let piece = |base_seq, rows| Piece { base_seq, rows, bytes: 4096, since: 0, until: 0, may_move: true };
/// assert_eq!(next_run(&[piece(0, 9), piece(9, 5), piece(14, 4)], &limits), Some(0..3));
/// assert_eq!(next_run(&[piece(0, 9), piece(9, 5), piece(14, 3)], &limits), None);
/// assert_eq!(next_run(&[piece(0, 9), piece(10, 9)], &limits), None);
/// ```
pub fn next_run(pieces: &[Piece], limits: &MergeLimits) -> Option<Range<usize>> {
    let mut best = None;
    for (start, first) in pieces.iter().enumerate() {
        if !limits.is_small(first) {
            continue;
        }
        let mut run = Run::of(first);
        for (place, next) in pieces
            .iter()
            .enumerate()
            .skip(start + 1)
            .take(PARTS_MAX - 1)
        {
            let Some(longer) = run.with(next, limits) else {
                break;
            };
            run = longer;
            if run.rows - first.rows >= first.rows {
                let parts = place + 1 - start;
                let worth = (run.rows > QUICK_ROWS, Reverse(parts), run.rows, start);
                best = best.max(Some(Reverse(worth)));
            }
        }
    }
    best.map(|Reverse((_, Reverse(parts), _, start))| start..start + parts)
}
