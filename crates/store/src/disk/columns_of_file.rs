//! A segment's columns over the regions of a file, and what is checked before anyone trusts them.

use std::sync::Arc;

use crate::area::Area;
use crate::columns::{DictionaryColumn, NullableColumn};
use crate::dictionary::Dictionary;
use crate::error::Error;
use crate::mapping::Region;
use crate::segment::{Columns, TextColumn};
use crate::validity::Validity;

const DICTIONARIES: usize = DictionaryColumn::COUNT;

/// How much of a segment there is: what a commit says, and what follows from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lens {
    pub(crate) rows: usize,
    pub(crate) entries: [usize; DICTIONARIES],
    pub(crate) entry_bytes: [usize; DICTIONARIES],
    pub(crate) tags: usize,
    pub(crate) tag_key_bytes: usize,
    pub(crate) tag_value_bytes: usize,
    pub(crate) data_bytes: usize,
}

/// The regions of a file that hold a segment's columns.
pub(crate) struct ColumnRegions {
    /// `seq`, `event_id`, `timestamp`, `wall_time`, `parent_id`, `arity`, `line`.
    pub(crate) fixed: [Region; 7],
    pub(crate) codes: [Region; DICTIONARIES],
    /// Offsets and bytes.
    pub(crate) dictionaries: [[Region; 2]; DICTIONARIES],
    pub(crate) tag_offsets: Region,
    pub(crate) tag_keys: [Region; 2],
    pub(crate) tag_values: [Region; 2],
    pub(crate) data: [Region; 2],
    /// None: every row has a value.
    pub(crate) validity: [Option<Region>; NullableColumn::COUNT],
}

/// How a segment's columns are filled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filling {
    /// All of it is there.
    Complete(Lens),
    /// Another process appends up to this many rows; nothing is published yet.
    Watched { rows_max: usize },
}

impl ColumnRegions {
    /// The columns, of which nothing has been checked but that they have room for what they are said to hold.
    pub(crate) fn columns(self, filling: Filling) -> Result<Columns, Error> {
        let (lens, rows_max) = match filling {
            Filling::Complete(lens) => (lens, lens.rows),
            Filling::Watched { rows_max } => (Lens::default(), rows_max),
        };
        let is_complete = matches!(filling, Filling::Complete(_));
        let rows = lens.rows;
        let offsets_of = |texts: usize| if is_complete { texts + 1 } else { 0 };
        let text = |[offsets, bytes]: [Region; 2], texts: usize, text_bytes: usize| {
            // Arrow leaves out the one offset of no texts.
            if is_complete && texts == 0 {
                return no_texts();
            }
            Ok::<_, Error>(TextColumn {
                offsets: Area::of_file(offsets, offsets_of(texts))?,
                bytes: Area::of_file(bytes, text_bytes)?,
            })
        };
        let dictionary = |(index, regions): (usize, [Region; 2])| {
            let (entries, bytes) = (lens.entries[index], lens.entry_bytes[index]);
            let TextColumn { offsets, bytes } = text(regions, entries, bytes)?;
            Ok::<_, Error>(if is_complete {
                Dictionary::of_file(offsets, bytes, entries)
            } else {
                Dictionary::watched(offsets, bytes)
            })
        };
        let validity = |region: Option<Region>| match region {
            Some(region) => Validity::of_file(region, rows_max)
                .ok_or_else(|| Error::corrupt("a validity bitmap is shorter than its column")),
            None => Ok(Validity::full(rows_max)),
        };
        let [seq, event_id, timestamp, wall_time, parent_id, arity, line] = self.fixed;
        Ok(Columns {
            seq: Area::of_file(seq, rows)?,
            event_id: Area::of_file(event_id, rows)?,
            timestamp: Area::of_file(timestamp, rows)?,
            wall_time: Area::of_file(wall_time, rows)?,
            parent_id: Area::of_file(parent_id, rows)?,
            arity: Area::of_file(arity, rows)?,
            line: Area::of_file(line, rows)?,
            codes: array(self.codes.map(|region| Area::of_file(region, rows)))?,
            dictionaries: array(numbered(self.dictionaries).map(dictionary))?,
            tag_offsets: Area::of_file(self.tag_offsets, offsets_of(rows))?,
            tag_keys: text(self.tag_keys, lens.tags, lens.tag_key_bytes)?,
            tag_values: text(self.tag_values, lens.tags, lens.tag_value_bytes)?,
            data: text(self.data, rows, lens.data_bytes)?,
            validity: array(self.validity.map(validity))?,
        })
    }
}

