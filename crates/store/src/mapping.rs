//! Files as memory: regions of a mapping that areas are laid over.
//!
//! A file that is written is mapped twice: shared, for the writer and for readers in Rust, and privately, for what is
//! handed to JavaScript. A stray store into the private mapping copies the page and reaches neither the file nor anyone
//! who reads it; a store into a read-only mapping would end the process.

use std::fs::File;
use std::io;
use std::ptr::NonNull;
use std::sync::Arc;

use arrow_buffer::Buffer;
use memmap2::{MmapMut, MmapOptions, MmapRaw};

use crate::error::{Error, ErrorCode};

/// Gives a file's blocks to a range of it before it is written: a store into a mapping that has no block, and can get
/// none, ends the process.
pub trait Allocate: Send + Sync + std::panic::RefUnwindSafe {
    /// Whether every byte from `offset` on, `len` of them, can be written from now on.
    fn allocate(&self, offset: u64, len: u64) -> bool;
}

/// A file's mappings.
pub struct FileMap {
    /// What the writer stores into; none for a file that nobody writes any more, which only has the private one.
    shared: Option<MmapRaw>,
    private: MmapMut,
    allocate: Option<Arc<dyn Allocate>>,
}

impl FileMap {
    /// Maps the first `len` bytes of a file that this process writes.
    ///
    /// # Errors
    /// What the system says; `InvalidInput` for a file that is shorter.
    pub fn writable(file: &File, len: usize, allocate: Arc<dyn Allocate>) -> io::Result<Arc<Self>> {
        check_len(file, len)?;
        Ok(Arc::new(Self {
            shared: Some(MmapOptions::new().len(len).map_raw(file)?),
            private: private(file, len)?,
            allocate: Some(allocate),
        }))
    }

    /// Maps the first `len` bytes of a file that another process may be writing.
    ///
    /// # Errors
    /// As [`FileMap::writable`].
    pub fn watched(file: &File, len: usize) -> io::Result<Arc<Self>> {
        check_len(file, len)?;
        Ok(Arc::new(Self {
            shared: Some(MmapOptions::new().len(len).map_raw_read_only(file)?),
            private: private(file, len)?,
            allocate: None,
        }))
    }

    /// Maps the first `len` bytes of a file that nobody writes any more.
    ///
    /// # Errors
    /// As [`FileMap::writable`].
    pub fn finished(file: &File, len: usize) -> io::Result<Arc<Self>> {
        check_len(file, len)?;
        Ok(Arc::new(Self {
            shared: None,
            private: private(file, len)?,
            allocate: None,
        }))
    }

    /// The whole of a finished file.
    pub fn bytes(&self) -> &[u8] {
        &self.private
    }

    /// A part of the file.
    ///
    /// # Errors
    /// `CORRUPT_RECORDING` when it does not lie in the mapping or not on an 8-byte boundary.
    pub fn region(self: &Arc<Self>, offset: usize, len: usize) -> Result<Region, Error> {
        let inside = offset
            .checked_add(len)
            .is_some_and(|end| end <= self.private.len());
        if !inside || !offset.is_multiple_of(8) {
            return Err(Error::new(
                ErrorCode::CorruptRecording,
                format!("a column at byte {offset}, {len} bytes long, is not where one can be"),
            ));
        }
        Ok(Region {
            map: Arc::clone(self),
            offset,
            len,
        })
    }
}

fn check_len(file: &File, len: usize) -> io::Result<()> {
    if len == 0 || file.metadata()?.len() < len as u64 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(())
}

fn private(file: &File, len: usize) -> io::Result<MmapMut> {
    // SAFETY: other processes may change a file that is still written, and only behind what its commit record counts;
    // what is read of it is checked first. A file that somebody truncates by force ends the process; nobody here does.
    unsafe { MmapOptions::new().len(len).no_reserve_swap().map_copy(file) }
}

/// A part of a mapped file, valid for as long as this lives.
#[derive(Clone)]
pub struct Region {
    map: Arc<FileMap>,
    offset: usize,
    len: usize,
}

impl Region {
    /// Where the region is written and read in Rust.
    pub fn start(&self) -> NonNull<u8> {
        let base = self
            .map
            .shared
            .as_ref()
            .map_or(self.map.private.as_ptr().cast_mut(), MmapRaw::as_mut_ptr);
        self.at(base)
    }

    /// Where JavaScript reads it.
    pub fn export(&self) -> NonNull<u8> {
        self.at(self.map.private.as_ptr().cast_mut())
    }

    fn at(&self, base: *mut u8) -> NonNull<u8> {
        // SAFETY: a region lies within its mapping, and no mapping starts at zero.
        unsafe { NonNull::new_unchecked(base.add(self.offset)) }
    }

    /// A region of a finished file as an Arrow buffer that keeps the mapping alive.
    pub fn buffer(&self) -> Buffer {
        if self.map.shared.is_some() || self.len == 0 {
            return Buffer::from(Vec::<u8>::new());
        }
        let map = Arc::clone(&self.map) as Arc<dyn arrow_buffer::alloc::Allocation>;
        // SAFETY: in bounds, nobody writes to a finished file or to its private mapping, which lives as long as the Arc;
        // whatever the bytes are, they are initialized.
        unsafe { Buffer::from_custom_allocation(self.export(), self.len, map) }
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Gives blocks to a part of it; false when there are none, or when nobody may write here.
    pub fn allocate(&self, from: usize, len: usize) -> bool {
        let inside = from.checked_add(len).is_some_and(|end| end <= self.len);
        inside
            && self
                .map
                .allocate
                .as_ref()
                .is_some_and(|file| file.allocate((self.offset + from) as u64, len as u64))
    }

    /// The region as 64-bit words that may change while they are read.
    #[cfg(not(loom))]
    pub fn atomics(&self) -> &[std::sync::atomic::AtomicU64] {
        // SAFETY: in bounds, aligned since regions start on 8-byte boundaries of a page-aligned mapping, of any value,
        // and accessed as atomics only.
        unsafe { std::slice::from_raw_parts(self.start().cast().as_ptr(), self.len / 8) }
    }
}
