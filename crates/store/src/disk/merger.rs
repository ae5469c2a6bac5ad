//! Makes one file of several small segments, next to theirs.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::directory::Directory;
use super::stored::Stored;
use super::unplaced::Unplaced;
use crate::error::{Error, ErrorCode};
use crate::segment::Segment;
use crate::segment_builder::{SegmentBuilder, SegmentLimits};
use crate::shared::Shared;
use crate::slot::StoredSegment;

/// A segment that is to be merged with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) base_seq: u64,
    pub(super) rows: usize,
    pub(super) last_append: i64,
}

/// A segment with the rows of some others, whose files are not in place yet.
pub(super) struct Merged {
    pub(super) stored: Arc<Stored>,
    pub(super) files: Unplaced,
    /// What it is made of, in the order of the log.
    pub(super) parts: Vec<Part>,
}

/// Why there is no merged segment.
pub(super) enum Failure {
    /// One of the parts is no longer what it was, or nobody wants the result any more.
    Gone,
    /// These are not to be tried again.
    Refused(HashSet<u64>),
    /// The disk or memory does not take it now.
    NoRoom,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.code {
            ErrorCode::CorruptRecording => Self::Refused(HashSet::new()),
            _ => Self::NoRoom,
        }
    }
}

/// What merging needs, in a thread of its own.
pub(super) struct Merger {
    pub(super) directory: Directory,
    pub(super) shared: Arc<Shared>,
    pub(super) parts: Vec<Part>,
    /// Set when nobody waits for the result any more.
    pub(super) stop: Arc<AtomicBool>,
}

impl Merger {
    /// Reads the parts anew and checks all of them, so that neither what a disk has done to one nor what JavaScript has
    /// stored into it gets a good checksum; then writes their rows to new files, and checks those. They are on the disk when
    /// this returns, whatever the recording's durability: what they replace may have been for long.
    pub(super) fn run(self) -> Result<Merged, Failure> {
        let (segment, last_append) = self.merged()?;
        self.ensure_wanted()?;
        self.shared.index_sealed(&segment);
        self.ensure_wanted()?;
        let files = Unplaced::new(&self.directory, segment.base_seq, ".merged.new");
        let stored = Stored::write_unplaced(&self.directory, &segment, last_append, true, &files)?;
        drop(segment);
        stored.map_unplaced(&files, self.shared.names())?;
        Ok(Merged {
            stored: Arc::new(stored),
            files,
            parts: self.parts,
        })
    }

    fn ensure_wanted(&self) -> Result<(), Failure> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Failure::Gone);
        }
        Ok(())
    }

    /// All rows in one segment in memory, and when the last of them was appended.
    fn merged(&self) -> Result<(Arc<Segment>, i64), Failure> {
        let mut segments = Vec::new();
        for part in &self.parts {
            self.ensure_wanted()?;
            segments.push(self.read(*part)?);
        }
        let last_append = self.parts.iter().map(|part| part.last_append).max();
        let last_append = last_append.unwrap_or(i64::MIN);
        let base_seq = self.parts.first().map_or(0, |part| part.base_seq);
        let limits = SegmentLimits::of_all(&segments);
        let mut builder = SegmentBuilder::new(base_seq, limits, &Arc::default())?;
        for (segment, part) in segments.iter().zip(&self.parts) {
            self.ensure_wanted()?;
            let follows = builder.next_seq() == part.base_seq;
            if !follows || !builder.append_rows(segment, part.rows) {
                return Err(Failure::Refused(HashSet::new()));
            }
        }
        let merged = Arc::clone(builder.segment());
        builder.seal(last_append);
        Ok((merged, last_append))
    }

    /// A part as its files have it.
    fn read(&self, part: Part) -> Result<Segment, Failure> {
        let damaged = || Failure::Refused(HashSet::from([part.base_seq]));
        let stored = match Stored::open(&self.directory, part.base_seq) {
            Ok(stored) => stored.ok_or_else(damaged)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Failure::Gone),
            Err(_) => return Err(Failure::NoRoom),
        };
        if stored.summary().rows != part.rows {
            return Err(Failure::Gone);
        }
        stored.load(true).map_err(|error| match error.code {
            ErrorCode::CorruptRecording => damaged(),
            _ => Failure::NoRoom,
        })
    }
}
