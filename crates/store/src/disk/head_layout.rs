//! Where the columns of a head lie in its file, and their memory there.

use std::io;
use std::sync::Arc;

use arrow_buffer::ArrowNativeType;

use super::blocks::PAGE_BYTES;
use super::columns_of_file::{ColumnRegions, Lens};
use crate::area::AreaWriter;
use crate::columns::{DictionaryColumn, NullableColumn};
use crate::error::Error;
use crate::mapping::{FileMap, Region};
use crate::memory_source::MemorySource;
use crate::segment_builder::{SegmentLimits, TEXTS_PER_ROW};
use crate::validity::Validity;

/// Where the columns of a head lie.
pub(crate) struct Layout {
    /// Offset and length of each region, in the order in which a segment asks for its memory.
    pub(crate) regions: Vec<(usize, usize)>,
    pub(crate) len: usize,
}

impl Layout {
    pub(crate) fn of(limits: &SegmentLimits) -> Self {
        let rows = limits.rows;
        let text = |texts: usize, bytes: usize| [(texts + 1) * 4, bytes];
        let mut lens = vec![rows * 8; 5];
        lens.extend([rows * 2, rows * 4]);
        lens.extend([rows * 4; DictionaryColumn::COUNT]);
        for _ in 0..DictionaryColumn::COUNT {
            lens.extend(text(rows * TEXTS_PER_ROW, limits.dictionary_bytes));
        }
        lens.push((rows + 1) * 4);
        lens.extend(text(limits.tag_entries, limits.tag_bytes));
        lens.extend(text(limits.tag_entries, limits.tag_bytes));
        lens.extend(text(rows, limits.data_bytes));
        lens.extend([rows.div_ceil(64) * 8; NullableColumn::COUNT]);
        let mut len = PAGE_BYTES;
        let place = |bytes: usize| {
            let at = len;
            len = (len + bytes).next_multiple_of(PAGE_BYTES);
            (at, bytes)
        };
        let regions = lens.into_iter().map(place).collect();
        Self { regions, len }
    }
}

/// Gives a new segment its memory in a head's file, or an old one the memory that it had.
pub(crate) struct HeadSource {
    pub(crate) map: Arc<FileMap>,
    pub(crate) regions: std::vec::IntoIter<(usize, usize)>,
    /// Elements that each area has already.
    pub(crate) lens: std::vec::IntoIter<usize>,
}

impl HeadSource {
    fn next(&mut self) -> Result<Region, Error> {
        let place = self.regions.next();
        let (offset, len) =
            place.ok_or_else(|| Error::corrupt("a head without all of its columns"))?;
        self.map.region(offset, len)
    }
}

impl MemorySource for HeadSource {
    fn area<T: ArrowNativeType>(&mut self, _capacity: usize) -> Result<AreaWriter<T>, Error> {
        let len = self.lens.next();
        let area = AreaWriter::resume(self.next()?, len.unwrap_or(0))?;
        // One that goes on may be full; a new one has to take something.
        if len.is_none() && area.room() == 0 {
            return Err(no_space());
        }
        Ok(area)
    }

    fn validity(&mut self, rows: usize) -> Result<Arc<Validity>, Error> {
        let region = self.next()?;
        if !region.allocate(0, region.len()) {
            return Err(no_space());
        }
        Validity::of_file(region, rows)
            .ok_or_else(|| Error::corrupt("a validity bitmap is shorter than its column"))
    }
}

fn no_space() -> Error {
    Error::io("a segment", &io::ErrorKind::StorageFull.into())
}

/// How many elements each area has, in the order in which a segment asks for its memory.
pub(crate) fn area_lens(lens: &Lens) -> Vec<usize> {
    let rows = lens.rows;
    let mut all = vec![rows; 7 + DictionaryColumn::COUNT];
    for column in 0..DictionaryColumn::COUNT {
        all.extend([lens.entries[column] + 1, lens.entry_bytes[column]]);
    }
    all.push(rows + 1);
    all.extend([lens.tags + 1, lens.tag_key_bytes]);
    all.extend([lens.tags + 1, lens.tag_value_bytes]);
    all.extend([rows + 1, lens.data_bytes]);
    all
}

pub(crate) fn column_regions(regions: Vec<Region>) -> Option<ColumnRegions> {
    fn take<T, const N: usize>(from: &mut impl Iterator<Item = T>) -> Option<[T; N]> {
        from.take(N).collect::<Vec<_>>().try_into().ok()
    }
    let mut regions = regions.into_iter();
    let fixed = take(&mut regions)?;
    let codes = take(&mut regions)?;
    let mut dictionaries = Vec::new();
    for _ in 0..DictionaryColumn::COUNT {
        dictionaries.push(take(&mut regions)?);
    }
    Some(ColumnRegions {
        fixed,
        codes,
        dictionaries: dictionaries.try_into().ok()?,
        tag_offsets: regions.next()?,
        tag_keys: take(&mut regions)?,
        tag_values: take(&mut regions)?,
        data: take(&mut regions)?,
        validity: take(&mut regions.map(Some))?,
    })
}
