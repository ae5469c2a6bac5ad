//! The one door through which atomics, locks and the segment list come, so that loom models run on the production
//! code.

use std::sync::PoisonError;

#[cfg(loom)]
pub(crate) use model::*;
#[cfg(not(loom))]
pub(crate) use real::*;

#[cfg(not(loom))]
mod real {
    use std::ops::Range;

    pub(crate) use arc_swap::ArcSwap;
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};

    /// Accesses of raw memory, which only models watch.
    #[derive(Default)]
    pub(crate) struct Accesses {}

    impl Accesses {
        #[inline]
        pub(crate) fn wrote(&self, _elements: Range<usize>) {}
        #[inline]
        pub(crate) fn read(&self, _elements: Range<usize>) {}
    }
}

#[cfg(loom)]
mod model {
    use std::ops::Range;
    use std::sync::Arc;

    use loom::cell::UnsafeCell;
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};

    /// What the store needs of `arc_swap::ArcSwap`, whose own atomics loom does not see.
    #[derive(Default)]
    pub(crate) struct ArcSwap<T>(Mutex<Arc<T>>);

    impl<T> ArcSwap<T> {
        pub(crate) fn load_full(&self) -> Arc<T> {
            Arc::clone(&crate::sync::lock(&self.0))
        }

        pub(crate) fn store(&self, value: Arc<T>) {
            *crate::sync::lock(&self.0) = value;
        }
    }

    /// A cell for each element of raw memory that is appended to: loom fails the model when an access of one is not
    /// ordered with another thread's.
    #[derive(Default)]
    pub(crate) struct Accesses(std::sync::Mutex<Vec<UnsafeCell<()>>>);

    impl Accesses {
        fn cells(&self) -> std::sync::MutexGuard<'_, Vec<UnsafeCell<()>>> {
            self.0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        }

        pub(crate) fn wrote(&self, elements: Range<usize>) {
            let mut cells = self.cells();
            cells.resize_with(elements.end, || UnsafeCell::new(()));
            cells[elements]
                .iter()
                .for_each(|cell| cell.with_mut(|_| ()));
        }

        pub(crate) fn read(&self, elements: Range<usize>) {
            self.cells()[elements]
                .iter()
                .for_each(|cell| cell.with(|_| ()));
        }
    }
}

/// Locks, also after a panic of another holder: what the locks of this crate guard is never left half-changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
