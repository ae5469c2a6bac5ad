//! A sealed segment as an Arrow IPC file: written from a segment, and found in again.

mod buffers;
mod locate;

use std::io::{self, Write};
use std::sync::Arc;

use arrow_ipc::MetadataVersion;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};

use self::locate::locate;
use super::columns_of_file::{Filling, Lens, check};
use super::index_file::BLOCK_BYTES;
use crate::arrow_view::own_record_batch;
use crate::error::Error;
use crate::mapping::FileMap;
use crate::segment::{Columns, Segment};

const ALIGNMENT_BYTES: usize = 64;

/// Counts and checks what is written through it.
struct Checksummed<W> {
    inner: W,
    blocks: Vec<u32>,
    open: crc32fast::Hasher,
    /// Bytes in the open block.
    filled: usize,
    len: u64,
}

impl<W: Write> Write for Checksummed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        let mut rest = &bytes[..written];
        self.len += written as u64;
        while !rest.is_empty() {
            let (part, behind) = rest.split_at(rest.len().min(BLOCK_BYTES - self.filled));
            self.open.update(part);
            self.filled += part.len();
            rest = behind;
            if self.filled == BLOCK_BYTES {
                let block = std::mem::take(&mut self.open);
                self.blocks.push(block.finalize());
                self.filled = 0;
            }
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Writes a segment's rows; gives the length of the file and the checksums of its blocks.
///
/// # Errors
/// `IO`.
pub(crate) fn write(
    segment: &Segment,
    rows: usize,
    to: impl Write,
) -> Result<(u64, Vec<u32>), Error> {
    let failed = |error: arrow_schema::ArrowError| {
        Error::new(crate::ErrorCode::Io, format!("a sealed segment: {error}"))
    };
    let batch = own_record_batch(segment, rows)?;
    let options =
        IpcWriteOptions::try_new(ALIGNMENT_BYTES, false, MetadataVersion::V5).map_err(failed)?;
    let checksummed = Checksummed {
        inner: to,
        blocks: Vec::new(),
        open: crc32fast::Hasher::new(),
        filled: 0,
        len: 0,
    };
    let mut writer =
        FileWriter::try_new_with_options(checksummed, &batch.schema(), options).map_err(failed)?;
    writer.write(&batch).map_err(failed)?;
    let mut checksummed = writer.into_inner().map_err(failed)?;
    if checksummed.filled > 0 {
        checksummed.blocks.push(checksummed.open.finalize());
    }
    Ok((checksummed.len, checksummed.blocks))
}

/// The first block that does not have its checksum.
pub(crate) fn damaged_block(bytes: &[u8], blocks: &[u32]) -> Option<usize> {
    let found = bytes.chunks(BLOCK_BYTES).map(crc32fast::hash);
    let is_short = bytes.len().div_ceil(BLOCK_BYTES) != blocks.len();
    found
        .zip(blocks)
        .position(|(found, expected)| found != *expected)
        .or(is_short.then_some(blocks.len()))
}

/// The columns of a file, and how much there is of them.
///
/// With `is_trusted` the values are taken as they are: this process has just written them with [`write`].
///
/// # Errors
/// `CORRUPT_RECORDING` saying what is wrong.
pub(crate) fn columns(
    map: &Arc<FileMap>,
    base_seq: u64,
    is_trusted: bool,
) -> Result<(Columns, Lens), Error> {
    let (regions, claimed) = locate(map)?;
    if is_trusted {
        return Ok((regions.columns(Filling::Complete(claimed))?, claimed));
    }
    let columns = regions.columns(Filling::Complete(claimed))?;
    let found = check(
        &columns,
        base_seq,
        &Lens::default(),
        claimed.rows,
        &claimed.entries,
    )?;
    if found == claimed {
        Ok((columns, claimed))
    } else {
        Err(corrupt("columns that differ in length"))
    }
}

fn corrupt(found: &str) -> Error {
    Error::corrupt(format!(
        "a sealed segment: expected an Arrow file of the public columns, got {found}"
    ))
}
