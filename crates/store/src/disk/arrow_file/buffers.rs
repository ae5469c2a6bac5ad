//! The buffers of an Arrow IPC message.

use std::sync::Arc;

use arrow_ipc::RecordBatch as BatchMessage;

use super::corrupt;
use crate::error::Error;
use crate::mapping::{FileMap, Region};

/// Takes a message's buffers in order.
pub(super) struct Buffers<'a> {
    pub(super) map: &'a Arc<FileMap>,
    body: usize,
    body_len: usize,
    message: BatchMessage<'a>,
    next_buffer: usize,
    next_node: usize,
}

impl<'a> Buffers<'a> {
    pub(super) fn new(
        map: &'a Arc<FileMap>,
        body: usize,
        body_len: usize,
        message: BatchMessage<'a>,
    ) -> Result<Self, Error> {
        if message.compression().is_some() {
            return Err(corrupt("compressed columns"));
        }
        Ok(Self {
            map,
            body,
            body_len,
            message,
            next_buffer: 0,
            next_node: 0,
        })
    }

    /// Length and number of nulls of the next array.
    pub(super) fn node(&mut self) -> Result<(usize, usize), Error> {
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
    pub(super) fn buffer(&mut self) -> Result<Region, Error> {
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
    pub(super) fn fixed(&mut self, rows: usize) -> Result<(Option<Region>, Region), Error> {
        let (len, nulls) = self.node()?;
        if len != rows {
            return Err(corrupt("columns that differ in length"));
        }
        Ok((self.validity(nulls)?, self.buffer()?))
    }

    /// An array of texts: its length, validity, and offsets and bytes.
    pub(super) fn texts(&mut self) -> Result<(usize, Option<Region>, [Region; 2]), Error> {
        let (len, nulls) = self.node()?;
        Ok((len, self.validity(nulls)?, [self.buffer()?, self.buffer()?]))
    }
}

/// The bytes of `texts` texts: their last offset.
pub(super) fn text_bytes(
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
