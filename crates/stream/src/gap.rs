//! Stretches of the log that a subscription does not get.

use std::ops::Range;

use kinescope_store::{LossCause, Shared, Snapshot};

/// Why positions are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GapCause {
    /// Retention evicted them before the subscription got there.
    Retention,
    /// The files that held them are damaged or gone.
    Corrupt,
    /// The log does not have them: it resumed above them after the power went.
    Restart,
    /// The consumer asked for what comes after them when it resumed.
    Skipped,
}

impl GapCause {
    /// The cause as batches spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retention => "retention",
            Self::Corrupt => "corrupt",
            Self::Restart => "restart",
            Self::Skipped => "skipped",
        }
    }
}

/// Positions that are left out; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The first.
    pub start: u64,
    /// One more than the last.
    pub end: u64,
    /// Why.
    pub cause: GapCause,
}

impl Gap {
    /// The positions, if there are any.
    pub fn new(start: u64, end: u64, cause: GapCause) -> Option<Self> {
        (start < end).then_some(Self { start, end, cause })
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.end - self.start
    }

    /// The first of the gaps of which a stretch consists that the snapshot does not have: each has one cause. What nothing
    /// explains lay before all that is left, and then was evicted a moment ago, or was in a file that is no more.
    pub(crate) fn first_of(missing: Range<u64>, snapshot: &Snapshot, log: &Shared) -> Self {
        let (end, cause) = log.why_missing(missing.clone(), snapshot);
        let cause = match cause {
            Some(LossCause::Restart) => GapCause::Restart,
            Some(LossCause::Retention) => GapCause::Retention,
            None if end <= snapshot.first_seq() => GapCause::Retention,
            _ => GapCause::Corrupt,
        };
        Self {
            start: missing.start,
            end,
            cause,
        }
    }
}
