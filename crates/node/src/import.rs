//! Imports: copies what is to be imported, and hands it to the store. `src/import.ts` has checked the types of columns;
//! what is in their buffers is checked below.

use kinescope_ring::CaptureLimits;
use kinescope_store::{
    Error, ErrorCode, Import, ImportBatch, ImportColumn, ImportSource, Integers, Texts,
};
use napi::Env;
use napi::bindgen_prelude::{BigInt, BigUint64Array, Object, Uint8Array};
use napi_derive::napi;

use crate::convert::{clamped_i64, js_error};
use crate::pool;
use crate::producer::NativeProducer;
use crate::query::Asker;
use crate::store::NativeStore;

/// What holds for all events of an import.
#[napi(object)]
pub struct NativeImportDefaults {
    /// The logical process of events that name none.
    pub pid: String,
    /// The time of events that have none.
    pub now: BigInt,
    /// See `CaptureLimits`.
    pub max_string_length: u32,
    /// See `CaptureLimits`.
    pub max_depth: u32,
    /// See `CaptureLimits`.
    pub max_fields: u32,
    /// See `CaptureLimits`.
    pub max_items: u32,
    /// See `CaptureLimits`.
    pub max_event_bytes: u32,
    /// Names of fields that are not captured.
    pub redact: Vec<String>,
}

impl NativeImportDefaults {
    fn into_import(self, source: ImportSource) -> Import {
        Import {
            source,
            pid: self.pid,
            now: clamped_i64(&self.now),
            limits: CaptureLimits {
                max_string_length: self.max_string_length as usize,
                max_depth: self.max_depth as usize,
                max_fields: self.max_fields as usize,
                max_items: self.max_items as usize,
                max_event_bytes: self.max_event_bytes as usize,
                redact: self.redact.into_iter().collect(),
            },
        }
    }
}

/// Which values are null: a bit for each, set where there is a value.
#[napi(object)]
pub struct NativeValidity {
    /// The bits.
    pub bits: Uint8Array,
    /// The first value's bit.
    pub offset: u32,
}

/// Integers as Arrow lays them out.
#[napi(object)]
pub struct NativeIntegers {
    /// 8, 16, 32 or 64.
    pub bits: u32,
    /// Whether they may be negative.
    pub signed: bool,
    /// How many.
    pub length: u32,
    /// In the machine's own order of bytes.
    pub values: Uint8Array,
    /// Absent: none is null.
    pub validity: Option<NativeValidity>,
}

/// Texts as Arrow lays them out.
#[napi(object)]
pub struct NativeTexts {
    /// Offsets are of 64 bits, not 32.
    pub large: bool,
    /// How many.
    pub length: u32,
    /// One more than texts.
    pub offsets: Uint8Array,
    /// UTF-8.
    pub bytes: Uint8Array,
    /// Absent: none is null.
    pub validity: Option<NativeValidity>,
}

/// A column of texts.
#[napi(object)]
pub struct NativeTextColumn {
    /// One after the other.
    pub chunks: Vec<NativeTexts>,
    /// Of each row; absent: the rows are the texts.
    pub codes: Option<NativeIntegers>,
}

/// A column of maps from text to text.
#[napi(object)]
pub struct NativeTags {
    /// Of 32 bits, one more than rows.
    pub offsets: Uint8Array,
    /// Of all entries.
    pub keys: NativeTextColumn,
    /// Of all entries.
    pub values: NativeTextColumn,
    /// Absent: none is null.
    pub validity: Option<NativeValidity>,
}

/// A column; one of the optional fields is there.
#[napi(object)]
pub struct NativeImportColumn {
    /// As in the public schema.
    pub name: String,
    /// Integers.
    pub integers: Option<NativeIntegers>,
    /// With `integers`: they are times in units of so many nanoseconds.
    pub unit_ns: Option<u32>,
    /// Texts.
    pub texts: Option<NativeTextColumn>,
    /// Maps.
    pub tags: Option<NativeTags>,
}

/// A batch of a table.
#[napi(object)]
pub struct NativeImportBatch {
    /// Rows.
    pub rows: u32,
    /// Those that the table has.
    pub columns: Vec<NativeImportColumn>,
}

