//! Which of the matching rows an answer holds, and in which order.

use kinescope_store::{Error, Part, Snapshot};

use crate::bitmap::Bitmap;
use crate::cancel::Cancel;
use crate::evaluate::Rows;
use crate::filter::{Filter, matching_rows_until};
use crate::order::{Key, TimeKey};

/// Rows of an answer, and how many more there are.
#[derive(Debug)]
pub struct Selection<K> {
    /// In order, at most as many as the limit.
    pub keys: Vec<K>,
    /// Rows that match from the start position on; when it was not asked for, at least as many as are here.
    pub matching: u64,
}

/// Which stretch of the ordered matches is wanted.
#[derive(Debug)]
pub struct Window<'a, K> {
    /// Rows up to this one have been delivered.
    pub after: Option<&'a K>,
    /// Rows behind it that are left out.
    pub skip: usize,
    /// Rows, at most.
    pub limit: usize,
    /// Whether all matches have to be counted.
    pub count_all: bool,
}

impl<K> Clone for Window<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Window<'_, K> {}

impl<K> Window<'_, K> {
    fn wanted(&self) -> usize {
        self.skip.saturating_add(self.limit)
    }
}

/// The wanted rows in (`timestamp`, `seq`) order, or its mirror.
///
/// # Errors
/// As [`Cancel::check`].
pub fn select_by_time(
    filter: &Filter,
    snapshot: &Snapshot,
    descending: bool,
    window: Window<'_, TimeKey>,
    cancel: &Cancel,
) -> Result<Selection<TimeKey>, Error> {
    let mut first = First::new(window);
    let mut parts = filter.parts(snapshot);
    // In the order of their nearest row, so that the search can end as soon as no segment can hold a better one.
    let nearest = |part: &Part<'_>| {
        let bounds = &part.segment.bounds;
        if descending {
            TimeKey::new(bounds.max_timestamp(), u64::MAX >> 1, true)
        } else {
            TimeKey::new(bounds.min_timestamp(), 0, false)
        }
    };
    parts.sort_by_key(nearest);
    let farthest = |part: &Part<'_>| {
        let bounds = &part.segment.bounds;
        if descending {
            TimeKey::new(bounds.min_timestamp(), 0, true)
        } else {
            TimeKey::new(bounds.max_timestamp(), u64::MAX >> 1, false)
        }
    };
    for part in parts {
        cancel.check()?;
        if window.after.is_some_and(|after| farthest(&part) <= *after) {
            // All of it has been delivered.
            continue;
        }
        if first.is_settled(&nearest(&part)) {
            if !window.count_all {
                break;
            }
            let matching = matching_rows_until(filter, &part, cancel)?;
            first.matching += matching.map_or(0, |matching| matching.count() as u64);
            continue;
        }
        let Some(mut matching) = matching_rows_until(filter, &part, cancel)? else {
            continue;
        };
        let rows = Rows::of(&part);
        drop_delivered(&mut matching, rows, window.after, descending);
        first.matching += matching.count() as u64;
        offer_by_time(&mut first, rows, &matching, descending);
    }
    Ok(first.into_selection())
}

/// Takes out rows up to and including the last one that was delivered.
fn drop_delivered(
    matching: &mut Bitmap,
    rows: Rows<'_>,
    after: Option<&TimeKey>,
    descending: bool,
) {
    let Some(after) = after else { return };
    let timestamps = rows.segment.columns.timestamp.slice(rows.count);
    let key = |row: usize| {
        TimeKey::new(
            timestamps[row],
            rows.segment.base_seq + row as u64,
            descending,
        )
    };
    if !rows.segment.bounds.in_time_order() {
        return matching.retain_rows(|row| key(row) > *after);
    }
    let mut low = 0;
    let mut high = rows.count;
    while low < high {
        let middle = low.midpoint(high);
        if (key(middle) > *after) == descending {
            low = middle + 1
        } else {
            high = middle
        }
    }
    // Ascending, the rows from `low` on are left; descending, those before it.
    let left = if descending { 0..low } else { low..rows.count };
    matching.intersect_range(left);
}

fn offer_by_time(
    first: &mut First<'_, TimeKey>,
    rows: Rows<'_>,
    matching: &Bitmap,
    descending: bool,
) {
    let timestamps = rows.segment.columns.timestamp.slice(rows.count);
    let key = |row: usize| {
        TimeKey::new(
            timestamps[row],
            rows.segment.base_seq + row as u64,
            descending,
        )
    };
    if !rows.segment.bounds.in_time_order() {
        matching.iter().for_each(|row| {
            first.offer(key(row));
        });
        return;
    }
    // In the answer's order, the first one that is refused is followed by refused ones only.
    let wanted = first.window.wanted();
    if descending {
        matching
            .iter_back()
            .take(wanted)
            .all(|row| first.offer(key(row)));
    } else {
        matching
            .iter()
            .take(wanted)
            .all(|row| first.offer(key(row)));
    }
}

/// The smallest keys of all that were offered.
pub(crate) struct First<'a, K> {
    window: Window<'a, K>,
    keys: Vec<K>,
    pub(crate) matching: u64,
    /// Keys at or above this cannot be among the smallest any more.
    bound: Option<K>,
}

impl<'a, K: Key> First<'a, K> {
    pub(crate) fn new(window: Window<'a, K>) -> Self {
        Self {
            window,
            keys: Vec::new(),
            matching: 0,
            bound: None,
        }
    }

    /// Whether nothing at or above `key` is wanted any more.
    fn is_settled(&mut self, key: &K) -> bool {
        if self.window.limit == 0 {
            return true;
        }
        self.settle();
        self.bound.as_ref().is_some_and(|bound| key > bound)
    }

    /// Above this nothing is wanted any more.
    pub(crate) fn bound(&self) -> Option<&K> {
        self.bound.as_ref()
    }

    /// Sees to it that there is a bound as soon as there are as many keys as are wanted.
    pub(crate) fn settle(&mut self) {
        if self.keys.len() >= self.window.wanted() {
            self.prune();
        }
    }

    /// Takes a key if it may be wanted.
    pub(crate) fn offer(&mut self, key: K) -> bool {
        if self.window.limit == 0 || self.bound.as_ref().is_some_and(|bound| key > *bound) {
            return false;
        }
        self.keys.push(key);
        if self.keys.len() >= self.window.wanted().saturating_mul(2).max(1024) {
            self.prune();
        }
        true
    }

    /// Drops what is beyond the limit, in linear time.
    fn prune(&mut self) {
        let wanted = self.window.wanted();
        if wanted > 0 && self.keys.len() >= wanted {
            let (_, last, _) = self.keys.select_nth_unstable(wanted - 1);
            self.bound = Some(last.clone());
            self.keys.truncate(wanted);
        }
    }

    pub(crate) fn into_selection(mut self) -> Selection<K> {
        self.prune();
        // Keys mostly come in order already, which this sort takes advantage of.
        self.keys.sort();
        self.keys.drain(..self.window.skip.min(self.keys.len()));
        self.keys.truncate(self.window.limit);
        Selection {
            keys: self.keys,
            matching: self.matching,
        }
    }
}
