//! Which segments are merged: against an oracle that tries every run, and what it comes to after many of them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cmp::Reverse;
use std::ops::Range;

use kinescope_store::compaction::{MergeLimits, Piece, QUICK_ROWS, next_run};
use proptest::prelude::*;

/// Whether a run may be merged and is worth it, as the rule says it.
fn is_worth_it(pieces: &[Piece], run: Range<usize>, limits: &MergeLimits) -> bool {
    let parts = &pieces[run];
    let sum = |of: fn(&Piece) -> u64| parts.iter().map(of).sum::<u64>();
    let all_small = parts.iter().all(|part| {
        part.may_move && part.rows <= limits.rows / 4 && part.bytes <= limits.bytes / 4
    });
    let has_hole = parts
        .windows(2)
        .any(|pair| pair[0].base_seq + pair[0].rows != pair[1].base_seq);
    let until = parts.iter().map(|part| part.until).max().unwrap();
    let since = parts.iter().map(|part| part.since).min().unwrap();
    let fits = sum(|part| part.rows) <= limits.rows
        && sum(|part| part.bytes) <= limits.bytes
        && until - since <= limits.span_ns;
    let rest: u64 = parts[1..].iter().map(|part| part.rows).sum();
    all_small && !has_hole && fits && parts[0].rows <= rest
}

/// The best of all runs.
fn oracle(pieces: &[Piece], limits: &MergeLimits) -> Option<Range<usize>> {
    let mut runs = Vec::new();
    for start in 0..pieces.len() {
        for end in start + 2..=pieces.len().min(start + 64) {
            if is_worth_it(pieces, start..end, limits) {
                runs.push(start..end);
            }
        }
    }
    runs.into_iter().min_by_key(|run| {
        let rows: u64 = pieces[run.clone()].iter().map(|part| part.rows).sum();
        (rows > QUICK_ROWS, Reverse(run.len()), rows, run.start)
    })
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let rows = prop_oneof![1u64..4, 1u64..300, 1u64..80_000];
    let piece = (rows, 0u64..3, 0u64..8, 0i64..100, prop::bool::weighted(0.9));
    prop::collection::vec(piece, 0..90).prop_map(|pieces| {
        let mut end = 0;
        let mut now = 0;
        let piece = |(rows, bytes, hole, time, may_move): (u64, u64, u64, i64, bool)| {
            let base_seq = end + hole.saturating_sub(6);
            end = base_seq + rows;
            now += time;
            Piece {
                base_seq,
                rows,
                bytes: rows * 50 * bytes + 4096,
                since: now - time / 2,
                until: now,
                may_move,
            }
        };
        pieces.into_iter().map(piece).collect()
    })
}

fn limits() -> impl Strategy<Value = MergeLimits> {
    let rows = prop_oneof![1u64..2000, Just(1 << 20)];
    let bytes = prop_oneof![1u64..1_000_000, Just(64 << 20)];
    let span_ns = prop_oneof![0i64..500, Just(i64::MAX)];
    (rows, bytes, span_ns).prop_map(|(rows, bytes, span_ns)| MergeLimits {
        rows,
        bytes,
        span_ns,
    })
}

/// A log of segments, each row of which knows how often it has been copied.
#[derive(Default)]
struct Log {
    /// Rows and the copies of each.
    segments: Vec<Vec<u32>>,
}

impl Log {
    fn pieces(&self) -> Vec<Piece> {
        let mut base_seq = 0;
        let piece = |copies: &Vec<u32>| {
            let rows = copies.len() as u64;
            base_seq += rows;
            Piece {
                base_seq: base_seq - rows,
                rows,
                bytes: 4096 + rows * 100,
                since: 0,
                until: 0,
                may_move: true,
            }
        };
        self.segments.iter().map(piece).collect()
    }

    fn settle(&mut self, limits: &MergeLimits) {
        while let Some(run) = next_run(&self.pieces(), limits) {
            let merged = self.segments[run.clone()].concat();
            let merged = merged.into_iter().map(|copies| copies + 1).collect();
            self.segments.splice(run, [merged]);
        }
    }
}

proptest! {
    #[test]
    fn the_best_of_all_runs_is_found(pieces in pieces(), limits in limits()) {
        prop_assert_eq!(next_run(&pieces, &limits), oracle(&pieces, &limits));
    }

    #[test]
    fn few_segments_are_left_and_no_row_is_copied_often(
        before in prop::collection::vec(1usize..40, 0..60),
        arriving in prop::collection::vec(prop_oneof![4 => 1usize..8, 1 => 1usize..200], 1..150),
        limit in prop_oneof![Just(1u64 << 20), 400u64..3000],
    ) {
        let limits = MergeLimits { rows: limit, bytes: u64::MAX, span_ns: i64::MAX };
        let mut log = Log::default();
        log.segments.extend(before.iter().map(|rows| vec![0; *rows]));
        log.settle(&limits);
        for rows in &arriving {
            log.segments.push(vec![0; *rows]);
            log.settle(&limits);
        }
        let all: Vec<u32> = log.segments.concat();
        let rows = all.len() as u64;
        prop_assert_eq!(rows as usize, before.iter().chain(&arriving).sum::<usize>());
        let log2 = |rows: u64| u64::from(rows.ilog2()) + 1;
        let often = u64::from(all.into_iter().max().unwrap());
        prop_assert!(often <= log2(rows.min(limit)) + 2, "a row has been copied {} times", often);
        // What is not small ends a stretch; in one that fits a segment each has more rows than all behind it.
        let small = limit as usize / 4;
        for stretch in log.segments.split(|segment| segment.len() > small) {
            let rows: usize = stretch.iter().map(Vec::len).sum();
            if rows > 0 && rows as u64 <= limit {
                prop_assert!(stretch.len() as u64 <= log2(rows as u64), "{} segments of {} rows", stretch.len(), rows);
            }
        }
    }
}
