//! From groups to an answer: which of them, in which order, as columns.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Field as ArrowField, Schema};
use kinescope_store::{Error, ErrorCode};

use super::column::{ColumnValues, column, column_type};
use super::having::Group;
use super::partial::Partial;
use super::values::{ABSENT, Source};
use super::{Aggregate, AggregateAnswer, ColumnType, Function};
use crate::condition::Field;
use crate::scalar::Scalar;
use kinescope_store::sketch::QUANTILE_ERROR;

/// All groups' values, by column.
struct Columns {
    columns: Vec<ColumnValues>,
    is_tag: Vec<bool>,
}

struct Row<'a> {
    columns: &'a Columns,
    group: usize,
}

impl Group for Row<'_> {
    fn value(&self, column: usize) -> Option<Scalar<'_>> {
        self.columns.columns.get(column)?.value(self.group).cloned()
    }

    fn is_tag(&self, column: usize) -> bool {
        self.columns.is_tag.get(column).copied().unwrap_or(false)
    }
}

/// Makes the answer of everything that `partial` has taken.
///
/// # Errors
/// `RESOURCE_EXHAUSTED` when the keys' text is over 2 GiB; `IO` for a bug.
pub(crate) fn finish(
    aggregate: &Aggregate,
    partial: Partial<'_>,
    watermark: u64,
) -> Result<AggregateAnswer, Error> {
    let groups = partial.groups.len();
    let columns = columns_of(partial);
    let mut kept: Vec<u32> = (0..groups as u32).collect();
    if let Some(having) = &aggregate.having {
        kept.retain(|&group| {
            having.holds(&Row {
                columns: &columns,
                group: group as usize,
            })
        });
    }
    let types: Vec<ColumnType> = columns
        .columns
        .iter()
        .enumerate()
        .map(|(index, values)| type_of(aggregate, index, values))
        .collect();
    order(aggregate, &columns.columns, &mut kept);
    let arrays = columns
        .columns
        .iter()
        .zip(&types)
        .map(|(values, &column_type)| column(column_type, values, &kept))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(AggregateAnswer {
        batch: batch(aggregate, arrays, kept.len())?,
        types,
        watermark,
        quantile_error: quantile_error(aggregate),
    })
}

fn columns_of(partial: Partial<'_>) -> Columns {
    let Partial {
        keys,
        groups,
        accumulators,
        ..
    } = partial;
    let mut columns = Vec::with_capacity(keys.len() + accumulators.len());
    let mut is_tag = Vec::with_capacity(keys.len());
    for (index, key) in keys.into_iter().enumerate() {
        is_tag.push(matches!(key.source(), Source::Field(Field::Tag(_))));
        columns.push(ColumnValues {
            codes: Some(
                (0..groups.len())
                    .map(|group| groups.codes(group)[index])
                    .collect(),
            ),
            values: key.values.into_all(),
        });
    }
    columns.extend(accumulators.into_iter().map(|accumulator| ColumnValues {
        codes: None,
        values: accumulator.finish(),
    }));
    Columns { columns, is_tag }
}

fn type_of(aggregate: &Aggregate, index: usize, values: &ColumnValues) -> ColumnType {
    if let Some(key) = aggregate.keys.get(index) {
        return match &key.source {
            Source::TimeBucket(_) => ColumnType::Event("timestamp"),
            Source::Field(field) => column_type(field, values),
        };
    }
    let Some(aggregation) = aggregate.aggregations.get(index - aggregate.keys.len()) else {
        return ColumnType::Json;
    };
    let is_float = |value: &Option<Scalar<'_>>| matches!(value, Some(Scalar::Float(_)));
    match (aggregation.function, &aggregation.field) {
        (Function::Count | Function::CountDistinct, _) => ColumnType::I64,
        (Function::Sum, _) if !values.values.iter().any(is_float) => ColumnType::Decimal,
        (Function::Sum | Function::Average | Function::Quantile { exact: false, .. }, _) => {
            ColumnType::F64
        }
        (_, Some(field @ Field::Number(_))) => column_type(field, values),
        // A tag's numbers are numbers here, and so of the type that they have.
        _ => super::column::settled_type(values),
    }
}

