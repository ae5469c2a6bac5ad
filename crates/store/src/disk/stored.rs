//! Sealed segments in files: written, found again, and looked at when they are needed.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, OnceLock};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::arrow_file;
use super::directory::{Directory, Kind};
use super::index_file::{Index, IndexFile};
use super::unplaced::Unplaced;
use crate::error::Error;
use crate::index::SegmentIndex;
use crate::mapping::FileMap;
use crate::names::Names;
use crate::segment::{Bounds, ProducerRange, Sealed, Segment};
use crate::slot::{StoredSegment, Summary};
use crate::statistics::Statistics;
use crate::sync::AtomicUsize;

/// Bytes that go to the system at once.
const WRITE_BYTES: usize = 1 << 18;
/// Attempts to open a file that is replaced meanwhile.
const LOOKS: u32 = 5;

/// Has a file given blocks for so many bytes, where the file system can be asked.
fn reserve(file: &File, len: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::KEEP_SIZE, 0, len.max(1)) {
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

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
    /// Writes a sealed segment's files, with its index if it has one, and puts them in place.
    ///
    /// # Errors
    /// `IO`; what has been written so far is removed then, or by the next opener.
    pub(crate) fn write(
        directory: &Directory,
        segment: &Segment,
        last_append: i64,
        sync: bool,
    ) -> Result<Self, Error> {
        let failed = |error: io::Error| Error::io("a sealed segment", &error);
        let mut files = Unplaced::new(directory, segment.base_seq, ".new");
        let stored = Self::write_unplaced(directory, segment, last_append, sync, &files)?;
        files
            .place(Kind::Index, "seal.rename-index")
            .and_then(|()| files.place(Kind::Arrow, "seal.rename-arrow"))
            .map_err(failed)?;
        if sync {
            directory.sync().map_err(failed)?;
        }
        Ok(stored)
    }

    /// Writes a sealed segment's files, with its index if it has one, and does not put them in place.
    ///
    /// # Errors
    /// `IO`.
    pub(super) fn write_unplaced(
        directory: &Directory,
        segment: &Segment,
        last_append: i64,
        sync: bool,
        files: &Unplaced,
    ) -> Result<Self, Error> {
        let failed = |error: io::Error| Error::io("a sealed segment", &error);
        let sealed = segment
            .sealed()
            .ok_or_else(|| Error::corrupt("a segment that is still open"))?;
        let base_seq = segment.base_seq;
        directory.step("seal.write").map_err(failed)?;
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(files.path(Kind::Arrow))
            .map_err(failed)?;
        // A full disk is found out about before the work: segments that wait for space are tried again and again.
        reserve(&file, sealed.used_bytes as u64).map_err(failed)?;
        let mut writer = BufWriter::with_capacity(WRITE_BYTES, &file);
        let (arrow_bytes, blocks) = arrow_file::write(segment, sealed.rows, &mut writer)?;
        writer.flush().map_err(failed)?;
        drop(writer);
        // Gives back what was reserved and not needed.
        file.set_len(arrow_bytes).map_err(failed)?;
        let index = Index {
            summary: Summary {
                base_seq,
                rows: sealed.rows,
                min_timestamp: segment.bounds.min_timestamp(),
                max_timestamp: segment.bounds.max_timestamp(),
                in_time_order: segment.bounds.in_time_order(),
                last_append,
                producers: sealed.producers.clone(),
            },
            arrow_bytes,
            blocks,
        };
        directory.step("seal.index").map_err(failed)?;
        let index_file = File::create(files.path(Kind::Index)).map_err(failed)?;
        let index_bytes = index
            .write(directory.id(), segment.index(), &index_file)
            .map_err(failed)?;
        if sync {
            directory.step("seal.sync").map_err(failed)?;
            file.sync_data()
                .and_then(|()| index_file.sync_data())
                .map_err(failed)?;
        }
        let stored = Self::over(directory, index, file, Some(index_bytes)).map_err(failed)?;
        Ok(Self {
            has_queries: segment.index().is_some(),
            ..stored
        })
    }

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

    /// The files of a segment; none when they are not whole. Values are looked at only when there is no index.
    ///
    /// # Errors
    /// What the system says, `NotFound` when there is no file.
    pub(crate) fn open(directory: &Directory, base_seq: u64) -> io::Result<Option<Self>> {
        let path = directory.segment_file(base_seq, Kind::Arrow);
        let mut looks = 0;
        loop {
            let file = File::open(&path)?;
            let inode = file.metadata()?.ino();
            let opened = Self::open_file(directory, base_seq, file)?;
            looks += 1;
            // The index may be that of a file which has taken this one's place meanwhile.
            let is_settled = opened.is_some() || looks == LOOKS;
            if is_settled || std::fs::metadata(&path)?.ino() == inode {
                return Ok(opened);
            }
        }
    }

    fn open_file(directory: &Directory, base_seq: u64, file: File) -> io::Result<Option<Self>> {
        let len = file.metadata()?.len();
        let index_path = directory.segment_file(base_seq, Kind::Index);
        let found = IndexFile::open(&index_path, directory.id(), base_seq);
        let found = found.ok().flatten();
        let has_queries = found.as_ref().is_some_and(IndexFile::has_queries);
        let index_bytes = found.as_ref().map(|found| found.len);
        let index = found.map(|found| found.index);
        let Some(index) = index.or_else(|| Self::rebuilt_index(&file, len, base_seq)) else {
            return Ok(None);
        };
        if index.arrow_bytes != len {
            return Ok(None);
        }
        let stored = Self::over(directory, index, file, index_bytes)?;
        Ok(Some(Self {
            has_queries,
            ..stored
        }))
    }

    /// The index of a file that has none, after looking at every value.
    fn rebuilt_index(file: &File, len: u64, base_seq: u64) -> Option<Index> {
        let map = FileMap::finished(file, usize::try_from(len).ok()?).ok()?;
        let (columns, lens) = arrow_file::columns(&map, base_seq, false).ok()?;
        let timestamps = columns.timestamp.slice(lens.rows);
        let ids = columns.event_id.slice(lens.rows);
        let blocks = map.bytes().chunks(super::index_file::BLOCK_BYTES);
        let summary = Summary {
            base_seq,
            rows: lens.rows,
            min_timestamp: timestamps.iter().copied().min()?,
            max_timestamp: timestamps.iter().copied().max()?,
            in_time_order: timestamps.is_sorted(),
            last_append: timestamps.iter().copied().max()?,
            producers: ProducerRange::of(ids),
        };
        Some(Index {
            summary,
            arrow_bytes: len,
            blocks: blocks.map(crc32fast::hash).collect(),
        })
    }

    /// Writes the index down that [`Stored::open`] had to make.
    pub(crate) fn restore_index(&self) {
        if self.lacks_index {
            // Without it, the next opener has to look at every value again.
            let _ = self.replace_index(None, false);
        }
    }

    /// Puts a new index file in place; gives its length.
    fn replace_index(&self, queries: Option<&SegmentIndex>, sync: bool) -> io::Result<u64> {
        let base_seq = self.index.summary.base_seq;
        if !self.is_in_place()? {
            return Err(io::ErrorKind::NotFound.into());
        }
        let path = self.directory.segment_file(base_seq, Kind::Index);
        let new = path.with_extension("index.new");
        self.directory.step("index.write")?;
        let file = File::create(&new)?;
        let len = self.index.write(self.directory.id(), queries, &file)?;
        if sync {
            self.directory.step("index.sync")?;
            file.sync_data()?;
        }
        self.directory.step("index.rename")?;
        std::fs::rename(&new, &path)?;
        if sync {
            self.directory.sync()?;
        }
        Ok(len)
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
