//! What a producer's records leave to their context: logical process, trace, parent, tags.

use std::cell::Cell;

use crate::row::Tag;

/// One numbered context of one producer.
#[derive(Default)]
pub struct Context {
    /// The logical process.
    pub pid: String,
    /// Root id of the trace.
    pub correlation_id: Option<String>,
    /// The event that caused everything here that has no nearer parent.
    pub parent_id: Option<u64>,
    /// Tags of every event of the context.
    pub tags: Vec<Tag<'static>>,
    /// `pid` and `correlation_id` as codes of the segment of the given generation.
    pub(crate) codes: Cell<Option<(u64, i32, Option<i32>)>>,
}

impl Context {
    /// A thread's own context.
    pub fn of_thread(pid: &str) -> Self {
        Self {
            pid: pid.to_owned(),
            ..Self::default()
        }
    }
}
