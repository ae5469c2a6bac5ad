//! Runs queries against a snapshot.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::writer::{FileWriter, StreamWriter};
use arrow_schema::Schema;
use kinescope_store::columns::event_schema;
use kinescope_store::{Error, ErrorCode, Snapshot, arrow_view};

use crate::cancel::Cancel;
use crate::filter::Filter;
use crate::find::{Located, Locator};
use crate::gather::gather;
use crate::order::{Key, Order};
use crate::page_token::{LastKey, PageToken};
use crate::projection::{Item, SettledItem, SettledType, settle};
use crate::select::{Selection, Window, select_by_time};
use crate::select_by_field::select_by_field;

/// Runs of at least this many neighbouring rows are handed out as the segment's own memory; below, the fixed cost
/// of another batch outweighs copying.
const SHARED_RUN_MIN_ROWS: usize = 8192;

/// What to find.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Conditions.
    pub filter: Filter,
    /// Rows of the answer, at most.
    pub limit: usize,
    /// In which order.
    pub order: Order,
    /// Rows left out before the first page.
    pub skip: usize,
    /// What of each row; none: the public columns.
    pub projection: Option<Vec<Item>>,
    /// For pages; none: the answer has no token.
    pub pages: Option<Pages>,
}

/// What binds the pages of a query together.
#[derive(Clone, Debug)]
pub struct Pages {
    /// Tells recordings apart.
    pub recording: u64,
    /// Hash of everything that may not change from page to page.
    pub query_hash: u64,
    /// Where the last page ended; none: this is the first.
    pub token: Option<PageToken>,
}

/// The answer to a [`Query`].
pub struct Answer {
    /// In order; together the answer's rows.
    pub batches: Vec<RecordBatch>,
    /// Events that match, whatever the limit; on later pages what the first one said.
    pub total: u64,
    /// The answer holds for all `seq` below.
    pub watermark: u64,
    /// Bytes that were gathered into memory of the answer's own.
    pub gathered_bytes: usize,
    /// Where the next page begins; none: there is none.
    pub next_page: Option<PageToken>,
    /// What of each row; none: the public columns.
    pub items: Option<Vec<SettledItem>>,
    seqs: Vec<u64>,
    snapshot: Snapshot,
}

/// Runs `query` against `snapshot`.
///
/// # Errors
/// As [`Cancel::check`]; `PAGE_TOKEN_INVALID`, `PAGE_TOKEN_EXPIRED`; `RESOURCE_EXHAUSTED` also when the answer is too
/// large for Arrow's 32-bit offsets; `IO` for a bug.
pub fn execute(query: &Query, snapshot: Snapshot, cancel: &Cancel) -> Result<Answer, Error> {
    let token = query.pages.as_ref().and_then(|pages| pages.token.as_ref());
    let snapshot = snapshot_of(query, token, snapshot)?;
    let types = match (token, &query.projection) {
        (Some(token), _) => token.types.clone(),
        (None, Some(items)) => settle(items, &snapshot),
        (None, None) => Vec::new(),
    };
    let items = settled_items(query.projection.as_deref(), &types)?;
    let found = find(query, token, &snapshot, cancel)?;
    let (batches, gathered_bytes) = batches_of(&found.seqs, &snapshot, items.as_deref())?;
    let total = token.map_or(found.matching, |token| token.total);
    let skipped = if token.is_some() {
        0
    } else {
        (query.skip as u64).min(total)
    };
    let delivered = token.map_or(0, |token| token.delivered) + skipped + found.seqs.len() as u64;
    let watermark = snapshot.watermark;
    let next_page = query
        .pages
        .as_ref()
        .zip(found.last)
        .filter(|_| delivered < total)
        .map(|(pages, last)| PageToken {
            recording: pages.recording,
            query_hash: pages.query_hash,
            watermark,
            first_seq: token.map_or_else(|| snapshot.first_seq(), |token| token.first_seq),
            total,
            delivered,
            last,
            types,
        });
    Ok(Answer {
        batches,
        total,
        watermark,
        gathered_bytes,
        next_page,
        items,
        seqs: found.seqs,
        snapshot,
    })
}

/// The snapshot of the first page, as far as retention has left it.
fn snapshot_of(
    query: &Query,
    token: Option<&PageToken>,
    snapshot: Snapshot,
) -> Result<Snapshot, Error> {
    let (Some(pages), Some(token)) = (&query.pages, token) else {
        return Ok(snapshot);
    };
    token.check(pages.recording, pages.query_hash)?;
    let items = query.projection.as_ref().map_or(0, Vec::len);
    // A page has a token only if there are rows behind it.
    let is_possible = token.watermark <= snapshot.watermark
        && token.total <= token.watermark
        && token.delivered < token.total
        && token.types.len() == items;
    if !is_possible {
        return Err(Error::new(
            ErrorCode::PageTokenInvalid,
            "offset.pageToken: expected a token of an earlier page",
        ));
    }
    Ok(token.snapshot_in(snapshot))
}

