//! The ring's memory: header and data area as atomics, and committed records as byte slices.
//!
//! All unchecked access of the crate is here. Every function checks its range; that no slice overlaps a write
//! rests on the commit protocol, which [`crate::RingReader`] and [`crate::RingWriter`] keep: there is one of each
//! per ring, a slice is taken only of a record whose commit word was seen, and lives no longer than the reader's
//! tail stands still.
#![allow(unsafe_code)]

use crate::layout::HEADER_BYTES;
#[cfg(not(loom))]
use crate::layout::WORD_BYTES;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

#[cfg(not(loom))]
use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    fs::File,
    ptr::NonNull,
};

#[cfg(not(loom))]
use memmap2::{MmapMut, MmapOptions};

/// Alignment of a ring, and the distance at which its pages are touched.
#[cfg(not(loom))]
const PAGE_BYTES: usize = 4096;

/// Where a ring's memory comes from.
#[cfg(not(loom))]
enum Backing {
    /// An allocation of `layout(capacity_words)`.
    Heap,
    /// A shared mapping of a file, which also holds the checkpoint page behind the data area.
    Mapped(MmapMut),
}

/// Header and data area, zeroed when they are new.
#[cfg(not(loom))]
pub(crate) struct Memory {
    /// Valid for `layout(capacity_words)` bytes until dropped; with a file, for a page more.
    base: NonNull<u8>,
    capacity_words: u32,
    backing: Backing,
}

// SAFETY: the allocation is owned, not tied to a thread, and its contents are reached through atomics or under the
// commit protocol only.
#[cfg(not(loom))]
unsafe impl Send for Memory {}
// SAFETY: as for `Send`; shared access to the header is atomic, to records it is ordered by their commit words.
#[cfg(not(loom))]
unsafe impl Sync for Memory {}

#[cfg(not(loom))]
fn layout(capacity_words: u32) -> Option<Layout> {
    let bytes = (capacity_words as usize)
        .checked_mul(WORD_BYTES)?
        .checked_add(HEADER_BYTES)?;
    Layout::from_size_align(bytes, PAGE_BYTES).ok()
}

