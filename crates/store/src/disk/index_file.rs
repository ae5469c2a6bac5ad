//! The file beside a sealed segment: named sections, each checked on its own.

use std::io;
use std::path::Path;

use super::codec::{Decoder, Encoder};
use super::directory::read_bounded;
use crate::segment::ProducerRange;
use crate::slot::Summary;

const MAGIC: &[u8; 8] = b"KSINDEX1";
/// No index is longer: it is read as a whole.
const MAX_BYTES: u64 = 1 << 30;
const SECTIONS_MAX: u32 = 1024;
/// What a block of the .arrow file's checksums covers.
pub(crate) const BLOCK_BYTES: usize = 1 << 20;
const SUMMARY: &[u8; 8] = b"summary\0";
const BLOCKS: &[u8; 8] = b"blocks\0\0";
const IDS: &[u8; 8] = b"ids\0\0\0\0\0";

/// What is known of a sealed segment's file.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    pub(crate) summary: Summary,
    /// Length of the .arrow file.
    pub(crate) arrow_bytes: u64,
    /// Checksums of its blocks.
    pub(crate) blocks: Vec<u32>,
}

impl Index {
    pub(crate) fn encode(&self, recording: &[u8; 16]) -> Vec<u8> {
        let Summary {
            base_seq,
            rows,
            min_timestamp,
            max_timestamp,
            in_time_order,
            last_append,
            producers,
        } = &self.summary;
        let summary = Encoder::default()
            .bytes(recording)
            .u64(*base_seq)
            .u64(*rows as u64)
            .u64(self.arrow_bytes)
            .i64(*min_timestamp)
            .i64(*max_timestamp)
            .u64(u64::from(*in_time_order))
            .i64(*last_append)
            .plain();
        let mut blocks = Encoder::default();
        blocks.u32(BLOCK_BYTES as u32);
        self.blocks.iter().for_each(|crc| {
            blocks.u32(*crc);
        });
        let mut ids = Encoder::default();
        for range in producers {
            ids.u64(u64::from(range.producer))
                .u64(range.first)
                .u64(range.last);
        }
        let sections = [
            (SUMMARY, summary),
            (BLOCKS, blocks.plain()),
            (IDS, ids.plain()),
        ];
        let mut file = Encoder::default()
            .bytes(MAGIC)
            .u32(sections.len() as u32)
            .checked();
        for (name, body) in sections {
            let section = Encoder::default()
                .bytes(name)
                .u64(body.len() as u64)
                .bytes(&body)
                .checked();
            file.extend(section);
        }
        file
    }

    /// `None` for anything that is not the index of this recording's segment at `base_seq`.
    pub(crate) fn decode(bytes: &[u8], recording: &[u8; 16], base_seq: u64) -> Option<Self> {
        let mut head = Decoder::of_checked(bytes, 12)?;
        if head.array()? != *MAGIC {
            return None;
        }
        let count = head.u32().filter(|count| *count <= SECTIONS_MAX)?;
        let mut rest = &bytes[16..];
        let (mut summary, mut blocks, mut ids) = (None, None, None);
        for _ in 0..count {
            let mut section = Decoder::new(rest);
            let name = section.array::<8>()?;
            let len = usize::try_from(section.u64()?).ok()?;
            let body = section.bytes(len)?;
            Decoder::of_checked(rest, 16 + len)?;
            rest = &rest[20 + len..];
            match &name {
                SUMMARY => summary = Some(Decoder::new(body)),
                BLOCKS => blocks = Some(Decoder::new(body)),
                IDS => ids = Some(Decoder::new(body)),
                _ => {}
            }
        }
        let (mut summary, mut blocks, mut ids) = (summary?, blocks?, ids?);
        if summary.array()? != *recording || summary.u64()? != base_seq {
            return None;
        }
        let rows = usize::try_from(summary.u64()?).ok()?;
        let arrow_bytes = summary.u64()?;
        if blocks.u32()? as usize != BLOCK_BYTES {
            return None;
        }
        let blocks: Vec<u32> = std::iter::from_fn(|| blocks.u32()).collect();
        let producers = std::iter::from_fn(|| {
            Some(ProducerRange {
                producer: ids.u64()? as u16,
                first: ids.u64()?,
                last: ids.u64()?,
            })
        });
        let index = Self {
            summary: Summary {
                base_seq,
                rows,
                min_timestamp: summary.i64()?,
                max_timestamp: summary.i64()?,
                in_time_order: summary.u64()? != 0,
                last_append: summary.i64()?,
                producers: producers.collect(),
            },
            arrow_bytes,
            blocks,
        };
        let is_whole = index.blocks.len() as u64 == arrow_bytes.div_ceil(BLOCK_BYTES as u64);
        let ends = base_seq
            .checked_add(rows as u64)
            .is_some_and(|end| end < 1 << 62);
        (rows > 0 && is_whole && ends).then_some(index)
    }

    /// As [`Index::decode`], from a file; its length too.
    pub(crate) fn read(
        path: &Path,
        recording: &[u8; 16],
        base_seq: u64,
    ) -> io::Result<Option<(Self, u64)>> {
        let bytes = read_bounded(path, MAX_BYTES)?;
        Ok(Self::decode(&bytes, recording, base_seq).map(|index| (index, bytes.len() as u64)))
    }
}
