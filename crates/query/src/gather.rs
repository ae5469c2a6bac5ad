//! Copies scattered rows into one batch, once, into one allocation that JavaScript then reads.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_buffer::Buffer;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use foldhash::fast::RandomState;
use kinescope_store::columns::{DictionaryColumn, NullableColumn, event_schema};
use kinescope_store::{Error, ErrorCode, Segment};

use crate::evaluate::Rows;
use crate::find::Locator;
use crate::projection::{SettledItem, SettledType};
use crate::slab::{Part, PartKind, Slab, Span};

/// Where a row is.
struct Place<'a> {
    segment: &'a Segment,
    visible: usize,
    segment_index: usize,
    row: usize,
}

impl<'a> Place<'a> {
    fn rows(&self) -> Rows<'a> {
        Rows::first(self.segment, self.visible, None)
    }
}

/// Codes of one column in the batch's own dictionary.
#[derive(Default)]
struct Recoded<'a> {
    codes: Vec<i32>,
    texts: Vec<&'a str>,
}

/// The rows as one batch, and the bytes that it takes up. Without items it has the public columns.
///
/// # Errors
/// `RESOURCE_EXHAUSTED` when a column's text is over 2 GiB; `IO` for a bug.
pub(crate) fn gather(
    seqs: &[u64],
    locator: &Locator<'_>,
    items: Option<&[SettledItem]>,
) -> Result<(RecordBatch, usize), Error> {
    let places: Vec<Place<'_>> = seqs.iter().map(|&seq| place(seq, locator)).collect();
    let mut columns = Columns {
        places: &places,
        slab: Slab::default(),
        parts: Vec::new(),
    };
    match items {
        None => (0..event_schema().fields().len()).try_for_each(|column| columns.column(column))?,
        Some(items) => items.iter().try_for_each(|item| match item.column {
            Some(column) if item.settled == SettledType::Column => columns.column(column),
            _ => columns.item(item),
        })?,
    }
    let Columns { slab, parts, .. } = columns;
    let bytes = slab.bytes.len();
    let slab: Buffer = slab.bytes.into();
    let schema = schema_of(&parts, items);
    let arrays = parts
        .into_iter()
        .map(|part| part.build(&slab, seqs.len()))
        .collect::<Result<Vec<_>, ArrowError>>();
    let options = RecordBatchOptions::new().with_row_count(Some(seqs.len()));
    let batch =
        arrays.and_then(|arrays| RecordBatch::try_new_with_options(schema, arrays, &options));
    batch.map(|batch| (batch, bytes)).map_err(|error| {
        Error::new(
            ErrorCode::Io,
            format!("gathered rows are not valid Arrow: {error}"),
        )
    })
}

/// Names of projected columns are given where they are shown; here their position does.
fn schema_of(parts: &[Part], items: Option<&[SettledItem]>) -> SchemaRef {
    if items.is_none() {
        return event_schema();
    }
    let field =
        |(index, part): (usize, &Part)| Field::new(index.to_string(), part.data_type.clone(), true);
    Arc::new(Schema::new(
        parts.iter().enumerate().map(field).collect::<Vec<_>>(),
    ))
}

fn place<'a>(seq: u64, locator: &Locator<'a>) -> Place<'a> {
    let segment_index = locator.index_of(seq);
    let (segment, visible) = locator.segment(segment_index);
    Place {
        segment,
        visible,
        segment_index,
        row: (seq - segment.base_seq) as usize,
    }
}

struct Columns<'a, 'p> {
    places: &'p [Place<'a>],
    slab: Slab,
    parts: Vec<Part>,
}

