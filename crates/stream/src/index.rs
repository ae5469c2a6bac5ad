//! Finds the subscriptions that may want a row by the row's values, so that a thousand of them cost little more than one.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Weak};

use foldhash::fast::RandomState;
use kinescope_query::bitmap::Bitmap;
use kinescope_query::evaluate::{Rows, retain};
use kinescope_store::Segment;
use kinescope_store::columns::{DictionaryColumn, NullableColumn};

use crate::crowd::Crowd;
use crate::scan::{Found, Stretch};
use crate::settings::StreamQuery;

/// No subscription asks for a text.
const NOBODY: u32 = u32::MAX;
/// Segments whose codes are kept: those who are live look at one or two, those who catch up elsewhere.
const TABLES_MAX: usize = 4;

/// Indexes into a column's groups, by text.
type GroupOf = HashMap<String, u32, RandomState>;

/// The subscriptions with a key, by its texts.
#[derive(Default)]
pub(crate) struct KeyIndex {
    /// Which set of subscriptions this was made of.
    version: u64,
    columns: Vec<ColumnIndex>,
    queries: HashMap<u64, Arc<StreamQuery>, RandomState>,
}

/// The subscriptions whose key is in one column.
struct ColumnIndex {
    column: DictionaryColumn,
    nullable: Option<NullableColumn>,
    /// By text: an index into `groups`.
    group_of: GroupOf,
    groups: Vec<Group>,
    /// Those of the segments that were looked at lately, the last one at the end.
    tables: VecDeque<CodeTable>,
    /// Groups with rows in the current look.
    hit: Vec<u32>,
}

/// What a segment's codes of the column mean here.
struct CodeTable {
    /// Not its base: what segments are merged into has that of the first, and other codes.
    segment: Weak<Segment>,
    /// By code: an index into `groups`, or [`NOBODY`].
    groups: Vec<u32>,
}

/// Subscriptions that ask for the same text.
#[derive(Default)]
struct Group {
    members: Vec<u64>,
    /// Rows of the current look.
    rows: Vec<u32>,
}

/// A subscription that wants to know what is there.
pub(crate) struct Wanting<'a> {
    pub(crate) id: u64,
    /// Has a key.
    pub(crate) query: &'a StreamQuery,
    /// Begins in the segment.
    pub(crate) stretch: Stretch,
}

impl Wanting<'_> {
    /// Its rows of a segment of which `rows` are looked at.
    fn rows_of(&self, segment: &Segment, rows: usize) -> Range<usize> {
        let first = (self.stretch.from - segment.base_seq) as usize;
        first..rows.min(first.saturating_add(self.stretch.rows_max))
    }
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
        self.queries.clear();
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
            self.queries.insert(id, query);
        }
    }

    /// The members of a crowd that want any of some rows of the segment, and which.
    pub(crate) fn find_for(
        &mut self,
        crowd: &Crowd,
        segment: &Arc<Segment>,
        rows: Range<usize>,
    ) -> Vec<(u64, Vec<u64>)> {
        let mut candidates: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for column in &mut self.columns {
            column.look(segment, rows.clone());
            for &group in &column.hit {
                let group = &column.groups[group as usize];
                for &id in group.members.iter().filter(|&&id| crowd.has(id)) {
                    candidates.entry(id).or_default().extend(&group.rows);
                }
            }
        }
        let seq = |row: u32| segment.base_seq + u64::from(row);
        let found = candidates.into_iter().filter_map(|(id, candidates)| {
            let rows = matching(self.queries.get(&id)?, candidates, segment, rows.end);
            (!rows.is_empty()).then(|| (id, rows.into_iter().map(seq).collect()))
        });
        found.collect()
    }

    /// What each of `wanting`, which are in the order of their ids, finds among the first `rows` rows of the segment.
    pub(crate) fn find(
        &mut self,
        wanting: &[Wanting<'_>],
        segment: &Arc<Segment>,
        rows: usize,
    ) -> Vec<Found> {
        let own: Vec<Range<usize>> = wanting
            .iter()
            .map(|one| one.rows_of(segment, rows))
            .collect();
        let first = own.iter().map(|own| own.start).min().unwrap_or(rows);
        let end = own.iter().map(|own| own.end).max().unwrap_or(first);
        let mut candidates: Vec<Vec<u32>> = vec![Vec::new(); wanting.len()];
        for column in &mut self.columns {
            column.look(segment, first..end);
            for &group in &column.hit {
                let group = &column.groups[group as usize];
                for member in &group.members {
                    if let Ok(index) = wanting.binary_search_by_key(member, |one| one.id) {
                        let place =
                            |row: usize| group.rows.partition_point(|&at| (at as usize) < row);
                        let rows = place(own[index].start)..place(own[index].end);
                        candidates[index].extend_from_slice(&group.rows[rows]);
                    }
                }
            }
        }
        let each = wanting.iter().zip(own).zip(candidates);
        each.map(|((one, own), candidates)| found(one, own, candidates, segment))
            .collect()
    }
}

