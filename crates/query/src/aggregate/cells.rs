//! Aggregates of a part out of its index's cells, without looking at its rows.

use kinescope_store::Part;
use kinescope_store::columns::DictionaryColumn;
use kinescope_store::index::SegmentIndex;
use kinescope_store::index::cells::{CellKey, CellNumbers, Cells};

use super::accumulate::Known;
use super::values::Source;
use super::{Aggregate, Aggregation, Function};
use crate::condition::{Condition, Field, NumberColumn};
use crate::evaluate::Rows;
use crate::filter::Filter;
use crate::scalar::Scalar;

/// The cells of a part that an aggregate is about.
pub(crate) struct CellsOfPart<'a> {
    pub(crate) rows: Rows<'a>,
    pub(crate) keys: Vec<CellKey>,
    /// By aggregation.
    pub(crate) known: Vec<Known<'a>>,
}

impl<'a> CellsOfPart<'a> {
    /// None when the cells do not tell: the aggregate asks for other fields, or for some of the rows.
    pub(crate) fn of(aggregate: &Aggregate, part: &Part<'a>) -> Option<Self> {
        let rows = Rows::of(part);
        let index = part.whole_index()?;
        let cells = index.cells.as_ref()?;
        let is_told_apart = aggregate.keys.iter().all(|key| match &key.source {
            Source::Field(field) => tells_cells_apart(field),
            Source::TimeBucket(_) => false,
        });
        if !is_told_apart || !is_about_cells(&aggregate.filter, part) {
            return None;
        }
        let chosen = chosen(&aggregate.filter, cells, rows);
        let known = aggregate
            .aggregations
            .iter()
            .map(|aggregation| known(aggregation, cells, index, &chosen))
            .collect::<Option<Vec<_>>>()?;
        Some(Self {
            rows,
            keys: chosen.iter().map(|&cell| cells.keys()[cell]).collect(),
            known,
        })
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

/// The cells whose rows match.
fn chosen(filter: &Filter, cells: &Cells, rows: Rows<'_>) -> Vec<usize> {
    let types = &rows.segment.columns.dictionaries[DictionaryColumn::EventType as usize];
    let event_types: Option<Vec<u32>> = filter.event_types.as_ref().map(|texts| {
        texts
            .iter()
            .filter_map(|text| types.code_of(text))
            .collect()
    });
    let matches = |cell: &CellKey| {
        event_types
            .as_ref()
            .is_none_or(|codes| codes.contains(&cell.event_type))
            && filter
                .condition
                .as_ref()
                .is_none_or(|condition| holds(condition, cell, rows))
    };
    let keys = cells.keys().iter().enumerate();
    keys.filter(|(_, cell)| matches(cell))
        .map(|(cell, _)| cell)
        .collect()
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

/// What the chosen cells know of an aggregation; none when they do not know all of it.
fn known<'a>(
    aggregation: &Aggregation,
    cells: &'a Cells,
    index: &'a SegmentIndex,
    chosen: &[usize],
) -> Option<Known<'a>> {
    let Some(field) = &aggregation.field else {
        return Some(Known::Rows(
            chosen.iter().map(|&cell| cells.rows()[cell]).collect(),
        ));
    };
    let Field::Path(path) = field else {
        return None;
    };
    let Some(node) = index.paths.as_ref()?.find_node(path)? else {
        return Some(Known::Numbers(Vec::new()));
    };
    let path = cells.path(node)?;
    let numbers: Vec<&CellNumbers> = chosen.iter().map(|&cell| &path.numbers[cell]).collect();
    let are_told = match aggregation.function {
        Function::Count => path.is_numeric,
        Function::Quantile { exact: false, .. } => !path.has_large,
        // Floats are added in the order of the rows, and of equal extremes one of a certain row is shown.
        Function::Sum | Function::Average | Function::Min | Function::Max => {
            !path.has_large && numbers.iter().all(|of| !of.has_floats)
        }
        Function::CountDistinct | Function::Quantile { exact: true, .. } => false,
    };
    are_told.then_some(Known::Numbers(numbers))
}
