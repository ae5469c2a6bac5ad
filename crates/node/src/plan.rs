//! The part of a query that crosses as JSON: condition, order, paging, projection. `src/query-options.ts` has checked
//! it; what is checked here again only guards against a mismatch between the two.

use kinescope_query::condition::{Comparison, Condition, Field, Test};
use kinescope_query::order::Order;
use kinescope_query::page_token::{PageToken, stable_hash};
use kinescope_query::projection::{Item, SettledType, column_index};
use kinescope_query::scalar::Scalar;
use kinescope_query::{Pages, Query};
use kinescope_store::{Error, ErrorCode};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    condition: Option<Node>,
    order: Option<PlanOrder>,
    #[serde(default)]
    skip: f64,
    token: Option<String>,
    identity: String,
    projection: Option<Vec<PlanItem>>,
}

#[derive(Deserialize)]
struct PlanOrder {
    field: FieldRef,
    descending: bool,
}

#[derive(Deserialize)]
struct PlanItem {
    field: FieldRef,
    #[serde(rename = "as")]
    as_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FieldRef {
    Column(String),
    Path(Vec<String>),
    Tag(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Test(PlanTest),
    Text(Vec<String>),
}

#[derive(Deserialize)]
pub(crate) struct PlanTest {
    pub(crate) field: FieldRef,
    #[serde(flatten)]
    pub(crate) op: Op,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "camelCase")]
pub(crate) enum Op {
    Eq { value: PlanScalar },
    Lt { value: PlanScalar },
    Lte { value: PlanScalar },
    Gt { value: PlanScalar },
    Gte { value: PlanScalar },
    In { values: Vec<PlanScalar> },
    Exists,
    Contains { text: String },
    StartsWith { text: String },
    Matches { text: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PlanScalar {
    Bool(bool),
    Int(String),
    Float(f64),
    Text(String),
}

pub(crate) fn refused(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::InvalidArgument, format!("query: {what}"))
}

/// Adds a plan to a query. `recording` tells page tokens of different recordings apart.
///
/// # Errors
/// `INVALID_ARGUMENT` for a regular expression that is not one; `PAGE_TOKEN_INVALID`.
pub(crate) fn apply(
    plan: &str,
    recording: u64,
    filters: &str,
    query: &mut Query,
) -> Result<(), Error> {
    let plan: Plan = serde_json::from_str(plan).map_err(refused)?;
    query.filter.condition = plan.condition.map(condition).transpose()?;
    if let Some(order) = plan.order {
        let by = field(order.field)?;
        let timestamp = Field::Number(kinescope_query::condition::NumberColumn::Timestamp);
        query.order = Order {
            field: (by != timestamp).then_some(by),
            descending: order.descending,
        };
    }
    query.skip = plan.skip as usize;
    query.projection = plan
        .projection
        .map(|items| items.into_iter().map(item).collect())
        .transpose()?;
    let token = plan.token.as_deref().map(PageToken::decode).transpose()?;
    // The filters that travel beside the plan are part of what may not change either.
    let query_hash = stable_hash(format!("{}\0{filters}", plan.identity).as_bytes());
    query.pages = Some(Pages {
        recording,
        query_hash,
        token,
    });
    Ok(())
}

fn condition(node: Node) -> Result<Condition, Error> {
    let all = |nodes: Vec<Node>| {
        nodes
            .into_iter()
            .map(condition)
            .collect::<Result<Vec<_>, _>>()
    };
    Ok(match node {
        Node::And(nodes) => Condition::And(all(nodes)?),
        Node::Or(nodes) => Condition::Or(all(nodes)?),
        Node::Not(node) => Condition::Not(Box::new(condition(*node)?)),
        Node::Test(test) => Condition::Test(field(test.field)?, operator(test.op)?),
        Node::Text(parts) => Condition::Text(parts),
    })
}

pub(crate) fn operator(op: Op) -> Result<Test, Error> {
    let compare = |how, value| scalar(value).map(|value| Test::Compare(how, value));
    match op {
        Op::Eq { value } => compare(Comparison::Eq, value),
        Op::Lt { value } => compare(Comparison::Lt, value),
        Op::Lte { value } => compare(Comparison::Lte, value),
        Op::Gt { value } => compare(Comparison::Gt, value),
        Op::Gte { value } => compare(Comparison::Gte, value),
        Op::In { values } => values
            .into_iter()
            .map(scalar)
            .collect::<Result<_, _>>()
            .map(Test::In),
        Op::Exists => Ok(Test::Exists),
        Op::Contains { text } => Ok(Test::Contains(text)),
        Op::StartsWith { text } => Ok(Test::StartsWith(text)),
        Op::Matches { text } => Test::matches(&text),
    }
}

fn scalar(value: PlanScalar) -> Result<Scalar<'static>, Error> {
    Ok(match value {
        PlanScalar::Bool(value) => Scalar::Bool(value),
        // No stored integer is anywhere near the ends of this range.
        PlanScalar::Int(digits) => {
            Scalar::Int(digits.parse().unwrap_or(if digits.starts_with('-') {
                i128::MIN
            } else {
                i128::MAX
            }))
        }
        PlanScalar::Float(value) => Scalar::Float(value),
        PlanScalar::Text(text) => Scalar::Text(text.into()),
    })
}

pub(crate) fn field(reference: FieldRef) -> Result<Field, Error> {
    match reference {
        FieldRef::Column(name) => {
            Field::column(&name).ok_or_else(|| refused(format!("no column {name:?}")))
        }
        FieldRef::Path(steps) => Ok(Field::Path(steps)),
        FieldRef::Tag(key) => Ok(Field::Tag(key)),
    }
}

fn item(item: PlanItem) -> Result<Item, Error> {
    let column = if let FieldRef::Column(name) = &item.field {
        column_index(name)
    } else {
        None
    };
    let as_type = match item.as_type {
        None => None,
        Some(name) => {
            Some(SettledType::named(&name).ok_or_else(|| refused(format!("no type {name:?}")))?)
        }
    };
    Ok(Item {
        field: field(item.field)?,
        column,
        as_type,
    })
}
