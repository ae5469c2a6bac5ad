//! Files of sealed segments: written, and put in place.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::Stored;
use crate::disk::arrow_file;
use crate::disk::directory::{Directory, Kind};
use crate::disk::index_file::Index;
use crate::disk::unplaced::Unplaced;
use crate::error::Error;
use crate::index::SegmentIndex;
use crate::segment::Segment;
use crate::slot::Summary;

/// Bytes that go to the system at once.
const WRITE_BYTES: usize = 1 << 18;

/// Has a file given blocks for so many bytes, where the file system can be asked.
fn reserve(file: &File, len: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::KEEP_SIZE, 0, len.max(1)) {
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
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
    pub(in crate::disk) fn write_unplaced(
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
        directory.step_by_name("seal.write").map_err(failed)?;
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
        directory.step_by_name("seal.index").map_err(failed)?;
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

    /// Writes the index down that [`Stored::open`] had to make. When the last row was appended is not known then: events have
    /// timestamps of any time. It was not later than `last_append`, and what is taken for younger than it is stays longer.
    pub(crate) fn restore_index(&mut self, last_append: Option<i64>) {
        if self.lacks_index {
            let summary = &mut self.index.summary;
            summary.last_append = last_append.unwrap_or(summary.last_append);
            // Without it, the next opener has to look at every value again.
            let _ = self.replace_index(None, false);
        }
    }

    /// Puts a new index file in place; gives its length.
    pub(super) fn replace_index(
        &self,
        queries: Option<&SegmentIndex>,
        sync: bool,
    ) -> io::Result<u64> {
        let base_seq = self.index.summary.base_seq;
        if !self.is_in_place()? {
            return Err(io::ErrorKind::NotFound.into());
        }
        let path = self.directory.segment_file(base_seq, Kind::Index);
        let new = path.with_extension("index.new");
        self.directory.step_by_name("index.write")?;
        let file = File::create(&new)?;
        let len = self.index.write(self.directory.id(), queries, &file)?;
        if sync {
            self.directory.step("index.sync")?;
            file.sync_data()?;
        }
        self.directory.step_by_name("index.rename")?;
        std::fs::rename(&new, &path)?;
        if sync {
            self.directory.sync()?;
        }
        Ok(len)
    }
}
