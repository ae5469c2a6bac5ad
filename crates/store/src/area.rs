//! Append-only memory with one writer and any number of readers: what a segment's columns are made of.
//!
//! An [`Area`] has a fixed capacity, so its address never changes and Arrow buffers (and through them JavaScript)
//! can read it while the writer appends behind what they see. Large areas are anonymous mappings: the kernel
//! gives their pages when they are first touched, so capacity costs address space only.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::collections::HashMap;
use std::ptr::NonNull;
use std::sync::{Arc, Weak};

use arrow_buffer::{ArrowNativeType, Buffer};
use memmap2::MmapMut;

use crate::error::{Error, ErrorCode};
use crate::mapping::Region;
use crate::sync::{Accesses, AtomicUsize, Mutex, Ordering};

/// From here on an area is a mapping of its own, which takes up memory only as it fills; below it the granularity of
/// pages would waste more.
pub(crate) const MAPPED_FROM_BYTES: usize = 32 * 1024;
/// What Arrow recommends for the start of a buffer.
const ALIGNMENT_BYTES: usize = 64;
/// What the kernel gives at least; larger pages elsewhere make `used_bytes` an estimate.
const PAGE_BYTES: usize = 4096;

enum Backing {
    Heap(Layout),
    /// `None` only while the area is dropped.
    Mapped(Option<MmapMut>, Weak<AreaPool>),
    /// A part of a file.
    File(Region),
}

/// Mappings of each size that are kept for the next segment; a segment has no more of any one size.
const POOLED_PER_SIZE: usize = 24;

/// Mappings of evicted segments, for the next segments: a page that has been touched once costs no fault again, and
/// at millions of events a second faults are a third of the writer's work. Holds at most about one segment's memory.
#[derive(Default)]
pub struct AreaPool {
    by_size_bytes: Mutex<HashMap<usize, Vec<MmapMut>>>,
}

impl AreaPool {
    /// A mapping of this size, used or fresh: areas are read only where they have been written.
    fn take(&self, size_bytes: usize) -> std::io::Result<MmapMut> {
        let pooled = crate::sync::lock(&self.by_size_bytes)
            .get_mut(&size_bytes)
            .and_then(Vec::pop);
        pooled.map_or_else(|| MmapMut::map_anon(size_bytes), Ok)
    }

    fn give_back(&self, mapping: MmapMut) {
        let mut by_size_bytes = crate::sync::lock(&self.by_size_bytes);
        let pooled = by_size_bytes.entry(mapping.len()).or_default();
        if pooled.len() < POOLED_PER_SIZE {
            pooled.push(mapping);
        }
    }
}

/// Fixed-capacity memory of which the first `published` elements never change again.
pub struct Area<T: ArrowNativeType> {
    start: NonNull<T>,
    /// The same elements for JavaScript, which must not be able to store into a file.
    export: NonNull<T>,
    capacity: usize,
    /// Elements that the writer has finished. Only grows; stored with Release by the one [`AreaWriter`].
    published: AtomicUsize,
    accesses: Accesses,
    backing: Backing,
}

// SAFETY: readers only touch elements below `published`, which are never written again; the one writer only
// touches elements at or above it. The Release/Acquire pair on `published` orders the two.
unsafe impl<T: ArrowNativeType> Send for Area<T> {}
// SAFETY: as above.
unsafe impl<T: ArrowNativeType> Sync for Area<T> {}

impl<T: ArrowNativeType> Area<T> {
    /// Memory for `capacity` elements and the only handle that can append to it.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when the system gives no memory or the size overflows.
    pub fn with_capacity(capacity: usize, pool: &Arc<AreaPool>) -> Result<AreaWriter<T>, Error> {
        let capacity = capacity.max(1);
        let exhausted = || {
            Error::resource_exhausted(format!(
                "no memory for {capacity} elements of a segment's column"
            ))
        };
        let layout = Layout::array::<T>(capacity)
            .and_then(|layout| layout.align_to(ALIGNMENT_BYTES))
            .map_err(|_| exhausted())?;
        // The kernel bounds how many mappings a process has; beyond that the allocator finds room in larger ones.
        let mapping = (layout.size() >= MAPPED_FROM_BYTES).then(|| pool.take(layout.size()).ok());
        let (start, backing) = if let Some(Some(mut mapping)) = mapping {
            let start = NonNull::new(mapping.as_mut_ptr());
            (start, Backing::Mapped(Some(mapping), Arc::downgrade(pool)))
        } else {
            // SAFETY: the layout is not empty, because capacity is at least 1 and no ArrowNativeType is zero-sized.
            (
                NonNull::new(unsafe { alloc_zeroed(layout) }),
                Backing::Heap(layout),
            )
        };
        let start = start.ok_or_else(exhausted)?.cast::<T>();
        let area = Arc::new(Self {
            start,
            export: start,
            capacity,
            published: AtomicUsize::new(0),
            accesses: Accesses::default(),
            backing,
        });
        Ok(AreaWriter {
            area,
            len: 0,
            limit: capacity,
        })
    }

