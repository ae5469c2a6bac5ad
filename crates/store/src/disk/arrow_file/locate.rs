//! Finds the columns of an Arrow IPC file.

use std::sync::Arc;

use arrow_ipc::Block;

use super::buffers::{Buffers, text_bytes};
use super::corrupt;
use crate::columns::{DictionaryColumn, NullableColumn, event_schema};
use crate::disk::columns_of_file::{ColumnRegions, Lens};
use crate::error::Error;
use crate::mapping::{FileMap, Region};

const MAGIC: &[u8; 6] = b"ARROW1";
/// Length of the footer and the magic behind it.
const TAIL_BYTES: usize = 10;
/// In front of a message: the continuation marker and its length.
const PREFIX_BYTES: usize = 8;

/// Where a file's columns are. Nothing here trusts the file but that it has the length of the mapping.
pub(super) fn locate(map: &Arc<FileMap>) -> Result<(ColumnRegions, Lens), Error> {
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
        let mut buffers = Buffers::new(map, body, body_len, data)?;
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
        &mut Buffers::new(map, body, body_len, data)?,
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