/// Sorts the groups, and drops those beyond the limit.
fn order(aggregate: &Aggregate, columns: &[ColumnValues], kept: &mut Vec<u32>) {
    let by_keys = (0..aggregate.keys.len()).map(|column| (column, false));
    let steps: Vec<(Ranks, bool)> = aggregate
        .order
        .iter()
        .copied()
        .chain(by_keys)
        .filter_map(|(column, descending)| Some((Ranks::of(columns.get(column)?), descending)))
        .collect();
    let compare = |&a: &u32, &b: &u32| {
        steps
            .iter()
            .map(|(ranks, descending)| ranks.compare(a as usize, b as usize, *descending))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    };
    let limit = aggregate.limit.unwrap_or(usize::MAX);
    if limit < kept.len() {
        if limit > 0 {
            kept.select_nth_unstable_by(limit - 1, compare);
        }
        kept.truncate(limit);
    }
    kept.sort_unstable_by(compare);
}

/// The places of groups in a column's order.
enum Ranks<'a> {
    /// By code: sorting the distinct values once makes comparing cheap. Absence has the highest.
    Key {
        codes: &'a [u32],
        ranks: Vec<u32>,
    },
    Values(&'a ColumnValues),
}

impl<'a> Ranks<'a> {
    fn of(column: &'a ColumnValues) -> Self {
        let Some(codes) = &column.codes else {
            return Self::Values(column);
        };
        let mut sorted: Vec<u32> = (0..column.values.len() as u32).collect();
        sorted.sort_by(|&a, &b| {
            let (a, b) = (&column.values[a as usize], &column.values[b as usize]);
            absent_last(a.as_ref(), b.as_ref(), false)
        });
        let mut ranks = vec![0; sorted.len()];
        for (rank, &code) in sorted.iter().enumerate() {
            ranks[code as usize] = rank as u32;
        }
        Self::Key { codes, ranks }
    }

    fn compare(&self, a: usize, b: usize, descending: bool) -> Ordering {
        match self {
            Self::Values(column) => absent_last(column.value(a), column.value(b), descending),
            Self::Key { codes, ranks } => {
                let (a, b) = (codes[a], codes[b]);
                if descending && a != ABSENT && b != ABSENT {
                    return ranks[b as usize].cmp(&ranks[a as usize]);
                }
                ranks[a as usize].cmp(&ranks[b as usize])
            }
        }
    }
}

fn absent_last(a: Option<&Scalar<'_>>, b: Option<&Scalar<'_>>, descending: bool) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) if descending => b.sort_order(a),
        (Some(a), Some(b)) => a.sort_order(b),
        _ => a.is_none().cmp(&b.is_none()),
    }
}

fn batch(aggregate: &Aggregate, arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, Error> {
    let keys = aggregate.keys.iter().map(|key| &key.name);
    let names = keys.chain(
        aggregate
            .aggregations
            .iter()
            .map(|aggregation| &aggregation.name),
    );
    let fields: Vec<ArrowField> = names
        .zip(&arrays)
        .map(|(name, array)| ArrowField::new(name, array.data_type().clone(), true))
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).map_err(
        |error| {
            Error::new(
                ErrorCode::Io,
                format!("aggregated groups are not valid Arrow: {error}"),
            )
        },
    )
}

fn quantile_error(aggregate: &Aggregate) -> f64 {
    let is_sketch =
        |function: Function| matches!(function, Function::Quantile { exact: false, .. });
    let sketches = aggregate
        .aggregations
        .iter()
        .any(|aggregation| is_sketch(aggregation.function));
    if sketches { QUANTILE_ERROR } else { 0.0 }
}
