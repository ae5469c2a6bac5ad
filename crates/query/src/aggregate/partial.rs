//! What is known of a run of the log; partials of neighbouring runs merge.

use kinescope_store::columns::NullableColumn;
use kinescope_store::{Error, Part};

use super::accumulate::Accumulator;
use super::cells::CellsOfPart;
use super::finish::finish;
use super::groups::Groups;
use super::number::{Number, for_each};
use super::values::Coder;
use super::{Aggregate, AggregateAnswer, Aggregation, Function};
use crate::cancel::Cancel;
use crate::condition::Field;
use crate::evaluate::{Rows, nullable_of, tag};
use crate::filter::matching_rows_until;
use crate::path_reader::PathReader;

/// Rows taken at a time: their codes and numbers stay within a core's cache.
const CHUNK_ROWS: usize = 4096;

/// Groups and their values over a run of the log.
pub struct Partial<'a> {
    aggregate: &'a Aggregate,
    pub(crate) keys: Vec<Coder>,
    pub(crate) groups: Groups,
    pub(crate) accumulators: Vec<Accumulator<'a>>,
    /// By number of a cell, its group, or that it does not match.
    group_of_cell: Vec<CellGroup>,
    /// Fields that functions want numbers of, and which functions these are.
    numeric: Vec<(&'a Field, Vec<usize>)>,
}

impl<'a> Partial<'a> {
    /// Of nothing.
    pub fn new(aggregate: &'a Aggregate) -> Self {
        let mut numeric: Vec<(&Field, Vec<usize>)> = Vec::new();
        for (index, aggregation) in aggregate.aggregations.iter().enumerate() {
            let Some(field) = aggregation.field.as_ref() else {
                continue;
            };
            if matches!(
                aggregation.function,
                Function::Count | Function::CountDistinct
            ) {
                continue;
            }
            match numeric.iter_mut().find(|(known, _)| *known == field) {
                Some((_, functions)) => functions.push(index),
                None => numeric.push((field, vec![index])),
            }
        }
        let mut partial = Self {
            aggregate,
            keys: aggregate
                .keys
                .iter()
                .map(|key| Coder::new(key.source.clone()))
                .collect(),
            groups: Groups::new(aggregate.keys.len()),
            accumulators: aggregate
                .aggregations
                .iter()
                .map(Accumulator::new)
                .collect(),
            group_of_cell: Vec::new(),
            numeric,
        };
        partial.grow();
        partial
    }

    /// Adds the rows of a part, as far as they match. Floats are added in the order of the calls.
    ///
    /// # Errors
    /// As [`Cancel::check`]; `RESOURCE_EXHAUSTED` above [`super::DISTINCT_MAX`] groups or distinct values.
    pub fn add(&mut self, part: &Part<'a>, cancel: &Cancel) -> Result<(), Error> {
        cancel.check()?;
        if let Some(cells) = CellsOfPart::of(self.aggregate, part) {
            let groups = self.groups_of_cells(&cells)?;
            if let Some(known) = cells.known(&groups) {
                for (accumulator, known) in self.accumulators.iter_mut().zip(&known) {
                    accumulator.add_cells(known, &groups);
                }
                return Ok(());
            }
        }
        let Some(matching) = matching_rows_until(&self.aggregate.filter, part, cancel)? else {
            return Ok(());
        };
        let rows = Rows::of(part);
        self.keys.iter_mut().for_each(|key| key.enter(rows));
        for accumulator in &mut self.accumulators {
            if let Accumulator::Distinct(distinct) = accumulator {
                distinct.coder.enter(rows);
            }
        }
        let mut scratch = Scratch {
            keys: vec![Vec::new(); self.keys.len()],
            ..Scratch::default()
        };
        let mut matching = matching.iter().map(|row| row as u32);
        loop {
            scratch.chosen.clear();
            scratch.chosen.extend(matching.by_ref().take(CHUNK_ROWS));
            if scratch.chosen.is_empty() {
                return Ok(());
            }
            cancel.check()?;
            self.add_chunk(rows, &mut scratch)?;
        }
    }

    /// The groups of all cells.
    fn groups_of_cells(&mut self, cells: &CellsOfPart<'_>) -> Result<Vec<CellGroup>, Error> {
        let numbers = cells.cells.numbers();
        let count = cells.cells.len();
        let known = |&number: &u32| self.group_of_cell.get(number as usize).copied();
        let mut groups: Vec<CellGroup> = match numbers {
            Some(numbers) => numbers
                .iter()
                .map(|number| known(number).unwrap_or(CellGroup::Unknown))
                .collect(),
            None => vec![CellGroup::Unknown; count],
        };
        let unknown = |cell: &u32| matches!(groups[*cell as usize], CellGroup::Unknown);
        let new: Vec<u32> = (0..count as u32).filter(unknown).collect();
        let (matching, others): (Vec<u32>, Vec<u32>) =
            new.into_iter().partition(|&cell| cells.matches(cell));
        let found = self.new_groups_of_cells(cells, &matching)?;
        let found = matching
            .into_iter()
            .zip(found.into_iter().map(CellGroup::Matches));
        let others = others.into_iter().map(|cell| (cell, CellGroup::MatchesNot));
        for (cell, group) in found.chain(others) {
            groups[cell as usize] = group;
            let Some(numbers) = numbers else { continue };
            let number = numbers[cell as usize] as usize;
            if self.group_of_cell.len() <= number {
                self.group_of_cell.resize(number + 1, CellGroup::Unknown);
            }
            self.group_of_cell[number] = group;
        }
        Ok(groups)
    }

