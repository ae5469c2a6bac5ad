//! What a query asks of events, compiled once.

use std::cmp::Ordering;

use kinescope_store::columns::{DictionaryColumn, NullableColumn};
use kinescope_store::{Error, ErrorCode};
use memchr::memmem;
use regex::{Regex, RegexBuilder};

use crate::scalar::Scalar;

/// Bytes that a compiled regular expression may take up; one built to explode is refused.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// A column of fixed width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NumberColumn {
    /// `seq`
    Seq,
    /// `event_id`, as its 64 bits.
    EventId,
    /// `timestamp`
    Timestamp,
    /// `wall_time`
    WallTime,
    /// `parent_id`, as its 64 bits.
    ParentId,
    /// `arity`
    Arity,
    /// `line`
    Line,
}

/// What a query can name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// A column of fixed width.
    Number(NumberColumn),
    /// A column with a dictionary, and its validity.
    Text(DictionaryColumn, Option<NullableColumn>),
    /// A value in `data`, by keys and indexes; none: `data` itself.
    Path(Vec<String>),
    /// One tag.
    Tag(String),
    /// All tags: they can only be there or not.
    Tags,
}

impl Field {
    /// The column of this Arrow name.
    pub fn column(name: &str) -> Option<Self> {
        let text = |column, nullable| Some(Self::Text(column, nullable));
        match name {
            "seq" => Some(Self::Number(NumberColumn::Seq)),
            "event_id" => Some(Self::Number(NumberColumn::EventId)),
            "timestamp" => Some(Self::Number(NumberColumn::Timestamp)),
            "wall_time" => Some(Self::Number(NumberColumn::WallTime)),
            "parent_id" => Some(Self::Number(NumberColumn::ParentId)),
            "arity" => Some(Self::Number(NumberColumn::Arity)),
            "line" => Some(Self::Number(NumberColumn::Line)),
            "event_type" => text(DictionaryColumn::EventType, None),
            "node" => text(DictionaryColumn::Node, None),
            "pid" => text(DictionaryColumn::Pid, None),
            "correlation_id" => text(
                DictionaryColumn::CorrelationId,
                Some(NullableColumn::CorrelationId),
            ),
            "module" => text(DictionaryColumn::Module, Some(NullableColumn::Module)),
            "function" => text(DictionaryColumn::Function, Some(NullableColumn::Function)),
            "file" => text(DictionaryColumn::File, Some(NullableColumn::File)),
            "tags" => Some(Self::Tags),
            "data" => Some(Self::Path(Vec::new())),
            _ => None,
        }
    }
}

/// A question about one field; an absent value answers no to all of them.
#[derive(Clone, Debug)]
pub enum Test {
    /// It compares with the value in one of the ways.
    Compare(Comparison, Scalar<'static>),
    /// It equals one of the values.
    In(Vec<Scalar<'static>>),
    /// It is there.
    Exists,
    /// It is a text with this one in it.
    Contains(String),
    /// It is a text that starts with this one.
    StartsWith(String),
    /// It is a text in which the expression occurs.
    Matches(Regex),
}

/// How a value compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Eq,
    /// Less.
    Lt,
    /// Less or equal.
    Lte,
    /// Greater.
    Gt,
    /// Greater or equal.
    Gte,
}

impl Comparison {
    fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Lt => order.is_lt(),
            Self::Lte => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::Gte => order.is_ge(),
        }
    }
}

impl Test {
    /// A test with a regular expression.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when it is not valid or takes too much memory.
    pub fn matches(pattern: &str) -> Result<Self, Error> {
        let regex = RegexBuilder::new(pattern)
            .size_limit(REGEX_BYTES_MAX)
            .dfa_size_limit(REGEX_BYTES_MAX)
            .build();
        regex.map(Self::Matches).map_err(|error| {
            let message = format!("matches: expected a regular expression of Rust's regex syntax within {REGEX_BYTES_MAX} bytes: {error}");
            Error::new(ErrorCode::InvalidArgument, message)
        })
    }

    /// Whether a value that is there passes.
    pub fn holds(&self, value: &Scalar<'_>) -> bool {
        match (self, value) {
            (Self::Compare(how, wanted), _) => value
                .compare(wanted)
                .is_some_and(|order| how.accepts(order)),
            (Self::In(wanted), _) => wanted
                .iter()
                .any(|wanted| value.compare(wanted).is_some_and(Ordering::is_eq)),
            (Self::Exists, _) => true,
            (Self::Contains(part), Scalar::Text(text)) => {
                memmem::find(text.as_bytes(), part.as_bytes()).is_some()
            }
            (Self::StartsWith(part), Scalar::Text(text)) => text.starts_with(part.as_str()),
            (Self::Matches(regex), Scalar::Text(text)) => regex.is_match(text),
            _ => false,
        }
    }
}

/// A tree of tests; two-valued, so that `Not` is the exact complement.
#[derive(Clone, Debug)]
pub enum Condition {
    /// All hold; none is needed.
    And(Vec<Condition>),
    /// One holds; without any, none does.
    Or(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// The field passes the test.
    Test(Field, Test),
    /// Every part, in lower case, occurs somewhere in the event's texts.
    Text(Vec<String>),
}

impl Condition {
    /// How dear it is to evaluate for a row, roughly; what is cheap goes first.
    pub(crate) fn cost(&self) -> u32 {
        match self {
            Self::Test(Field::Number(_), _) => 1,
            Self::Test(Field::Text(..), _) => 2,
            Self::Test(Field::Tags, _) => 3,
            Self::Test(Field::Tag(_), _) => 20,
            Self::Test(Field::Path(_), _) => 100,
            Self::Text(_) => 1000,
            Self::Not(inner) => inner.cost(),
            Self::And(parts) | Self::Or(parts) => parts.iter().map(Self::cost).sum(),
        }
    }
}