    /// An area over a part of a file, of which the first `published` elements are there for readers.
    ///
    /// # Errors
    /// `CORRUPT_RECORDING` when the part holds fewer elements or does not start where one can.
    pub fn of_file(region: Region, published: usize) -> Result<Arc<Self>, Error> {
        let capacity = region.len() / size_of::<T>();
        let start = region.start().cast::<T>();
        if published > capacity || !start.is_aligned() {
            return Err(Error::new(
                ErrorCode::CorruptRecording,
                format!("a column of {published} elements has room for {capacity}"),
            ));
        }
        Ok(Arc::new(Self {
            start,
            export: region.export().cast(),
            capacity,
            published: AtomicUsize::new(published),
            accesses: Accesses::default(),
            backing: Backing::File(region),
        }))
    }

    /// Lets readers see what another process has published; less than before, or more than there is room for, is
    /// ignored.
    pub fn publish_to(&self, len: usize) {
        if len <= self.capacity && len > self.published.load(Ordering::Relaxed) {
            self.published.store(len, Ordering::Release);
        }
    }

    /// Elements that there is room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Elements below `len`, published or not: for checking what a file says before it is published.
    ///
    /// # Panics
    /// When there is no room for as many, or the area is not of a file and they are not published.
    pub fn unpublished(&self, len: usize) -> &[T] {
        if !matches!(self.backing, Backing::File(_)) {
            return self.slice(len);
        }
        assert!(len <= self.capacity, "beyond the room of a file");
        // SAFETY: in bounds; a file's bytes are initialized whatever they are, and any of them is an integer. Whoever
        // writes the file writes only behind what its commit record counts.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), len) }
    }

    /// The first `len` elements.
    ///
    /// # Panics
    /// When `len` is more than what is published: a bug of the caller, which must take `len` from a snapshot.
    pub fn slice(&self, len: usize) -> &[T] {
        assert!(
            len <= self.published.load(Ordering::Acquire),
            "read beyond what is published"
        );
        self.accesses.read(0..len);
        // SAFETY: elements below `published` have been written and never written again.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), len) }
    }

    /// The first `len` elements as an Arrow buffer that keeps this area alive.
    ///
    /// # Panics
    /// As [`Area::slice`].
    pub fn arrow_buffer(self: &Arc<Self>, len: usize) -> Buffer
    where
        T: std::panic::RefUnwindSafe + 'static,
    {
        self.buffer_at(self.export, len)
    }

    /// As [`Area::arrow_buffer`], for readers in Rust only: over the memory that the writer writes.
    ///
    /// # Panics
    /// As [`Area::slice`].
    pub(crate) fn own_buffer(self: &Arc<Self>, len: usize) -> Buffer
    where
        T: std::panic::RefUnwindSafe + 'static,
    {
        self.buffer_at(self.start, len)
    }

    fn buffer_at(self: &Arc<Self>, start: NonNull<T>, len: usize) -> Buffer
    where
        T: std::panic::RefUnwindSafe + 'static,
    {
        let size = std::mem::size_of_val(self.slice(len));
        if size == 0 {
            return Buffer::from(Vec::<T>::new());
        }
        // SAFETY: `size` bytes from `start`, which is where the elements are or where they are exported, are published, hence immutable, and live as long as the Arc.
        unsafe {
            Buffer::from_custom_allocation(
                start.cast(),
                size,
                Arc::clone(self) as Arc<dyn arrow_buffer::alloc::Allocation>,
            )
        }
    }

    /// Bytes of memory that the published elements take up.
    pub fn used_bytes(&self) -> usize {
        match self.backing {
            Backing::Heap(layout) => layout.size(),
            Backing::Mapped(..) | Backing::File(_) => (self.published.load(Ordering::Acquire)
                * size_of::<T>())
            .next_multiple_of(PAGE_BYTES),
        }
    }
}

