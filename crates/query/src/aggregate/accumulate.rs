//! What the functions keep of each group's values.

use std::cmp::Ordering;

use foldhash::fast::RandomState;
use hashbrown::HashSet;
use kinescope_store::Error;
use kinescope_store::index::cells::{CellNumbers, CellPath};

use super::number::Number;
use super::partial::CellGroup;
use super::quantiles::Quantiles;
use super::values::{ABSENT, Coder, Source};
use super::{Aggregation, DISTINCT_MAX, Function};
use crate::scalar::Scalar;
use kinescope_store::sketch::nearest_rank;

/// A sum that decimal128(38, 0) can hold is below this.
const DECIMAL_LIMIT: u128 = 10u128.pow(38);

/// What is known of cells.
pub(crate) enum Known<'a> {
    /// How many rows.
    Rows(&'a [u32]),
    /// The numbers of a path.
    Numbers(&'a CellPath),
    /// The segment has no numbers of the path.
    Nothing,
}

/// The state of one function, by group.
pub(crate) enum Accumulator<'a> {
    Count(Vec<u64>),
    Distinct(Box<Distinct>),
    Sum(Vec<Sum>),
    Average(Vec<Sum>),
    Min(Vec<Option<Number>>),
    Max(Vec<Option<Number>>),
    Exact { values: Vec<Vec<Kept>>, q: f64 },
    Estimated(Quantiles<'a>),
}

/// Which values have occurred in which group.
pub(crate) struct Distinct {
    pub(crate) coder: Coder,
    groups: usize,
    /// Group and code.
    seen: HashSet<(u32, u32), RandomState>,
}

impl Distinct {
    /// Takes note of a row's group and of the code that `coder` gave its value.
    pub(crate) fn add(&mut self, group: u32, code: u32) -> Result<(), Error> {
        if code == ABSENT {
            return Ok(());
        }
        self.seen.insert((group, code));
        if self.seen.len() > DISTINCT_MAX {
            return Err(Error::resource_exhausted(format!(
                "aggregateEvents: expected countDistinct to find at most {DISTINCT_MAX} values in all groups together, got more; filter, or group by less"
            )));
        }
        Ok(())
    }

    fn merge(&mut self, other: Self, groups: &[u32]) -> Result<(), Error> {
        let codes = self.coder.values.merge(other.coder.values)?;
        for (group, code) in other.seen {
            self.add(groups[group as usize], codes[code as usize])?;
        }
        Ok(())
    }

    fn finish(self) -> Vec<Option<Scalar<'static>>> {
        let mut counts = vec![0u64; self.groups];
        for (group, _) in self.seen {
            counts[group as usize] += 1;
        }
        counts.into_iter().map(count).collect()
    }
}

/// Integers and floats apart, so that integers stay exact.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sum {
    int: i128,
    float: f64,
    count: u64,
    has_float: bool,
}

impl Sum {
    fn add(&mut self, number: Number) {
        self.count += 1;
        match number {
            Number::Int(int) => self.add_int(int),
            Number::Float(float) => {
                self.float += float;
                self.has_float = true;
            }
        }
    }

