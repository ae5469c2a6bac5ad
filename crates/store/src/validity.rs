//! Validity bitmaps that grow while readers look at them.

use std::sync::Arc;

use arrow_buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer};

use crate::mapping::Region;
use crate::sync::{AtomicU64, Ordering};

/// One bit a row, set if the row has a value; Arrow's layout (least significant bit first).
///
/// Rows share words, so the words are atomics: the writer sets bits in a word of which readers use others.
/// Visibility comes from the snapshot's watermark, hence Relaxed here.
pub struct Validity {
    words: Words,
}

enum Words {
    Heap(Box<[AtomicU64]>),
    #[cfg_attr(loom, allow(dead_code, reason = "models have no files"))]
    File(Region),
}

impl std::ops::Deref for Words {
    type Target = [AtomicU64];

    #[inline]
    fn deref(&self) -> &[AtomicU64] {
        match self {
            Self::Heap(words) => words,
            #[cfg(not(loom))]
            Self::File(region) => region.atomics(),
            #[cfg(loom)]
            Self::File(_) => &[],
        }
    }
}

impl Validity {
    /// All rows null.
    pub fn new(rows: usize) -> Arc<Self> {
        Arc::new(Self {
            words: Words::Heap((0..rows.div_ceil(64)).map(|_| AtomicU64::new(0)).collect()),
        })
    }

    /// All of the rows have values.
    pub fn full(rows: usize) -> Arc<Self> {
        let words = (0..rows.div_ceil(64)).map(|_| AtomicU64::new(u64::MAX));
        Arc::new(Self {
            words: Words::Heap(words.collect()),
        })
    }

    /// Over a part of a file that has been given blocks; none when it is too short for `rows`.
    pub fn of_file(region: Region, rows: usize) -> Option<Arc<Self>> {
        (region.len() / 8 >= rows.div_ceil(64)).then(|| {
            Arc::new(Self {
                words: Words::File(region),
            })
        })
    }

    /// Takes back what was marked from row `rows` on. For the one writer only.
    pub fn clear_from(&self, rows: usize) {
        let (first, kept) = (rows / 64, rows % 64);
        for (index, word) in self.words.iter().enumerate().skip(first) {
            let mask = if index == first {
                (1u64 << kept) - 1
            } else {
                0
            };
            let marked = word.load(Ordering::Relaxed);
            // Untouched pages stay untouched: a file has no more blocks than it needs.
            if marked & !mask != 0 {
                word.store(marked & mask, Ordering::Relaxed);
            }
        }
    }

    /// Marks a row as having a value. For the one writer only: a load and a store, not a read-modify-write.
    #[inline]
    pub fn set(&self, row: usize) {
        let word = &self.words[row / 64];
        word.store(
            word.load(Ordering::Relaxed) | 1 << (row % 64),
            Ordering::Relaxed,
        );
    }

    /// Whether a row has a value.
    #[inline]
    pub fn get(&self, row: usize) -> bool {
        self.words[row / 64].load(Ordering::Relaxed) >> (row % 64) & 1 == 1
    }

    /// The 64 rows from `64 * index` on, the lowest bit first.
    #[inline]
    pub fn word(&self, index: usize) -> u64 {
        self.words[index].load(Ordering::Relaxed)
    }

    /// The first `rows` bits, copied: an eighth of a byte a row, and later bits of the last word may still change.
    pub fn null_buffer(&self, rows: usize) -> Option<NullBuffer> {
        let mut bytes = MutableBuffer::new(rows.div_ceil(64) * 8);
        for word in &self.words[..rows.div_ceil(64)] {
            bytes.push(word.load(Ordering::Relaxed).to_le());
        }
        let nulls = NullBuffer::new(BooleanBuffer::new(Buffer::from(bytes), 0, rows));
        (nulls.null_count() > 0).then_some(nulls)
    }

    /// Bytes of memory.
    pub fn used_bytes(&self) -> usize {
        match &self.words {
            Words::Heap(words) => size_of_val(&**words),
            Words::File(_) => 0,
        }
    }
}
