//! Aggregates: converts what is asked, which crosses as JSON, and what comes of it. `src/aggregate-options.ts` has
//! checked the options; what is checked here again only guards against a mismatch between the two.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::RecordBatch;
use kinescope_query::aggregate::{
    Aggregate, AggregateAnswer, Aggregation, ColumnType, Function, GroupKey, Having, Source,
    aggregate,
};
use kinescope_query::{Cancel, Filter};
use kinescope_store::{Error, LossRange};
use napi::Env;
use napi::bindgen_prelude::{ArrayBuffer, BigInt, Float64Array, Object};
use napi_derive::napi;
use serde::Deserialize;

use crate::c_stream::NativeCStream;
use crate::convert::js_error;
use crate::exported::{Exported, NativeLoss, losses, released};
use crate::external::Leases;
use crate::plan::{FieldRef, Node, field, operator, refused};
use crate::pool;
use crate::producer::NativeProducer;
use crate::query::{Asker, NativeCancel, NativeQuery, deadline};
use crate::shares;
use crate::store::NativeStore;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Plan {
    keys: Vec<PlanKey>,
    aggregations: Vec<PlanAggregation>,
    having: Option<Node>,
    order: Vec<PlanOrder>,
    limit: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PlanKey {
    name: String,
    /// Either this,
    field: Option<FieldRef>,
    /// or this, in decimal.
    time_bucket_ns: Option<String>,
}

#[derive(Deserialize)]
struct PlanAggregation {
    name: String,
    function: PlanFunction,
    field: Option<FieldRef>,
    #[serde(default)]
    q: f64,
    #[serde(default)]
    exact: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum PlanFunction {
    Count,
    CountDistinct,
    Sum,
    Avg,
    Min,
    Max,
    Quantile,
}

#[derive(Deserialize)]
struct PlanOrder {
    column: f64,
    descending: bool,
}

impl Plan {
    fn into_aggregate(self, filter: Filter) -> Result<Aggregate, Error> {
        let keys = self
            .keys
            .into_iter()
            .map(key)
            .collect::<Result<Vec<_>, _>>()?;
        let aggregations: Vec<Aggregation> = self
            .aggregations
            .into_iter()
            .map(aggregation)
            .collect::<Result<_, _>>()?;
        let columns = keys.len() + aggregations.len();
        let column = |index: usize| {
            let known = (index < columns).then_some(index);
            known.ok_or_else(|| refused(format!("no column {index}")))
        };
        let having = self.having.map(|node| having(node, &column)).transpose()?;
        let order = self.order.into_iter();
        let order = order
            .map(|step| column(step.column as usize).map(|column| (column, step.descending)))
            .collect::<Result<_, _>>()?;
        Ok(Aggregate {
            filter,
            having,
            order,
            limit: self.limit.map(|limit| limit as usize),
            keys,
            aggregations,
        })
    }
}

fn key(key: PlanKey) -> Result<GroupKey, Error> {
    let source = match (key.field, key.time_bucket_ns) {
        (Some(reference), _) => Source::Field(field(reference)?),
        (None, Some(width_ns)) => Source::TimeBucket(width_ns.parse().map_err(refused)?),
        (None, None) => return Err(refused("a key without a field")),
    };
    Ok(GroupKey {
        name: key.name,
        source,
    })
}

fn aggregation(aggregation: PlanAggregation) -> Result<Aggregation, Error> {
    let function = match aggregation.function {
        PlanFunction::Count => Function::Count,
        PlanFunction::CountDistinct => Function::CountDistinct,
        PlanFunction::Sum => Function::Sum,
        PlanFunction::Avg => Function::Average,
        PlanFunction::Min => Function::Min,
        PlanFunction::Max => Function::Max,
        PlanFunction::Quantile => Function::Quantile {
            q: aggregation.q,
            exact: aggregation.exact,
        },
    };
    let field = aggregation.field.map(field).transpose()?;
    if field.is_none() && function != Function::Count {
        return Err(refused("a function without a field"));
    }
    Ok(Aggregation {
        name: aggregation.name,
        function,
        field,
    })
}

fn having(node: Node, column: &impl Fn(usize) -> Result<usize, Error>) -> Result<Having, Error> {
    let all = |nodes: Vec<Node>| {
        let parts = nodes.into_iter().map(|node| having(node, column));
        parts.collect::<Result<Vec<_>, _>>()
    };
    match node {
        Node::And(nodes) => all(nodes).map(Having::And),
        Node::Or(nodes) => all(nodes).map(Having::Or),
        Node::Not(node) => having(*node, column).map(|inner| Having::Not(Box::new(inner))),
        Node::Test(test) => match test.field {
            FieldRef::Column(index) => {
                let index = column(index.parse().map_err(refused)?)?;
                operator(test.op).map(|test| Having::Test(index, test))
            }
            FieldRef::Path(_) | FieldRef::Tag(_) => Err(refused("having: no column")),
        },
        Node::Text(_) => Err(refused("having: a text search")),
    }
}

/// An answer; holds its memory until it is released or collected.
#[napi]
pub struct NativeAggregate {
    held: Option<Held>,
    types: Vec<ColumnType>,
    watermark: u64,
    quantile_error: f64,
    lost: Vec<LossRange>,
}

struct Held {
    batch: RecordBatch,
    exported: Arc<Exported>,
}

impl NativeAggregate {
    fn new(answer: AggregateAnswer, lost: Vec<LossRange>, leases: Arc<Leases>) -> Self {
        let bytes = answer.batch.get_array_memory_size() as u64;
        leases.gathered_bytes.fetch_add(bytes, Ordering::Relaxed);
        let exported = Exported::of(std::slice::from_ref(&answer.batch), leases);
        let held = Held {
            batch: answer.batch,
            exported: Arc::new(exported),
        };
        Self {
            held: Some(held),
            types: answer.types,
            watermark: answer.watermark,
            quantile_error: answer.quantile_error,
            lost,
        }
    }

    fn held(&self) -> napi::Result<&Held> {
        self.held.as_ref().ok_or_else(released)
    }
}

#[napi]
impl NativeAggregate {
    /// The answer holds for all `seq` below.
    #[napi(getter)]
    pub fn snapshot(&self) -> BigInt {
        BigInt::from(self.watermark)
    }

    /// Relative error of quantiles, at most.
    #[napi(getter)]
    pub fn quantile_error(&self) -> f64 {
        self.quantile_error
    }

    /// Per column the event column whose values it has, or the type of its own.
    #[napi]
    pub fn types(&self) -> Vec<String> {
        let name = |column_type: &ColumnType| match *column_type {
            ColumnType::Event(name) => name,
            ColumnType::I64 => "i64",
            ColumnType::Decimal => "decimal",
            ColumnType::F64 => "f64",
            ColumnType::Bool => "bool",
            ColumnType::Utf8 => "utf8",
            ColumnType::Json => "json",
        };
        self.types.iter().map(|of| name(of).to_owned()).collect()
    }

    /// What is missing.
    #[napi]
    pub fn lost(&self) -> Vec<NativeLoss> {
        losses(&self.lost)
    }

    /// Where the columns are, see [`Exported::layout`].
    #[napi]
    pub fn layout(&self) -> napi::Result<Float64Array> {
        self.held().map(|held| held.exported.layout())
    }

    /// A new ArrayBuffer over one of them.
    #[napi]
    pub fn buffer<'env>(&self, env: &'env Env, index: u32) -> napi::Result<ArrayBuffer<'env>> {
        self.held()?.exported.buffer(env, index)
    }

    /// The groups as an Arrow C stream.
    #[napi]
    pub fn c_stream(&self) -> napi::Result<NativeCStream> {
        let held = self.held()?;
        NativeCStream::new(vec![held.batch.clone()], &held.exported)
    }

    /// See [`shares::add`].
    #[napi]
    pub fn share(&self, description: String) -> napi::Result<String> {
        shares::add(&self.held()?.exported, description).map_err(js_error)
    }

    /// Gives the memory back, as far as no ArrayBuffer holds it, and ends its shares.
    #[napi]
    pub fn release(&mut self) {
        if let Some(held) = self.held.take() {
            shares::end_all_of(&held.exported);
        }
    }
}