    /// Only tags hold integers so large that a sum could leave the range of integers; then it becomes a float.
    fn add_int(&mut self, int: i128) {
        match self.int.checked_add(int) {
            Some(sum) => self.int = sum,
            None => {
                self.float += self.int as f64 + int as f64;
                self.int = 0;
                self.has_float = true;
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.add_int(other.int);
        self.float += other.float;
        self.has_float |= other.has_float;
    }

    /// Whether no decimal holds it.
    fn is_float(&self) -> bool {
        self.has_float || self.int.unsigned_abs() >= DECIMAL_LIMIT
    }

    fn to_f64(self) -> f64 {
        self.int as f64 + self.float
    }
}

/// A number in 16 bytes.
#[derive(Clone)]
pub(crate) enum Kept {
    Int(i64),
    Float(f64),
    Large(Box<i128>),
}

impl Kept {
    fn of(number: Number) -> Self {
        match number {
            Number::Float(float) => Self::Float(float),
            Number::Int(int) => {
                i64::try_from(int).map_or_else(|_| Self::Large(Box::new(int)), Self::Int)
            }
        }
    }

    fn number(&self) -> Number {
        match self {
            Self::Int(int) => Number::Int((*int).into()),
            Self::Float(float) => Number::Float(*float),
            Self::Large(int) => Number::Int(**int),
        }
    }
}

impl<'a> Accumulator<'a> {
    pub(crate) fn new(aggregation: &Aggregation) -> Self {
        match aggregation.function {
            Function::Count => Self::Count(Vec::new()),
            Function::CountDistinct => Self::Distinct(Box::new(Distinct {
                coder: Coder::new(
                    aggregation
                        .field
                        .clone()
                        .map_or(Source::TimeBucket(1), Source::Field),
                ),
                groups: 0,
                seen: HashSet::default(),
            })),
            Function::Sum => Self::Sum(Vec::new()),
            Function::Average => Self::Average(Vec::new()),
            Function::Min => Self::Min(Vec::new()),
            Function::Max => Self::Max(Vec::new()),
            Function::Quantile { q, exact: true } => Self::Exact {
                values: Vec::new(),
                q,
            },
            Function::Quantile { q, exact: false } => Self::Estimated(Quantiles::new(q)),
        }
    }

    /// Makes room for so many groups.
    pub(crate) fn grow(&mut self, groups: usize) {
        match self {
            Self::Count(counts) => counts.resize(groups, 0),
            Self::Distinct(distinct) => distinct.groups = groups,
            Self::Sum(sums) | Self::Average(sums) => sums.resize(groups, Sum::default()),
            Self::Min(extremes) | Self::Max(extremes) => extremes.resize(groups, None),
            Self::Exact { values, .. } => values.resize(groups, Vec::new()),
            Self::Estimated(quantiles) => quantiles.grow(groups),
        }
    }

    /// Adds numbers, given as index into `groups` and number.
    pub(crate) fn add(&mut self, groups: &[u32], numbers: &[(u32, Number)]) {
        let numbers = numbers
            .iter()
            .map(|&(index, number)| (groups[index as usize] as usize, number));
        match self {
            Self::Count(counts) => numbers.for_each(|(group, _)| counts[group] += 1),
            Self::Distinct(_) => {}
            Self::Sum(sums) | Self::Average(sums) => {
                numbers.for_each(|(group, number)| sums[group].add(number));
            }
            Self::Min(extremes) => {
                numbers.for_each(|(group, number)| lower(&mut extremes[group], number));
            }
            Self::Max(extremes) => {
                numbers.for_each(|(group, number)| raise(&mut extremes[group], number));
            }
            Self::Exact { values, .. } => {
                numbers.for_each(|(group, number)| values[group].push(Kept::of(number)));
            }
            Self::Estimated(quantiles) => {
                numbers.for_each(|(group, number)| quantiles.add(group, number.to_f64()));
            }
        }
    }

    /// Adds what is known of cells; `groups` are those of all cells.
    pub(crate) fn add_cells(&mut self, known: &Known<'a>, groups: &[CellGroup]) {
        match (self, known) {
            (Self::Count(counts), Known::Rows(rows)) => {
                for (&rows, group) in rows.iter().zip(groups) {
                    if let CellGroup::Matches(group) = group {
                        counts[*group as usize] += u64::from(rows);
                    }
                }
            }
            (accumulator, Known::Numbers(path)) => {
                for (cell, numbers) in path.numbers() {
                    if let CellGroup::Matches(group) = groups[cell] {
                        accumulator.add_cell(group as usize, path, &numbers);
                    }
                }
            }
            _ => {}
        }
    }

    fn add_cell(&mut self, group: usize, path: &'a CellPath, numbers: &CellNumbers) {
        match self {
            Self::Count(counts) => counts[group] += u64::from(numbers.count),
            Self::Sum(sums) | Self::Average(sums) => {
                sums[group].count += u64::from(numbers.count);
                sums[group].add_int(numbers.sum);
            }
            Self::Min(extremes) => lower(&mut extremes[group], Number::Int(numbers.min.into())),
            Self::Max(extremes) => raise(&mut extremes[group], Number::Int(numbers.max.into())),
            Self::Estimated(quantiles) => quantiles.add_run(group, path.buckets(numbers)),
            Self::Distinct(_) | Self::Exact { .. } => {}
        }
    }

    /// Counts a row of each of the groups.
    pub(crate) fn count(&mut self, groups: impl Iterator<Item = u32>) {
        if let Self::Count(counts) = self {
            groups.for_each(|group| counts[group as usize] += 1);
        }
    }

    /// Adds what another of the same function has kept; its group `g` is this one's `groups[g]`, for which there is room.
    pub(crate) fn merge(&mut self, other: Self, groups: &[u32]) -> Result<(), Error> {
        let own = |group: usize| groups[group] as usize;
        match (self, other) {
            (Self::Count(counts), Self::Count(others)) => {
                let others = others.into_iter().enumerate();
                others.for_each(|(group, count)| counts[own(group)] += count);
            }
            (Self::Distinct(distinct), Self::Distinct(other)) => distinct.merge(*other, groups)?,
            (Self::Sum(sums), Self::Sum(others)) | (Self::Average(sums), Self::Average(others)) => {
                let others = others.iter().enumerate();
                others.for_each(|(group, other)| sums[own(group)].merge(other));
            }
            (Self::Min(extremes), Self::Min(others)) => {
                let others = others.into_iter().enumerate();
                let present = others.filter_map(|(group, number)| Some((own(group), number?)));
                present.for_each(|(group, number)| lower(&mut extremes[group], number));
            }
            (Self::Max(extremes), Self::Max(others)) => {
                let others = others.into_iter().enumerate();
                let present = others.filter_map(|(group, number)| Some((own(group), number?)));
                present.for_each(|(group, number)| raise(&mut extremes[group], number));
            }
            (Self::Exact { values, .. }, Self::Exact { values: others, .. }) => {
                let others = others.into_iter().enumerate();
                others.for_each(|(group, other)| values[own(group)].extend(other));
            }
            (Self::Estimated(quantiles), Self::Estimated(other)) => quantiles.merge(other, groups),
            // Partials of one aggregation have the same functions in the same order.
            _ => {}
        }
        Ok(())
    }

    /// The value of every group.
    pub(crate) fn finish(self) -> Vec<Option<Scalar<'static>>> {
        match self {
            Self::Count(counts) => counts.into_iter().map(count).collect(),
            Self::Distinct(distinct) => distinct.finish(),
            Self::Sum(sums) => {
                let is_float = sums.iter().any(Sum::is_float);
                let value = |sum: Sum| match is_float {
                    true => float(sum.to_f64()),
                    false => Some(Scalar::Int(sum.int)),
                };
                sums.into_iter()
                    .map(|sum| (sum.count > 0).then_some(sum).and_then(value))
                    .collect()
            }
            Self::Average(sums) => sums
                .into_iter()
                .map(|sum| (sum.count > 0).then(|| sum.to_f64() / sum.count as f64))
                .map(|average| average.and_then(float))
                .collect(),
            Self::Min(extremes) | Self::Max(extremes) => extremes
                .into_iter()
                .map(|number| number.map(Number::scalar))
                .collect(),
            Self::Exact { values, q } => values
                .into_iter()
                .map(|values| exact_quantile(values, q).map(Number::scalar))
                .collect(),
            Self::Estimated(quantiles) => quantiles
                .finish()
                .map(|value| value.and_then(float))
                .collect(),
        }
    }
}

fn count(count: u64) -> Option<Scalar<'static>> {
    Some(Scalar::Int(count.into()))
}

