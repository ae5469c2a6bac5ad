//! A sealed segment as an Arrow IPC file: written from a segment, and found in again.

use std::io::{self, Write};
use std::sync::Arc;

use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_ipc::{Block, MetadataVersion, RecordBatch as BatchMessage};

use super::columns_of_file::{ColumnRegions, Filling, Lens, check};
use super::index_file::BLOCK_BYTES;
use crate::arrow_view::own_record_batch;
use crate::columns::{DictionaryColumn, NullableColumn, event_schema};
use crate::error::Error;
use crate::mapping::{FileMap, Region};
use crate::segment::{Columns, Segment};

const MAGIC: &[u8; 6] = b"ARROW1";
/// Length of the footer and the magic behind it.
const TAIL_BYTES: usize = 10;
const ALIGNMENT_BYTES: usize = 64;
/// In front of a message: the continuation marker and its length.
const PREFIX_BYTES: usize = 8;

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

/// Takes a message's buffers in order.
struct Buffers<'a> {
    map: &'a Arc<FileMap>,
    body: usize,
    body_len: usize,
    message: BatchMessage<'a>,
    next_buffer: usize,
    next_node: usize,
}

impl Buffers<'_> {
    /// Length and number of nulls of the next array.
    fn node(&mut self) -> Result<(usize, usize), Error> {
        let nodes = self
            .message
            .nodes()
            .filter(|nodes| self.next_node < nodes.len());
        let node = *nodes
            .ok_or_else(|| corrupt("fewer columns"))?
            .get(self.next_node);
        self.next_node += 1;
        let number =
            |number: i64| usize::try_from(number).map_err(|_| corrupt("a negative length"));
        Ok((number(node.length())?, number(node.null_count())?))
    }

    /// The next buffer, which starts where its kind may; for validity bitmaps with their padding.
    fn buffer(&mut self) -> Result<Region, Error> {
        let buffers = self
            .message
            .buffers()
            .filter(|buffers| self.next_buffer < buffers.len());
        let buffer = *buffers
            .ok_or_else(|| corrupt("fewer buffers"))?
            .get(self.next_buffer);
        self.next_buffer += 1;
        let start = usize::try_from(buffer.offset()).ok();
        let len = usize::try_from(buffer.length()).ok();
        let (start, len) = start.zip(len).ok_or_else(|| corrupt("a negative offset"))?;
        let padded = len.checked_next_multiple_of(8);
        let is_inside = padded
            .and_then(|padded| start.checked_add(padded))
            .is_some_and(|end| end <= self.body_len);
        if !is_inside || !start.is_multiple_of(8) {
            return Err(corrupt("a buffer outside of its message"));
        }
        self.map.region(self.body + start, len.next_multiple_of(8))
    }

    fn validity(&mut self, nulls: usize) -> Result<Option<Region>, Error> {
        let region = self.buffer()?;
        Ok((nulls > 0).then_some(region))
    }

    /// An array of fixed width, whose length has to be `rows`.
    fn fixed(&mut self, rows: usize) -> Result<(Option<Region>, Region), Error> {
        let (len, nulls) = self.node()?;
        if len != rows {
            return Err(corrupt("columns that differ in length"));
        }
        Ok((self.validity(nulls)?, self.buffer()?))
    }

    /// An array of texts: its length, validity, and offsets and bytes.
    fn texts(&mut self) -> Result<(usize, Option<Region>, [Region; 2]), Error> {
        let (len, nulls) = self.node()?;
        Ok((len, self.validity(nulls)?, [self.buffer()?, self.buffer()?]))
    }
}

/// The bytes of `texts` texts: their last offset.
fn text_bytes(
    bytes: &[u8],
    texts: usize,
    offsets: &Region,
    base: &Arc<FileMap>,
) -> Result<usize, Error> {
    if texts == 0 {
        return Ok(0);
    }
    let start = offsets.export().as_ptr() as usize - base.bytes().as_ptr() as usize;
    let at = texts
        .checked_mul(4)
        .filter(|at| *at + 4 <= offsets.len())
        .map(|at| start + at);
    let last = at.and_then(|at| bytes.get(at..)?.first_chunk());
    let last = last.map(|last| i32::from_le_bytes(*last));
    last.and_then(|last| usize::try_from(last).ok())
        .ok_or_else(|| corrupt("texts without offsets"))
}

