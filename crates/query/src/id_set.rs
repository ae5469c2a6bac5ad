//! Sets of event ids that are asked about for millions of rows.

use std::collections::HashSet;

use foldhash::fast::FixedState;

/// Ids with their bounds: the ids of a trace or a stack lie close together, so most others need no look-up.
#[derive(Clone, Debug)]
pub(crate) struct IdSet {
    ids: HashSet<u64, FixedState>,
    lowest: u64,
    highest: u64,
}

impl Default for IdSet {
    fn default() -> Self {
        Self {
            ids: HashSet::default(),
            lowest: u64::MAX,
            highest: 0,
        }
    }
}

impl IdSet {
    /// Adds an id; false if it was there.
    pub(crate) fn insert(&mut self, id: u64) -> bool {
        self.lowest = self.lowest.min(id);
        self.highest = self.highest.max(id);
        self.ids.insert(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.ids.iter().copied()
    }

    #[inline]
    pub(crate) fn contains(&self, id: u64) -> bool {
        self.lowest <= id && id <= self.highest && self.ids.contains(&id)
    }
}

impl FromIterator<u64> for IdSet {
    fn from_iter<I: IntoIterator<Item = u64>>(ids: I) -> Self {
        let mut set = Self::default();
        for id in ids {
            set.insert(id);
        }
        set
    }
}
