//! Appends to a column of texts.

use crate::area::AreaWriter;
use crate::error::Error;
use crate::memory_source::MemorySource;
use crate::segment::TextColumn;

/// Offsets and bytes of a text column.
pub(super) struct TextWriter {
    pub(super) offsets: AreaWriter<i32>,
    pub(super) bytes: AreaWriter<u8>,
}

impl TextWriter {
    pub(super) fn new(
        texts: usize,
        bytes: usize,
        source: &mut impl MemorySource,
    ) -> Result<Self, Error> {
        let mut offsets = source.area(texts + 1)?;
        if offsets.is_empty() {
            offsets.push(0);
        }
        Ok(Self {
            offsets,
            bytes: source.area(bytes)?,
        })
    }

    pub(super) fn column(&self) -> TextColumn {
        TextColumn {
            offsets: self.offsets.area(),
            bytes: self.bytes.area(),
        }
    }

    pub(super) fn texts(&self) -> usize {
        self.offsets.len() - 1
    }

    pub(super) fn has_room(&self, texts: usize, bytes: usize) -> bool {
        self.offsets.room() >= texts && self.bytes.room() >= bytes
    }

    pub(super) fn reserve(&mut self, texts: usize, bytes: usize) -> bool {
        self.offsets.reserve(texts) && self.bytes.reserve(bytes)
    }

    #[inline]
    pub(super) fn push(&mut self, text: &str) {
        self.bytes.extend(text.as_bytes());
        self.offsets.push(self.bytes.len() as i32);
    }

    pub(super) fn publish(&mut self) {
        self.bytes.publish();
        self.offsets.publish();
    }
}
