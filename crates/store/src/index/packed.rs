//! Integers in as few bytes as the largest of them needs.

use super::array::Array;

/// Non-negative integers of one width.
#[derive(Clone, Debug, PartialEq)]
pub enum Packed {
    /// Below 2^8.
    U8(Array<u8>),
    /// Below 2^16.
    U16(Array<u16>),
    /// Below 2^32.
    U32(Array<u32>),
    /// Any.
    U64(Array<u64>),
}

/// Runs an expression with the slice of whatever width there is.
///
/// ```
/// use kinescope_store::{index::packed::Packed, with_packed};
/// let packed = Packed::of([1u64, 300].into_iter(), 300);
/// assert_eq!(with_packed!(&packed, values => values.len()), 2);
/// ```
#[macro_export]
macro_rules! with_packed {
    ($packed:expr, $values:ident => $body:expr) => {
        match $packed {
            $crate::index::packed::Packed::U8($values) => $body,
            $crate::index::packed::Packed::U16($values) => $body,
            $crate::index::packed::Packed::U32($values) => $body,
            $crate::index::packed::Packed::U64($values) => $body,
        }
    };
}

impl Packed {
    /// Values of which `max` is the largest.
    pub fn of(values: impl Iterator<Item = u64>, max: u64) -> Self {
        if u8::try_from(max).is_ok() {
            Self::U8(values.map(|value| value as u8).collect())
        } else if u16::try_from(max).is_ok() {
            Self::U16(values.map(|value| value as u16).collect())
        } else if u32::try_from(max).is_ok() {
            Self::U32(values.map(|value| value as u32).collect())
        } else {
            Self::U64(values.collect())
        }
    }

    /// Itself, if the width of its elements is the one that `max` needs.
    pub(crate) fn of_width_for(self, max: u64) -> Option<Self> {
        let is_right = match self {
            Self::U8(_) => max <= u8::MAX.into(),
            Self::U16(_) => (u64::from(u8::MAX) + 1..=u16::MAX.into()).contains(&max),
            Self::U32(_) => (u64::from(u16::MAX) + 1..=u32::MAX.into()).contains(&max),
            Self::U64(_) => max > u32::MAX.into(),
        };
        is_right.then_some(self)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        with_packed!(self, values => values.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The highest; 0 of none.
    pub fn max(&self) -> u64 {
        fn highest<T: Copy + Ord + Default>(values: &[T]) -> T {
            let none = T::default();
            values.iter().fold(none, |max, &value| max.max(value))
        }
        match self {
            Self::U8(values) => highest(values).into(),
            Self::U16(values) => highest(values).into(),
            Self::U32(values) => highest(values).into(),
            Self::U64(values) => highest(values),
        }
    }

    /// The value at an index.
    ///
    /// # Panics
    /// When the index is not below the length.
    #[inline]
    pub fn get(&self, index: usize) -> u64 {
        match self {
            Self::U8(values) => values[index].into(),
            Self::U16(values) => values[index].into(),
            Self::U32(values) => values[index].into(),
            Self::U64(values) => values[index],
        }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        with_packed!(self, values => values.bytes())
    }
}
