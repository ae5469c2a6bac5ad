//! How indexes lie in files: numbers, texts and arrays in the order in which they are read.
//!
//! A number is a u64; a text its length and its bytes; an array its length and, from the next multiple of
//! [`ALIGNMENT_BYTES`] of the file on, its elements, which are used where they are. There are no offsets, so nothing can lie
//! outside of its section or twice.

use std::io::{self, Write};
use std::sync::Arc;

use arrow_buffer::ArrowNativeType;

use super::array::Array;
use super::packed::Packed;
use crate::mapping::FileMap;

/// The elements of an array start at a multiple of this, which is as much as any type needs.
const ALIGNMENT_BYTES: usize = 16;

/// Where a section goes. The first pass over it only measures.
pub(crate) struct Sink<'a> {
    /// Where in the file the next byte lies.
    at: u64,
    to: Option<&'a mut dyn Write>,
    crc: crc32fast::Hasher,
    error: io::Result<()>,
}

impl<'a> Sink<'a> {
    /// A section that starts `at` this byte of the file; without `to` it is measured only.
    pub(crate) fn new(at: u64, to: Option<&'a mut dyn Write>) -> Self {
        Self {
            at,
            to,
            crc: crc32fast::Hasher::new(),
            error: Ok(()),
        }
    }

    /// Where the section ends, and its checksum.
    ///
    /// # Errors
    /// Of the first write that failed.
    pub(crate) fn finish(self) -> io::Result<(u64, u32)> {
        self.error.map(|()| (self.at, self.crc.finalize()))
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.at += bytes.len() as u64;
        if let (Some(to), Ok(())) = (&mut self.to, &self.error) {
            self.crc.update(bytes);
            self.error = to.write_all(bytes);
        }
    }

    pub(super) fn number(&mut self, number: u64) {
        self.raw(&number.to_le_bytes());
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.number(flag.into());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.raw(text.as_bytes());
    }

    pub(super) fn array<T: ArrowNativeType>(&mut self, array: &Array<T>) {
        self.number(array.len() as u64);
        if !array.is_empty() {
            let padding = self.at.next_multiple_of(ALIGNMENT_BYTES as u64) - self.at;
            self.raw(&[0; ALIGNMENT_BYTES][..padding as usize]);
            self.raw(array.as_bytes());
        }
    }

    /// With the width of its elements.
    pub(super) fn packed(&mut self, packed: &Packed) {
        match packed {
            Packed::U8(values) => {
                self.number(1);
                self.array(values);
            }
            Packed::U16(values) => {
                self.number(2);
                self.array(values);
            }
            Packed::U32(values) => {
                self.number(4);
                self.array(values);
            }
            Packed::U64(values) => {
                self.number(8);
                self.array(values);
            }
        }
    }
}

/// A section of a mapped file, of which nothing is trusted. Every method answers none when what is there is not what it
/// is asked for.
pub(crate) struct Source<'a> {
    map: &'a Arc<FileMap>,
    at: usize,
    end: usize,
}

impl<'a> Source<'a> {
    /// What lies between two bytes of a file.
    pub(crate) fn new(map: &'a Arc<FileMap>, at: usize, end: usize) -> Self {
        let end = end.min(map.bytes().len());
        Self { map, at, end }
    }

    /// Whether all of it has been read.
    pub(super) fn is_done(&self) -> bool {
        self.at == self.end
    }

    fn raw(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.end)?;
        let bytes = self.map.bytes().get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let bytes = self.raw(8)?.first_chunk()?;
        Some(u64::from_le_bytes(*bytes))
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.number()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// A number of things that are not more than `max`.
    pub(super) fn count(&mut self, max: usize) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= max).then_some(count)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let len = usize::try_from(self.number()?).ok()?;
        std::str::from_utf8(self.raw(len)?).ok()
    }

    pub(super) fn array<T: ArrowNativeType>(&mut self) -> Option<Array<T>> {
        let len = usize::try_from(self.number()?).ok()?;
        if len == 0 {
            return Some(Array::default());
        }
        let padding = self.at.next_multiple_of(ALIGNMENT_BYTES) - self.at;
        self.raw(padding)?;
        let start = self.at;
        let size = len.checked_mul(size_of::<T>())?;
        self.raw(size)?;
        Array::of_file(&self.map.region(start, size).ok()?, len)
    }

    /// An array of a length that is known.
    pub(super) fn array_of<T: ArrowNativeType>(&mut self, len: usize) -> Option<Array<T>> {
        self.array().filter(|array| array.len() == len)
    }

    /// Integers up to `max`, as many as `len`.
    pub(super) fn packed(&mut self, len: usize, max: u64) -> Option<Packed> {
        let packed = match self.number()? {
            1 => Packed::U8(self.array_of(len)?),
            2 => Packed::U16(self.array_of(len)?),
            4 => Packed::U32(self.array_of(len)?),
            8 => Packed::U64(self.array_of(len)?),
            _ => return None,
        };
        (packed.max() <= max).then_some(packed)
    }
}

/// Whether none of the values is below the one before it.
pub(super) fn is_rising<T: PartialOrd>(values: &[T]) -> bool {
    values
        .windows(2)
        .fold(true, |is_rising, pair| is_rising & (pair[0] <= pair[1]))
}

/// Whether every value is above the one before it, and below `limit`.
pub(super) fn are_rows(rows: &[u32], limit: usize) -> bool {
    let is_ascending = rows.windows(2).fold(true, |is_ascending, pair| {
        is_ascending & (pair[0] < pair[1])
    });
    is_ascending && rows.last().is_none_or(|&row| (row as usize) < limit)
}

/// Whether every value is below `limit`.
pub(super) fn are_below(values: &[u32], limit: usize) -> bool {
    let max = values.iter().fold(0, |max, &value| max.max(value));
    values.is_empty() || (max as usize) < limit
}
