//! Columns whose buffers lie behind each other in one allocation.

use arrow_array::{ArrayRef, make_array};
use arrow_buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer};
use arrow_data::{ArrayData, ArrayDataBuilder};
use arrow_schema::{ArrowError, DataType};
use kinescope_store::Error;
use kinescope_store::columns::tag_entry_fields;

/// What Arrow recommends for the start of a buffer.
const ALIGNMENT_BYTES: usize = 64;

/// The bytes of all buffers of a batch behind each other.
#[derive(Default)]
pub(crate) struct Slab {
    pub(crate) bytes: MutableBuffer,
}

/// A buffer's place in the slab.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    offset: usize,
    len: usize,
}

impl Slab {
    pub(crate) fn put<const N: usize>(&mut self, values: impl Iterator<Item = [u8; N]>) -> Span {
        self.bytes
            .resize(self.bytes.len().next_multiple_of(ALIGNMENT_BYTES), 0);
        let offset = self.bytes.len();
        self.bytes.reserve(values.size_hint().0 * N);
        values.for_each(|value| self.bytes.extend_from_slice(&value));
        Span {
            offset,
            len: self.bytes.len() - offset,
        }
    }

    /// Offsets and bytes of texts.
    pub(crate) fn put_texts<'a>(
        &mut self,
        texts: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<(Span, Span), Error> {
        let total: usize = texts.clone().map(str::len).sum();
        i32::try_from(total).map_err(|_| {
            Error::resource_exhausted("the answer's text is over 2 GiB; ask for fewer rows")
        })?;
        let ends = texts.clone().scan(0i32, |end, text| {
            *end += text.len() as i32;
            Some(*end)
        });
        let offsets = self.put(std::iter::once(0).chain(ends).map(i32::to_le_bytes));
        self.bytes
            .resize(self.bytes.len().next_multiple_of(ALIGNMENT_BYTES), 0);
        let offset = self.bytes.len();
        self.bytes.reserve(total);
        texts.for_each(|text| self.bytes.extend_from_slice(text.as_bytes()));
        Ok((offsets, Span { offset, len: total }))
    }

    pub(crate) fn put_bits(&mut self, bits: &[bool]) -> Span {
        let packed = bits.chunks(8).map(|bits| {
            [bits
                .iter()
                .enumerate()
                .fold(0u8, |byte, (bit, &set)| byte | u8::from(set) << bit)]
        });
        self.put(packed)
    }
}

/// A column whose bytes are in the slab.
pub(crate) struct Part {
    pub(crate) data_type: DataType,
    pub(crate) validity: Option<Span>,
    pub(crate) kind: PartKind,
}

pub(crate) enum PartKind {
    Values(Span),
    Text((Span, Span)),
    Dictionary {
        codes: Span,
        texts: (Span, Span),
        len: usize,
    },
    Tags {
        offsets: Span,
        keys: (Span, Span),
        values: (Span, Span),
        len: usize,
    },
}

impl Part {
    pub(crate) fn build(self, slab: &Buffer, rows: usize) -> Result<ArrayRef, ArrowError> {
        let slice = |span: Span| slab.slice_with_length(span.offset, span.len);
        let text = |(offsets, bytes): (Span, Span), len: usize| {
            ArrayData::builder(DataType::Utf8)
                .len(len)
                .add_buffer(slice(offsets))
                .add_buffer(slice(bytes))
                .build()
        };
        let nulls = self
            .validity
            .map(|span| NullBuffer::new(BooleanBuffer::new(slice(span), 0, rows)));
        let builder: ArrayDataBuilder = ArrayData::builder(self.data_type).len(rows).nulls(nulls);
        let builder = match self.kind {
            PartKind::Values(values) => builder.add_buffer(slice(values)),
            PartKind::Text((offsets, bytes)) => {
                builder.add_buffer(slice(offsets)).add_buffer(slice(bytes))
            }
            PartKind::Dictionary { codes, texts, len } => builder
                .add_buffer(slice(codes))
                .add_child_data(text(texts, len)?),
            PartKind::Tags {
                offsets,
                keys,
                values,
                len,
            } => {
                let entries = ArrayData::builder(DataType::Struct(tag_entry_fields()))
                    .len(len)
                    .add_child_data(text(keys, len)?)
                    .add_child_data(text(values, len)?);
                builder
                    .add_buffer(slice(offsets))
                    .add_child_data(entries.build()?)
            }
        };
        builder.build().map(make_array)
    }
}
