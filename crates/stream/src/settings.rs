//! What a subscription is made with.

use std::time::Duration;

use kinescope_query::Filter;
use kinescope_query::projection::SettledItem;

use crate::key::{Key, split};

/// How batches are cut.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Matching events of a full batch; 0: whatever is there, of one segment at most.
    pub batch_size: usize,
    /// How long an incomplete batch may wait for more events, from the first of them on.
    pub batch_timeout: Duration,
    /// Least time between two batches without events, once caught up.
    pub progress_interval: Duration,
}

/// A batch that may wait no longer than this is not worth waiting for.
pub(crate) const AT_ONCE: Duration = Duration::from_millis(1);

impl Settings {
    /// Whether no batch waits for more events.
    pub(crate) fn is_prompt(&self) -> bool {
        self.batch_size <= 1 || self.batch_timeout <= AT_ONCE
    }
}

/// What a subscription delivers, compiled once.
#[derive(Debug)]
pub struct StreamQuery {
    /// Of which events.
    pub(crate) filter: Filter,
    /// What of each; none: the public columns.
    pub(crate) items: Option<Vec<SettledItem>>,
    /// A column by whose value the events can be found, if the filter asks for some of its values.
    pub(crate) key: Option<Key>,
}

impl StreamQuery {
    /// Compiles a filter and a projection.
    pub fn new(filter: Filter, items: Option<Vec<SettledItem>>) -> Self {
        Self {
            key: split(&filter),
            filter,
            items,
        }
    }

    /// The projection.
    pub fn items(&self) -> Option<&[SettledItem]> {
        self.items.as_deref()
    }
}
