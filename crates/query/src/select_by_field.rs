//! The wanted rows in the order of any field: at most one scan, and less where an index tells which rows come first.

use kinescope_store::index::BLOCK_ROWS;
use kinescope_store::index::paths::{Ints, PathColumn, RowSet};
use kinescope_store::{Error, Part, Snapshot};

use crate::bitmap::Bitmap;
use crate::cancel::Cancel;
use crate::condition::Field;
use crate::evaluate::Rows;
use crate::filter::{Filter, matching_rows_until};
use crate::order::{FieldKey, Order};
use crate::path_reader::{FieldReader, look_up};
use crate::scalar::Scalar;
use crate::select::{First, Selection, Window};
use kinescope_store::index::paths::PathLookup;

/// The wanted rows in the order of a field.
///
/// # Errors
/// As [`Cancel::check`].
pub fn select_by_field(
    filter: &Filter,
    snapshot: &Snapshot,
    order: &Order,
    window: Window<'_, FieldKey>,
    cancel: &Cancel,
) -> Result<Selection<FieldKey>, Error> {
    let mut search = Search {
        first: First::new(window),
        window,
        descending: order.descending,
    };
    let Some(field) = &order.field else {
        return Ok(search.first.into_selection());
    };
    let parts = filter.parts(snapshot);
    let mut indexed = Vec::new();
    for part in &parts {
        cancel.check()?;
        let Some(matching) = matching_rows_until(filter, part, cancel)? else {
            continue;
        };
        if window.after.is_none() {
            search.first.matching += matching.count() as u64;
        }
        if window.limit == 0 {
            continue;
        }
        match ints_of(field, part).filter(|_| search.needs_no_count()) {
            Some((column, ints)) => indexed.push(Indexed {
                part,
                matching,
                column,
                ints,
            }),
            None => search.offer_all(field, part, &matching),
        }
    }
    search.offer_indexed(field, &indexed, cancel)?;
    Ok(search.first.into_selection())
}

/// A part whose integers at the path are known by block.
struct Indexed<'a> {
    part: &'a Part<'a>,
    matching: Bitmap,
    column: &'a PathColumn,
    ints: &'a Ints,
}

fn ints_of<'a>(field: &Field, part: &Part<'a>) -> Option<(&'a PathColumn, &'a Ints)> {
    let Field::Path(path) = field else {
        return None;
    };
    match look_up(Rows::of(part), path) {
        PathLookup::Column(column) => Some((column, column.ints.as_ref()?)),
        PathLookup::Absent | PathLookup::Unknown => None,
    }
}

struct Search<'w> {
    first: First<'w, FieldKey>,
    window: Window<'w, FieldKey>,
    descending: bool,
}

