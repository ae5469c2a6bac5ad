//! Sealed segments in files: written, found again, and looked at when they are needed.

mod opening;
mod writing;

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, OnceLock};

use super::arrow_file;
use super::directory::{Directory, Kind};
use super::index_file::{Index, IndexFile};
use super::unplaced::Unplaced;
use crate::error::Error;
use crate::index::SegmentIndex;
use crate::mapping::FileMap;
use crate::names::Names;
use crate::segment::{Bounds, Sealed, Segment};
use crate::slot::{StoredSegment, Summary};
use crate::statistics::Statistics;
use crate::sync::AtomicUsize;

/// A sealed segment's files.
pub(crate) struct Stored {
    directory: Directory,
    index: Index,
    /// The index was not there, or was damaged.
    lacks_index: bool,
    /// The file of the index has what queries look at.
    has_queries: bool,
    disk_bytes: u64,
    /// Kept open, so that retention in another process takes nothing away that is still in use here.
    file: File,
    /// None inside: damaged.
    segment: OnceLock<Option<Arc<Segment>>>,
    /// Filled once it has been looked for what queries look at.
    looked: OnceLock<()>,
}

impl Stored {
    /// Without bytes of an index there is none.
    fn over(
        directory: &Directory,
        index: Index,
        file: File,
        index_bytes: Option<u64>,
    ) -> io::Result<Self> {
        Ok(Self {
            directory: directory.clone(),
            disk_bytes: file.metadata()?.blocks() * 512 + index_bytes.unwrap_or(0),
            index,
            lacks_index: index_bytes.is_none(),
            has_queries: false,
            file,
            segment: OnceLock::new(),
            looked: OnceLock::new(),
        })
    }

    /// Maps the file. With `check`, its checksums are looked at, for what a disk may do, and its values, for what
    /// somebody may have written who knows how to make checksums.
    ///
    /// # Errors
    /// `CORRUPT_RECORDING`, `IO`.
    pub(crate) fn load(&self, check: bool) -> Result<Segment, Error> {
        let Summary { base_seq, rows, .. } = self.index.summary;
        let len = usize::try_from(self.index.arrow_bytes)
            .map_err(|_| Error::corrupt("a sealed segment that is too large for this machine"))?;
        let map = FileMap::finished(&self.file, len)
            .map_err(|error| Error::io("a sealed segment", &error))?;
        if check && let Some(block) = arrow_file::damaged_block(map.bytes(), &self.index.blocks) {
            return Err(Error::corrupt(format!(
                "the segment at seq {base_seq}: block {block} is damaged"
            )));
        }
        let (columns, lens) = arrow_file::columns(&map, base_seq, !check)?;
        if lens.rows != rows {
            return Err(Error::corrupt(format!(
                "the segment at seq {base_seq}: expected {rows} rows, got {}",
                lens.rows
            )));
        }
        let bounds = Bounds::new();
        let summary = &self.index.summary;
        bounds.store(
            summary.min_timestamp,
            summary.max_timestamp,
            summary.in_time_order,
        );
        let segment = Segment {
            base_seq,
            columns,
            bounds,
            open_bytes: AtomicUsize::new(0),
            sealed: OnceLock::new(),
            index: OnceLock::new(),
            statistics: Statistics::default(),
        };
        // The cell is new, so it is empty.
        let _ = segment.sealed.set(Sealed {
            rows,
            producers: summary.producers.clone(),
            last_append_raw_ns: summary.last_append,
            used_bytes: 0,
        });
        Ok(segment)
    }

    /// Maps a file that this process has just written, and which therefore needs no check.
    ///
    /// # Errors
    /// As [`Stored::load`].
    pub(crate) fn map_own(&self, names: &Names) -> Result<(), Error> {
        let segment = self.load(false)?;
        let _ = self.segment.set(Some(Arc::new(segment)));
        self.indexed_segment(names);
        Ok(())
    }

