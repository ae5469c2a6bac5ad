//! Finds the subscriptions that may want a row by the row's values, so that a thousand of them cost little more than one.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use kinescope_query::bitmap::Bitmap;
use kinescope_query::evaluate::{Rows, retain};
use kinescope_store::Segment;
use kinescope_store::columns::{DictionaryColumn, NullableColumn};

use crate::scan::Found;
use crate::settings::StreamQuery;

/// No subscription asks for a text.
const NOBODY: u32 = u32::MAX;

/// The subscriptions with a key, by its texts.
#[derive(Default)]
pub(crate) struct KeyIndex {
    /// Which set of subscriptions this was made of.
    version: u64,
    columns: Vec<ColumnIndex>,
}

/// The subscriptions whose key is in one column.
struct ColumnIndex {
    column: DictionaryColumn,
    nullable: Option<NullableColumn>,
    /// By text: an index into `groups`.
    group_of: HashMap<String, u32>,
    groups: Vec<Group>,
    /// By code of the segment: an index into `groups`, or [`NOBODY`].
    table: Vec<u32>,
    /// The segment that `table` is of. Not its base: what segments are merged into has that of the first, and other codes.
    table_of: Weak<Segment>,
    /// Groups with rows in the current look.
    hit: Vec<u32>,
}

/// Subscriptions that ask for the same text.
#[derive(Default)]
struct Group {
    members: Vec<u64>,
    /// Rows of the current look.
    rows: Vec<u32>,
}

/// A subscription that wants to know what is new.
pub(crate) struct Wanting {
    pub(crate) id: u64,
    pub(crate) query: Arc<StreamQuery>,
    /// The first position that it has not looked at; in the segment.
    pub(crate) from: u64,
    pub(crate) wanted: Option<usize>,
}

impl KeyIndex {
    /// Makes the index of these subscriptions, unless it has been.
    pub(crate) fn refresh(
        &mut self,
        version: u64,
        queries: impl FnOnce() -> Vec<(u64, Arc<StreamQuery>)>,
    ) {
        if self.version == version {
            return;
        }
        self.version = version;
        self.columns.clear();
        for (id, query) in queries() {
            let Some(key) = &query.key else { continue };
            let known = self
                .columns
                .iter()
                .position(|known| known.column == key.column);
            let index = known.unwrap_or_else(|| {
                self.columns
                    .push(ColumnIndex::new(key.column, key.nullable));
                self.columns.len() - 1
            });
            self.columns[index].add(id, &key.texts);
        }
    }

    /// What each of `wanting`, which are in the order of their ids, finds among the first `rows` rows of the segment.
    pub(crate) fn find(
        &mut self,
        wanting: &[Wanting],
        segment: &Arc<Segment>,
        rows: usize,
    ) -> Vec<Found> {
        let mut candidates: Vec<Vec<u32>> = wanting.iter().map(|_| Vec::new()).collect();
        let row_of = |seq: u64| (seq - segment.base_seq) as usize;
        let first = wanting
            .iter()
            .map(|one| row_of(one.from))
            .min()
            .unwrap_or(rows);
        for column in &mut self.columns {
            column.look(segment, first..rows);
            for &group in &column.hit {
                let group = &column.groups[group as usize];
                for member in &group.members {
                    if let Ok(index) = wanting.binary_search_by_key(member, |one| one.id) {
                        let own = row_of(wanting[index].from) as u32;
                        let start = group.rows.partition_point(|&row| row < own);
                        candidates[index].extend_from_slice(&group.rows[start..]);
                    }
                }
            }
        }
        let index = segment.index().filter(|index| index.rows() >= rows);
        let segment = Rows::first(segment, rows, index);
        wanting
            .iter()
            .zip(candidates)
            .map(|(one, candidates)| found(one, candidates, segment))
            .collect()
    }
}

/// What is left of the rows that the key has found.
fn found(one: &Wanting, mut candidates: Vec<u32>, rows: Rows<'_>) -> Found {
    // Rows of several texts come text by text.
    if !candidates.is_sorted() {
        candidates.sort_unstable();
    }
    if let Some(rest) = one.query.key.as_ref().and_then(|key| key.rest.as_ref())
        && !candidates.is_empty()
    {
        let mut left = Bitmap::of_rows(rows.count, &candidates);
        retain(rest, rows, &mut left);
        candidates = left.iter().map(|row| row as u32).collect();
    }
    let base = rows.segment.base_seq;
    let matches = candidates.len();
    let wanted = one.wanted.unwrap_or(usize::MAX);
    let scanned = candidates
        .get(wanted)
        .map_or(base + rows.count as u64, |&row| base + u64::from(row));
    let end_of_segment = rows
        .segment
        .sealed()
        .map(|sealed| base + sealed.rows as u64);
    Found::Rows {
        seqs: candidates
            .iter()
            .take(wanted)
            .map(|&row| base + u64::from(row))
            .collect(),
        scanned,
        ends_segment: end_of_segment == Some(scanned),
        rows: rows.count - (one.from - base) as usize,
        matches,
    }
}

impl ColumnIndex {
    fn new(column: DictionaryColumn, nullable: Option<NullableColumn>) -> Self {
        Self {
            column,
            nullable,
            group_of: HashMap::new(),
            groups: Vec::new(),
            table: Vec::new(),
            table_of: Weak::new(),
            hit: Vec::new(),
        }
    }

    fn add(&mut self, id: u64, texts: &[String]) {
        for text in texts {
            let group = *self.group_of.entry(text.clone()).or_insert_with(|| {
                self.groups.push(Group::default());
                self.groups.len() as u32 - 1
            });
            self.groups[group as usize].members.push(id);
        }
    }

    /// Gives each group its rows.
    fn look(&mut self, segment: &Arc<Segment>, rows: std::ops::Range<usize>) {
        for group in self.hit.drain(..) {
            self.groups[group as usize].rows.clear();
        }
        self.extend_table(segment);
        let codes = segment.columns.codes[self.column as usize].slice(rows.end);
        for (row, &code) in codes[rows.clone()].iter().enumerate() {
            let group = self.table.get(code as usize).copied().unwrap_or(NOBODY);
            if group == NOBODY {
                continue;
            }
            let row = rows.start + row;
            // An absent value has code 0 in its place.
            if self
                .nullable
                .is_some_and(|nullable| !segment.is_valid(nullable, row))
            {
                continue;
            }
            let own = &mut self.groups[group as usize].rows;
            if own.is_empty() {
                self.hit.push(group);
            }
            own.push(row as u32);
        }
    }

    /// Looks up texts that the segment's dictionary has got since.
    fn extend_table(&mut self, segment: &Arc<Segment>) {
        if !std::ptr::eq(self.table_of.as_ptr(), Arc::as_ptr(segment)) {
            self.table.clear();
            self.table_of = Arc::downgrade(segment);
        }
        let dictionary = &segment.columns.dictionaries[self.column as usize];
        for code in self.table.len()..dictionary.len() {
            let group = self.group_of.get(dictionary.text(code)).copied();
            self.table.push(group.unwrap_or(NOBODY));
        }
    }
}
