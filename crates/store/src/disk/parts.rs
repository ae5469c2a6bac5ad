//! What a recording's directory holds of the log when it is opened to go on with.

use std::io;
use std::sync::Arc;

use super::basis::Basis;
use super::commit::Commit;
use super::directory::{Directory, Kind};
use super::head::{Closed, Head};
use super::stored::Stored;
use crate::columns::DictionaryColumn;
use crate::error::{Error, ErrorCode};
use crate::loss::LossRange;
use crate::segment::Segment;
use crate::segment_builder::SegmentBuilder;
use crate::slot::{Slot, StoredSegment};

/// A part of the log that was there before.
pub(super) enum Part {
    Stored(Arc<Stored>),
    /// Of a head that no file has been made of. The builder is there until the segment is sealed.
    Rolled(Arc<Segment>, Closed, Option<Box<SegmentBuilder>>),
}

impl Part {
    pub(super) fn base_seq(&self) -> u64 {
        match self {
            Self::Stored(stored) => stored.summary().base_seq,
            Self::Rolled(segment, ..) => segment.base_seq,
        }
    }

    pub(super) fn end_seq(&self) -> u64 {
        match self {
            Self::Stored(stored) => stored.summary().base_seq + stored.summary().rows as u64,
            Self::Rolled(segment, closed, _) => segment.base_seq + closed.rows as u64,
        }
    }

    pub(super) fn timestamps(&self) -> (i64, i64) {
        match self {
            Self::Stored(stored) => (
                stored.summary().min_timestamp,
                stored.summary().max_timestamp,
            ),
            Self::Rolled(_, closed, _) => (closed.min_timestamp, closed.max_timestamp),
        }
    }

    pub(super) fn last_append(&self) -> i64 {
        match self {
            Self::Stored(stored) => stored.summary().last_append,
            Self::Rolled(_, closed, _) => closed.last_append,
        }
    }

    pub(super) fn slot(&self) -> Slot {
        match self {
            Self::Stored(stored) => Slot::File(Arc::clone(stored) as Arc<dyn StoredSegment>),
            Self::Rolled(segment, ..) => Slot::Memory(Arc::clone(segment)),
        }
    }
}

/// Files that a dead writer had not put in place yet.
pub(super) fn remove_unfinished(directory: &Directory) {
    for name in directory.names().unwrap_or_default() {
        if name.ends_with(".new") {
            let _ = directory.remove(&directory.file(&name));
        }
    }
}

/// Sealed segments in files, as far as these are whole. Nothing was appended later than `last_append`, if that is known.
///
/// # Errors
/// `IO` when the system refuses: the rows are there.
pub(super) fn stored_parts(
    directory: &Directory,
    arrows: &[u64],
    last_append: Option<i64>,
) -> Result<Vec<Part>, Error> {
    let mut parts = Vec::new();
    for base_seq in arrows {
        match Stored::open(directory, *base_seq) {
            Ok(Some(mut stored)) => {
                stored.restore_index(last_append);
                parts.push(Part::Stored(Arc::new(stored)));
            }
            Ok(None) => {}
            Err(error) if is_damage(error.kind()) => {}
            Err(error) => {
                let path = directory.segment_file(*base_seq, Kind::Arrow);
                return Err(Error::io(path.display(), &error));
            }
        }
    }
    Ok(parts)
}

/// Whether there is no such file, or something else in its place.
fn is_damage(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{InvalidData, IsADirectory, NotADirectory, NotFound, UnexpectedEof};
    matches!(
        kind,
        NotFound | IsADirectory | NotADirectory | UnexpectedEof | InvalidData
    )
}

/// Segments whose heads no file has been made of. Heads that are of no use are removed.
pub(super) fn rolled_parts(
    directory: &Directory,
    basis: &Basis,
    heads: &[u64],
    parts: &mut Vec<Part>,
) -> Result<(), Error> {
    let commit = &basis.commit;
    for base_seq in heads {
        let is_stored = parts.iter().any(|part| part.base_seq() == *base_seq);
        let is_open = commit.head == Some(*base_seq);
        // After a power loss only heads older than the one that was synced last are known to be whole.
        let is_counted = if basis.lost_power {
            commit.head.is_some_and(|head| *base_seq <= head)
        } else {
            is_open || *base_seq < commit.next_seq
        };
        let is_empty = basis.lost_power && is_open && commit.rows == 0;
        if is_stored || !is_counted || is_empty {
            let _ = directory.remove(&directory.segment_file(*base_seq, Kind::Head));
            continue;
        }
        if is_open && !basis.lost_power {
            continue;
        }
        parts.extend(rolled_part(
            directory,
            *base_seq,
            is_open.then_some(commit),
        )?);
    }
    Ok(())
}

