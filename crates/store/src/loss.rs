//! What is known to be missing from the log.

use std::ops::Range;

/// Why an event is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LossCause {
    /// Its producer's ring was full.
    RingFull,
    /// It was larger than a record may be.
    TooLarge,
    /// Its thread died while writing it, or its ring was damaged.
    Torn,
    /// Its values could not be encoded.
    Encoder,
    /// There was no space on disk.
    DiskFull,
    /// Retention evicted it.
    Retention,
    /// A file that held it is damaged.
    Corrupt,
    /// The machine stopped before it was on disk, or the process before there was space for it.
    Restart,
}

impl LossCause {
    /// Every cause that becomes an `events_lost` row; an index into counters.
    pub const ROWS: [Self; 5] = [
        Self::RingFull,
        Self::TooLarge,
        Self::Torn,
        Self::Encoder,
        Self::DiskFull,
    ];

    /// Whether what is missing was in the log, or had its place there.
    pub(crate) fn is_of_positions(self) -> bool {
        matches!(self, Self::Retention | Self::Corrupt | Self::Restart)
    }

    /// The cause as it is spelled in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RingFull => "ring_full",
            Self::TooLarge => "too_large",
            Self::Torn => "torn",
            Self::Encoder => "encoder",
            Self::DiskFull => "disk_full",
            Self::Retention => "retention",
            Self::Corrupt => "corrupt",
            Self::Restart => "restart",
        }
    }
}

/// A number of events that are missing for one cause from one stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossRange {
    /// Why.
    pub cause: LossCause,
    /// Whose attempts they were; 0 for positions of the log.
    pub producer: u16,
    /// The first of the producer's numbers that is missing; for what was in the log (evicted, damaged, or gone with a
    /// machine that stopped) the first `seq`.
    pub first: u64,
    /// The last of them; when `count` is less than they span, which of them are missing is not known any more.
    pub last: u64,
    /// How many.
    pub count: u64,
    /// On the recording's time line; they were lost at or after this.
    pub first_timestamp: i64,
    /// They were lost at or before this.
    pub last_timestamp: i64,
}

impl LossRange {
    /// What this says of a snapshot whose first row has `first_seq`: what retention has evicted since is still there.
    #[must_use]
    pub fn before(mut self, first_seq: u64) -> Option<Self> {
        if self.cause == LossCause::Retention && self.last >= first_seq {
            if self.first >= first_seq {
                return None;
            }
            // Positions in the log are dense.
            let since = self.last + 1 - first_seq;
            self.count = self.count.saturating_sub(since);
            self.last = first_seq - 1;
        }
        Some(self)
    }

    /// Whether it may be about times of the half-open range.
    pub fn overlaps(&self, timestamps: &Range<i64>) -> bool {
        timestamps.start < timestamps.end
            && self.last_timestamp >= timestamps.start
            && self.first_timestamp < timestamps.end
    }

    pub(crate) fn absorb(&mut self, other: &Self) {
        // A file may say anything.
        self.count = self.count.saturating_add(other.count);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.first_timestamp = self.first_timestamp.min(other.first_timestamp);
        self.last_timestamp = self.last_timestamp.max(other.last_timestamp);
    }
}

/// Why positions are missing that the log does not have: how far the cause of the first of them goes, and which it is; none
/// where nothing known says why. Where several hold, it is the worst, but ranges that say exactly what is missing come before those
/// that have been merged.
pub(crate) fn first_cause(known: &[LossRange], missing: Range<u64>) -> (u64, Option<LossCause>) {
    let rank = |range: &&LossRange| {
        let is_exact = range.count == (range.last - range.first).saturating_add(1);
        let severity = match range.cause {
            LossCause::Corrupt => 0,
            LossCause::Restart => 1,
            _ => 2,
        };
        (!is_exact, severity)
    };
    let cause_at = |seq: u64| {
        let covering = |range: &&LossRange| {
            range.cause.is_of_positions() && (range.first..=range.last).contains(&seq)
        };
        let best = known.iter().filter(covering).min_by_key(rank);
        best.map(|range| range.cause)
    };
    let ends = known
        .iter()
        .flat_map(|range| [range.first, range.last.saturating_add(1)]);
    let mut ends: Vec<u64> = ends
        .filter(|end| *end > missing.start && *end < missing.end)
        .collect();
    ends.sort_unstable();
    ends.dedup();
    let cause = cause_at(missing.start);
    let end = ends.into_iter().find(|end| cause_at(*end) != cause);
    (end.unwrap_or(missing.end), cause)
}