#[cfg(not(loom))]
impl Memory {
    /// Allocates and faults in every page; `None` if the allocator refuses.
    pub(crate) fn new(capacity_words: u32) -> Option<Self> {
        let layout = layout(capacity_words)?;
        // SAFETY: the layout has at least the header's size, so it is not empty.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        for offset in (0..layout.size()).step_by(PAGE_BYTES) {
            // SAFETY: `offset` is below the allocation's size, and nobody else knows the allocation yet. Volatile,
            // because a store of zero into zeroed memory could be left out, and with it the page fault.
            unsafe { base.add(offset).write_volatile(0) };
        }
        Some(Self {
            base,
            capacity_words,
            backing: Backing::Heap,
        })
    }

    /// Maps a file whose blocks are allocated and whose length is that of header, data area and checkpoint page, and
    /// faults in every page.
    pub(crate) fn map(file: &File, capacity_words: u32) -> std::io::Result<Self> {
        let invalid = || std::io::Error::from(std::io::ErrorKind::InvalidInput);
        let len = layout(capacity_words)
            .and_then(|layout| layout.size().checked_add(PAGE_BYTES))
            .ok_or_else(invalid)?;
        if file.metadata()?.len() != len as u64 {
            return Err(invalid());
        }
        // SAFETY: other processes may map the file too; every access goes through atomics or takes bytes of any value,
        // as it has to with JavaScript on the other side. The file is private to the recording and never shortened.
        let mut mapping = unsafe { MmapOptions::new().len(len).map_mut(file) }?;
        let base = NonNull::new(mapping.as_mut_ptr()).ok_or_else(invalid)?;
        for offset in (0..len).step_by(PAGE_BYTES) {
            // SAFETY: in bounds and aligned; an addition of zero faults the page in for writing and changes nothing,
            // whoever else writes there.
            unsafe { AtomicU64::from_ptr(base.as_ptr().add(offset).cast()) }
                .fetch_add(0, Ordering::Relaxed);
        }
        Ok(Self {
            base,
            capacity_words,
            backing: Backing::Mapped(mapping),
        })
    }

    /// A word of the checkpoint page; none for a ring without a file.
    pub(crate) fn checkpoint_u64(&self, offset: usize) -> Option<&AtomicU64> {
        let Backing::Mapped(mapping) = &self.backing else {
            return None;
        };
        assert!(
            offset.is_multiple_of(8) && offset + 8 <= PAGE_BYTES,
            "offset {offset} is no u64 of the checkpoint page"
        );
        let start = mapping.len() - PAGE_BYTES;
        // SAFETY: in bounds by the assertion, since the mapping ends with the page; aligned, initialized by the file,
        // and accessed through this type only.
        Some(unsafe { AtomicU64::from_ptr(self.base.as_ptr().add(start + offset).cast()) })
    }

    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    #[inline]
    pub(crate) fn header_u32(&self, offset: usize) -> &AtomicU32 {
        assert!(
            offset.is_multiple_of(4) && offset + 4 <= HEADER_BYTES,
            "offset {offset} is no u32 of the header"
        );
        // SAFETY: in bounds and aligned by the assertion and the allocation's page alignment; initialized by zeroing;
        // Rust accesses these bytes through this type only, and the borrow of `self` keeps them allocated.
        unsafe { AtomicU32::from_ptr(self.base.as_ptr().add(offset).cast()) }
    }

    #[inline]
    pub(crate) fn header_u64(&self, offset: usize) -> &AtomicU64 {
        assert!(
            offset.is_multiple_of(8) && offset + 8 <= HEADER_BYTES,
            "offset {offset} is no u64 of the header"
        );
        // SAFETY: as in `header_u32`, with 8 bytes.
        unsafe { AtomicU64::from_ptr(self.base.as_ptr().add(offset).cast()) }
    }

    /// The commit word at a place of the data area.
    #[inline]
    pub(crate) fn commit_word(&self, place: u32) -> &AtomicU32 {
        assert!(
            place < self.capacity_words,
            "place {place} is behind the data area"
        );
        let offset = HEADER_BYTES + place as usize * WORD_BYTES;
        // SAFETY: in bounds by the assertion, aligned because words are, initialized by zeroing. A commit word is
        // written while other threads may look at it only through this type (or by JavaScript, as one aligned store).
        unsafe { AtomicU32::from_ptr(self.base.as_ptr().add(offset).cast()) }
    }

    /// The bytes of a committed record. The caller has seen its commit word with `Acquire`, and does not move the
    /// tail over it while the slice lives.
    #[inline]
    pub(crate) fn record<'a>(
        &'a self,
        place: u32,
        length_words: u32,
        _copy: &'a mut Vec<u8>,
    ) -> &'a [u8] {
        assert!(
            place < self.capacity_words && length_words <= self.capacity_words - place,
            "{length_words} words from place {place} reach behind the data area"
        );
        let offset = HEADER_BYTES + place as usize * WORD_BYTES;
        // SAFETY: in bounds by the assertion and initialized by zeroing. Nobody writes there: the producer stored the
        // commit word, which the caller saw, after the rest of the record, and writes to words again only when the
        // tail is past them.
        unsafe {
            std::slice::from_raw_parts(
                self.base.as_ptr().add(offset),
                length_words as usize * WORD_BYTES,
            )
        }
    }

    /// Stores a record's words but for its commit word. The caller is the ring's producer, and the words are free.
    pub(crate) fn write_uncommitted(&self, place: u32, words: &[u64]) {
        assert!(
            place < self.capacity_words && words.len() <= (self.capacity_words - place) as usize,
            "{} words from place {place} reach behind the data area",
            words.len()
        );
        let Some(first) = words.first() else { return };
        let offset = HEADER_BYTES + place as usize * WORD_BYTES;
        // SAFETY: both ranges are in bounds by the assertion and do not overlap, as `words` is an ordinary slice. The
        // words are free, so no reader has a slice of them; the reader may poll the first four bytes, which are left
        // alone here.
        unsafe {
            let record = self.base.as_ptr().add(offset);
            record.add(4).cast::<u32>().write((first >> 32) as u32);
            let rest = &words[1..];
            std::ptr::copy_nonoverlapping(
                rest.as_ptr().cast::<u8>(),
                record.add(WORD_BYTES),
                size_of_val(rest),
            );
        }
    }
}

