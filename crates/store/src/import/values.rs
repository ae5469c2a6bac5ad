//! Columns of values as Arrow lays them out, checked.

use arrow_array::{Array, LargeStringArray, OffsetSizeTrait, StringArray};
use arrow_buffer::{
    ArrowNativeType, BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer,
};

/// Integers of any width, with their nulls.
pub struct Integers {
    values: IntegerValues,
    nulls: Option<NullBuffer>,
}

enum IntegerValues {
    I8(ScalarBuffer<i8>),
    I16(ScalarBuffer<i16>),
    I32(ScalarBuffer<i32>),
    I64(ScalarBuffer<i64>),
    U8(ScalarBuffer<u8>),
    U16(ScalarBuffer<u16>),
    U32(ScalarBuffer<u32>),
    U64(ScalarBuffer<u64>),
}

/// The first `len` of the values in `bytes`, in their own memory.
fn scalars<T: ArrowNativeType>(bytes: &[u8], len: usize) -> Option<ScalarBuffer<T>> {
    let bytes = bytes.get(..len.checked_mul(size_of::<T>())?)?;
    // Copied into memory of Arrow's alignment.
    Some(ScalarBuffer::new(Buffer::from(bytes), 0, len))
}

/// The bits `offset` to `offset + len`, of which those that are not set mean null; no bitmap at all means none is null.
pub(super) fn nulls(
    bitmap: Option<&[u8]>,
    offset: usize,
    len: usize,
) -> Option<Option<NullBuffer>> {
    let Some(bitmap) = bitmap else {
        return Some(None);
    };
    if offset.checked_add(len)?.div_ceil(8) > bitmap.len() {
        return None;
    }
    let bits = BooleanBuffer::new(Buffer::from(bitmap), offset, len);
    let nulls = NullBuffer::new(bits);
    Some((nulls.null_count() > 0).then_some(nulls))
}

impl Integers {
    /// `len` integers of so many bits, in the machine's own order of bytes; none when there are fewer, or the width is none.
    pub fn new(
        bits: u32,
        is_signed: bool,
        bytes: &[u8],
        len: usize,
        validity: Option<&[u8]>,
        validity_offset: usize,
    ) -> Option<Self> {
        let values = match (bits, is_signed) {
            (8, true) => IntegerValues::I8(scalars(bytes, len)?),
            (16, true) => IntegerValues::I16(scalars(bytes, len)?),
            (32, true) => IntegerValues::I32(scalars(bytes, len)?),
            (64, true) => IntegerValues::I64(scalars(bytes, len)?),
            (8, false) => IntegerValues::U8(scalars(bytes, len)?),
            (16, false) => IntegerValues::U16(scalars(bytes, len)?),
            (32, false) => IntegerValues::U32(scalars(bytes, len)?),
            (64, false) => IntegerValues::U64(scalars(bytes, len)?),
            _ => return None,
        };
        Some(Self {
            values,
            nulls: nulls(validity, validity_offset, len)?,
        })
    }

    pub(super) fn len(&self) -> usize {
        match &self.values {
            IntegerValues::I8(values) => values.len(),
            IntegerValues::I16(values) => values.len(),
            IntegerValues::I32(values) => values.len(),
            IntegerValues::I64(values) => values.len(),
            IntegerValues::U8(values) => values.len(),
            IntegerValues::U16(values) => values.len(),
            IntegerValues::U32(values) => values.len(),
            IntegerValues::U64(values) => values.len(),
        }
    }

    #[inline]
    pub(super) fn get(&self, row: usize) -> Option<i128> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        Some(match &self.values {
            IntegerValues::I8(values) => values[row].into(),
            IntegerValues::I16(values) => values[row].into(),
            IntegerValues::I32(values) => values[row].into(),
            IntegerValues::I64(values) => values[row].into(),
            IntegerValues::U8(values) => values[row].into(),
            IntegerValues::U16(values) => values[row].into(),
            IntegerValues::U32(values) => values[row].into(),
            IntegerValues::U64(values) => values[row].into(),
        })
    }
}

/// Texts, each by itself or by its code.
pub struct Texts {
    /// One after the other.
    values: Vec<TextValues>,
    /// Of each row; none: the rows are the values.
    codes: Option<Integers>,
    /// Values before each of `values`, and of all together.
    starts: Vec<usize>,
}

enum TextValues {
    Small(StringArray),
    Large(LargeStringArray),
}

impl TextValues {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Small(values) => values.len(),
            Self::Large(values) => values.len(),
        }
    }

    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&str> {
        match self {
            Self::Small(values) => values.is_valid(index).then(|| values.value(index)),
            Self::Large(values) => values.is_valid(index).then(|| values.value(index)),
        }
    }
}

