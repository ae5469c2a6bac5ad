//! Texts behind each other.

use super::array::Array;
use super::file::{Sink, Source, is_rising};

/// Distinct texts by code.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextList {
    /// Where each ends.
    ends: Array<u32>,
    /// UTF-8.
    bytes: Array<u8>,
}

impl TextList {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text at an index.
    ///
    /// # Panics
    /// When the index is not below the length.
    pub fn get(&self, index: usize) -> &str {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        let bytes = &self.bytes[start as usize..self.ends[index] as usize];
        // Only whole texts are here; an empty one is better than a panic.
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.ends.bytes() + self.bytes.bytes()
    }

    pub(super) fn write(&self, to: &mut Sink<'_>) {
        to.array(&self.ends);
        to.array(&self.bytes);
    }

    pub(super) fn read(from: &mut Source<'_>) -> Option<Self> {
        let ends: Array<u32> = from.array()?;
        let bytes: Array<u8> = from.array()?;
        let text = std::str::from_utf8(&bytes).ok()?;
        let is_whole = ends.last().map_or(0, |&end| end as usize) == bytes.len()
            && is_rising(&ends)
            && ends.iter().all(|&end| text.is_char_boundary(end as usize));
        is_whole.then_some(Self { ends, bytes })
    }
}

impl<T: AsRef<str>> FromIterator<T> for TextList {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let (mut ends, mut bytes) = (Vec::new(), Vec::new());
        for text in texts {
            bytes.extend_from_slice(text.as_ref().as_bytes());
            // A segment has less text than this can count.
            ends.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        }
        Self {
            ends: ends.into(),
            bytes: bytes.into(),
        }
    }
}
