//! The file of an open segment: its columns as shared memory, filled in place.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::blocks::{Blocks, PAGE_BYTES, allocate};
use super::codec::{Decoder, Encoder};
use super::columns_of_file::{Filling, Lens, check};
use super::directory::{Directory, Kind};
use super::head_layout::{HeadSource, Layout, area_lens, column_regions};
use crate::columns::DictionaryColumn;
use crate::error::{Error, ErrorCode};
use crate::journal::Position;
use crate::mapping::FileMap;
use crate::segment::Columns;
use crate::segment_builder::{SegmentBuilder, SegmentLimits};

const MAGIC: &[u8; 8] = b"KSHEAD1\n";
const HEADER_BYTES: usize = 72;
const CLOSED_AT: usize = 2048;
const CLOSED_BYTES: usize = 64;
/// More rows than a segment can have.
const ROWS_MAX: u64 = 1 << 32;
const AREA_BYTES_MAX: u64 = 1 << 31;

/// A head's file.
pub(crate) struct Head {
    file: File,
    directory: Directory,
    pub(crate) base_seq: u64,
    limits: SegmentLimits,
}

/// What a head's own first page says once no more rows come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) rows: usize,
    pub(crate) entries: [u32; DictionaryColumn::COUNT],
    pub(crate) in_time_order: bool,
    pub(crate) min_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) last_append: i64,
}

impl Head {
    /// A new head, and the segment in it.
    ///
    /// # Errors
    /// `IO`; nothing is left of it then.
    pub(crate) fn create(
        directory: &Directory,
        base_seq: u64,
        limits: SegmentLimits,
    ) -> Result<(Self, SegmentBuilder), Error> {
        let limits = limits.settled();
        let path = directory.segment_file(base_seq, Kind::Head);
        let created = Self::create_at(directory, &path, base_seq, limits);
        if created.is_err() {
            // What cannot be removed is removed by the next opener.
            let _ = std::fs::remove_file(&path);
        }
        created
    }

    fn create_at(
        directory: &Directory,
        path: &Path,
        base_seq: u64,
        limits: SegmentLimits,
    ) -> Result<(Self, SegmentBuilder), Error> {
        let io = |error: io::Error| Error::io(path.display(), &error);
        directory.step_by_name("head.create").map_err(io)?;
        // Not over a file that is there: whoever has that one mapped would find this one's bytes.
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
            _ => {}
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(io)?;
        let layout = Layout::of(&limits);
        file.set_len(layout.len as u64).map_err(io)?;
        allocate(&file, 0, PAGE_BYTES as u64).map_err(io)?;
        let numbers = [
            limits.rows,
            limits.data_bytes,
            limits.dictionary_bytes,
            limits.tag_bytes,
            limits.tag_entries,
        ];
        let mut header = Encoder::default();
        header.bytes(MAGIC).bytes(directory.id()).u64(base_seq);
        for number in numbers {
            header.u64(number as u64);
        }
        file.write_all_at(&header.checked(), 0).map_err(io)?;
        let head = Self {
            file,
            directory: directory.clone(),
            base_seq,
            limits,
        };
        let builder = head.builder(&Lens::default(), true)?;
        Ok((head, builder))
    }