/// Offsets that grow and end within the bytes.
pub(super) fn text_offsets<T: OffsetSizeTrait>(
    offsets: &[u8],
    len: usize,
    bytes: usize,
) -> Option<OffsetBuffer<T>> {
    if offsets.is_empty() && len == 0 {
        return Some(OffsetBuffer::new_empty());
    }
    let offsets: ScalarBuffer<T> = scalars(offsets, len.checked_add(1)?)?;
    let grow =
        offsets.first()? >= &T::usize_as(0) && offsets.windows(2).all(|pair| pair[0] <= pair[1]);
    let end = offsets.last()?.to_usize()?;
    (grow && end <= bytes).then(|| OffsetBuffer::new(offsets))
}

/// As [`text_offsets`], of bytes that begin where the first offset says.
fn relative_offsets<T: OffsetSizeTrait>(
    offsets: &[u8],
    len: usize,
    bytes: usize,
) -> Option<OffsetBuffer<T>> {
    let first = scalars::<T>(offsets, 1).and_then(|first| first.first().copied());
    let base = first.map_or(Some(0), |first| first.to_usize())?;
    let offsets = text_offsets::<T>(offsets, len, base.checked_add(bytes)?)?;
    if base == 0 {
        return Some(offsets);
    }
    let first = offsets.iter().copied().next()?;
    let relative: ScalarBuffer<T> = offsets.iter().map(|&offset| offset - first).collect();
    Some(OffsetBuffer::new(relative))
}

impl Texts {
    /// No texts yet; [`Texts::push`] adds them.
    #[must_use]
    pub fn new() -> Self {
        Self {
            values: Vec::new(),
            codes: None,
            starts: vec![0],
        }
    }

    /// Adds `len` texts of UTF-8 by their offsets, of 64 bits where `is_large`, else of 32; `bytes` begin at the first of
    /// them. None when the offsets do not grow or end beyond the bytes, and for what is no UTF-8.
    #[must_use]
    pub fn push(
        mut self,
        is_large: bool,
        offsets: &[u8],
        bytes: &[u8],
        len: usize,
        validity: Option<&[u8]>,
        validity_offset: usize,
    ) -> Option<Self> {
        let nulls = nulls(validity, validity_offset, len)?;
        let buffer = Buffer::from(bytes);
        let values = if is_large {
            let offsets = relative_offsets(offsets, len, bytes.len())?;
            TextValues::Large(LargeStringArray::try_new(offsets, buffer, nulls).ok()?)
        } else {
            let offsets = relative_offsets(offsets, len, bytes.len())?;
            TextValues::Small(StringArray::try_new(offsets, buffer, nulls).ok()?)
        };
        self.starts
            .push(self.starts.last().copied().unwrap_or_default() + values.len());
        self.values.push(values);
        Some(self)
    }

    /// Rows with these codes of the texts; none when a code is that of no text.
    #[must_use]
    pub fn coded(mut self, codes: Integers) -> Option<Self> {
        let count = i128::try_from(self.values_len()).ok()?;
        let known = |row| codes.get(row).is_none_or(|code| (0..count).contains(&code));
        if !(0..codes.len()).all(known) {
            return None;
        }
        self.codes = Some(codes);
        Some(self)
    }

    pub(super) fn values_len(&self) -> usize {
        self.starts.last().copied().unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.codes
            .as_ref()
            .map_or_else(|| self.values_len(), Integers::len)
    }

    /// Index of a row's value.
    #[inline]
    pub(super) fn code(&self, row: usize) -> Option<usize> {
        match &self.codes {
            None => Some(row),
            Some(codes) => codes.get(row).map(|code| code as usize),
        }
    }

    #[inline]
    pub(super) fn value(&self, index: usize) -> Option<&str> {
        let part = match self.values.len() {
            1 => 0,
            _ => self.starts.partition_point(|&start| start <= index) - 1,
        };
        self.values.get(part)?.get(index - self.starts[part])
    }

    #[inline]
    pub(super) fn get(&self, row: usize) -> Option<&str> {
        self.value(self.code(row)?)
    }
}

impl Default for Texts {
    fn default() -> Self {
        Self::new()
    }
}

impl Texts {
    /// Bytes of all texts.
    pub(super) fn bytes(&self) -> usize {
        let bytes = self.values.iter().map(|values| match values {
            TextValues::Small(values) => values.value_data().len(),
            TextValues::Large(values) => values.value_data().len(),
        });
        bytes.sum()
    }

    pub(super) fn is_coded(&self) -> bool {
        self.codes.is_some()
    }
}