impl<'a> Columns<'a, '_> {
    /// A public column, by its place in the schema.
    fn column(&mut self, index: usize) -> Result<(), Error> {
        let data_type = event_schema().field(index).data_type().clone();
        match index {
            0 => self.values(data_type, None, |place| {
                place.segment.columns.seq.slice(place.visible)[place.row].to_le_bytes()
            }),
            1 => self.values(data_type, None, |place| {
                place.segment.columns.event_id.slice(place.visible)[place.row].to_le_bytes()
            }),
            2 => self.values(data_type, None, |place| {
                place.segment.columns.timestamp.slice(place.visible)[place.row].to_le_bytes()
            }),
            3 => self.values(data_type, None, |place| {
                place.segment.columns.wall_time.slice(place.visible)[place.row].to_le_bytes()
            }),
            4 => self.dictionary(data_type, DictionaryColumn::EventType, None)?,
            5 => self.dictionary(data_type, DictionaryColumn::Node, None)?,
            6 => self.dictionary(data_type, DictionaryColumn::Pid, None)?,
            7 => self.dictionary(
                data_type,
                DictionaryColumn::CorrelationId,
                Some(NullableColumn::CorrelationId),
            )?,
            8 => self.values(data_type, Some(NullableColumn::ParentId), |place| {
                place.segment.columns.parent_id.slice(place.visible)[place.row].to_le_bytes()
            }),
            9 => self.dictionary(
                data_type,
                DictionaryColumn::Module,
                Some(NullableColumn::Module),
            )?,
            10 => self.dictionary(
                data_type,
                DictionaryColumn::Function,
                Some(NullableColumn::Function),
            )?,
            11 => self.values(data_type, Some(NullableColumn::Arity), |place| {
                place.segment.columns.arity.slice(place.visible)[place.row].to_le_bytes()
            }),
            12 => self.dictionary(
                data_type,
                DictionaryColumn::File,
                Some(NullableColumn::File),
            )?,
            13 => self.values(data_type, Some(NullableColumn::Line), |place| {
                place.segment.columns.line.slice(place.visible)[place.row].to_le_bytes()
            }),
            14 => self.tags(data_type)?,
            _ => {
                let validity = self.validity(Some(NullableColumn::Data));
                let texts: Vec<&str> = self
                    .places
                    .iter()
                    .map(|place| place.segment.columns.data.text(place.row))
                    .collect();
                let texts = self.slab.put_texts(texts.into_iter())?;
                self.push(data_type, validity, PartKind::Text(texts));
            }
        }
        Ok(())
    }

    /// A path, a tag, or a column as another type.
    fn item(&mut self, item: &SettledItem) -> Result<(), Error> {
        match item.settled {
            SettledType::I64 => {
                let values: Vec<Option<i64>> = self
                    .places
                    .iter()
                    .map(|place| item.int(place.rows(), place.row))
                    .collect();
                self.optional(DataType::Int64, &values, i64::to_le_bytes);
            }
            SettledType::F64 => {
                let values: Vec<Option<f64>> = self
                    .places
                    .iter()
                    .map(|place| item.float(place.rows(), place.row))
                    .collect();
                self.optional(DataType::Float64, &values, f64::to_le_bytes);
            }
            SettledType::Bool => {
                let values: Vec<Option<bool>> = self
                    .places
                    .iter()
                    .map(|place| item.bool(place.rows(), place.row))
                    .collect();
                let validity = self.present(&values);
                let bits: Vec<bool> = values
                    .iter()
                    .map(|value| value.unwrap_or_default())
                    .collect();
                let values = self.slab.put_bits(&bits);
                self.push(DataType::Boolean, validity, PartKind::Values(values));
            }
            SettledType::Utf8 | SettledType::Json | SettledType::Column => {
                let values: Vec<_> = self
                    .places
                    .iter()
                    .map(|place| item.text(place.rows(), place.row))
                    .collect();
                let validity = self.present(&values);
                let texts = self.slab.put_texts(
                    values
                        .iter()
                        .map(|value| value.as_deref().unwrap_or_default()),
                )?;
                self.push(DataType::Utf8, validity, PartKind::Text(texts));
            }
        }
        Ok(())
    }

    fn optional<T: Copy + Default, const N: usize>(
        &mut self,
        data_type: DataType,
        values: &[Option<T>],
        to_bytes: impl Fn(T) -> [u8; N],
    ) {
        let validity = self.present(values);
        let values = self.slab.put(
            values
                .iter()
                .map(|value| to_bytes(value.unwrap_or_default())),
        );
        self.push(data_type, validity, PartKind::Values(values));
    }

    fn present<T>(&mut self, values: &[Option<T>]) -> Option<Span> {
        let bits: Vec<bool> = values.iter().map(Option::is_some).collect();
        bits.contains(&false).then(|| self.slab.put_bits(&bits))
    }

    fn push(&mut self, data_type: DataType, validity: Option<Span>, kind: PartKind) {
        self.parts.push(Part {
            data_type,
            validity,
            kind,
        });
    }

    fn validity(&mut self, column: Option<NullableColumn>) -> Option<Span> {
        let column = column?;
        let bits: Vec<bool> = self
            .places
            .iter()
            .map(|place| place.segment.is_valid(column, place.row))
            .collect();
        bits.contains(&false).then(|| self.slab.put_bits(&bits))
    }

    fn values<const N: usize>(
        &mut self,
        data_type: DataType,
        nullable: Option<NullableColumn>,
        value: impl Fn(&Place<'_>) -> [u8; N],
    ) {
        let validity = self.validity(nullable);
        let values = self.slab.put(self.places.iter().map(value));
        self.push(data_type, validity, PartKind::Values(values));
    }

    fn dictionary(
        &mut self,
        data_type: DataType,
        column: DictionaryColumn,
        nullable: Option<NullableColumn>,
    ) -> Result<(), Error> {
        let validity = self.validity(nullable);
        let recoded = self.recode(column, nullable);
        let codes = self
            .slab
            .put(recoded.codes.iter().map(|code| code.to_le_bytes()));
        let texts = self.slab.put_texts(recoded.texts.iter().copied())?;
        self.push(
            data_type,
            validity,
            PartKind::Dictionary {
                codes,
                texts,
                len: recoded.texts.len(),
            },
        );
        Ok(())
    }

    /// A dictionary of just the texts that the rows use.
    fn recode(&self, column: DictionaryColumn, nullable: Option<NullableColumn>) -> Recoded<'a> {
        let mut recoded = Recoded::default();
        let mut by_code: HashMap<(usize, i32), i32, RandomState> = HashMap::default();
        let mut by_text: HashMap<&'a str, i32, RandomState> = HashMap::default();
        let mut last: Option<((usize, i32), i32)> = None;
        for place in self.places {
            if nullable.is_some_and(|nullable| !place.segment.is_valid(nullable, place.row)) {
                recoded.codes.push(0);
                continue;
            }
            let code = place.segment.columns.codes[column as usize].slice(place.visible)[place.row];
            let key = (place.segment_index, code);
            let own = match last {
                Some((of, own)) if of == key => own,
                _ => match by_code.entry(key) {
                    Entry::Occupied(entry) => *entry.get(),
                    Entry::Vacant(entry) => {
                        let text =
                            place.segment.columns.dictionaries[column as usize].text(code as usize);
                        *entry.insert(*by_text.entry(text).or_insert_with(|| {
                            recoded.texts.push(text);
                            recoded.texts.len() as i32 - 1
                        }))
                    }
                },
            };
            last = Some((key, own));
            recoded.codes.push(own);
        }
        recoded
    }

    fn tags(&mut self, data_type: DataType) -> Result<(), Error> {
        let validity = self.validity(Some(NullableColumn::Tags));
        let range = |place: &Place<'a>| {
            let offsets = place.segment.columns.tag_offsets.slice(place.visible + 1);
            offsets[place.row] as usize..offsets[place.row + 1] as usize
        };
        let ends = self.places.iter().scan(0i32, |end, place| {
            *end += range(place).len() as i32;
            Some(*end)
        });
        let offsets = self
            .slab
            .put(std::iter::once(0).chain(ends).map(i32::to_le_bytes));
        let len = self.places.iter().map(|place| range(place).len()).sum();
        let entries = self
            .places
            .iter()
            .flat_map(|place| range(place).map(move |entry| (place.segment, entry)));
        let keys: Vec<&str> = entries
            .clone()
            .map(|(segment, entry)| segment.columns.tag_keys.text(entry))
            .collect();
        let keys = self.slab.put_texts(keys.into_iter())?;
        let values: Vec<&str> = entries
            .map(|(segment, entry)| segment.columns.tag_values.text(entry))
            .collect();
        let values = self.slab.put_texts(values.into_iter())?;
        self.push(
            data_type,
            validity,
            PartKind::Tags {
                offsets,
                keys,
                values,
                len,
            },
        );
        Ok(())
    }
}