/// Where a file's columns are. Nothing here trusts the file but that it has the length of the mapping.
fn locate(map: &Arc<FileMap>) -> Result<(ColumnRegions, Lens), Error> {
    let bytes = map.bytes();
    let footer = footer(bytes)?;
    let footer = arrow_ipc::root_as_footer(footer).map_err(|_| corrupt("a damaged footer"))?;
    let schema = footer.schema().ok_or_else(|| corrupt("no schema"))?;
    let is_ours = arrow_ipc::convert::try_fb_to_schema(schema)
        .is_ok_and(|schema| schema.fields() == event_schema().fields());
    if !is_ours {
        return Err(corrupt("another schema"));
    }
    let ids = schema.fields().into_iter().flatten();
    let ids: Vec<i64> = ids
        .filter_map(|field| Some(field.dictionary()?.id()))
        .collect();
    let dictionary_blocks = footer
        .dictionaries()
        .ok_or_else(|| corrupt("no dictionaries"))?;
    let batches = footer.recordBatches().filter(|batches| batches.len() == 1);
    let batch = *batches
        .ok_or_else(|| corrupt("more or less than one batch"))?
        .get(0);
    let mut lens = Lens::default();
    let mut dictionaries: [Option<[Region; 2]>; DictionaryColumn::COUNT] = Default::default();
    for block in dictionary_blocks.iter().take(DictionaryColumn::COUNT) {
        let (message, body, body_len) = message(bytes, block)?;
        let dictionary = message
            .header_as_dictionary_batch()
            .filter(|dictionary| !dictionary.isDelta())
            .ok_or_else(|| corrupt("another message in place of a dictionary"))?;
        let column = ids.iter().position(|id| *id == dictionary.id());
        let column = column.filter(|column| *column < DictionaryColumn::COUNT);
        let (column, data) = column
            .zip(dictionary.data())
            .ok_or_else(|| corrupt("an unknown dictionary"))?;
        let mut buffers = buffers(map, body, body_len, data)?;
        let (entries, nulls, texts) = buffers.texts()?;
        if nulls.is_some() {
            return Err(corrupt("a null in a dictionary"));
        }
        lens.entries[column] = entries;
        lens.entry_bytes[column] = text_bytes(bytes, entries, &texts[0], map)?;
        dictionaries[column] = Some(texts);
    }
    let (message, body, body_len) = message(bytes, &batch)?;
    let data = message
        .header_as_record_batch()
        .ok_or_else(|| corrupt("another message in place of the batch"))?;
    lens.rows = usize::try_from(data.length()).map_err(|_| corrupt("a negative length"))?;
    let dictionaries = dictionaries.into_iter().collect::<Option<Vec<_>>>();
    let dictionaries = dictionaries
        .and_then(|found| found.try_into().ok())
        .ok_or_else(|| corrupt("fewer dictionaries"))?;
    let regions = batch_regions(
        &mut buffers(map, body, body_len, data)?,
        dictionaries,
        &mut lens,
    )?;
    Ok((regions, lens))
}

fn footer(bytes: &[u8]) -> Result<&[u8], Error> {
    let body_len = bytes.len().checked_sub(TAIL_BYTES);
    let (rest, tail) = body_len
        .and_then(|at| bytes.split_at_checked(at))
        .ok_or_else(|| corrupt("a shorter file"))?;
    let (len, magic) = tail.split_at(4);
    let len = len.first_chunk().map_or(-1, |len| i32::from_le_bytes(*len));
    let start = usize::try_from(len)
        .ok()
        .and_then(|len| rest.len().checked_sub(len));
    match start {
        Some(start) if magic == MAGIC && bytes.starts_with(MAGIC) => Ok(&rest[start..]),
        _ => Err(corrupt("a file that does not start and end as one")),
    }
}

