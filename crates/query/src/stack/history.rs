//! What a logical process has called up to a time.

use kinescope_store::columns::{DictionaryColumn, NullableColumn};
use kinescope_store::index::calls::{ENTRY, EXIT};
use kinescope_store::{Error, Part, Snapshot};

use super::Call;
use super::exits::Exits;
use crate::bitmap::Bitmap;
use crate::cancel::Cancel;
use crate::evaluate::{Rows, retain_valid};
use crate::filter::{Filter, matching_rows};
use crate::find::Located;
use crate::id_set::IdSet;

/// Rows that are looked at first.
const FIRST_WINDOW_ROWS: usize = 4096;

/// A part in which the process has recorded.
struct OwnPart<'a> {
    part: Part<'a>,
    pid: u32,
}

/// The calls of one logical process at or before a time.
pub(super) struct History<'a> {
    filter: Filter,
    time: i64,
    /// Those that can have events at or before the time.
    parts: Vec<OwnPart<'a>>,
}

impl<'a> History<'a> {
    pub(super) fn new(pid: &str, time: i64, snapshot: &'a Snapshot) -> Self {
        let parts = snapshot.parts().into_iter().filter_map(|part| {
            let dictionary = &part.segment.columns.dictionaries[DictionaryColumn::Pid as usize];
            let has_begun = part.segment.bounds.min_timestamp() <= time;
            let pid = has_begun.then(|| dictionary.code_of(pid))??;
            Some(OwnPart { part, pid })
        });
        Self {
            filter: Filter {
                timestamps: Some(i64::MIN..time.saturating_add(1)),
                pids: Some(vec![pid.to_owned()]),
                event_types: Some(vec![ENTRY.to_owned(), EXIT.to_owned()]),
                ..Filter::default()
            },
            time,
            parts: parts.collect(),
        }
    }

    /// Whether one of the calls has a parent.
    pub(super) fn has_links(&self, cancel: &Cancel) -> Result<bool, Error> {
        for own in self.parts.iter().rev() {
            cancel.check()?;
            let has_links = match own.over(self.time) {
                Some(times) => times.has_links,
                None => own.windows_back(self.time).any(|window| {
                    matching_rows(&self.filter, &window).is_some_and(|mut calls| {
                        retain_valid(NullableColumn::ParentId, Rows::of(&window), &mut calls);
                        !calls.is_empty()
                    })
                }),
            };
            if has_links {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Entries and exits in the order of time.
    pub(super) fn calls(&self, cancel: &Cancel) -> Result<Vec<Call<'a>>, Error> {
        let mut calls = Vec::new();
        for own in &self.parts {
            cancel.check()?;
            if let Some(rows) = matching_rows(&self.filter, &own.part) {
                calls.extend(rows.iter().map(|row| own.call(row)));
            }
        }
        calls.sort_by_key(|call| (call.at.timestamp(), call.at.seq()));
        Ok(calls)
    }

    /// The most recently entered call that no exit belongs to.
    ///
    /// Where the process has recorded in the order of time, the search goes back from the newest event, and in what an
    /// index covers it only looks at entries that their own segment leaves open; else all calls are sorted.
    pub(super) fn innermost_open(
        &self,
        exits: &Exits<'_>,
        cancel: &Cancel,
    ) -> Result<Option<Located<'a>>, Error> {
        if !self.is_in_time_order(cancel)? {
            let calls = self.calls(cancel)?;
            let entries = || {
                calls
                    .iter()
                    .filter(|call| call.is_entry)
                    .map(|call| call.at)
            };
            let ids = entries().map(|at| at.event_id()).collect();
            let exited = exits.among(&ids, cancel)?;
            return Ok(entries().rfind(|at| !exited.contains(at.event_id())));
        }
        // Exits of the process itself, which tell most entries without looking anything up.
        let mut exited = IdSet::default();
        for own in self.parts.iter().rev() {
            cancel.check()?;
            let mut is_open = |call: Call<'a>| -> Result<bool, Error> {
                let id = call.at.event_id();
                if !call.is_entry {
                    call.at.parent_id().map(|entry| exited.insert(entry));
                    return Ok(false);
                }
                Ok(!exited.contains(id)
                    && !exits.among(&IdSet::from_iter([id]), cancel)?.contains(id))
            };
            if let Some(entries) = own.left_open(self.time) {
                for at in entries {
                    if is_open(Call { at, is_entry: true })? {
                        return Ok(Some(at));
                    }
                }
                continue;
            }
            for window in own.windows_back(self.time) {
                let calls = matching_rows(&self.filter, &window);
                for row in calls.iter().flat_map(Bitmap::iter_back) {
                    let call = own.call(row);
                    let at = call.at;
                    if is_open(call)? {
                        return Ok(Some(at));
                    }
                }
            }
        }
        Ok(None)
    }