/// A head with the rows that count; none when it is not there or damaged. That the system refuses is an error: the rows
/// are there.
pub(super) fn resumed(
    directory: &Directory,
    base_seq: u64,
    rows: usize,
    entries: &[usize; DictionaryColumn::COUNT],
) -> Result<Option<(Head, SegmentBuilder)>, Error> {
    let Some(head) = whole(Head::open(directory, base_seq, true))? else {
        return Ok(None);
    };
    Ok(whole(head.resume(rows, entries))?.map(|builder| (head, builder)))
}

/// None of what is damaged or gone. Any other error passes, and what it keeps us from is not lost.
fn whole<T>(found: Result<T, Error>) -> Result<Option<T>, Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error)
            if matches!(
                error.code,
                ErrorCode::CorruptRecording | ErrorCode::NotFound
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// A head as a sealed segment: up to a commit, or to where it was closed.
fn rolled_part(
    directory: &Directory,
    base_seq: u64,
    open: Option<&Commit>,
) -> Result<Option<Part>, Error> {
    let closed = match open {
        Some(commit) => Some(Closed {
            rows: usize::try_from(commit.rows).unwrap_or(usize::MAX),
            entries: commit.entries,
            in_time_order: commit.in_time_order,
            min_timestamp: commit.min_timestamp,
            max_timestamp: commit.max_timestamp,
            last_append: commit.timestamp,
        }),
        None => whole(Head::open(directory, base_seq, true))?.and_then(|head| head.closed()),
    };
    let Some(closed) = closed.filter(|closed| closed.rows > 0) else {
        return Ok(None);
    };
    let entries = closed.entries.map(|entries| entries as usize);
    let found = resumed(directory, base_seq, closed.rows, &entries)?;
    Ok(found.map(|(_, builder)| {
        let segment = Arc::clone(builder.segment());
        Part::Rolled(segment, closed, Some(Box::new(builder)))
    }))
}

/// Parts without those whose rows another one before them has, and where the log ends with them. Who merges small
/// segments removes their files last, and may have been stopped before: they go now, if the other one is whole.
pub(super) fn without_covered(directory: &Directory, parts: Vec<Part>) -> (Vec<Part>, u64) {
    let mut kept: Vec<Part> = Vec::with_capacity(parts.len());
    let mut end = 0;
    let mut is_whole = None;
    for part in parts {
        if part.base_seq() >= end {
            end = part.end_seq();
            is_whole = None;
            kept.push(part);
        } else if let Some(Part::Stored(covering)) = kept.last()
            && part.end_seq() <= end
            && *is_whole.get_or_insert_with(|| covering.load(true).is_ok())
        {
            let _ = Stored::remove(directory, part.base_seq());
            let _ = directory.remove(&directory.segment_file(part.base_seq(), Kind::Head));
        }
    }
    (kept, end)
}

/// Indexes of files that have been removed: that comes first.
pub(super) fn remove_left_indexes(directory: &Directory) {
    let bases = |kind| directory.bases(kind);
    let (Ok(indexes), Ok(arrows)) = (bases(Kind::Index), bases(Kind::Arrow)) else {
        return;
    };
    for base_seq in indexes {
        if arrows.binary_search(&base_seq).is_err() {
            let _ = directory.remove(&directory.segment_file(base_seq, Kind::Index));
        }
    }
}

/// Segments that retention had evicted, when their files were still to be removed.
pub(super) fn remove_evicted(
    directory: &Directory,
    parts: &mut Vec<Part>,
    evicted: Option<LossRange>,
) {
    parts.retain(|part| {
        let base_seq = part.base_seq();
        let stays = evicted.is_none_or(|evicted| part.end_seq().saturating_sub(1) > evicted.last);
        if !stays {
            let _ = Stored::remove(directory, base_seq);
            let _ = directory.remove(&directory.segment_file(base_seq, Kind::Head));
        }
        stays
    });
}
