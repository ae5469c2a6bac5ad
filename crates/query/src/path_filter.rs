//! Keeps rows by the value of a path in `data`.

use kinescope_store::columns::NullableColumn;
use kinescope_store::index::BLOCK_ROWS;
use kinescope_store::index::packed::Packed;
use kinescope_store::index::paths::{
    Floats, Ints, PathColumn, PathLookup, RowSet, TextValues, Texts,
};
use kinescope_store::json::{self, Found};

use crate::bitmap::{Bitmap, pack};
use crate::condition::{Comparison, Test};
use crate::evaluate::{Rows, int_bounds, retain_valid};
use crate::path_reader::look_up;
use crate::scalar::Scalar;

/// Words of a bitmap for a block's rows.
const BLOCK_WORDS: usize = BLOCK_ROWS / 64;
/// Below, every integer is a float of its own.
const EXACT_INTS: i128 = 1 << f64::MANTISSA_DIGITS;

/// Keeps the candidates whose value at the path passes the test.
pub(crate) fn retain_path(path: &[String], test: &Test, rows: Rows<'_>, candidates: &mut Bitmap) {
    match look_up(rows, path) {
        PathLookup::Absent => candidates.clear(),
        PathLookup::Unknown => {
            retain_valid(NullableColumn::Data, rows, candidates);
            retain_in_data(path, test, rows, candidates);
        }
        PathLookup::Column(column) => {
            let of = Typed { column, path, rows };
            of.retain(test, candidates);
        }
    }
}

fn retain_in_data(path: &[String], test: &Test, rows: Rows<'_>, candidates: &mut Bitmap) {
    let data = &rows.segment.columns.data;
    rows.retain_each(candidates, |row| {
        match json::value_at(data.text(row), path) {
            Some(Found::Scalar(value)) => test.holds(&value),
            Some(Found::Container(_)) => matches!(test, Test::Exists),
            None => false,
        }
    });
}

/// Values of one type.
#[derive(Clone, Copy)]
enum Part {
    Ints,
    Floats,
    Large,
    Trues,
    Falses,
    Texts,
    Containers,
}

struct Typed<'a> {
    column: &'a PathColumn,
    path: &'a [String],
    rows: Rows<'a>,
}

impl Typed<'_> {
    fn retain(&self, test: &Test, candidates: &mut Bitmap) {
        let parts = self.parts(test);
        if let [part] = parts[..] {
            return self.retain_part(part, test, candidates);
        }
        let mut left = candidates.clone();
        for part in parts {
            let mut accepted = left.clone();
            self.retain_part(part, test, &mut accepted);
            left.subtract(&accepted);
        }
        candidates.subtract(&left);
    }

    /// Those types of values that occur and may pass.
    fn parts(&self, test: &Test) -> Vec<Part> {
        let accepts = |of_type: &dyn Fn(&Scalar<'_>) -> bool| match test {
            Test::Compare(_, wanted) => of_type(wanted),
            Test::In(wanted) => wanted.iter().any(of_type),
            Test::Exists => true,
            Test::Contains(_) | Test::StartsWith(_) | Test::Matches(_) => {
                of_type(&Scalar::Text("".into()))
            }
        };
        let numbers = accepts(&|wanted| matches!(wanted, Scalar::Int(_) | Scalar::Float(_)));
        let column = self.column;
        let of_bool = |value: bool| test.holds(&Scalar::Bool(value));
        let has_containers = !column.objects.is_empty() || !column.arrays.is_empty();
        let parts = [
            (Part::Ints, numbers && column.ints.is_some()),
            (Part::Floats, numbers && column.floats.is_some()),
            (Part::Large, numbers && !column.large.is_empty()),
            (Part::Trues, of_bool(true) && !column.trues.is_empty()),
            (Part::Falses, of_bool(false) && !column.falses.is_empty()),
            (
                Part::Texts,
                column.texts.is_some() && accepts(&|wanted| matches!(wanted, Scalar::Text(_))),
            ),
            (
                Part::Containers,
                has_containers && matches!(test, Test::Exists),
            ),
        ];
        let relevant = parts.into_iter().filter(|&(_, is_relevant)| is_relevant);
        relevant.map(|(part, _)| part).collect()
    }

    fn retain_part(&self, part: Part, test: &Test, candidates: &mut Bitmap) {
        let column = self.column;
        match (part, &column.ints, &column.floats, &column.texts) {
            (Part::Ints, Some(ints), ..) => retain_ints(ints, test, candidates),
            (Part::Floats, _, Some(floats), _) => retain_floats(floats, test, candidates),
            (Part::Texts, _, _, Some(texts)) => retain_texts(texts, test, self.rows, candidates),
            (Part::Trues, ..) => candidates.intersect_set(&column.trues),
            (Part::Falses, ..) => candidates.intersect_set(&column.falses),
            (Part::Large, ..) => {
                candidates.intersect_set(&column.large);
                retain_in_data(self.path, test, self.rows, candidates);
            }
            (Part::Containers, ..) => {
                let mut others = candidates.clone();
                others.intersect_set(&column.objects);
                let mut neither = candidates.clone();
                neither.subtract(&others);
                let mut arrays = neither.clone();
                arrays.intersect_set(&column.arrays);
                neither.subtract(&arrays);
                candidates.subtract(&neither);
            }
            _ => candidates.clear(),
        }
    }
}

