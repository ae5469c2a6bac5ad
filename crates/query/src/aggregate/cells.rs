//! Aggregates of a part out of its index's cells, without looking at its rows.

use kinescope_store::Part;
use kinescope_store::columns::DictionaryColumn;
use kinescope_store::index::SegmentIndex;
use kinescope_store::index::cells::{CellKey, Cells};

use super::accumulate::Known;
use super::partial::CellGroup;
use super::values::Source;
use super::{Aggregate, Aggregation, Function};
use crate::condition::{Condition, Field, NumberColumn};
use crate::evaluate::Rows;
use crate::filter::Filter;
use crate::scalar::Scalar;

/// The cells of a part, for an aggregate that they can answer.
pub(crate) struct CellsOfPart<'a> {
    pub(crate) rows: Rows<'a>,
    pub(crate) cells: &'a Cells,
    index: &'a SegmentIndex,
    aggregate: &'a Aggregate,
    /// Codes of the event types that are asked for; none: all.
    event_types: Option<Vec<u32>>,
}

impl<'a> CellsOfPart<'a> {
    /// None when cells do not tell what is asked: it is about other fields, or about some of the rows.
    pub(crate) fn of(aggregate: &'a Aggregate, part: &Part<'a>) -> Option<Self> {
        let rows = Rows::of(part);
        let index = part.whole_index()?;
        let cells = index.cells.as_ref()?;
        let is_told_apart = aggregate.keys.iter().all(|key| match &key.source {
            Source::Field(field) => tells_cells_apart(field),
            Source::TimeBucket(_) => false,
        });
        let are_known = |aggregation: &Aggregation| match &aggregation.field {
            None => true,
            Some(Field::Path(_)) => !matches!(
                aggregation.function,
                Function::CountDistinct | Function::Quantile { exact: true, .. }
            ),
            Some(_) => false,
        };
        if !is_told_apart
            || !is_about_cells(&aggregate.filter, part)
            || !aggregate.aggregations.iter().all(are_known)
        {
            return None;
        }
        let types = &rows.segment.columns.dictionaries[DictionaryColumn::EventType as usize];
        let codes = |texts: &Vec<String>| {
            let codes = texts.iter().filter_map(|text| types.code_of(text));
            codes.collect()
        };
        Some(Self {
            rows,
            cells,
            index,
            aggregate,
            event_types: aggregate.filter.event_types.as_ref().map(codes),
        })
    }

    /// Whether the rows of a cell match the filter.
    pub(crate) fn matches(&self, cell: u32) -> bool {
        let key = self.cells.key(cell);
        let types = self.event_types.as_ref();
        let condition = self.aggregate.filter.condition.as_ref();
        types.is_none_or(|codes| codes.contains(&key.event_type))
            && condition.is_none_or(|condition| holds(condition, &key, self.rows))
    }

    /// What is known of cells, whose groups are given, for each aggregation; none when that is not all.
    pub(crate) fn known(&self, groups: &[CellGroup]) -> Option<Vec<Known<'a>>> {
        let aggregations = self.aggregate.aggregations.iter();
        aggregations
            .map(|aggregation| known(aggregation, self.cells, self.index, groups))
            .collect()
    }
}

fn tells_cells_apart(field: &Field) -> bool {
    match field {
        Field::Text(column, _) => matches!(
            column,
            DictionaryColumn::EventType | DictionaryColumn::Module | DictionaryColumn::Function
        ),
        Field::Number(column) => *column == NumberColumn::Arity,
        _ => false,
    }
}

/// Whether the filter is the same for all rows of a cell.
fn is_about_cells(filter: &Filter, part: &Part<'_>) -> bool {
    let Filter {
        timestamps,
        wall_times,
        pids,
        correlation_ids,
        event_types: _,
        seqs,
        condition,
    } = filter;
    let bounds = &part.segment.bounds;
    let is_within = timestamps.as_ref().is_none_or(|range| {
        range.start <= bounds.min_timestamp() && bounds.max_timestamp() < range.end
    });
    is_within
        && wall_times.is_none()
        && pids.is_none()
        && correlation_ids.is_none()
        && seqs.is_none()
        && condition.as_ref().is_none_or(is_condition_about_cells)
}

fn is_condition_about_cells(condition: &Condition) -> bool {
    match condition {
        Condition::And(parts) | Condition::Or(parts) => parts.iter().all(is_condition_about_cells),
        Condition::Not(inner) => is_condition_about_cells(inner),
        Condition::Test(field, _) => tells_cells_apart(field),
        Condition::Text(_) => false,
    }
}

fn holds(condition: &Condition, cell: &CellKey, rows: Rows<'_>) -> bool {
    match condition {
        Condition::And(parts) => parts.iter().all(|part| holds(part, cell, rows)),
        Condition::Or(parts) => parts.iter().any(|part| holds(part, cell, rows)),
        Condition::Not(inner) => !holds(inner, cell, rows),
        Condition::Test(field, test) => {
            value(field, cell, rows).is_some_and(|value| test.holds(&value))
        }
        Condition::Text(_) => false,
    }
}

fn value<'a>(field: &Field, cell: &CellKey, rows: Rows<'a>) -> Option<Scalar<'a>> {
    match field {
        Field::Text(column, _) => {
            let code = cell.code(*column)?;
            let is_there = code != rows.index?.column(*column).absent();
            let dictionary = &rows.segment.columns.dictionaries[*column as usize];
            is_there.then(|| Scalar::Text(dictionary.text(code as usize).into()))
        }
        _ => cell.arity.map(|arity| Scalar::Int(arity.into())),
    }
}

fn known<'a>(
    aggregation: &Aggregation,
    cells: &'a Cells,
    index: &'a SegmentIndex,
    groups: &[CellGroup],
) -> Option<Known<'a>> {
    let Some(Field::Path(path)) = &aggregation.field else {
        return Some(Known::Rows(cells.rows()));
    };
    let Some(node) = index.paths.as_ref()?.find_node(path)? else {
        return Some(Known::Nothing);
    };
    let path = cells.path(node)?;
    let has_floats = || {
        let matches = |cell: usize| matches!(groups[cell], CellGroup::Matches(_));
        let mut numbers = path.numbers();
        path.has_floats && numbers.any(|(cell, of)| of.has_floats && matches(cell))
    };
    let are_told = match aggregation.function {
        Function::Count => path.is_numeric,
        Function::Quantile { .. } => !path.has_large,
        // Floats are added in the order of the rows, and of equal extremes one of a certain row is shown.
        _ => !path.has_large && !has_floats(),
    };
    are_told.then_some(Known::Numbers(path))
}
