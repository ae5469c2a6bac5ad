//! What an index is made of: arrays in memory of their own, or over a part of a mapped file.

use std::ops::Deref;

use arrow_buffer::{ArrowNativeType, ScalarBuffer};

use crate::mapping::Region;

/// Elements that never change. Whoever looks at many of them takes the slice out once.
#[derive(Clone)]
pub struct Array<T: ArrowNativeType> {
    values: ScalarBuffer<T>,
    /// They are the kernel's to keep in memory or not.
    is_mapped: bool,
}

impl<T: ArrowNativeType> Array<T> {
    /// `len` elements from the start of a part of a file on; none when it is too short or does not start where one can.
    pub(crate) fn of_file(region: &Region, len: usize) -> Option<Self> {
        let is_inside = len.checked_mul(size_of::<T>())? <= region.len();
        let is_aligned = region.export().cast::<T>().is_aligned();
        (is_inside && is_aligned).then(|| Self {
            values: ScalarBuffer::new(region.buffer(), 0, len),
            is_mapped: true,
        })
    }

    /// The elements as they lie in memory.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.values.inner().as_slice()
    }

    /// Bytes of memory; 0 over a file.
    pub fn bytes(&self) -> usize {
        if self.is_mapped {
            0
        } else {
            size_of_val(&**self)
        }
    }
}

impl<T: ArrowNativeType> Default for Array<T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<T: ArrowNativeType> Deref for Array<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        &self.values
    }
}

impl<T: ArrowNativeType> From<Vec<T>> for Array<T> {
    fn from(mut values: Vec<T>) -> Self {
        values.shrink_to_fit();
        Self {
            values: values.into(),
            is_mapped: false,
        }
    }
}

impl<T: ArrowNativeType> FromIterator<T> for Array<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Vec::from_iter(values).into()
    }
}

impl<'a, T: ArrowNativeType> IntoIterator for &'a Array<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// By element.
impl<T: ArrowNativeType> PartialEq for Array<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: ArrowNativeType> std::fmt::Debug for Array<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self).finish()
    }
}