fn bits(validity: Option<&NativeValidity>) -> (Option<&[u8]>, usize) {
    validity.map_or((None, 0), |validity| {
        (Some(validity.bits.as_ref()), validity.offset as usize)
    })
}

fn integers(column: &NativeIntegers) -> Option<Integers> {
    let (validity, offset) = bits(column.validity.as_ref());
    Integers::new(
        column.bits,
        column.signed,
        &column.values,
        column.length as usize,
        validity,
        offset,
    )
}

fn texts(column: &NativeTextColumn) -> Option<Texts> {
    let mut texts = Texts::new();
    for chunk in &column.chunks {
        let (validity, offset) = bits(chunk.validity.as_ref());
        texts = texts.push(
            chunk.large,
            &chunk.offsets,
            &chunk.bytes,
            chunk.length as usize,
            validity,
            offset,
        )?;
    }
    match &column.codes {
        None => Some(texts),
        Some(codes) => texts.coded(integers(codes)?),
    }
}

fn column(column: &NativeImportColumn) -> Option<ImportColumn> {
    if let Some(tags) = &column.tags {
        let (validity, validity_offset) = bits(tags.validity.as_ref());
        return Some(ImportColumn::Tags {
            offsets: tags.offsets.to_vec(),
            keys: texts(&tags.keys)?,
            values: texts(&tags.values)?,
            validity: validity.map(<[u8]>::to_vec),
            validity_offset,
        });
    }
    if let Some(values) = &column.texts {
        return texts(values).map(ImportColumn::Texts);
    }
    let values = integers(column.integers.as_ref()?)?;
    Some(match column.unit_ns {
        Some(unit_ns) => ImportColumn::Times(values, i64::from(unit_ns)),
        None => ImportColumn::Integers(values),
    })
}

fn batch(batch: &NativeImportBatch) -> Result<ImportBatch, Error> {
    let mut made = ImportBatch::new(batch.rows as usize);
    for given in &batch.columns {
        let name = &given.name;
        let values = column(given).ok_or_else(|| {
            let message = format!(
                "events.{name}: expected what the column's type says: whole values, offsets that grow, codes of texts, UTF-8"
            );
            Error::new(ErrorCode::InvalidArgument, message)
        })?;
        made.set(name, values)?;
    }
    Ok(made)
}

#[napi]
impl NativeStore {
    /// Imports events that `src/import.ts` has made records of; `ids` has the id that each brings, or 0. Settles with the
    /// ids of all. What the thread of `producer` committed before `head` comes before them.
    #[napi]
    pub fn import_events<'env>(
        &self,
        env: &'env Env,
        pieces: Vec<Uint8Array>,
        ids: BigUint64Array,
        defaults: NativeImportDefaults,
        producer: &NativeProducer,
        head: u32,
    ) -> napi::Result<Object<'env>> {
        let source = ImportSource::Events {
            ids: ids.to_vec(),
            pieces: pieces.iter().map(|piece| piece.to_vec()).collect(),
        };
        self.import(env, defaults.into_import(source), producer, head)
    }

    /// Imports the rows of a table. The memory of its columns is copied before this returns.
    #[napi]
    pub fn import_table<'env>(
        &self,
        env: &'env Env,
        batches: Vec<NativeImportBatch>,
        defaults: NativeImportDefaults,
        producer: &NativeProducer,
        head: u32,
    ) -> napi::Result<Object<'env>> {
        let batches = batches.iter().map(batch).collect::<Result<_, _>>();
        let source = ImportSource::Table(batches.map_err(js_error)?);
        self.import(env, defaults.into_import(source), producer, head)
    }

    fn import<'env>(
        &self,
        env: &'env Env,
        import: Import,
        producer: &NativeProducer,
        head: u32,
    ) -> napi::Result<Object<'env>> {
        let asker = Asker::of(producer, head);
        pool::import(env, move || {
            asker.wait_visible()?;
            asker.store().import(import).map(BigUint64Array::from)
        })
    }
}