    fn new_groups_of_cells(
        &mut self,
        cells: &CellsOfPart<'_>,
        matching: &[u32],
    ) -> Result<Vec<u32>, Error> {
        if matching.is_empty() {
            return Ok(Vec::new());
        }
        let mut codes = vec![Vec::new(); self.keys.len()];
        for (key, codes) in self.keys.iter_mut().zip(&mut codes) {
            key.enter(cells.rows);
            let keys = matching.iter().map(|&cell| cells.cells.key(cell));
            key.codes_of_cells(cells.rows, keys, codes)?;
        }
        let values: Vec<usize> = self.keys.iter().map(|key| key.values.len()).collect();
        let mut groups = Vec::new();
        self.groups
            .assign(matching.len(), &codes, &values, &mut groups)?;
        self.grow();
        Ok(groups)
    }

    fn add_chunk(&mut self, rows: Rows<'_>, scratch: &mut Scratch) -> Result<(), Error> {
        for (key, codes) in self.keys.iter_mut().zip(&mut scratch.keys) {
            key.codes(rows, &scratch.chosen, codes)?;
        }
        let values: Vec<usize> = self.keys.iter().map(|key| key.values.len()).collect();
        let chosen = &scratch.chosen;
        self.groups
            .assign(chosen.len(), &scratch.keys, &values, &mut scratch.groups)?;
        self.grow();
        for (field, functions) in &self.numeric {
            scratch.numbers.clear();
            for_each(field, rows, chosen, |index, number| {
                scratch.numbers.push((index as u32, number));
            });
            for &function in functions {
                self.accumulators[function].add(&scratch.groups, &scratch.numbers);
            }
        }
        for (aggregation, accumulator) in self
            .aggregate
            .aggregations
            .iter()
            .zip(&mut self.accumulators)
        {
            if let Accumulator::Distinct(distinct) = accumulator {
                distinct.coder.codes(rows, chosen, &mut scratch.codes)?;
                for (&group, &code) in scratch.groups.iter().zip(&scratch.codes) {
                    distinct.add(group, code)?;
                }
            }
            count_rows(aggregation, rows, chosen, &scratch.groups, accumulator);
        }
        Ok(())
    }

    /// Adds what another partial of the same aggregation knows, of a later run of the log.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` above [`super::DISTINCT_MAX`] groups or distinct values.
    pub fn merge(&mut self, other: Self) -> Result<(), Error> {
        let width = self.keys.len();
        let mut codes = vec![Vec::with_capacity(other.groups.len()); width];
        for (index, (key, others)) in self.keys.iter_mut().zip(other.keys).enumerate() {
            let own = key.values.merge(others.values)?;
            let of_groups = (0..other.groups.len()).map(|group| other.groups.codes(group)[index]);
            codes[index].extend(of_groups.map(|code| own[code as usize]));
        }
        let values: Vec<usize> = self.keys.iter().map(|key| key.values.len()).collect();
        let mut groups = Vec::new();
        self.groups
            .assign(other.groups.len(), &codes, &values, &mut groups)?;
        self.grow();
        self.accumulators
            .iter_mut()
            .zip(other.accumulators)
            .try_for_each(|(accumulator, other)| accumulator.merge(other, &groups))
    }

    /// Makes an answer, which holds for all `seq` below `watermark`.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when the keys' text is over 2 GiB; `IO` for a bug.
    pub fn finish(self, watermark: u64) -> Result<AggregateAnswer, Error> {
        finish(self.aggregate, self, watermark)
    }

    fn grow(&mut self) {
        let groups = self.groups.len();
        self.accumulators
            .iter_mut()
            .for_each(|accumulator| accumulator.grow(groups));
    }
}

/// What is known of a cell.
#[derive(Clone, Copy)]
pub(crate) enum CellGroup {
    Unknown,
    MatchesNot,
    Matches(u32),
}

/// Memory that the chunks of a segment share.
#[derive(Default)]
struct Scratch {
    chosen: Vec<u32>,
    keys: Vec<Vec<u32>>,
    groups: Vec<u32>,
    codes: Vec<u32>,
    numbers: Vec<(u32, Number)>,
}

/// Counts the rows in which the field is present, objects and arrays included; without a field, all.
fn count_rows(
    aggregation: &Aggregation,
    rows: Rows<'_>,
    chosen: &[u32],
    groups: &[u32],
    accumulator: &mut Accumulator,
) {
    if aggregation.function != Function::Count {
        return;
    }
    let segment = rows.segment;
    let mut count_if = |is_present: &dyn Fn(usize) -> bool| {
        let present = chosen.iter().zip(groups);
        let present = present.filter(|&(&row, _)| is_present(row as usize));
        accumulator.count(present.map(|(_, &group)| group));
    };
    let valid = |nullable: NullableColumn| move |row: usize| segment.is_valid(nullable, row);
    let nullable = match &aggregation.field {
        None => None,
        Some(Field::Number(column)) => nullable_of(*column),
        Some(Field::Text(_, nullable)) => *nullable,
        Some(Field::Tags) => Some(NullableColumn::Tags),
        Some(Field::Tag(key)) => return count_if(&|row| tag(rows, row, key).is_some()),
        Some(Field::Path(path)) => {
            let reader = PathReader::new(rows, path);
            return count_if(&|row| reader.found(row).is_some());
        }
    };
    match nullable {
        Some(nullable) => count_if(&valid(nullable)),
        None => accumulator.count(groups.iter().copied()),
    }
}
