//! An allocator that notices when somebody believes what a file says of its length.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// No input makes anyone ask for more at once.
const ALLOCATION_MAX_BYTES: usize = 512 << 20;

/// What was asked for beyond the bound, in bytes; 0: nothing.
static ASKED_FOR: AtomicUsize = AtomicUsize::new(0);

/// Bytes that were asked for at once since this was last called, if they were too many.
pub fn too_large() -> Option<usize> {
    Some(ASKED_FOR.swap(0, Ordering::Relaxed)).filter(|bytes| *bytes > 0)
}

/// The system's allocator.
pub struct Bounded;

fn look(bytes: usize) {
    if bytes > ALLOCATION_MAX_BYTES {
        ASKED_FOR.fetch_max(bytes, Ordering::Relaxed);
    }
}

// SAFETY: everything is the system's allocator's.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        look(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        look(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        look(bytes);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(old, layout, bytes) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(old, layout) }
    }
}
