//! Rows on their way into the open segment.

use std::borrow::Cow;

use super::LogWriter;
use super::codes::{Coder, Full};
use crate::context::Context;
use crate::event_id::EventId;
use crate::loss::{LossCause, LossRange};
use crate::row::{Inherited, Row, RowValues, Tag};

impl LogWriter {
    /// Appends an event; one that fits no segment at all is counted as lost.
    pub fn append(&mut self, row: &Row<'_>, context: &Context) {
        let tags = merged_tags(row.tags, &context.tags);
        if self.try_append(row, context, tags.as_deref()).is_ok() {
            self.stored_unpublished += 1;
            return;
        }
        let rolled = self.roll(text_bytes(row, context, tags.as_deref()));
        // Of a log on disk, what does not fit a new segment has found no space; in memory too: then memory is bounded.
        let cause = if rolled.is_err() && self.journal.is_some() {
            LossCause::DiskFull
        } else {
            LossCause::TooLarge
        };
        let appended =
            rolled.is_ok_and(|()| self.try_append(row, context, tags.as_deref()).is_ok());
        if appended {
            self.stored_unpublished += 1;
        } else {
            let id = EventId(row.event_id);
            self.append_loss(
                &LossRange {
                    cause,
                    producer: id.producer(),
                    first: id.sequence(),
                    last: id.sequence(),
                    count: 1,
                    first_timestamp: row.timestamp,
                    last_timestamp: row.timestamp,
                },
                &context.pid,
            );
        }
    }

    pub(super) fn try_append(
        &mut self,
        row: &Row<'_>,
        context: &Context,
        tags: Option<&[Tag<'_>]>,
    ) -> Result<(), Full> {
        let mut coder = Coder {
            known: &mut self.known,
            builder: &mut self.builder,
            node: &self.shared.options.node,
        };
        let codes = coder.codes(row, context)?;
        let values = RowValues {
            event_id: row.event_id,
            timestamp: row.timestamp,
            wall_time: row.wall_time.unwrap_or_else(|| {
                row.timestamp
                    .saturating_add(self.shared.clock.wall_minus_timestamp_ns())
            }),
            parent_id: row.parent_id.or(context.parent_id),
            arity: row.site.arity,
            line: row.site.line,
            tags,
            data: row.data,
        };
        if self.builder.push(&values, &codes) {
            Ok(())
        } else {
            Err(Full)
        }
    }
}

/// The context's tags with the event's own over them; none when there are none.
fn merged_tags<'a>(own: &'a [Tag<'a>], context: &'a [Tag<'static>]) -> Option<Cow<'a, [Tag<'a>]>> {
    match (own.is_empty(), context.is_empty()) {
        (true, true) => None,
        (true, false) => Some(Cow::Borrowed(context)),
        (false, true) => Some(Cow::Borrowed(own)),
        (false, false) => {
            let mut merged: Vec<Tag<'a>> = context
                .iter()
                .filter(|(key, _)| own.iter().all(|(own, _)| own != key))
                .cloned()
                .collect();
            merged.extend(own.iter().cloned());
            Some(Cow::Owned(merged))
        }
    }
}

/// An upper bound of the text that a row puts into any one column.
fn text_bytes(row: &Row<'_>, context: &Context, tags: Option<&[Tag<'_>]>) -> usize {
    let texts = [
        row.node,
        row.pid,
        row.site.module,
        row.site.function,
        row.site.file,
        row.data,
        Some(&context.pid),
        context.correlation_id.as_deref(),
    ];
    let correlation_id = if let Inherited::Value(id) = row.correlation_id {
        id.len()
    } else {
        0
    };
    let tags: usize = tags
        .unwrap_or_default()
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    texts.into_iter().flatten().map(str::len).sum::<usize>()
        + row.event_type.text.len()
        + correlation_id
        + tags
}
