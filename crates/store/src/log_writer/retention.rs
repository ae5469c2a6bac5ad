//! Segments that leave the log because it may not be older, larger or longer.

use super::LogWriter;
use crate::loss::LossCause;
use crate::slot::Slot;

impl LogWriter {
    /// Drops sealed segments from the log's start as long as retention says so; true if any was.
    pub(super) fn evict(&mut self) -> bool {
        let mut evicted = 0;
        while let Some(slot) = self.segments.slots().get(evicted) {
            let Some(rows) = slot.sealed_rows() else {
                break;
            };
            if !self.exceeds_retention(slot, rows as u64) {
                break;
            }
            let range = slot.range(LossCause::Retention, rows);
            self.shared.add_evicted(range);
            if let Some(journal) = &mut self.journal {
                journal.lost(&range);
                journal.evicted(slot);
            }
            self.segments.uncount_oldest(rows as u64);
            evicted += 1;
        }
        self.segments.drop_oldest(evicted);
        evicted > 0
    }

    /// Whether the oldest segment has to go.
    fn exceeds_retention(&self, oldest: &Slot, oldest_rows: u64) -> bool {
        let retention = self.shared.options.retention;
        let is_older = retention.max_age.is_some_and(|age| {
            let age_ns = i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
            let last_append_raw_ns = match oldest {
                Slot::Memory(segment) => segment.sealed().map(|sealed| sealed.last_append_raw_ns),
                Slot::File(stored) => {
                    let last_append = stored.summary().last_append;
                    Some(last_append.saturating_sub(self.shared.clock.offset_ns()))
                }
            };
            last_append_raw_ns.is_some_and(|last| last < self.now_raw_ns.saturating_sub(age_ns))
        });
        let bytes = self.segments.sealed_bytes()
            + self.builder.used_bytes() as u64
            + self.indexes.head_bytes();
        let rows = self.segments.sealed_rows() + self.builder.rows() as u64;
        is_older
            || retention
                .max_bytes
                .is_some_and(|max_bytes| bytes > max_bytes)
            || retention
                .max_events
                .is_some_and(|max_events| rows - oldest_rows >= max_events)
    }

    /// Applies retention by age; called also while nothing is recorded.
    pub fn age(&mut self) {
        let Some(age) = self.shared.options.retention.max_age else {
            return;
        };
        self.now_raw_ns = self.shared.clock.raw_now_ns();
        let eighth_ns = i64::try_from(age.as_nanos() / 8).unwrap_or(i64::MAX);
        let mut has_changed = false;
        if self.builder.rows() > 0 && self.opened_raw_ns < self.now_raw_ns.saturating_sub(eighth_ns)
        {
            has_changed = self.roll(0).is_ok();
        } else if self.builder.rows() == 0 {
            self.opened_raw_ns = self.now_raw_ns;
        }
        if self.evict() {
            self.show_segments();
            has_changed = true;
        }
        if has_changed {
            self.commit();
        }
    }
}