impl Search<'_> {
    /// Whether rows may be passed over without looking at them: the first page's count is that of the filter, and a later
    /// one mostly needs none.
    fn needs_no_count(&self) -> bool {
        self.window.after.is_none() || !self.window.count_all
    }

    fn offer(&mut self, value: Option<&Scalar<'_>>, seq: u64) {
        if let Some(after) = self.window.after {
            if after.compare(value, seq).is_le() {
                return;
            }
            self.first.matching += 1;
        }
        let is_beyond = |bound: &FieldKey| bound.compare(value, seq).is_gt();
        if self.first.bound().is_some_and(is_beyond) {
            return;
        }
        self.first.offer(FieldKey {
            value: value.cloned().map(Scalar::into_owned),
            seq,
            descending: self.descending,
        });
    }

    fn offer_all(&mut self, field: &Field, part: &Part<'_>, rows: &Bitmap) {
        let reader = FieldReader::new(field, Rows::of(part));
        for row in rows.iter() {
            self.offer(
                reader.scalar(row).as_ref(),
                part.segment.base_seq + row as u64,
            );
        }
    }

    /// Values of other types first, then blocks of integers from the one with the best value on, until none has a better
    /// one than what has been found; rows without a value only if there is still room.
    ///
    /// Method: block-max skipping as for top-k documents (Ding, Suel: "Faster top-k document retrieval using block-max
    /// indexes", SIGIR 2011).
    fn offer_indexed(
        &mut self,
        field: &Field,
        indexed: &[Indexed<'_>],
        cancel: &Cancel,
    ) -> Result<(), Error> {
        let mut blocks = Vec::new();
        for (index, of) in indexed.iter().enumerate() {
            cancel.check()?;
            self.offer_all(field, of.part, &of.others());
            let zones = of.ints.zones.iter().enumerate();
            let best = |(low, high): (i64, i64)| if self.descending { high } else { low };
            let with_values = zones.filter(|(_, (low, high))| low <= high);
            blocks.extend(with_values.map(|(block, zone)| (best(zone), index, block)));
        }
        blocks.sort_unstable();
        if self.descending {
            blocks.reverse();
        }
        for (best, index, block) in blocks {
            self.first.settle();
            // Positions do not matter here: another value than the bound's decides.
            let is_beyond = |bound: &FieldKey| {
                let best = Scalar::Int(best.into());
                let seq = if self.descending { u64::MAX } else { 0 };
                bound.compare(Some(&best), seq).is_gt()
            };
            if self.first.bound().is_some_and(is_beyond) {
                break;
            }
            cancel.check()?;
            self.offer_block(&indexed[index], block);
        }
        for of in indexed {
            self.first.settle();
            let is_full = self
                .first
                .bound()
                .is_some_and(|bound| bound.value.is_some());
            if !is_full {
                cancel.check()?;
                self.offer_all(field, of.part, &of.without_value());
            }
        }
        Ok(())
    }

    fn offer_block(&mut self, of: &Indexed<'_>, block: usize) {
        let base_seq = of.part.segment.base_seq;
        let slots = block * BLOCK_ROWS..(block + 1) * BLOCK_ROWS;
        let mut offer = |slot: usize, row: usize| {
            let value = of.ints.at(slot);
            if !self.is_below(value) {
                self.offer(Some(&Scalar::Int(value.into())), base_seq + row as u64);
            }
        };
        match of.ints.slots.rows() {
            RowSet::Listed(rows) => {
                let slots = slots.start..slots.end.min(rows.len());
                for (slot, &row) in slots.clone().zip(&rows[slots]) {
                    if of.matching.contains(row as usize) {
                        offer(slot, row as usize);
                    }
                }
            }
            RowSet::Bits(words) => {
                let indexes = slots.start / 64..(slots.end / 64).min(words.len());
                let words = words.get(indexes.clone()).unwrap_or_default();
                for (index, word) in indexes.zip(words) {
                    let mut left = of.matching.word(index) & word;
                    while left != 0 {
                        let row = index * 64 + left.trailing_zeros() as usize;
                        left &= left - 1;
                        offer(row, row);
                    }
                }
            }
        }
    }

    /// Whether an integer is certainly beyond the bound: tells most of them without more ado.
    #[inline]
    fn is_below(&self, value: i64) -> bool {
        match self.first.bound() {
            Some(FieldKey {
                value: Some(Scalar::Int(bound)),
                ..
            }) => {
                if self.descending {
                    i128::from(value) < *bound
                } else {
                    i128::from(value) > *bound
                }
            }
            _ => false,
        }
    }
}

impl Indexed<'_> {
    /// Matching rows with a value that is no integer of 64 bits.
    fn others(&self) -> Bitmap {
        let column = self.column;
        let sets = [
            column.floats.as_ref().map(|floats| floats.slots.rows()),
            column.texts.as_ref().map(|texts| texts.slots.rows()),
            Some(&column.trues),
            Some(&column.falses),
            Some(&column.large),
        ];
        let mut rest = self.matching.clone();
        for set in sets.into_iter().flatten() {
            let mut own = rest.clone();
            own.intersect_set(set);
            rest.subtract(&own);
        }
        let mut others = self.matching.clone();
        others.subtract(&rest);
        others
    }

    /// Matching rows without a scalar.
    fn without_value(&self) -> Bitmap {
        let mut without = self.matching.clone();
        without.subtract(&self.others());
        let mut ints = without.clone();
        ints.intersect_set(self.ints.slots.rows());
        without.subtract(&ints);
        without
    }
}