/// What is left of the rows that the key has found, of those below `end`; ascending.
fn matching(
    query: &StreamQuery,
    mut candidates: Vec<u32>,
    segment: &Segment,
    end: usize,
) -> Vec<u32> {
    // Rows of several texts come text by text.
    if !candidates.is_sorted() {
        candidates.sort_unstable();
    }
    if let Some(rest) = query.key.as_ref().and_then(|key| key.rest.as_ref())
        && !candidates.is_empty()
    {
        let index = segment.index().filter(|index| index.rows() >= end);
        let mut left = Bitmap::of_rows(end, &candidates);
        retain(rest, Rows::first(segment, end, index), &mut left);
        candidates = left.iter().map(|row| row as u32).collect();
    }
    candidates
}

/// What a subscription finds among its rows.
fn found(one: &Wanting<'_>, own: Range<usize>, candidates: Vec<u32>, segment: &Segment) -> Found {
    let candidates = matching(one.query, candidates, segment, own.end);
    let base = segment.base_seq;
    let matches = candidates.len();
    let wanted = one.stretch.wanted.unwrap_or(usize::MAX);
    let scanned = candidates
        .get(wanted)
        .map_or(base + own.end as u64, |&row| base + u64::from(row));
    let end_of_segment = segment.sealed().map(|sealed| base + sealed.rows as u64);
    Found::Rows {
        seqs: candidates
            .iter()
            .take(wanted)
            .map(|&row| base + u64::from(row))
            .collect(),
        scanned,
        ends_segment: end_of_segment == Some(scanned),
        rows: own.len(),
        matches,
    }
}

impl ColumnIndex {
    fn new(column: DictionaryColumn, nullable: Option<NullableColumn>) -> Self {
        Self {
            column,
            nullable,
            group_of: GroupOf::default(),
            groups: Vec::new(),
            tables: VecDeque::new(),
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
    fn look(&mut self, segment: &Arc<Segment>, rows: Range<usize>) {
        for group in self.hit.drain(..) {
            self.groups[group as usize].rows.clear();
        }
        let codes = segment.columns.codes[self.column as usize].slice(rows.end);
        let mut table = self.take_table(segment);
        table.extend(segment, self.column, &self.group_of);
        for (row, &code) in (rows.start as u32..).zip(&codes[rows]) {
            let group = table.groups.get(code as usize).copied().unwrap_or(NOBODY);
            if group == NOBODY {
                continue;
            }
            // An absent value has code 0 in its place.
            if self
                .nullable
                .is_some_and(|nullable| !segment.is_valid(nullable, row as usize))
            {
                continue;
            }
            let own = &mut self.groups[group as usize].rows;
            if own.is_empty() {
                self.hit.push(group);
            }
            own.push(row);
        }
        self.tables.push_back(table);
    }

    /// The table of a segment, as far as there is one.
    fn take_table(&mut self, segment: &Arc<Segment>) -> CodeTable {
        let is_own = |table: &CodeTable| std::ptr::eq(table.segment.as_ptr(), Arc::as_ptr(segment));
        let known = self.tables.iter().position(is_own);
        if let Some(table) = known.and_then(|index| self.tables.remove(index)) {
            return table;
        }
        if self.tables.len() >= TABLES_MAX {
            self.tables.pop_front();
        }
        CodeTable {
            segment: Arc::downgrade(segment),
            groups: Vec::new(),
        }
    }
}

impl CodeTable {
    /// Looks up texts that the segment's dictionary has got since.
    fn extend(&mut self, segment: &Segment, column: DictionaryColumn, group_of: &GroupOf) {
        let dictionary = &segment.columns.dictionaries[column as usize];
        for code in self.groups.len()..dictionary.len() {
            let group = group_of.get(dictionary.text(code)).copied();
            self.groups.push(group.unwrap_or(NOBODY));
        }
    }
}