    fn is_in_time_order(&self, cancel: &Cancel) -> Result<bool, Error> {
        let mut latest = i64::MIN;
        for own in &self.parts {
            cancel.check()?;
            let Some((first, last)) = own.ordered_times(&self.filter) else {
                return Ok(false);
            };
            if first < latest {
                return Ok(false);
            }
            latest = latest.max(last);
        }
        Ok(true)
    }
}

impl<'a> OwnPart<'a> {
    /// What the index knows of the process, if it is about all rows of the part and none of them is after the time.
    fn over(&self, time: i64) -> Option<kinescope_store::index::calls::PidTimes> {
        let index = self.part.whole_index()?;
        index
            .calls
            .times(self.pid)
            .filter(|times| times.last <= time)
    }

    /// The part in pieces from its last row that can be at or before the time, small ones first: the innermost call is mostly
    /// near.
    fn windows_back(&self, time: i64) -> impl Iterator<Item = Part<'a>> + use<'a> {
        let Part {
            segment,
            ref rows,
            index,
        } = self.part;
        let first = rows.start;
        let mut end = rows.end;
        if segment.bounds.in_time_order() {
            let timestamps = &segment.columns.timestamp.slice(end)[first..];
            end = first + timestamps.partition_point(|&timestamp| timestamp <= time);
        }
        let mut size = FIRST_WINDOW_ROWS;
        std::iter::from_fn(move || {
            let start = end.saturating_sub(size).max(first);
            let window = (start < end).then_some(Part {
                segment,
                rows: start..end,
                index,
            });
            end = start;
            size *= 4;
            window
        })
    }

    fn at(&self, row: usize) -> Located<'a> {
        Located {
            segment: self.part.segment,
            visible: self.part.rows.end,
            row,
        }
    }

    fn call(&self, row: usize) -> Call<'a> {
        Call::new(self.at(row))
    }

    /// Entries that no exit in the segment belongs to, the newest first; none unless all of the segment is visible and at or
    /// before the time.
    fn left_open(&self, time: i64) -> Option<Vec<Located<'a>>> {
        let index = self.part.whole_index()?;
        if self.part.segment.bounds.max_timestamp() > time {
            return None;
        }
        let unclosed = index.calls.unclosed(self.pid).iter().rev();
        Some(unclosed.map(|&row| self.at(row as usize)).collect())
    }

    /// Bounds of the times of the process's events, if they do not decrease from row to row; of no events an empty range.
    fn ordered_times(&self, filter: &Filter) -> Option<(i64, i64)> {
        if let Some(index) = self.part.whole_index() {
            return match index.calls.times(self.pid) {
                Some(times) => times.in_order.then_some((times.first, times.last)),
                None => Some((i64::MAX, i64::MIN)),
            };
        }
        // Only entries and exits up to the time matter; later ones may come in any order.
        let Some(calls) = matching_rows(filter, &self.part) else {
            return Some((i64::MAX, i64::MIN));
        };
        let timestamps = self
            .part
            .segment
            .columns
            .timestamp
            .slice(self.part.rows.end);
        let time = |row: usize| timestamps[row];
        let (first, last) = (calls.iter().next()?, calls.iter_back().next()?);
        let is_ordered =
            self.part.segment.bounds.in_time_order() || calls.iter().map(time).is_sorted();
        is_ordered.then_some((time(first), time(last)))
    }
}
