//! Files of sealed segments: found again.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use super::Stored;
use crate::disk::arrow_file;
use crate::disk::directory::{Directory, Kind};
use crate::disk::index_file::{BLOCK_BYTES, Index, IndexFile};
use crate::mapping::FileMap;
use crate::segment::ProducerRange;
use crate::slot::Summary;

/// Attempts to open a file that is replaced meanwhile.
const LOOKS: u32 = 5;

impl Stored {
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
        let blocks = map.bytes().chunks(BLOCK_BYTES);
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
}