fn no_texts() -> Result<TextColumn, Error> {
    let pool = Arc::default();
    let mut offsets = Area::with_capacity(1, &pool)?;
    offsets.push(0);
    offsets.publish();
    Ok(TextColumn {
        offsets: offsets.area(),
        bytes: Area::with_capacity(1, &pool)?.area(),
    })
}

fn numbered<T, const N: usize>(items: [T; N]) -> [(usize, T); N] {
    let mut number = 0;
    items.map(|item| {
        number += 1;
        (number - 1, item)
    })
}

fn array<T, const N: usize>(items: [Result<T, Error>; N]) -> Result<[T; N], Error> {
    let items = items.into_iter().collect::<Result<Vec<T>, Error>>()?;
    items
        .try_into()
        .map_err(|_| Error::corrupt("a segment without all of its columns"))
}

/// Whether a row may be null, by its dictionary column.
const NULLABLE: [Option<NullableColumn>; DICTIONARIES] = [
    None,
    None,
    None,
    Some(NullableColumn::CorrelationId),
    Some(NullableColumn::Module),
    Some(NullableColumn::Function),
    Some(NullableColumn::File),
];

/// Checks the rows and dictionary entries between `before`, which has been checked, and what a commit says: that
/// everything that others rely on without looking holds. Gives how much there is.
///
/// # Errors
/// `CORRUPT_RECORDING` naming the column.
pub(crate) fn check(
    columns: &Columns,
    base_seq: u64,
    before: &Lens,
    rows: usize,
    entries: &[usize; DICTIONARIES],
) -> Result<Lens, Error> {
    let mut lens = Lens {
        rows,
        entries: *entries,
        ..*before
    };
    let is_shrinking = entries
        .iter()
        .zip(&before.entries)
        .any(|(now, then)| now < then);
    if rows < before.rows || is_shrinking {
        return Err(Error::corrupt("a segment that has become smaller"));
    }
    let fits = |area: usize, len: usize, name: &str| {
        if len <= area {
            Ok(())
        } else {
            Err(Error::corrupt(format!(
                "column {name}: expected room for {len} values, got {area}"
            )))
        }
    };
    let narrowest = [
        columns.event_id.capacity(),
        columns.timestamp.capacity(),
        columns.wall_time.capacity(),
        columns.parent_id.capacity(),
        columns.arity.capacity(),
        columns.line.capacity(),
        columns.seq.capacity(),
    ];
    fits(narrowest.into_iter().min().unwrap_or(0), rows, "event_id")?;
    let seqs = &columns.seq.unpublished(rows)[before.rows..];
    let expected = base_seq
        .checked_add(before.rows as u64)
        .filter(|first| first.checked_add(rows as u64).is_some());
    let first = expected.ok_or_else(|| Error::corrupt("column seq: positions beyond 64 bits"))?;
    if seqs
        .iter()
        .zip(first..)
        .any(|(seq, expected)| *seq != expected)
    {
        return Err(Error::corrupt(
            "column seq: expected positions without a hole",
        ));
    }
    for column in 0..DICTIONARIES {
        let (offsets, bytes) = columns.dictionaries[column].areas();
        lens.entry_bytes[column] = check_texts(
            "a dictionary",
            (offsets, bytes),
            (before.entries[column], before.entry_bytes[column]),
            entries[column],
        )?;
        fits(columns.codes[column].capacity(), rows, "codes")?;
        let codes = &columns.codes[column].unpublished(rows)[before.rows..];
        let validity = NULLABLE[column].map(|nullable| &columns.validity[nullable as usize]);
        let is_known = |(index, &code): (usize, &i32)| {
            let is_null = validity.is_some_and(|validity| !validity.get(before.rows + index));
            usize::try_from(code).is_ok_and(|code| code < entries[column] || is_null && code == 0)
        };
        if !codes.iter().enumerate().all(is_known) {
            return Err(Error::corrupt(
                "a dictionary column: expected codes of its dictionary",
            ));
        }
    }
    fits(columns.tag_offsets.capacity(), rows + 1, "tags")?;
    lens.tags = check_offsets(
        "tags",
        &columns.tag_offsets,
        (before.rows, before.tags),
        rows,
    )?;
    let keys = (&columns.tag_keys.offsets, &columns.tag_keys.bytes);
    let values = (&columns.tag_values.offsets, &columns.tag_values.bytes);
    let data = (&columns.data.offsets, &columns.data.bytes);
    lens.tag_key_bytes = check_texts("tags", keys, (before.tags, before.tag_key_bytes), lens.tags)?;
    lens.tag_value_bytes = check_texts(
        "tags",
        values,
        (before.tags, before.tag_value_bytes),
        lens.tags,
    )?;
    lens.data_bytes = check_texts("data", data, (before.rows, before.data_bytes), rows)?;
    Ok(lens)
}

