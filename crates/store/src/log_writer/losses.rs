//! Rows that say what is missing.

use super::LogWriter;
use crate::context::Context;
use crate::event_id::EventId;
use crate::loss::LossRange;
use crate::row::{Inherited, Row, SiteRef, TextRef};

impl LogWriter {
    /// Appends the row that says what is missing, and counts it. The row's pid is that of the thread that lost it.
    pub fn append_loss(&mut self, range: &LossRange, pid: &str) {
        self.shared.add_loss(*range);
        if let Some(journal) = &mut self.journal {
            journal.lost(range);
        }
        if !self.append_loss_row(range, pid) {
            self.keep_unwritten(range, pid);
        }
    }

    /// Remembers a loss until there is room for its row, with the next ones of the same producer and cause in one.
    fn keep_unwritten(&mut self, range: &LossRange, pid: &str) {
        let same = |(kept, _): &&mut (LossRange, String)| {
            (kept.cause, kept.producer) == (range.cause, range.producer)
        };
        match self.unwritten.iter_mut().find(same) {
            Some((kept, _)) => kept.absorb(range),
            None => self.unwritten.push((*range, pid.to_owned())),
        }
    }

    /// Appends the rows of losses that had no room before.
    pub(super) fn append_unwritten(&mut self) {
        for (range, pid) in std::mem::take(&mut self.unwritten) {
            if !self.append_loss_row(&range, &pid) {
                self.keep_unwritten(&range, &pid);
            }
        }
    }

    /// False, and nothing appended, without room for the row.
    fn append_loss_row(&mut self, range: &LossRange, pid: &str) -> bool {
        let LossRange {
            cause,
            producer,
            first,
            last,
            count,
            last_timestamp,
            ..
        } = *range;
        let cause = cause.as_str();
        let data = format!(
            r#"{{"producer":{producer},"first_sequence":{first},"last_sequence":{last},"count":{count},"cause":"{cause}"}}"#
        );
        let row = Row {
            event_id: EventId::new(0, self.own_sequence).0,
            timestamp: last_timestamp,
            wall_time: None,
            event_type: TextRef {
                id: None,
                text: "events_lost",
            },
            site: SiteRef::default(),
            node: None,
            pid: None,
            correlation_id: Inherited::Nothing,
            parent_id: Inherited::Nothing,
            tags: &[],
            data: Some(&data),
        };
        let context = Context::of_thread(pid);
        // A fresh segment has room for this small row.
        let appended = self.try_append(&row, &context, None).is_ok()
            || (self.roll(0).is_ok() && self.try_append(&row, &context, None).is_ok());
        self.own_sequence += u64::from(appended);
        appended
    }
}
