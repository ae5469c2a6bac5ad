//! Which calls have been exited at a time.

use kinescope_store::columns::NullableColumn;
use kinescope_store::index::calls::EXIT;
use kinescope_store::{Error, Part, Snapshot};

use crate::cancel::Cancel;
use crate::evaluate::{Rows, retain_valid};
use crate::filter::{Filter, matching_rows};
use crate::id_set::IdSet;

/// Entries that are looked up one by one, at most; for more of them it is cheaper to scan all exits.
const LOOKED_UP_MAX: usize = 64;

/// All exits at or before a time.
pub(super) struct Exits<'a> {
    pub(super) time: i64,
    indexed: Vec<Part<'a>>,
    /// Have to be scanned.
    others: Vec<Part<'a>>,
}

impl<'a> Exits<'a> {
    pub(super) fn new(time: i64, snapshot: &'a Snapshot) -> Self {
        let parts = snapshot.parts().into_iter();
        let begun = parts.filter(|part| part.segment.bounds.min_timestamp() <= time);
        let (indexed, others) = begun.partition(|part| part.index.is_some());
        Self {
            time,
            indexed,
            others,
        }
    }

    /// Those of the entries that an exit belongs to.
    pub(super) fn among(&self, entry_ids: &IdSet, cancel: &Cancel) -> Result<IdSet, Error> {
        let mut exited = IdSet::default();
        let (looked_up, scanned) = self.indexed.split_at(if entry_ids.len() <= LOOKED_UP_MAX {
            self.indexed.len()
        } else {
            0
        });
        for part in looked_up {
            cancel.check()?;
            for id in entry_ids.iter() {
                if self.has_exit(id, part) {
                    exited.insert(id);
                }
            }
        }
        let filter = Filter {
            timestamps: Some(i64::MIN..self.time.saturating_add(1)),
            event_types: Some(vec![EXIT.to_owned()]),
            ..Filter::default()
        };
        for part in scanned.iter().chain(&self.others) {
            cancel.check()?;
            let Some(mut matching) = matching_rows(&filter, part) else {
                continue;
            };
            retain_valid(NullableColumn::ParentId, Rows::of(part), &mut matching);
            let parents = part.segment.columns.parent_id.slice(part.rows.end);
            for row in matching.iter() {
                if entry_ids.contains(parents[row]) {
                    exited.insert(parents[row]);
                }
            }
        }
        Ok(exited)
    }

    fn has_exit(&self, entry_id: u64, part: &Part<'_>) -> bool {
        let Some(index) = part.index else {
            return false;
        };
        let columns = &part.segment.columns;
        let parents = columns.parent_id.slice(index.rows());
        let timestamps = columns.timestamp.slice(index.rows());
        let children = index.ids.children_of(entry_id, parents);
        children.iter().any(|&row| {
            let row = row as usize;
            let types = index.column(kinescope_store::columns::DictionaryColumn::EventType);
            row < part.rows.end
                && Some(types.codes.get(row) as u32) == index.calls.exit_code()
                && timestamps[row] <= self.time
        })
    }
}
