//! How many rows a subscription looks at in one go, and how soon after the last time.

use std::time::{Duration, Instant};

/// Rows of a first look.
const FIRST_ROWS: usize = 64 << 10;
/// The least and the most of later ones.
const RANGE_ROWS: (usize, usize) = (1 << 10, 16 << 20);
/// Rows of a look for a few matches, at least: fewer cost hardly less.
const LIKELY_ROWS_MIN: usize = 2 << 10;
/// How long one subscription's look may keep the others waiting, roughly.
const LOOK_MAX: Duration = Duration::from_millis(1);
/// New rows are left alone for this share of the time that a batch may wait,
const HOLD_SHARE: u32 = 8;
/// for this long at most,
const HOLD_MAX: Duration = Duration::from_millis(5);
/// and only if there are no more of them.
pub(crate) const HOLD_ROWS_MAX: u64 = 16 << 10;

/// What has been learned from the looks so far.
pub(crate) struct Pace {
    rows: usize,
    /// Rows that were looked at for a match, lately.
    rows_per_match: usize,
    last_look: Option<Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            rows: FIRST_ROWS,
            rows_per_match: 1,
            last_look: None,
        }
    }
}

impl Pace {
    /// How many rows to look at for so many matches, or for all of them.
    pub(crate) fn rows(&self, wanted: Option<usize>) -> usize {
        // What is found beyond what is wanted has to be found again.
        let likely = wanted.map_or(usize::MAX, |wanted| {
            let rows = wanted.saturating_mul(self.rows_per_match);
            rows.saturating_add(rows / 4).max(LIKELY_ROWS_MIN)
        });
        self.rows.min(likely)
    }

    /// Takes note of a look that was made now.
    pub(crate) fn note(&mut self, rows: usize, matches: usize, now: Instant) {
        self.last_look = Some(now);
        // Without a match it looks further next time.
        self.rows_per_match = match matches {
            0 => self.rows_per_match.saturating_mul(2).max(rows),
            _ => rows.div_ceil(matches),
        };
    }

    /// Looks at as many rows at a time as take no longer than others can wait.
    pub(crate) fn keep(&mut self, took: Duration) {
        let (least, most) = RANGE_ROWS;
        if took > LOOK_MAX * 2 {
            self.rows = (self.rows / 2).max(least);
        } else if took < LOOK_MAX / 2 {
            self.rows = (self.rows * 2).min(most);
        }
    }

    /// The next look need not wait.
    pub(crate) fn forget(&mut self) {
        self.last_look = None;
    }

    /// When to look at new rows, if they are few. A batch that may wait for more events is not looked for at every step
    /// of the writer, so that many subscriptions at once cost little more than the looking itself.
    pub(crate) fn hold_until(&self, batch_timeout: Duration, new_rows: u64) -> Option<Instant> {
        self.last_look
            .filter(|_| new_rows <= HOLD_ROWS_MAX)
            .map(|last| last + Self::hold(batch_timeout))
    }

    /// For how long new rows are left alone, if they are few.
    pub(crate) fn hold(batch_timeout: Duration) -> Duration {
        (batch_timeout / HOLD_SHARE).min(HOLD_MAX)
    }

    /// When the last look was.
    pub(crate) fn last_look(&self) -> Option<Instant> {
        self.last_look
    }
}
