//! The file beside a sealed segment: named sections, each checked on its own.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use kinescope_ring::layout::SEQUENCE_LIMIT;

use super::codec::{Decoder, Encoder};
use super::commit::NUMBER_LIMIT;
use crate::index::file::{Sink, Source};
use crate::index::{SECTIONS, SegmentIndex};
use crate::mapping::FileMap;
use crate::names::Names;
use crate::segment::{ProducerRange, Segment};
use crate::slot::Summary;

const MAGIC: &[u8; 8] = b"KSINDEX1";
const HEAD_BYTES: usize = 16;
/// In front of a section: its name and its length.
const PREFIX_BYTES: usize = 16;
const CRC_BYTES: usize = 4;
/// No section that is read as a whole is longer.
const READ_MAX_BYTES: u64 = 64 << 20;
const SECTIONS_MAX: u32 = 1024;
/// What a block of the .arrow file's checksums covers.
pub(crate) const BLOCK_BYTES: usize = 1 << 20;
const SUMMARY: &[u8; 8] = b"summary\0";
const BLOCKS: &[u8; 8] = b"blocks\0\0";
const IDS: &[u8; 8] = b"ids\0\0\0\0\0";
/// Sections that are read when the file is opened.
const READ_SECTIONS: [&[u8; 8]; 3] = [SUMMARY, BLOCKS, IDS];
/// What is read and written at once.
const READ_BYTES: usize = 4 << 10;
const WRITE_BYTES: usize = 256 << 10;

/// What is known of a sealed segment's file.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    pub(crate) summary: Summary,
    /// Length of the .arrow file.
    pub(crate) arrow_bytes: u64,
    /// Checksums of its blocks.
    pub(crate) blocks: Vec<u32>,
}

/// An index file that has been opened.
pub(crate) struct IndexFile {
    pub(crate) index: Index,
    /// Bytes.
    pub(crate) len: u64,
    /// What queries look at, as first byte and end; none when it is not there. Nothing of it has been read.
    sections: Option<[(u64, u64); SECTIONS.len()]>,
    file: File,
}

impl Index {
    /// The file's first sections, of `count` in all.
    fn encode(&self, recording: &[u8; 16], count: usize) -> Vec<u8> {
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
        let mut file = Encoder::default().bytes(MAGIC).u32(count as u32).checked();
        for (name, body) in READ_SECTIONS
            .iter()
            .zip([summary, blocks.plain(), ids.plain()])
        {
            let section = Encoder::default()
                .bytes(*name)
                .u64(body.len() as u64)
                .bytes(&body)
                .checked();
            file.extend(section);
        }
        file
    }

    /// Writes a new file, with what queries look at as far as that is there. Gives its length.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn write(
        &self,
        recording: &[u8; 16],
        queries: Option<&SegmentIndex>,
        file: &File,
    ) -> io::Result<u64> {
        let mut to = BufWriter::with_capacity(WRITE_BYTES, file);
        let of_queries = queries.map_or(0, |_| SECTIONS.len());
        let first = self.encode(recording, READ_SECTIONS.len() + of_queries);
        to.write_all(&first)?;
        let mut at = first.len() as u64;
        if let Some(queries) = queries {
            for (number, name) in SECTIONS.iter().enumerate() {
                at = write_section(name, at, &mut to, &|sink| queries.write(number, sink))?;
            }
        }
        to.flush()?;
        Ok(at)
    }

    /// `None` for anything that is not the index of this recording's segment at `base_seq`.
    fn decode(
        [summary, blocks, ids]: &[Option<Vec<u8>>; 3],
        recording: &[u8; 16],
        base_seq: u64,
    ) -> Option<Self> {
        let mut summary = Decoder::new(summary.as_ref()?);
        let mut blocks = Decoder::new(blocks.as_ref()?);
        let mut ids = Decoder::new(ids.as_ref()?);
        if summary.array()? != *recording || summary.u64()? != base_seq {
            return None;
        }
        let rows = usize::try_from(summary.u64()?).ok()?;
        let arrow_bytes = summary.u64()?;
        if blocks.u32()? as usize != BLOCK_BYTES {
            return None;
        }
        let blocks: Vec<u32> = std::iter::from_fn(|| blocks.u32()).collect();
        let mut producers = Vec::new();
        while let Some(producer) = ids.u64() {
            producers.push(ProducerRange {
                producer: u16::try_from(producer).ok()?,
                first: ids.u64()?,
                last: ids.u64()?,
            });
        }
        let index = Self {
            summary: Summary {
                base_seq,
                rows,
                min_timestamp: summary.i64()?,
                max_timestamp: summary.i64()?,
                in_time_order: summary.u64()? != 0,
                last_append: summary.i64()?,
                producers,
            },
            arrow_bytes,
            blocks,
        };
        let is_whole = index.blocks.len() as u64 == arrow_bytes.div_ceil(BLOCK_BYTES as u64);
        let is_range =
            |range: &ProducerRange| range.first <= range.last && range.last < SEQUENCE_LIMIT;
        let are_ranges = index.summary.producers.iter().all(is_range);
        let ends = base_seq
            .checked_add(rows as u64)
            .is_some_and(|end| end < NUMBER_LIMIT);
        (rows > 0 && is_whole && are_ranges && ends).then_some(index)
    }

    /// Whether both speak of the same .arrow file.
    fn is_of_same_file(&self, other: &Self) -> bool {
        self.summary.base_seq == other.summary.base_seq
            && self.summary.rows == other.summary.rows
            && self.arrow_bytes == other.arrow_bytes
            && self.blocks == other.blocks
    }
}