/// Infinite where a sum leaves the range of floats; the sum of both infinities is no number and so no value.
fn float(value: f64) -> Option<Scalar<'static>> {
    (!value.is_nan()).then_some(Scalar::Float(value))
}

/// Of equal values the first one stays.
fn lower(extreme: &mut Option<Number>, number: Number) {
    if extreme.is_none_or(|extreme| number.compare(extreme) == Ordering::Less) {
        *extreme = Some(number);
    }
}

/// Of equal values the last one stays.
fn raise(extreme: &mut Option<Number>, number: Number) {
    if extreme.is_none_or(|extreme| number.compare(extreme) != Ordering::Less) {
        *extreme = Some(number);
    }
}

/// The value of the nearest rank; equal values are in the order in which they came.
fn exact_quantile(mut values: Vec<Kept>, q: f64) -> Option<Number> {
    let rank = nearest_rank(q, values.len() as u64)? as usize;
    let ints: Option<Vec<i64>> = values
        .iter()
        .map(|value| match value {
            Kept::Int(int) => Some(*int),
            Kept::Float(_) | Kept::Large(_) => None,
        })
        .collect();
    if let Some(mut ints) = ints {
        let (_, &mut int, _) = ints.select_nth_unstable(rank);
        return Some(Number::Int(int.into()));
    }
    values.sort_by(|a, b| a.number().compare(b.number()));
    Some(values[rank].number())
}