#[cfg(not(loom))]
impl Drop for Memory {
    fn drop(&mut self) {
        if let (Backing::Heap, Some(layout)) = (&self.backing, layout(self.capacity_words)) {
            // SAFETY: allocated in `new` with the same layout, and nobody can borrow from `self` any more.
            unsafe { dealloc(self.base.as_ptr(), layout) }
        }
    }
}

/// The same memory as loom atomics, so that a model explores every order of stores that the hardware may show.
#[cfg(loom)]
pub(crate) struct Memory {
    header_u32: Vec<AtomicU32>,
    header_u64: Vec<AtomicU64>,
    /// Two halves for each word of the data area.
    halves: Vec<AtomicU32>,
}

#[cfg(loom)]
impl Memory {
    /// Bytes of the header that the format uses.
    const MODELLED_HEADER_BYTES: usize = 152;

    pub(crate) fn new(capacity_words: u32) -> Option<Self> {
        const { assert!(Self::MODELLED_HEADER_BYTES <= HEADER_BYTES) };
        Some(Self {
            header_u32: (0..Self::MODELLED_HEADER_BYTES / 4)
                .map(|_| AtomicU32::new(0))
                .collect(),
            header_u64: (0..Self::MODELLED_HEADER_BYTES / 8)
                .map(|_| AtomicU64::new(0))
                .collect(),
            halves: (0..capacity_words * 2).map(|_| AtomicU32::new(0)).collect(),
        })
    }

    pub(crate) fn checkpoint_u64(&self, _offset: usize) -> Option<&AtomicU64> {
        None
    }

    pub(crate) fn header_u32(&self, offset: usize) -> &AtomicU32 {
        &self.header_u32[offset / 4]
    }

    pub(crate) fn header_u64(&self, offset: usize) -> &AtomicU64 {
        &self.header_u64[offset / 8]
    }

    pub(crate) fn commit_word(&self, place: u32) -> &AtomicU32 {
        &self.halves[place as usize * 2]
    }

    pub(crate) fn record<'a>(
        &'a self,
        place: u32,
        length_words: u32,
        copy: &'a mut Vec<u8>,
    ) -> &'a [u8] {
        copy.clear();
        let halves = place as usize * 2..(place + length_words) as usize * 2;
        for half in &self.halves[halves] {
            copy.extend_from_slice(&half.load(Ordering::Relaxed).to_le_bytes());
        }
        copy
    }

    pub(crate) fn write_uncommitted(&self, place: u32, words: &[u64]) {
        for (index, word) in words.iter().enumerate() {
            let half = (place as usize + index) * 2;
            if index > 0 {
                self.halves[half].store(*word as u32, Ordering::Relaxed);
            }
            self.halves[half + 1].store((word >> 32) as u32, Ordering::Relaxed);
        }
    }
}

impl Memory {
    /// What the commit word at a place says; zero where the chain of records ends.
    #[inline]
    pub(crate) fn committed(&self, place: u32) -> u32 {
        self.commit_word(place).load(Ordering::Acquire)
    }

    /// Ends the chain of records at a place that is not committed yet.
    pub(crate) fn terminate(&self, place: u32) {
        self.commit_word(place).store(0, Ordering::Relaxed);
    }

    /// Makes a record visible whose other bytes, and whose terminator, are stored.
    pub(crate) fn commit(&self, place: u32, commit_word: u32) {
        self.commit_word(place)
            .store(commit_word, Ordering::Release);
    }
}