/// Keeps rows by their values in slots.
pub(crate) fn retain_slots<T: Copy>(
    rows: &RowSet,
    values: &[T],
    keep: impl Fn(T) -> bool,
    candidates: &mut Bitmap,
) {
    match rows {
        RowSet::Bits(_) => {
            candidates.intersect_set(rows);
            candidates.retain(values, keep);
        }
        RowSet::Listed(rows) => {
            let mut kept = Vec::new();
            for (rows, values) in rows.chunks(64).zip(values.chunks(64)) {
                let mut left = pack(values, &keep);
                while left != 0 {
                    kept.push(rows[left.trailing_zeros() as usize]);
                    left &= left - 1;
                }
            }
            candidates.intersect_listed(&kept);
        }
    }
}

fn retain_ints(ints: &Ints, test: &Test, candidates: &mut Bitmap) {
    let rows = ints.slots.rows();
    let bounds: Vec<(i128, i128)> = match test {
        Test::Compare(how, wanted) => int_bounds(*how, wanted).into_iter().collect(),
        Test::In(wanted) => {
            let each = wanted.iter();
            each.filter_map(|wanted| int_bounds(Comparison::Eq, wanted))
                .collect()
        }
        _ => return candidates.intersect_set(rows),
    };
    if let RowSet::Bits(_) = rows {
        let may_hold: Vec<bool> = ints
            .zones
            .iter()
            .map(|(low, high)| {
                let meets = |&(from, to): &(i128, i128)| from <= high.into() && to >= low.into();
                low <= high && bounds.iter().any(meets)
            })
            .collect();
        candidates.intersect_words(|index| {
            let may_hold = may_hold.get(index / BLOCK_WORDS) == Some(&true);
            if may_hold { u64::MAX } else { 0 }
        });
    }
    // Of the packed differences to the base.
    let base = i128::from(ints.base);
    let packed = bounds.iter().filter_map(|&(low, high)| {
        let low = u64::try_from((low - base).max(0)).ok()?;
        let high = u64::try_from((high - base).min(u64::MAX.into())).ok()?;
        (low <= high).then_some((low, high))
    });
    let packed: Vec<(u64, u64)> = packed.collect();
    match &ints.values {
        Packed::U8(values) => retain_within(rows, values, &packed, u8::MAX.into(), candidates),
        Packed::U16(values) => retain_within(rows, values, &packed, u16::MAX.into(), candidates),
        Packed::U32(values) => retain_within(rows, values, &packed, u32::MAX.into(), candidates),
        Packed::U64(values) => retain_within(rows, values, &packed, u64::MAX, candidates),
    }
}

