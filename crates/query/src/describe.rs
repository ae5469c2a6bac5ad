//! What a snapshot holds: columns, paths, tags, values, segments. Of sealed segments it is counted once.

mod payloads;

use std::borrow::Cow;

use hashbrown::HashMap;
use kinescope_store::columns::{DictionaryColumn, NullableColumn, event_schema};
use kinescope_store::{Error, PathCount, Payloads, Segment, Snapshot};

use crate::cancel::Cancel;

/// Paths, keys of tags, and event types that are listed at most.
pub const LISTED_MAX: usize = 10_000;

/// Bytes of all paths that are kept, and of all keys of tags.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// A run of the log.
#[derive(Clone, Copy, Debug)]
pub struct SegmentDescription {
    /// Of its first row.
    pub from_seq: u64,
    /// Rows of the snapshot.
    pub events: u64,
    /// The lowest timestamp.
    pub min_timestamp: i64,
    /// The highest.
    pub max_timestamp: i64,
    /// Bytes of memory.
    pub used_bytes: u64,
    /// Nothing is appended any more.
    pub is_sealed: bool,
}

/// What a snapshot holds.
#[derive(Debug, Default)]
pub struct Description {
    /// Every column with the number of rows that have a value.
    pub columns: Vec<(String, u64)>,
    /// By path.
    pub paths: Vec<PathCount>,
    /// Keys, the most frequent first.
    pub tags: Vec<(String, u64)>,
    /// The most frequent first.
    pub event_types: Vec<(String, u64)>,
    /// In `seq` order.
    pub segments: Vec<SegmentDescription>,
    /// There are more paths, tags or event types than are listed.
    pub is_truncated: bool,
}

/// Describes a snapshot.
///
/// # Errors
/// As [`Cancel::check`].
pub fn describe(snapshot: &Snapshot, cancel: &Cancel) -> Result<Description, Error> {
    let mut counts = Counts::default();
    let mut segments = Vec::new();
    for (segment, rows) in snapshot.segments() {
        cancel.check()?;
        let is_whole = segment.sealed().is_some_and(|sealed| sealed.rows == rows);
        if is_whole {
            let known = &segment.statistics.payloads;
            let payloads = match known.get() {
                Some(payloads) => payloads,
                None => {
                    let counted = payloads::count(segment, rows, cancel)?;
                    known.get_or_init(|| counted)
                }
            };
            counts.add(payloads);
        } else {
            counts.add(&payloads::count(segment, rows, cancel)?);
        }
        segments.push(describe_segment(segment, rows, is_whole));
    }
    let columns = event_schema();
    let columns = columns.fields().iter().map(|field| {
        let count = count_column(field.name(), snapshot, counts.present);
        (field.name().clone(), count)
    });
    let columns = columns.collect();
    let mut event_types = text_counts(DictionaryColumn::EventType, None, snapshot);
    let mut is_truncated = counts.is_truncated || event_types.len() > LISTED_MAX;
    event_types.truncate(LISTED_MAX);
    let mut paths: Vec<PathCount> = counts
        .paths
        .into_iter()
        .map(|(path, counts)| PathCount { path, counts })
        .collect();
    paths.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let mut tags: Vec<(String, u64)> = counts.tags.into_iter().collect();
    most_frequent_first(&mut tags);
    for listed in [paths.len(), tags.len()] {
        is_truncated |= listed > LISTED_MAX;
    }
    paths.truncate(LISTED_MAX);
    tags.truncate(LISTED_MAX);
    Ok(Description {
        columns,
        paths,
        tags,
        event_types,
        segments,
        is_truncated,
    })
}