    /// The head of a base.
    ///
    /// # Errors
    /// `NOT_FOUND`, `IO`, `CORRUPT_RECORDING`.
    pub(crate) fn open(
        directory: &Directory,
        base_seq: u64,
        for_writing: bool,
    ) -> Result<Self, Error> {
        let path = directory.segment_file(base_seq, Kind::Head);
        let io = |error: io::Error| Error::io(path.display(), &error);
        let corrupt = |found: &str| {
            Error::corrupt(format!(
                "{}: expected an open segment, got {found}",
                path.display()
            ))
        };
        let file = OpenOptions::new().read(true).write(for_writing).open(&path);
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                Error::new(ErrorCode::NotFound, format!("{}: {error}", path.display()))
            }
            io::ErrorKind::IsADirectory => corrupt("a directory"),
            _ => io(error),
        })?;
        let mut page = [0; HEADER_BYTES + 4];
        file.read_exact_at(&mut page, 0)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => corrupt("a shorter file"),
                io::ErrorKind::IsADirectory => corrupt("a directory"),
                _ => io(error),
            })?;
        let mut header = Decoder::of_checked(&page, HEADER_BYTES)
            .ok_or_else(|| corrupt("one whose checksum does not hold"))?;
        let start = (header.array(), header.array(), header.u64());
        if start != (Some(*MAGIC), Some(*directory.id()), Some(base_seq)) {
            return Err(corrupt("one of another recording or place"));
        }
        let mut number = |max: u64| {
            let number = header.u64().filter(|number| *number <= max);
            number
                .map(|number| number as usize)
                .ok_or_else(|| corrupt("one with impossible limits"))
        };
        let limits = SegmentLimits {
            rows: number(ROWS_MAX)?,
            data_bytes: number(AREA_BYTES_MAX)?,
            dictionary_bytes: number(AREA_BYTES_MAX)?,
            tag_bytes: number(AREA_BYTES_MAX)?,
            tag_entries: number(ROWS_MAX)?,
        };
        if limits != limits.settled()
            || file.metadata().map_err(io)?.len() != Layout::of(&limits).len as u64
        {
            return Err(corrupt("one of another length"));
        }
        Ok(Self {
            file,
            directory: directory.clone(),
            base_seq,
            limits,
        })
    }

    /// The columns as another process fills them; nothing is published.
    ///
    /// # Errors
    /// `IO`, `CORRUPT_RECORDING`.
    pub(crate) fn watch(&self) -> Result<Columns, Error> {
        let layout = Layout::of(&self.limits);
        let map = FileMap::watched(&self.file, layout.len)
            .map_err(|error| Error::io("an open segment", &error))?;
        let mut regions = Vec::with_capacity(layout.regions.len());
        for (offset, len) in layout.regions {
            regions.push(map.region(offset, len)?);
        }
        let regions = column_regions(regions)
            .ok_or_else(|| Error::corrupt("a head without all of its columns"))?;
        regions.columns(Filling::Watched {
            rows_max: self.limits.rows,
        })
    }

    /// Goes on with the rows that a commit counts, which are checked first.
    ///
    /// # Errors
    /// `IO`, `CORRUPT_RECORDING`.
    pub(crate) fn resume(
        &self,
        rows: usize,
        entries: &[usize; DictionaryColumn::COUNT],
    ) -> Result<SegmentBuilder, Error> {
        let columns = self.watch()?;
        let lens = check(&columns, self.base_seq, &Lens::default(), rows, entries)?;
        self.builder(&lens, false)
    }

    fn builder(&self, lens: &Lens, is_new: bool) -> Result<SegmentBuilder, Error> {
        let layout = Layout::of(&self.limits);
        let file = self
            .file
            .try_clone()
            .map_err(|error| Error::io("an open segment", &error))?;
        let blocks = Arc::new(Blocks {
            file,
            directory: self.directory.clone(),
        });
        let map = FileMap::writable(&self.file, layout.len, blocks)
            .map_err(|error| Error::io("an open segment", &error))?;
        let lens = if is_new { Vec::new() } else { area_lens(lens) };
        let source = HeadSource {
            map,
            regions: layout.regions.into_iter(),
            lens: lens.into_iter(),
        };
        SegmentBuilder::new(self.base_seq, self.limits, source)
    }

    /// Writes down that no more rows come.
    pub(crate) fn close(&self, position: &Position, last_append: i64) -> io::Result<()> {
        self.directory.step("head.close")?;
        let mut closed = Encoder::default();
        closed.u64(position.rows as u64);
        for entries in position.entries {
            closed.u32(entries);
        }
        let closed = closed
            .u32(u32::from(position.in_time_order))
            .i64(position.min_timestamp)
            .i64(position.max_timestamp)
            .i64(last_append)
            .pad_to(CLOSED_BYTES)
            .checked();
        self.file.write_all_at(&closed, CLOSED_AT as u64)
    }

    /// What [`Head::close`] wrote; none while the segment is open.
    pub(crate) fn closed(&self) -> Option<Closed> {
        let mut bytes = [0; CLOSED_BYTES + 4];
        self.file.read_exact_at(&mut bytes, CLOSED_AT as u64).ok()?;
        let mut closed = Decoder::of_checked(&bytes, CLOSED_BYTES)?;
        Some(Closed {
            rows: usize::try_from(closed.u64()?).ok()?,
            entries: read_entries(&mut closed)?,
            in_time_order: closed.u32()? != 0,
            min_timestamp: closed.i64()?,
            max_timestamp: closed.i64()?,
            last_append: closed.i64()?,
        })
    }

    /// Has everything written so far reach the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.directory.step("head.sync")?;
        self.file.sync_data()
    }

    /// Bytes of its blocks.
    pub(crate) fn disk_bytes(&self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        self.file.metadata().map_or(0, |meta| meta.blocks() * 512)
    }
}

/// Numbers of dictionary entries, as commits and heads have them.
pub(crate) fn read_entries(record: &mut Decoder<'_>) -> Option<[u32; DictionaryColumn::COUNT]> {
    let mut entries = [0; DictionaryColumn::COUNT];
    for count in &mut entries {
        *count = record.u32()?;
    }
    Some(entries)
}
