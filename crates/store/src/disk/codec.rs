//! Numbers as bytes, and checked reading of them.

/// Appends to a record.
#[derive(Default)]
pub(crate) struct Encoder(Vec<u8>);

impl Encoder {
    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn i64(&mut self, value: i64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Zeros up to a length.
    pub(crate) fn pad_to(&mut self, len: usize) -> &mut Self {
        self.0.resize(len.max(self.0.len()), 0);
        self
    }

    /// The record with its checksum behind it.
    pub(crate) fn checked(&mut self) -> Vec<u8> {
        let crc = crc32fast::hash(&self.0);
        self.u32(crc);
        std::mem::take(&mut self.0)
    }

    /// The record without one.
    pub(crate) fn plain(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

/// Reads a record from its start; `None` as soon as it is shorter than what is asked of it.
#[derive(Clone, Copy)]
pub(crate) struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Reads a record of `len` bytes that a checksum follows, if the checksum holds.
    pub(crate) fn of_checked(bytes: &'a [u8], len: usize) -> Option<Self> {
        let mut behind = Self(bytes.get(len..)?);
        let record = &bytes[..len];
        (behind.u32()? == crc32fast::hash(record)).then_some(Self(record))
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }
}

/// What is in a place for a record.
pub(crate) enum Record<T> {
    /// Nothing has been written there.
    Empty,
    /// Something that is no such record.
    Damaged,
    /// A record.
    Valid(T),
}

impl<T> Record<T> {
    pub(crate) fn of(bytes: &[u8], decode: impl FnOnce(&[u8]) -> Option<T>) -> Self {
        match decode(bytes) {
            Some(record) => Self::Valid(record),
            None if bytes.iter().all(|byte| *byte == 0) => Self::Empty,
            None => Self::Damaged,
        }
    }

    pub(crate) fn valid(self) -> Option<T> {
        match self {
            Self::Valid(record) => Some(record),
            Self::Empty | Self::Damaged => None,
        }
    }
}