/// Keeps values in one of the inclusive ranges; `max` is the highest of their width.
fn retain_within<T: Copy + Ord + TryFrom<u64>>(
    rows: &RowSet,
    values: &[T],
    bounds: &[(u64, u64)],
    max: u64,
    candidates: &mut Bitmap,
) {
    let narrow = bounds.iter().filter_map(|&(low, high)| {
        let low = T::try_from(low).ok()?;
        Some((low, T::try_from(high.min(max)).ok()?))
    });
    let narrow: Vec<(T, T)> = narrow.collect();
    match narrow[..] {
        [] => candidates.clear(),
        [(low, high)] => retain_slots(
            rows,
            values,
            |value| (low <= value) & (value <= high),
            candidates,
        ),
        _ => {
            let keep = |value| {
                narrow
                    .iter()
                    .any(|&(low, high)| low <= value && value <= high)
            };
            retain_slots(rows, values, keep, candidates);
        }
    }
}

fn retain_floats(floats: &Floats, test: &Test, candidates: &mut Bitmap) {
    let rows = floats.slots.rows();
    let values = &floats.values;
    let wanted = match test {
        Test::Exists => return candidates.intersect_set(rows),
        Test::Compare(how, Scalar::Float(wanted)) => Some((*how, *wanted)),
        Test::Compare(how, Scalar::Int(wanted)) if wanted.abs() <= EXACT_INTS => {
            Some((*how, *wanted as f64))
        }
        _ => None,
    };
    let keep = |value: f64| test.holds(&Scalar::Float(value));
    match wanted {
        None => retain_slots(rows, values, keep, candidates),
        Some((Comparison::Eq, wanted)) => {
            retain_slots(rows, values, |value| value == wanted, candidates);
        }
        Some((Comparison::Lt, wanted)) => {
            retain_slots(rows, values, |value| value < wanted, candidates);
        }
        Some((Comparison::Lte, wanted)) => {
            retain_slots(rows, values, |value| value <= wanted, candidates);
        }
        Some((Comparison::Gt, wanted)) => {
            retain_slots(rows, values, |value| value > wanted, candidates);
        }
        Some((Comparison::Gte, wanted)) => {
            retain_slots(rows, values, |value| value >= wanted, candidates);
        }
    }
}

fn retain_texts(texts: &Texts, test: &Test, rows: Rows<'_>, candidates: &mut Bitmap) {
    let has_text = texts.slots.rows();
    match (&texts.values, test) {
        (_, Test::Exists) => candidates.intersect_set(has_text),
        (TextValues::Dictionary { codes, texts }, _) => {
            let passes = |text: &str| test.holds(&Scalar::Text(text.into()));
            let accepted: Vec<bool> = texts.iter().map(passes).collect();
            let keep = |code: usize| accepted.get(code) == Some(&true);
            match codes {
                Packed::U8(codes) => {
                    retain_slots(has_text, codes, |code| keep(code.into()), candidates);
                }
                Packed::U16(codes) => {
                    retain_slots(has_text, codes, |code| keep(code.into()), candidates);
                }
                Packed::U32(codes) => {
                    retain_slots(has_text, codes, |code| keep(code as usize), candidates);
                }
                Packed::U64(codes) => {
                    retain_slots(has_text, codes, |code| keep(code as usize), candidates);
                }
            }
        }
        (TextValues::Spans { .. }, _) => {
            candidates.intersect_set(has_text);
            let data = &rows.segment.columns.data;
            rows.retain_each(candidates, |row| {
                let slot = texts.slots.of(row);
                slot.is_some_and(|slot| test.holds(&Scalar::Text(texts.at(slot, data))))
            });
        }
    }
}
