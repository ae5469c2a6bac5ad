//! Groups of events and functions of their values.
//!
//! The road: a [`Partial`] takes the matching rows of segments, gives each row its [`groups`](groups::Groups) by the
//! codes of its [`values`], and feeds the rows' [`number`]s to what the functions [`accumulate`]; [`finish`] keeps,
//! orders and cuts the groups and makes [`columns`](column) of them.

mod accumulate;
mod cells;
mod column;
mod finish;
mod groups;
mod having;
mod number;
mod partial;
mod quantiles;
mod values;

use arrow_array::RecordBatch;
use kinescope_store::{Error, Snapshot};

use crate::cancel::Cancel;
use crate::condition::Field;
use crate::filter::Filter;

pub use having::Having;
pub use partial::Partial;
pub use values::Source;

/// Groups, and distinct values of a field, at most.
pub const DISTINCT_MAX: usize = 10_000_000;

/// What to group and to compute.
#[derive(Clone, Debug, Default)]
pub struct Aggregate {
    /// Which events.
    pub filter: Filter,
    /// Groups have different values of these; none: everything is one group.
    pub keys: Vec<GroupKey>,
    /// One column each, behind the keys'.
    pub aggregations: Vec<Aggregation>,
    /// Which groups; none: all.
    pub having: Option<Having>,
    /// The answer's columns that it is ordered by, and whether descending; then by all keys, ascending. Absent values
    /// come last either way.
    pub order: Vec<(usize, bool)>,
    /// Groups of the answer, at most; none: all.
    pub limit: Option<usize>,
}

/// A column that tells groups apart.
#[derive(Clone, Debug)]
pub struct GroupKey {
    /// Of the answer's column.
    pub name: String,
    /// Its values.
    pub source: Source,
}

/// A column that is computed of each group.
#[derive(Clone, Debug)]
pub struct Aggregation {
    /// Of the answer's column.
    pub name: String,
    /// What is computed.
    pub function: Function,
    /// Of what; none, for [`Function::Count`] only: of the events themselves.
    pub field: Option<Field>,
}

/// A function of a group's values. Absent values are skipped; all but the counts skip what is no number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// How many are present.
    Count,
    /// How many different ones; objects and arrays do not count.
    CountDistinct,
    /// Exact of integers; floats as soon as there is a float in any group.
    Sum,
    /// The sum by the count.
    Average,
    /// The lowest.
    Min,
    /// The highest.
    Max,
    /// The value of the nearest rank.
    Quantile {
        /// From 0 to 1.
        q: f64,
        /// Else within [`kinescope_store::sketch::QUANTILE_ERROR`].
        exact: bool,
    },
}

/// How a column of the answer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// As the event column of this name.
    Event(&'static str),
    /// `int64`
    I64,
    /// `decimal128(38, 0)`
    Decimal,
    /// `float64`
    F64,
    /// `bool`
    Bool,
    /// `utf8`
    Utf8,
    /// `utf8` with JSON text, of values of several types, or of none at all.
    Json,
}

/// The answer to an [`Aggregate`].
pub struct AggregateAnswer {
    /// The groups in order: keys, then aggregations.
    pub batch: RecordBatch,
    /// Of its columns.
    pub types: Vec<ColumnType>,
    /// The answer holds for all `seq` below.
    pub watermark: u64,
    /// Relative error of quantiles, at most; 0 when all are exact.
    pub quantile_error: f64,
}

/// Computes `aggregate` over `snapshot`.
///
/// # Errors
/// As [`Cancel::check`]; `RESOURCE_EXHAUSTED` above [`DISTINCT_MAX`] groups or distinct values and when the keys' text is
/// over 2 GiB; `IO` for a bug.
pub fn aggregate(
    aggregate: &Aggregate,
    snapshot: &Snapshot,
    cancel: &Cancel,
) -> Result<AggregateAnswer, Error> {
    let mut partial = Partial::new(aggregate);
    for part in aggregate.filter.parts(snapshot) {
        partial.add(&part, cancel)?;
    }
    partial.finish(snapshot.watermark)
}