fn describe_segment(segment: &Segment, rows: usize, is_whole: bool) -> SegmentDescription {
    // What is not sealed may have bounds that are wider than its visible rows.
    let (min_timestamp, max_timestamp) = if is_whole {
        (
            segment.bounds.min_timestamp(),
            segment.bounds.max_timestamp(),
        )
    } else {
        let timestamps = segment.columns.timestamp.slice(rows).iter();
        timestamps.fold((i64::MAX, i64::MIN), |(min, max), &time| {
            (min.min(time), max.max(time))
        })
    };
    SegmentDescription {
        from_seq: segment.base_seq,
        events: rows as u64,
        min_timestamp,
        max_timestamp,
        used_bytes: segment.used_bytes() as u64,
        is_sealed: segment.sealed().is_some(),
    }
}

/// Sums over segments.
#[derive(Default)]
struct Counts {
    present: u64,
    paths: HashMap<String, [u64; kinescope_store::ValueType::COUNT]>,
    path_bytes: usize,
    tags: HashMap<String, u64>,
    tag_bytes: usize,
    is_truncated: bool,
}

impl Counts {
    fn add(&mut self, payloads: &Payloads) {
        self.present += payloads.present;
        self.is_truncated |= payloads.is_truncated;
        for PathCount { path, counts } in &payloads.paths {
            if let Some(known) = self.paths.get_mut(path) {
                for (sum, count) in known.iter_mut().zip(counts) {
                    *sum += count;
                }
            } else if self.path_bytes + path.len() <= TEXT_BYTES_MAX {
                self.path_bytes += path.len();
                self.paths.insert(path.clone(), *counts);
            } else {
                self.is_truncated = true;
            }
        }
        for (key, count) in &payloads.tags {
            if let Some(known) = self.tags.get_mut(key) {
                *known += count;
            } else if self.tag_bytes + key.len() <= TEXT_BYTES_MAX {
                self.tag_bytes += key.len();
                self.tags.insert(key.clone(), *count);
            } else {
                self.is_truncated = true;
            }
        }
    }
}

fn count_column(name: &str, snapshot: &Snapshot, data: u64) -> u64 {
    let nullable = match name {
        "correlation_id" => NullableColumn::CorrelationId,
        "parent_id" => NullableColumn::ParentId,
        "module" => NullableColumn::Module,
        "function" => NullableColumn::Function,
        "arity" => NullableColumn::Arity,
        "file" => NullableColumn::File,
        "line" => NullableColumn::Line,
        "tags" => NullableColumn::Tags,
        "data" => return data,
        _ => return snapshot.segments().map(|(_, rows)| rows as u64).sum(),
    };
    let valid = snapshot.segments().map(|(segment, rows)| {
        let validity = &segment.columns.validity[nullable as usize];
        let whole: u64 = (0..rows / 64)
            .map(|index| u64::from(validity.word(index).count_ones()))
            .sum();
        let rest = match rows % 64 {
            0 => 0,
            rest => validity.word(rows / 64) & ((1 << rest) - 1),
        };
        whole + u64::from(rest.count_ones())
    });
    valid.sum()
}

/// The texts of a column that start with `prefix`, the most frequent first, with the number of rows that have them.
pub fn text_counts(
    column: DictionaryColumn,
    prefix: Option<&str>,
    snapshot: &Snapshot,
) -> Vec<(String, u64)> {
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for (segment, rows) in snapshot.segments() {
        let dictionary = &segment.columns.dictionaries[column as usize];
        let of_segment: Cow<'_, [u32]> = segment.code_counts(column, rows);
        for (code, &count) in of_segment
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
        {
            let text = dictionary.text(code);
            if prefix.is_none_or(|prefix| text.starts_with(prefix)) {
                *counts.entry(text).or_default() += u64::from(count);
            }
        }
    }
    let owned = counts
        .into_iter()
        .map(|(text, count)| (text.to_owned(), count));
    let mut counts: Vec<(String, u64)> = owned.collect();
    most_frequent_first(&mut counts);
    counts
}

fn most_frequent_first(counts: &mut [(String, u64)]) {
    counts
        .sort_unstable_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then_with(|| a.cmp(b)));
}
