//! What a recording holds.

use kinescope_query::{Cancel, Description, SegmentDescription, describe, text_counts};
use kinescope_store::columns::DictionaryColumn;
use kinescope_store::{Error, ErrorCode, PathCount, ValueType};
use napi::Env;
use napi::bindgen_prelude::{BigInt, Object};
use napi_derive::napi;

use crate::convert::{count, js_error};
use crate::exported::{NativeLoss, losses};
use crate::pool;
use crate::producer::NativeProducer;
use crate::query::Asker;
use crate::store::NativeStore;

/// A name or a text, and how many events have it.
#[napi(object)]
pub struct NativeCount {
    /// The name or text.
    pub name: String,
    /// Events.
    pub count: f64,
}

/// A path, and how many values of each type there are.
#[napi(object)]
pub struct NativePathCount {
    /// As queries name it.
    pub path: String,
    /// Values.
    pub boolean: f64,
    /// Values.
    pub integer: f64,
    /// Values.
    pub float: f64,
    /// Values.
    pub string: f64,
    /// Values.
    pub array: f64,
}

/// A run of the log.
#[napi(object)]
pub struct NativeSegment {
    /// Of its first event.
    pub from_seq: BigInt,
    /// Events.
    pub events: f64,
    /// The lowest timestamp.
    pub first: BigInt,
    /// The highest.
    pub last: BigInt,
    /// Of memory.
    pub bytes: f64,
    /// Nothing is appended any more.
    pub sealed: bool,
}

/// What a snapshot holds.
#[napi(object)]
pub struct NativeSchema {
    /// In the order of the columns.
    pub columns: Vec<NativeCount>,
    /// By path.
    pub paths: Vec<NativePathCount>,
    /// Keys, the most frequent first.
    pub tags: Vec<NativeCount>,
    /// The most frequent first.
    pub event_types: Vec<NativeCount>,
    /// In `seq` order.
    pub segments: Vec<NativeSegment>,
    /// There are more paths, tags or event types than are listed.
    pub truncated: bool,
    /// It holds for all `seq` below.
    pub snapshot: BigInt,
    /// What is missing.
    pub lost: Vec<NativeLoss>,
}

fn counts(counts: Vec<(String, u64)>) -> Vec<NativeCount> {
    let counts = counts.into_iter().map(|(name, number)| NativeCount {
        name,
        count: count(number),
    });
    counts.collect()
}

fn path(path: PathCount) -> NativePathCount {
    let of = |value_type: ValueType| count(path.counts[value_type as usize]);
    NativePathCount {
        boolean: of(ValueType::Boolean),
        integer: of(ValueType::Integer),
        float: of(ValueType::Float),
        string: of(ValueType::String),
        array: of(ValueType::Array),
        path: path.path,
    }
}

fn segment(segment: SegmentDescription) -> NativeSegment {
    NativeSegment {
        from_seq: BigInt::from(segment.from_seq),
        events: count(segment.events),
        first: BigInt::from(segment.min_timestamp),
        last: BigInt::from(segment.max_timestamp),
        bytes: count(segment.used_bytes),
        sealed: segment.is_sealed,
    }
}

fn text_column(name: &str) -> Option<DictionaryColumn> {
    Some(match name {
        "event_type" => DictionaryColumn::EventType,
        "node" => DictionaryColumn::Node,
        "pid" => DictionaryColumn::Pid,
        "correlation_id" => DictionaryColumn::CorrelationId,
        "module" => DictionaryColumn::Module,
        "function" => DictionaryColumn::Function,
        "file" => DictionaryColumn::File,
        _ => return None,
    })
}

#[napi]
impl NativeStore {
    /// Describes the log.
    #[napi]
    pub fn describe<'env>(
        &self,
        env: &'env Env,
        producer: &NativeProducer,
        head: u32,
    ) -> napi::Result<Object<'env>> {
        let asker = Asker::of(producer, head);
        pool::promise(env, move || {
            let snapshot = asker.snapshot()?;
            let Description {
                columns,
                paths,
                tags,
                event_types,
                segments,
                is_truncated,
            } = describe(&snapshot, &Cancel::default())?;
            Ok(NativeSchema {
                columns: counts(columns),
                paths: paths.into_iter().map(path).collect(),
                tags: counts(tags),
                event_types: counts(event_types),
                segments: segments.into_iter().map(segment).collect(),
                truncated: is_truncated,
                snapshot: BigInt::from(snapshot.watermark),
                lost: losses(&asker.lost(&Default::default(), snapshot.first_seq())),
            })
        })
    }

    /// The texts of a column that start with `prefix`, the most frequent first.
    #[napi]
    pub fn text_counts<'env>(
        &self,
        env: &'env Env,
        column: String,
        prefix: Option<String>,
        limit: f64,
        producer: &NativeProducer,
        head: u32,
    ) -> napi::Result<Object<'env>> {
        let asker = Asker::of(producer, head);
        let column = text_column(&column).ok_or_else(|| {
            let message = format!("field: expected a column of texts, got {column}");
            js_error(Error::new(ErrorCode::InvalidArgument, message))
        })?;
        pool::promise(env, move || {
            let snapshot = asker.snapshot()?;
            let mut found = text_counts(column, prefix.as_deref(), &snapshot);
            found.truncate(limit as usize);
            Ok(counts(found))
        })
    }
}