fn settled_items(
    items: Option<&[Item]>,
    types: &[SettledType],
) -> Result<Option<Vec<SettledItem>>, Error> {
    let Some(items) = items else { return Ok(None) };
    let settled = |(item, &settled): (&Item, &SettledType)| {
        // A damaged token could ask for a path as a whole column.
        if settled == SettledType::Column && item.column.is_none() {
            return Err(Error::new(
                ErrorCode::PageTokenInvalid,
                "offset.pageToken: expected a token of an earlier page",
            ));
        }
        Ok(SettledItem {
            field: item.field.clone(),
            column: item.column,
            settled,
        })
    };
    items
        .iter()
        .zip(types)
        .map(settled)
        .collect::<Result<_, _>>()
        .map(Some)
}

/// The rows of a page.
struct Page {
    seqs: Vec<u64>,
    last: Option<LastKey>,
    matching: u64,
}

impl Page {
    fn of<K: Key>(selection: &Selection<K>, last_key: impl Fn(&K) -> LastKey) -> Self {
        Self {
            seqs: selection.keys.iter().map(Key::seq).collect(),
            last: selection.keys.last().map(last_key),
            matching: selection.matching,
        }
    }
}

fn find(
    query: &Query,
    token: Option<&PageToken>,
    snapshot: &Snapshot,
    cancel: &Cancel,
) -> Result<Page, Error> {
    // What was evicted since the first page may have been still to come: then there are fewer rows left than due.
    let has_evicted = token.is_some_and(|token| token.first_seq != snapshot.first_seq());
    let skip = if token.is_some() { 0 } else { query.skip };
    let count_all = token.is_none() || has_evicted;
    let last = token.map(|token| &token.last);
    let foreign = || {
        Error::new(
            ErrorCode::PageTokenInvalid,
            "offset.pageToken: expected a token of this order",
        )
    };
    let descending = query.order.descending;
    let page = if query.order.field.is_none() {
        let after = match last {
            Some(LastKey::Time(key, of_descending)) if *of_descending == descending => Some(key),
            None => None,
            _ => return Err(foreign()),
        };
        let window = Window {
            after,
            skip,
            limit: query.limit,
            count_all,
        };
        let selection = select_by_time(&query.filter, snapshot, descending, window, cancel)?;
        Page::of(&selection, |key| LastKey::Time(*key, descending))
    } else {
        let after = match last {
            Some(LastKey::Field(key)) if key.descending == descending => Some(key),
            None => None,
            _ => return Err(foreign()),
        };
        let window = Window {
            after,
            skip,
            limit: query.limit,
            count_all,
        };
        let selection = select_by_field(&query.filter, snapshot, &query.order, window, cancel)?;
        Page::of(&selection, |key| LastKey::Field(key.clone()))
    };
    if let Some(token) = token
        .filter(|token| has_evicted && page.matching < token.total.saturating_sub(token.delivered))
    {
        let message = format!(
            "offset.pageToken: retention has evicted rows of the snapshot up to seq {} that were still to come",
            token.watermark
        );
        return Err(Error::new(ErrorCode::PageTokenExpired, message));
    }
    Ok(page)
}

/// The event with this id as an answer of one row.
///
/// # Errors
/// `IO` for a bug.
pub fn find_event(event_id: u64, snapshot: Snapshot) -> Result<Option<Answer>, Error> {
    let Some(seq) = Located::by_id(event_id, &snapshot).map(|at| at.seq()) else {
        return Ok(None);
    };
    let seqs = vec![seq];
    let (batch, gathered_bytes) = gather(&seqs, &Locator::new(&snapshot, &seqs), None)?;
    let watermark = snapshot.watermark;
    Ok(Some(Answer {
        batches: vec![batch],
        total: 1,
        watermark,
        gathered_bytes,
        next_page: None,
        items: None,
        seqs,
        snapshot,
    }))
}

/// Splits the rows into runs that are handed out as they are and stretches that are gathered.
fn batches_of(
    seqs: &[u64],
    snapshot: &Snapshot,
    items: Option<&[SettledItem]>,
) -> Result<(Vec<RecordBatch>, usize), Error> {
    let locator = Locator::new(snapshot, seqs);
    let mut batches = Vec::new();
    let mut gathered_bytes = 0;
    let mut pending = 0;
    let mut start = 0;
    let mut gather_pending = |range: std::ops::Range<usize>, batches: &mut Vec<RecordBatch>| {
        if range.is_empty() {
            return Ok(());
        }
        let (batch, bytes) = gather(&seqs[range], &locator, items)?;
        batches.push(batch);
        gathered_bytes += bytes;
        Ok(())
    };
    while items.is_none() && start < seqs.len() {
        let run = run_length(&seqs[start..], &locator);
        if run >= SHARED_RUN_MIN_ROWS {
            gather_pending(pending..start, &mut batches)?;
            batches.push(shared(seqs[start], run, &locator)?);
            pending = start + run;
        }
        start += run;
    }
    gather_pending(pending..seqs.len(), &mut batches)?;
    Ok((batches, gathered_bytes))
}