/// Writes a section that starts `at` this byte of the file; gives where the next one starts.
fn write_section(
    name: &[u8; 8],
    at: u64,
    to: &mut impl Write,
    write: &dyn Fn(&mut Sink<'_>),
) -> io::Result<u64> {
    let start = at + PREFIX_BYTES as u64;
    let mut measured = Sink::new(start, None);
    write(&mut measured);
    let (end, _) = measured.finish()?;
    let mut sink = Sink::new(at, Some(to));
    sink.raw(name);
    sink.raw(&(end - start).to_le_bytes());
    write(&mut sink);
    let (end, crc) = sink.finish()?;
    to.write_all(&crc.to_le_bytes())?;
    Ok(end + CRC_BYTES as u64)
}

impl IndexFile {
    /// Opens a file and reads what is needed of every segment, and nothing of what queries look at. `None` when it is not
    /// the index of this recording's segment at `base_seq`.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn open(
        path: &Path,
        recording: &[u8; 16],
        base_seq: u64,
    ) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let mut reader = BufReader::with_capacity(READ_BYTES, &file);
        let Some((read, sections)) = read_sections(&mut reader, len)? else {
            return Ok(None);
        };
        drop(reader);
        let index = Index::decode(&read, recording, base_seq);
        Ok(index.map(|index| Self {
            index,
            len,
            sections,
            file,
        }))
    }

    /// Whether there is something that queries look at.
    pub(crate) fn has_queries(&self) -> bool {
        self.sections.is_some()
    }

    /// Maps what queries look at, checked, if it is there and is that of the segment whose .arrow file `index` tells of.
    pub(crate) fn queries(
        &self,
        index: &Index,
        segment: &Segment,
        names: &Names,
    ) -> Option<SegmentIndex> {
        let sections = self
            .sections
            .filter(|_| self.index.is_of_same_file(index))?;
        let map = FileMap::finished(&self.file, usize::try_from(self.len).ok()?).ok()?;
        let is_whole = |&(start, end): &(u64, u64)| {
            let from = start as usize - PREFIX_BYTES;
            let len = (end - start) as usize + PREFIX_BYTES;
            Decoder::of_checked(&map.bytes()[from..], len).is_some()
        };
        if !sections.iter().all(is_whole) {
            return None;
        }
        let sections = sections.map(|(start, end)| Source::new(&map, start as usize, end as usize));
        SegmentIndex::read(sections, segment, names)
    }
}

type Sections = (
    [Option<Vec<u8>>; READ_SECTIONS.len()],
    Option<[(u64, u64); SECTIONS.len()]>,
);

/// The bodies of sections that are read, as far as the file reaches, and where those are that queries look at. `None` when
/// one that is read is damaged.
fn read_sections(reader: &mut BufReader<&File>, len: u64) -> io::Result<Option<Sections>> {
    let mut read: [Option<Vec<u8>>; READ_SECTIONS.len()] = Default::default();
    let mut places = [None; SECTIONS.len()];
    let Some(head) = exactly::<HEAD_BYTES>(reader)? else {
        return Ok(None);
    };
    let head = Decoder::of_checked(&head, HEAD_BYTES - CRC_BYTES);
    let head = head.and_then(|mut head| Some((head.array()?, head.u32()?)));
    let Some((_, count)) = head.filter(|(magic, count)| magic == MAGIC && *count <= SECTIONS_MAX)
    else {
        return Ok(None);
    };
    let mut at = HEAD_BYTES as u64;
    for _ in 0..count {
        let Some(prefix) = exactly::<PREFIX_BYTES>(reader)? else {
            break;
        };
        let (name, body) = prefix.split_at(8);
        let body = body
            .first_chunk()
            .map_or(u64::MAX, |len| u64::from_le_bytes(*len));
        let start = at + PREFIX_BYTES as u64;
        let Some(end) = start
            .checked_add(body)
            .filter(|end| *end + CRC_BYTES as u64 <= len)
        else {
            break;
        };
        at = end + CRC_BYTES as u64;
        if let Some(number) = READ_SECTIONS.iter().position(|own| *own == name) {
            if body > READ_MAX_BYTES {
                return Ok(None);
            }
            let mut section = prefix.to_vec();
            section.resize(PREFIX_BYTES + body as usize + CRC_BYTES, 0);
            reader.read_exact(&mut section[PREFIX_BYTES..])?;
            if Decoder::of_checked(&section, PREFIX_BYTES + body as usize).is_none() {
                return Ok(None);
            }
            section.truncate(PREFIX_BYTES + body as usize);
            read[number] = Some(section.split_off(PREFIX_BYTES));
            continue;
        }
        if let Some(number) = SECTIONS.iter().position(|own| *own == name) {
            places[number] = Some((start, end));
        }
        reader.seek_relative((at - start) as i64)?;
    }
    let places = places.into_iter().collect::<Option<Vec<_>>>();
    let places = places.and_then(|places| places.try_into().ok());
    Ok(Some((read, places)))
}

/// The next bytes; none at the end of the file.
fn exactly<const N: usize>(reader: &mut impl Read) -> io::Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    match reader.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
