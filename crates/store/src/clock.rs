//! The recording's two clocks.

use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Raw monotonic time as the producers read it (`process.hrtime`), the recording's time line beside it, and the
/// wall clock by anchors.
///
/// The raw clock's origin is the system's business, so the opener hands in one reading of it; from there on this
/// clock advances with [`Instant`], which on the supported systems is the same clock.
pub struct Clock {
    origin: Instant,
    raw_at_origin_ns: i64,
    offset_ns: i64,
    /// Wall time minus raw time at the last anchor. One word, so that readers never see half an anchor.
    wall_minus_raw_ns: AtomicI64,
    /// The least and the most that wall time minus `timestamp` is known to have been; the first above the second: nothing is known.
    least_wall_minus_timestamp_ns: AtomicI64,
    most_wall_minus_timestamp_ns: AtomicI64,
}

impl Clock {
    /// A clock that read `raw_ns` at `origin`, and whose time line is raw time plus `offset_ns`.
    pub fn new(raw_ns: i64, origin: Instant, offset_ns: i64) -> Self {
        let clock = Self {
            origin,
            raw_at_origin_ns: raw_ns,
            offset_ns,
            wall_minus_raw_ns: AtomicI64::new(0),
            least_wall_minus_timestamp_ns: AtomicI64::new(i64::MAX),
            most_wall_minus_timestamp_ns: AtomicI64::new(i64::MIN),
        };
        clock.anchor();
        clock
    }

    /// Raw monotonic nanoseconds now.
    pub fn raw_now_ns(&self) -> i64 {
        self.raw_at_origin_ns
            .saturating_add(i64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(i64::MAX))
    }

    /// What turns raw time into the recording's `timestamp` by addition.
    pub fn offset_ns(&self) -> i64 {
        self.offset_ns
    }

    /// Takes a new (monotonic, wall) anchor: the wall clock may have been set, or the machine slept.
    pub fn anchor(&self) {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos());
        let wall = i64::try_from(wall).unwrap_or(i64::MAX);
        self.wall_minus_raw_ns
            .store(wall.saturating_sub(self.raw_now_ns()), Ordering::Relaxed);
        self.note(self.wall_minus_timestamp_ns());
    }

    /// Takes note of what wall time minus `timestamp` was at some time of the recording.
    pub(crate) fn note(&self, wall_minus_timestamp_ns: i64) {
        self.least_wall_minus_timestamp_ns
            .fetch_min(wall_minus_timestamp_ns, Ordering::Relaxed);
        self.most_wall_minus_timestamp_ns
            .fetch_max(wall_minus_timestamp_ns, Ordering::Relaxed);
    }

    /// Forgets this process's own anchors, which say nothing of a recording that another one wrote, maybe before the
    /// machine was started.
    #[cfg(all(unix, not(loom)))]
    pub(crate) fn forget_anchors(&self) {
        self.least_wall_minus_timestamp_ns
            .store(i64::MAX, Ordering::Relaxed);
        self.most_wall_minus_timestamp_ns
            .store(i64::MIN, Ordering::Relaxed);
    }

    /// The timestamps that wall times of a half-open range may have had, which is half-open too: when the wall clock has been
    /// set, it is longer by as much. An end at the limit of the type stays there.
    pub fn timestamps_of(&self, wall_times: &Range<i64>) -> Range<i64> {
        if wall_times.is_empty() {
            return 0..0;
        }
        let least = self.least_wall_minus_timestamp_ns.load(Ordering::Relaxed);
        let most = self.most_wall_minus_timestamp_ns.load(Ordering::Relaxed);
        if least > most {
            return i64::MIN..i64::MAX;
        }
        let start = match wall_times.start {
            i64::MIN => i64::MIN,
            start => start.saturating_sub(most),
        };
        let end = match wall_times.end {
            i64::MAX => i64::MAX,
            end => end.saturating_sub(least),
        };
        start..end
    }

    /// Wall time minus `timestamp`, by the last anchor.
    pub fn wall_minus_timestamp_ns(&self) -> i64 {
        self.wall_minus_raw_ns
            .load(Ordering::Relaxed)
            .saturating_sub(self.offset_ns)
    }
}