/// Checks that offsets go on from where they were without falling, up to `texts`; gives the last.
fn check_offsets(
    name: &str,
    offsets: &Arc<Area<i32>>,
    (from, last): (usize, usize),
    texts: usize,
) -> Result<usize, Error> {
    if texts + 1 > offsets.capacity() {
        return Err(Error::corrupt(format!(
            "column {name}: expected room for {} offsets, got {}",
            texts + 1,
            offsets.capacity()
        )));
    }
    let offsets = &offsets.unpublished(texts + 1)[from..];
    let starts = offsets
        .first()
        .is_some_and(|first| *first as usize == last && *first >= 0);
    if !starts || offsets.windows(2).any(|pair| pair[1] < pair[0]) {
        return Err(Error::corrupt(format!(
            "column {name}: expected offsets that do not fall"
        )));
    }
    Ok(offsets.last().map_or(last, |last| *last as usize))
}

/// Checks that the texts behind those that have been checked are text; gives the bytes of all.
fn check_texts(
    name: &str,
    (offsets, bytes): (&Arc<Area<i32>>, &Arc<Area<u8>>),
    (from, from_bytes): (usize, usize),
    texts: usize,
) -> Result<usize, Error> {
    let end = check_offsets(name, offsets, (from, from_bytes), texts)?;
    let no_text = || Error::corrupt(format!("column {name}: expected UTF-8 text"));
    if end > bytes.capacity() {
        return Err(Error::corrupt(format!(
            "column {name}: expected at most {} bytes of text, got {end}",
            bytes.capacity()
        )));
    }
    let text = std::str::from_utf8(&bytes.unpublished(end)[from_bytes..]).map_err(|_| no_text())?;
    let starts = &offsets.unpublished(texts + 1)[from..];
    let is_whole = |offset: &i32| text.is_char_boundary(*offset as usize - from_bytes);
    if starts.iter().all(is_whole) {
        Ok(end)
    } else {
        Err(no_text())
    }
}

/// Lets readers see what has been checked.
pub(crate) fn publish(columns: &Columns, lens: &Lens) {
    let rows = lens.rows;
    columns.seq.publish_to(rows);
    columns.event_id.publish_to(rows);
    columns.timestamp.publish_to(rows);
    columns.wall_time.publish_to(rows);
    columns.parent_id.publish_to(rows);
    columns.arity.publish_to(rows);
    columns.line.publish_to(rows);
    columns
        .codes
        .iter()
        .for_each(|codes| codes.publish_to(rows));
    for (column, dictionary) in columns.dictionaries.iter().enumerate() {
        dictionary.publish_to(lens.entries[column], lens.entry_bytes[column]);
    }
    columns.tag_keys.bytes.publish_to(lens.tag_key_bytes);
    columns.tag_keys.offsets.publish_to(lens.tags + 1);
    columns.tag_values.bytes.publish_to(lens.tag_value_bytes);
    columns.tag_values.offsets.publish_to(lens.tags + 1);
    columns.tag_offsets.publish_to(rows + 1);
    columns.data.bytes.publish_to(lens.data_bytes);
    columns.data.offsets.publish_to(rows + 1);
}
