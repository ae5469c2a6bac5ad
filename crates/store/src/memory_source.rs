//! Where the columns of a new segment get their memory.

use std::sync::Arc;

use arrow_buffer::ArrowNativeType;

use crate::area::{Area, AreaPool, AreaWriter};
use crate::error::Error;
use crate::validity::Validity;

/// Gives a segment its columns' memory, in the order in which [`SegmentBuilder`](crate::segment_builder::SegmentBuilder)
/// asks for it.
pub trait MemorySource {
    /// Room for `capacity` elements.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` without memory, `IO` without space on the disk.
    fn area<T: ArrowNativeType>(&mut self, capacity: usize) -> Result<AreaWriter<T>, Error>;

    /// A bitmap of `rows` rows, all null.
    ///
    /// # Errors
    /// As [`MemorySource::area`].
    fn validity(&mut self, rows: usize) -> Result<Arc<Validity>, Error>;
}

impl MemorySource for &Arc<AreaPool> {
    fn area<T: ArrowNativeType>(&mut self, capacity: usize) -> Result<AreaWriter<T>, Error> {
        Area::with_capacity(capacity, self)
    }

    fn validity(&mut self, rows: usize) -> Result<Arc<Validity>, Error> {
        Ok(Validity::new(rows))
    }
}