/// Ranges kept before neighbours of one cause are merged: what bounds the memory of a recorder at overload.
const RANGES_MAX: usize = 1024;

/// All losses of a recording, the older ones at a coarser grain.
#[derive(Default)]
pub struct LossLog {
    ranges: Vec<LossRange>,
    /// Ranges from which on neighbours are merged next: above what merging cannot reduce any further.
    ranges_max: usize,
    evicted: Option<LossRange>,
}

impl LossLog {
    /// Adds a loss.
    pub fn push(&mut self, range: LossRange) {
        if self.ranges.len() >= self.ranges_max.max(RANGES_MAX) {
            self.coarsen();
        }
        self.ranges.push(range);
    }

    /// Whether positions of the log are known to be missing.
    #[cfg(all(unix, not(loom)))]
    pub(crate) fn covers(&self, first: u64, last: u64) -> bool {
        let of_positions = |range: &&LossRange| range.cause.is_of_positions();
        self.all()
            .filter(of_positions)
            .any(|range| range.first <= first && range.last >= last)
    }

    /// What of these positions is not known to be missing.
    #[cfg(all(unix, not(loom)))]
    pub(crate) fn unexplained(&self, missing: Range<u64>) -> Vec<Range<u64>> {
        let of_positions = self.all().filter(|range| range.cause.is_of_positions());
        let mut known: Vec<_> = of_positions
            .map(|range| (range.first, range.last))
            .collect();
        known.sort_unstable();
        let mut unexplained = Vec::new();
        let mut start = missing.start;
        for (first, last) in known {
            if first > start && start < missing.end {
                unexplained.push(start..first.min(missing.end));
            }
            start = start.max(last.saturating_add(1));
        }
        if start < missing.end {
            unexplained.push(start..missing.end);
        }
        unexplained
    }

    /// Everything known, eviction first.
    pub fn all(&self) -> impl Iterator<Item = &LossRange> {
        self.evicted.iter().chain(&self.ranges)
    }

    /// Adds what retention evicted.
    pub fn push_evicted(&mut self, range: LossRange) {
        match &mut self.evicted {
            Some(evicted) => evicted.absorb(&range),
            None => self.evicted = Some(range),
        }
    }

    /// Merges the older half: each range into the one before it of its cause and producer, up to pairs.
    fn coarsen(&mut self) {
        let recent = self.ranges.split_off(self.ranges.len() / 2);
        let mut merged: Vec<LossRange> = Vec::with_capacity(self.ranges.len());
        let mut open: Vec<(LossCause, u16, usize)> = Vec::new();
        for range in self.ranges.drain(..) {
            if let Some(place) = open.iter().position(|(cause, producer, _)| {
                (*cause, *producer) == (range.cause, range.producer)
            }) {
                let (_, _, index) = open.swap_remove(place);
                merged[index].absorb(&range);
            } else {
                open.push((range.cause, range.producer, merged.len()));
                merged.push(range);
            }
        }
        merged.extend(recent);
        self.ranges = merged;
        // One range for each producer and cause is always left, so that is what bounds the log in the end.
        self.ranges_max = self.ranges.len() + RANGES_MAX / 4;
    }

    /// What retention has evicted so far.
    pub fn evicted(&self) -> Option<LossRange> {
        self.evicted
    }

    /// What is missing from the half-open time range, eviction first.
    pub fn overlapping(&self, start: i64, end: i64) -> Vec<LossRange> {
        let overlaps = |range: &&LossRange| range.overlaps(&(start..end));
        self.all().filter(overlaps).copied().collect()
    }
}
