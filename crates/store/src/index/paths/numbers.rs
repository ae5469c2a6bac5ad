//! The numbers of one path in `data`.

use super::row_set::{RowSet, Slots};
use crate::index::BLOCK_ROWS;
use crate::index::array::Array;
use crate::index::file::{Sink, Source};
use crate::index::packed::Packed;

/// By block of [`BLOCK_ROWS`] slots the lowest and the highest value; of a block without any the first is above the
/// second.
#[derive(PartialEq)]
pub struct Zones {
    lows: Array<i64>,
    highs: Array<i64>,
}

impl Zones {
    /// By block.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (i64, i64)> {
        self.lows.iter().copied().zip(self.highs.iter().copied())
    }
}

/// Integers of 64 bits.
#[derive(PartialEq)]
pub struct Ints {
    /// Where they are.
    pub slots: Slots,
    /// The lowest; the packed values are the differences to it.
    pub base: i64,
    /// By slot.
    pub values: Packed,
    /// Bounds of the values.
    pub zones: Zones,
}

impl Ints {
    pub(super) fn new(members: &[u32], values: &[i64], rows: usize) -> Self {
        let slots = Slots::new(members, rows, 4);
        let base = values.iter().copied().min().unwrap_or_default();
        let offset = |value: i64| value.wrapping_sub(base) as u64;
        let max = values.iter().map(|&value| offset(value)).max();
        let zones = Self::zones(&slots, members, values, rows);
        let spread = slots.spread(members, values, rows, base);
        Self {
            base,
            values: Packed::of(spread.into_iter().map(offset), max.unwrap_or_default()),
            zones,
            slots,
        }
    }

    fn zones(slots: &Slots, members: &[u32], values: &[i64], rows: usize) -> Zones {
        let is_dense = matches!(slots.rows(), RowSet::Bits(_));
        let count = if is_dense { rows } else { values.len() };
        let mut zones = vec![(i64::MAX, i64::MIN); count.div_ceil(BLOCK_ROWS)];
        for (index, (&row, &value)) in members.iter().zip(values).enumerate() {
            let slot = if is_dense { row as usize } else { index };
            let (low, high) = &mut zones[slot / BLOCK_ROWS];
            *low = (*low).min(value);
            *high = (*high).max(value);
        }
        Zones {
            lows: zones.iter().map(|&(low, _)| low).collect(),
            highs: zones.iter().map(|&(_, high)| high).collect(),
        }
    }

    pub(super) fn write(&self, to: &mut Sink<'_>) {
        self.slots.write(to);
        to.number(self.base as u64);
        to.packed(&self.values);
        to.array(&self.zones.lows);
        to.array(&self.zones.highs);
    }

    pub(super) fn read(from: &mut Source<'_>, rows: usize) -> Option<Self> {
        let slots = Slots::read(from, rows)?;
        let (count, base) = (slots.len(rows), from.number()? as i64);
        let blocks = count.div_ceil(BLOCK_ROWS);
        Some(Self {
            slots,
            base,
            values: from.packed(count, u64::MAX)?,
            zones: Zones {
                lows: from.array_of(blocks)?,
                highs: from.array_of(blocks)?,
            },
        })
    }

    pub(super) fn bytes(&self) -> usize {
        let zones = self.zones.lows.bytes() + self.zones.highs.bytes();
        self.slots.bytes() + self.values.bytes() + zones
    }

    /// The value in a slot.
    #[inline]
    pub fn at(&self, slot: usize) -> i64 {
        self.base.wrapping_add(self.values.get(slot) as i64)
    }
}

/// Finite numbers with a fraction or an exponent.
#[derive(PartialEq)]
pub struct Floats {
    /// Where they are.
    pub slots: Slots,
    /// By slot.
    pub values: Array<f64>,
}

impl Floats {
    pub(super) fn write(&self, to: &mut Sink<'_>) {
        self.slots.write(to);
        to.array(&self.values);
    }

    pub(super) fn read(from: &mut Source<'_>, rows: usize) -> Option<Self> {
        let slots = Slots::read(from, rows)?;
        let values: Array<f64> = from.array_of(slots.len(rows))?;
        let are_finite = values.iter().all(|value| value.is_finite());
        are_finite.then_some(Self { slots, values })
    }

    pub(super) fn bytes(&self) -> usize {
        self.slots.bytes() + self.values.bytes()
    }
}