    /// Maps files that are not in place yet, and checks everything in them.
    ///
    /// # Errors
    /// As [`Stored::load`]; `CORRUPT_RECORDING` for an index that is not what was written.
    pub(super) fn map_unplaced(&self, files: &Unplaced, names: &Names) -> Result<(), Error> {
        let segment = self.load(true)?;
        let base_seq = self.index.summary.base_seq;
        let file = IndexFile::open(&files.path(Kind::Index), self.directory.id(), base_seq);
        let file = file.map_err(|error| Error::io("the index of a sealed segment", &error))?;
        let index = file.and_then(|file| file.queries(&self.index, &segment, names));
        let index = index.ok_or_else(|| Error::corrupt("an index that is not what was written"))?;
        // Nobody else has seen any of it, so the cells are empty.
        let _ = segment.index.set(Arc::new(index));
        let _ = self.segment.set(Some(Arc::new(segment)));
        let _ = self.looked.set(());
        Ok(())
    }

    /// Whether the .arrow file in place is this one, and not one that has taken its place.
    fn is_in_place(&self) -> io::Result<bool> {
        let path = self
            .directory
            .segment_file(self.index.summary.base_seq, Kind::Arrow);
        Ok(std::fs::metadata(path)?.ino() == self.file.metadata()?.ino())
    }

    /// Removes the files of a segment.
    pub(crate) fn remove(directory: &Directory, base_seq: u64) -> io::Result<()> {
        directory.remove(&directory.segment_file(base_seq, Kind::Arrow))?;
        directory.remove(&directory.segment_file(base_seq, Kind::Index))
    }
}

impl StoredSegment for Stored {
    fn summary(&self) -> &Summary {
        &self.index.summary
    }

    fn segment(&self) -> Option<&Arc<Segment>> {
        self.segment
            .get_or_init(|| self.load(true).ok().map(Arc::new))
            .as_ref()
    }

    fn loaded(&self) -> Option<&Arc<Segment>> {
        self.segment.get()?.as_ref()
    }

    fn indexed_segment(&self, names: &Names) -> Option<&Arc<Segment>> {
        let segment = self.segment()?;
        self.looked.get_or_init(|| {
            if self.has_queries
                && segment.index().is_none()
                && let Some(index) = self.read_index(names)
            {
                // Somebody may have built one.
                let _ = segment.index.set(Arc::new(index));
            }
        });
        Some(segment)
    }

    fn read_index(&self, names: &Names) -> Option<SegmentIndex> {
        let segment = self.segment()?;
        let base_seq = self.index.summary.base_seq;
        let path = self.directory.segment_file(base_seq, Kind::Index);
        let file = IndexFile::open(&path, self.directory.id(), base_seq).ok()??;
        file.queries(&self.index, segment, names)
    }

    fn write_index(&self, sync: bool, names: &Names) -> Result<Arc<dyn StoredSegment>, Error> {
        let failed = |error: io::Error| Error::io("the index of a sealed segment", &error);
        let index = self.loaded().and_then(|segment| segment.index());
        let index = index.ok_or_else(|| Error::corrupt("a segment without an index"))?;
        let len = self.replace_index(Some(index), sync).map_err(failed)?;
        let file = self.file.try_clone().map_err(failed)?;
        let stored =
            Self::over(&self.directory, self.index.clone(), file, Some(len)).map_err(failed)?;
        let stored = Self {
            has_queries: true,
            ..stored
        };
        stored.map_own(names)?;
        match stored.loaded().and_then(|segment| segment.index()) {
            Some(_) => Ok(Arc::new(stored)),
            None => Err(Error::corrupt("an index that is not what was written")),
        }
    }

    fn indexed_rows(&self) -> usize {
        match self.loaded() {
            Some(segment) => segment.index().map_or(0, SegmentIndex::rows),
            None if self.has_queries && !self.is_damaged() => self.index.summary.rows,
            None => 0,
        }
    }

    fn is_damaged(&self) -> bool {
        self.segment.get().is_some_and(Option::is_none)
    }

    fn disk_bytes(&self) -> u64 {
        self.disk_bytes
    }
}
