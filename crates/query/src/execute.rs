//! Runs queries against a snapshot.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::writer::{FileWriter, StreamWriter};
use kinescope_store::columns::event_schema;
use kinescope_store::{Error, ErrorCode, Segment, Snapshot, arrow_view};

use crate::cancel::Cancel;
use crate::filter::Filter;
use crate::gather::gather;
use crate::select::{RowRef, select};

/// Runs of at least this many neighbouring rows are handed out as the segment's own memory; below, the fixed cost
/// of another batch outweighs copying.
const SHARED_RUN_MIN_ROWS: usize = 8192;

/// What to find.
#[derive(Clone, Debug)]
pub struct Query {
    /// Conditions.
    pub filter: Filter,
    /// Rows of the answer, at most.
    pub limit: usize,
}

/// The answer to a [`Query`].
pub struct Answer {
    /// In order; together the answer's rows.
    pub batches: Vec<RecordBatch>,
    /// Events that match, whatever the limit.
    pub total: u64,
    /// The answer holds for all `seq` below.
    pub watermark: u64,
    /// Bytes that were gathered into memory of the answer's own.
    pub gathered_bytes: usize,
    rows: Vec<RowRef>,
    snapshot: Snapshot,
}

/// Finds a row's segment.
pub(crate) struct Locator<'a> {
    segments: Vec<(&'a Arc<Segment>, usize)>,
}

impl<'a> Locator<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot) -> Self {
        Self {
            segments: snapshot.segments().collect(),
        }
    }

    /// The index of the segment that holds `seq`, which must be in the snapshot.
    pub(crate) fn index_of(&self, seq: u64) -> usize {
        self.segments
            .partition_point(|(segment, _)| segment.base_seq <= seq)
            - 1
    }

    pub(crate) fn segment(&self, index: usize) -> (&'a Arc<Segment>, usize) {
        self.segments[index]
    }
}

/// Runs `query` against `snapshot`.
///
/// # Errors
/// As [`Cancel::check`]; `RESOURCE_EXHAUSTED` also when the answer is too large for Arrow's 32-bit offsets; `IO` for
/// a bug.
pub fn execute(query: &Query, snapshot: Snapshot, cancel: &Cancel) -> Result<Answer, Error> {
    let selection = select(&query.filter, &snapshot, query.limit, cancel)?;
    let (batches, gathered_bytes) = batches_of(&selection.rows, &snapshot)?;
    Ok(Answer {
        batches,
        total: selection.total,
        watermark: snapshot.watermark,
        gathered_bytes,
        rows: selection.rows,
        snapshot,
    })
}

/// The event with this id as an answer of one row.
///
/// # Errors
/// `IO` for a bug.
pub fn find_event(event_id: u64, snapshot: Snapshot) -> Result<Option<Answer>, Error> {
    // The newest first: who asks for one event mostly just saw it.
    let found = snapshot.segments().rev().find_map(|(segment, rows)| {
        let row = segment.row_of(event_id, rows)?;
        Some(RowRef {
            timestamp: segment.columns.timestamp.slice(rows)[row],
            seq: segment.base_seq + row as u64,
        })
    });
    let Some(row) = found else { return Ok(None) };
    let rows = vec![row];
    let (batch, gathered_bytes) = gather(&rows, &Locator::new(&snapshot))?;
    Ok(Some(Answer {
        batches: vec![batch],
        total: 1,
        watermark: snapshot.watermark,
        gathered_bytes,
        rows,
        snapshot,
    }))
}

/// Splits the rows into runs that are handed out as they are and stretches that are gathered.
fn batches_of(rows: &[RowRef], snapshot: &Snapshot) -> Result<(Vec<RecordBatch>, usize), Error> {
    let locator = Locator::new(snapshot);
    let mut batches = Vec::new();
    let mut gathered_bytes = 0;
    let mut pending = 0;
    let mut start = 0;
    while start < rows.len() {
        let run = run_length(&rows[start..], &locator);
        if run >= SHARED_RUN_MIN_ROWS {
            if pending < start {
                let (batch, bytes) = gather(&rows[pending..start], &locator)?;
                batches.push(batch);
                gathered_bytes += bytes;
            }
            batches.push(shared(rows[start].seq, run, &locator)?);
            pending = start + run;
        }
        start += run;
    }
    if pending < rows.len() {
        let (batch, bytes) = gather(&rows[pending..], &locator)?;
        batches.push(batch);
        gathered_bytes += bytes;
    }
    Ok((batches, gathered_bytes))
}

/// How many rows from the first on are neighbours in one segment.
fn run_length(rows: &[RowRef], locator: &Locator<'_>) -> usize {
    let first = rows[0].seq;
    let (segment, visible) = locator.segment(locator.index_of(first));
    let left = (segment.base_seq + visible as u64 - first) as usize;
    let neighbours = rows
        .iter()
        .zip(first..)
        .take(left)
        .take_while(|(row, seq)| row.seq == *seq);
    neighbours.count()
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
    /// The answer in Arrow's interprocess format.
    ///
    /// # Errors
    /// `IO`, `RESOURCE_EXHAUSTED`.
    pub fn to_ipc(&self, format: IpcFormat) -> Result<Vec<u8>, Error> {
        // A file may not replace a dictionary from batch to batch, and segments have their own: one batch for all.
        let mut gathered = Vec::new();
        let batches = if self.batches.len() > 1 {
            gathered.push(gather(&self.rows, &Locator::new(&self.snapshot))?.0);
            &gathered
        } else {
            &self.batches
        };
        let io = |error: arrow_schema::ArrowError| {
            Error::new(
                ErrorCode::Io,
                format!("the answer cannot be written as Arrow IPC: {error}"),
            )
        };
        let schema = event_schema();
        let mut bytes = Vec::new();
        match format {
            IpcFormat::Stream => {
                let mut writer = StreamWriter::try_new(&mut bytes, &schema).map_err(io)?;
                batches
                    .iter()
                    .try_for_each(|batch| writer.write(batch))
                    .map_err(io)?;
                writer.finish().map_err(io)?;
            }
            IpcFormat::File => {
                let mut writer = FileWriter::try_new(&mut bytes, &schema).map_err(io)?;
                batches
                    .iter()
                    .try_for_each(|batch| writer.write(batch))
                    .map_err(io)?;
                writer.finish().map_err(io)?;
            }
        }
        Ok(bytes)
    }
}