impl<T: ArrowNativeType> Drop for Area<T> {
    fn drop(&mut self) {
        match &mut self.backing {
            // SAFETY: `start` came from `alloc_zeroed` with this very layout.
            Backing::Heap(layout) => unsafe { dealloc(self.start.as_ptr().cast(), *layout) },
            Backing::Mapped(mapping, pool) => {
                if let (Some(mapping), Some(pool)) = (mapping.take(), pool.upgrade()) {
                    pool.give_back(mapping);
                }
            }
            Backing::File(_) => {}
        }
    }
}

/// The one handle that appends to an [`Area`]. Not `Clone`: that there is only one is what makes `Area` sound.
pub struct AreaWriter<T: ArrowNativeType> {
    area: Arc<Area<T>>,
    /// Elements written; at or above `area.published`, at most `limit`.
    len: usize,
    /// Elements that may be written: what the file behind the area has blocks for; at most `area.capacity`.
    limit: usize,
}

/// Of a file's blocks, what is asked for at a time at least and at most, in bytes.
const CHUNK_BYTES: std::ops::RangeInclusive<usize> = 16 * 1024..=4 * 1024 * 1024;

impl<T: ArrowNativeType> AreaWriter<T> {
    /// The readers' side.
    pub fn area(&self) -> Arc<Area<T>> {
        Arc::clone(&self.area)
    }

    /// Elements written so far, published or not.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Elements that still fit.
    pub fn room(&self) -> usize {
        self.limit - self.len
    }

    /// The writing side of an area of a file, of whose elements the first `len` have been written. There is room for more
    /// if the disk has any.
    ///
    /// # Errors
    /// As [`Area::of_file`].
    pub fn resume(region: Region, len: usize) -> Result<Self, Error> {
        let area = Area::of_file(region, len)?;
        let mut writer = Self {
            area,
            len,
            limit: len,
        };
        writer.reserve(1);
        Ok(writer)
    }

    /// Whether `count` more elements fit, after the file behind the area has been given blocks for them.
    pub fn reserve(&mut self, count: usize) -> bool {
        if count <= self.room() {
            return true;
        }
        let Backing::File(region) = &self.area.backing else {
            return false;
        };
        let Some(wanted) = self.len.checked_add(count) else {
            return false;
        };
        if wanted > self.area.capacity {
            return false;
        }
        let size = size_of::<T>();
        let written = self.limit * size;
        let chunk = written.clamp(*CHUNK_BYTES.start(), *CHUNK_BYTES.end());
        let end = (wanted * size)
            .max(written + chunk)
            .next_multiple_of(PAGE_BYTES)
            .min(self.area.capacity * size);
        if !region.allocate(written, end - written) {
            return false;
        }
        self.limit = end / size;
        true
    }

    /// Appends one element.
    ///
    /// # Panics
    /// When there is no room; callers check a row's room before they write any of it.
    #[inline]
    pub fn push(&mut self, value: T) {
        assert!(self.len < self.limit, "no room");
        self.area.accesses.wrote(self.len..self.len + 1);
        // SAFETY: within capacity by the check, above `published`, and `&mut self` is the only writer.
        unsafe { self.area.start.as_ptr().add(self.len).write(value) };
        self.len += 1;
    }

    /// Appends all of `values`.
    ///
    /// # Panics
    /// As [`AreaWriter::push`].
    #[inline]
    pub fn extend(&mut self, values: &[T]) {
        assert!(values.len() <= self.room(), "no room");
        self.area.accesses.wrote(self.len..self.len + values.len());
        // SAFETY: within capacity by the check, above `published`, and `&mut self` is the only writer, so the
        // ranges cannot overlap: nobody can hold a slice of unpublished elements.
        unsafe {
            std::ptr::copy_nonoverlapping(
                values.as_ptr(),
                self.area.start.as_ptr().add(self.len),
                values.len(),
            )
        };
        self.len += values.len();
    }

    /// Forgets everything from `len` on, which nobody may have seen.
    ///
    /// # Panics
    /// When some of it has been published, or `len` is beyond what has been written.
    pub fn rewind(&mut self, len: usize) {
        let published = self.area.published.load(Ordering::Relaxed);
        assert!((published..=self.len).contains(&len), "published");
        self.len = len;
    }

    /// Everything written so far, for the writer's own use.
    pub fn written(&self) -> &[T] {
        // SAFETY: below `len` everything is initialized; `&self` keeps `push` away while the slice lives.
        unsafe { std::slice::from_raw_parts(self.area.start.as_ptr(), self.len) }
    }

    /// Lets readers see everything written so far.
    #[inline]
    pub fn publish(&mut self) {
        self.area.published.store(self.len, Ordering::Release);
    }
}
