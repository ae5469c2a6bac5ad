//! Stretches of the log that a subscription does not get.

/// Why positions are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GapCause {
    /// Retention evicted them before the subscription got there.
    Retention,
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
}