/// An aggregate and who asks for it.
struct Question {
    aggregate: Aggregate,
    asker: Asker,
    leases: Arc<Leases>,
}

impl Question {
    fn run(self, cancel: &Cancel) -> Result<NativeAggregate, Error> {
        let snapshot = self.asker.snapshot()?;
        let answer = aggregate(&self.aggregate, &snapshot, cancel)?;
        let filter = &self.aggregate.filter;
        let lost = self.asker.lost(filter, snapshot.first_seq());
        Ok(NativeAggregate::new(answer, lost, self.leases))
    }
}

impl NativeStore {
    fn question(
        &self,
        filters: NativeQuery,
        plan: &str,
        producer: &NativeProducer,
        head: u32,
    ) -> napi::Result<Question> {
        let query = filters.into_query(self.entry.recording());
        let aggregate = query.and_then(|query| {
            let plan: Plan = serde_json::from_str(plan).map_err(refused)?;
            plan.into_aggregate(query.filter)
        });
        Ok(Question {
            aggregate: aggregate.map_err(js_error)?,
            asker: Asker::of(producer, head),
            leases: Arc::clone(&self.entry.leases),
        })
    }
}

#[napi]
impl NativeStore {
    /// Aggregates on the pool; everything that `producer` committed before `head` is seen. Of `filters`, the limit does
    /// not matter.
    #[napi]
    pub fn aggregate<'env>(
        &self,
        env: &'env Env,
        filters: NativeQuery,
        plan: String,
        producer: &NativeProducer,
        head: u32,
        cancel: Option<&NativeCancel>,
    ) -> napi::Result<Object<'env>> {
        let question = self.question(filters, &plan, producer, head)?;
        let cancel = NativeCancel::shared(cancel);
        pool::promise(env, move || question.run(&cancel))
    }

    /// Aggregates on this thread.
    #[napi]
    pub fn aggregate_sync(
        &self,
        filters: NativeQuery,
        plan: String,
        producer: &NativeProducer,
        head: u32,
        timeout_ms: f64,
    ) -> napi::Result<NativeAggregate> {
        let cancel = deadline(timeout_ms);
        let question = self.question(filters, &plan, producer, head)?;
        question.run(&cancel).map_err(js_error)
    }
}