/// These rows of a snapshot, ascending and at least one, as one batch, and the bytes that were gathered for it. A long run
/// is handed out as the segment's own memory.
///
/// # Errors
/// `RESOURCE_EXHAUSTED` when a column's text is over 2 GiB; `IO` for a bug.
pub fn batch_of(
    seqs: &[u64],
    snapshot: &Snapshot,
    items: Option<&[SettledItem]>,
) -> Result<(RecordBatch, usize), Error> {
    let locator = Locator::new(snapshot, seqs);
    let is_run = seqs.len() >= SHARED_RUN_MIN_ROWS && run_length(seqs, &locator) == seqs.len();
    let columns = match items {
        None => Some((0..event_schema().fields().len()).collect::<Vec<_>>()),
        Some(items) => items.iter().map(whole_column).collect(),
    };
    let Some(columns) = columns.filter(|_| is_run) else {
        return gather(seqs, &locator, items);
    };
    let batch = shared(seqs[0], seqs.len(), &locator)?;
    let projected = batch.project(&columns).map_err(|error| {
        Error::new(
            ErrorCode::Io,
            format!("a run's columns are not valid Arrow: {error}"),
        )
    });
    projected.map(|batch| (batch, 0))
}

/// What [`batch_of`] has the columns of, without rows.
///
/// # Errors
/// As [`batch_of`].
pub fn no_rows(snapshot: &Snapshot, items: Option<&[SettledItem]>) -> Result<RecordBatch, Error> {
    let locator = Locator::new(snapshot, &[]);
    gather(&[], &locator, items).map(|(batch, _)| batch)
}

/// The column of the public schema that an item is, as it is.
fn whole_column(item: &SettledItem) -> Option<usize> {
    item.column.filter(|_| item.settled == SettledType::Column)
}

/// How many rows from the first on are neighbours in one segment.
fn run_length(seqs: &[u64], locator: &Locator<'_>) -> usize {
    let first = seqs[0];
    let (segment, visible) = locator.segment(locator.index_of(first));
    let left = (segment.base_seq + visible as u64 - first) as usize;
    seqs.iter()
        .zip(first..)
        .take(left)
        .take_while(|(seq, next)| *seq == next)
        .count()
}

fn shared(first_seq: u64, rows: usize, locator: &Locator<'_>) -> Result<RecordBatch, Error> {
    let (segment, visible) = locator.segment(locator.index_of(first_seq));
    let first = (first_seq - segment.base_seq) as usize;
    Ok(arrow_view::record_batch(segment, visible)?.slice(first, rows))
}

/// How an answer is written for another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpcFormat {
    /// Arrow's streaming format.
    Stream,
    /// Arrow's file format.
    File,
}

impl Answer {
    /// Its batches, of which one without rows has the schema when there are none. A projection's columns get `names`, where
    /// otherwise they have their positions.
    ///
    /// # Errors
    /// `IO` when there are not as many names as columns.
    pub fn named_batches(&self, names: Option<&[String]>) -> Result<Vec<RecordBatch>, Error> {
        let mut batches = self.batches.clone();
        if batches.is_empty() {
            batches.push(no_rows(&self.snapshot, self.items.as_deref())?);
        }
        let Some(names) = names else {
            return Ok(batches);
        };
        let renamed = |batch: RecordBatch| {
            let schema = batch.schema();
            let fields = schema.fields().iter().zip(names);
            let fields = fields.map(|(field, name)| field.as_ref().clone().with_name(name));
            let schema = Schema::new(fields.collect::<Vec<_>>());
            RecordBatch::try_new(Arc::new(schema), batch.columns().to_vec()).map_err(|error| {
                Error::new(
                    ErrorCode::Io,
                    format!("an answer under other names: {error}"),
                )
            })
        };
        batches.into_iter().map(renamed).collect()
    }

    /// The answer in Arrow's interprocess format.
    ///
    /// # Errors
    /// `IO`, `RESOURCE_EXHAUSTED`.
    pub fn to_ipc(&self, format: IpcFormat) -> Result<Vec<u8>, Error> {
        // A file may not replace a dictionary from batch to batch, and segments have their own: one batch for all.
        // Of no rows at all it is one with the schema.
        let gathered;
        let batch = if let [batch] = &self.batches[..] {
            batch
        } else {
            let locator = Locator::new(&self.snapshot, &self.seqs);
            gathered = gather(&self.seqs, &locator, self.items.as_deref())?.0;
            &gathered
        };
        let io = |error: arrow_schema::ArrowError| {
            Error::new(
                ErrorCode::Io,
                format!("the answer cannot be written as Arrow IPC: {error}"),
            )
        };
        let schema = batch.schema();
        let mut bytes = Vec::new();
        match format {
            IpcFormat::Stream => {
                let mut writer = StreamWriter::try_new(&mut bytes, &schema).map_err(io)?;
                writer.write(batch).map_err(io)?;
                writer.finish().map_err(io)?;
            }
            IpcFormat::File => {
                let mut writer = FileWriter::try_new(&mut bytes, &schema).map_err(io)?;
                writer.write(batch).map_err(io)?;
                writer.finish().map_err(io)?;
            }
        }
        Ok(bytes)
    }
}