/// A block's message, and where its body lies.
fn message<'a>(
    bytes: &'a [u8],
    block: &Block,
) -> Result<(arrow_ipc::Message<'a>, usize, usize), Error> {
    let outside = || corrupt("a message outside of the file");
    let number = |number: i64| usize::try_from(number).map_err(|_| outside());
    let (start, meta_len, body_len) = (
        number(block.offset())?,
        number(i64::from(block.metaDataLength()))?,
        number(block.bodyLength())?,
    );
    let body = start.checked_add(meta_len).ok_or_else(outside)?;
    let end = body.checked_add(body_len).ok_or_else(outside)?;
    let meta = bytes
        .get(start..body)
        .and_then(|meta| meta.get(PREFIX_BYTES..));
    let meta = meta.filter(|_| end <= bytes.len()).ok_or_else(outside)?;
    let message = arrow_ipc::root_as_message(meta).map_err(|_| corrupt("a damaged message"))?;
    Ok((message, body, body_len))
}

fn buffers<'a>(
    map: &'a Arc<FileMap>,
    body: usize,
    body_len: usize,
    message: BatchMessage<'a>,
) -> Result<Buffers<'a>, Error> {
    if message.compression().is_some() {
        return Err(corrupt("compressed columns"));
    }
    Ok(Buffers {
        map,
        body,
        body_len,
        message,
        next_buffer: 0,
        next_node: 0,
    })
}

/// The columns in the order of the schema.
fn batch_regions(
    buffers: &mut Buffers<'_>,
    dictionaries: [[Region; 2]; DictionaryColumn::COUNT],
    lens: &mut Lens,
) -> Result<ColumnRegions, Error> {
    let rows = lens.rows;
    let bytes = buffers.map.bytes();
    let mut validity: [Option<Region>; NullableColumn::COUNT] = Default::default();
    let present = |buffers: &mut Buffers<'_>| match buffers.fixed(rows)? {
        (None, values) => Ok(values),
        (Some(_), _) => Err(corrupt("a null where none can be")),
    };
    let seq = present(buffers)?;
    let event_id = present(buffers)?;
    let timestamp = present(buffers)?;
    let wall_time = present(buffers)?;
    let event_type = present(buffers)?;
    let node = present(buffers)?;
    let pid = present(buffers)?;
    let mut nullable = |buffers: &mut Buffers<'_>, column: NullableColumn| {
        let (nulls, values) = buffers.fixed(rows)?;
        validity[column as usize] = nulls;
        Ok::<_, Error>(values)
    };
    let correlation_id = nullable(buffers, NullableColumn::CorrelationId)?;
    let parent_id = nullable(buffers, NullableColumn::ParentId)?;
    let module = nullable(buffers, NullableColumn::Module)?;
    let function = nullable(buffers, NullableColumn::Function)?;
    let arity = nullable(buffers, NullableColumn::Arity)?;
    let file = nullable(buffers, NullableColumn::File)?;
    let line = nullable(buffers, NullableColumn::Line)?;
    let tag_offsets = nullable(buffers, NullableColumn::Tags)?;
    let (entries, entry_nulls) = buffers.node()?;
    let _ = buffers.buffer()?;
    let (keys, key_nulls, tag_keys) = buffers.texts()?;
    let (values, value_nulls, tag_values) = buffers.texts()?;
    let has_nulls = entry_nulls > 0 || key_nulls.is_some() || value_nulls.is_some();
    if has_nulls || keys != entries || values != entries {
        return Err(corrupt("tags without a key or a value"));
    }
    let (texts, data_nulls, data) = buffers.texts()?;
    if texts != rows {
        return Err(corrupt("columns that differ in length"));
    }
    validity[NullableColumn::Data as usize] = data_nulls;
    lens.tags = entries;
    lens.tag_key_bytes = text_bytes(bytes, entries, &tag_keys[0], buffers.map)?;
    lens.tag_value_bytes = text_bytes(bytes, entries, &tag_values[0], buffers.map)?;
    lens.data_bytes = text_bytes(bytes, rows, &data[0], buffers.map)?;
    Ok(ColumnRegions {
        fixed: [seq, event_id, timestamp, wall_time, parent_id, arity, line],
        codes: [
            event_type,
            node,
            pid,
            correlation_id,
            module,
            function,
            file,
        ],
        dictionaries,
        tag_offsets,
        tag_keys,
        tag_values,
        data,
        validity,
    })
}
