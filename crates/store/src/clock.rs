//! The recording's two clocks.

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
}

impl Clock {
    /// A clock that read `raw_ns` at `origin`, and whose time line is raw time plus `offset_ns`.
    pub fn new(raw_ns: i64, origin: Instant, offset_ns: i64) -> Self {
        let clock = Self {
            origin,
            raw_at_origin_ns: raw_ns,
            offset_ns,
            wall_minus_raw_ns: AtomicI64::new(0),
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
    }

    /// Wall time minus `timestamp`, by the last anchor.
    pub fn wall_minus_timestamp_ns(&self) -> i64 {
        self.wall_minus_raw_ns
            .load(Ordering::Relaxed)
            .saturating_sub(self.offset_ns)
    }
}
