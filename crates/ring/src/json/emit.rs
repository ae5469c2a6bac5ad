//! Emitters' fields as JSON.

use super::cuts::{Cuts, Path};
use super::scalar::{UNKNOWN_STRING, write_finite, write_integer, write_string};
use super::value::or_nothing;
use crate::definitions::{Definitions, Emitter, EmitterField, FieldType};
use crate::layout::{self as at, STATES_PER_GROUP, WORD_BYTES};
use crate::record::EmitRecord;
use crate::value::{CutReason, Malformed, Text};

/// Appends the `data` of an emitter's event: `{"name":value,…}`, absent fields left out.
///
/// Gives the number of values that were of the wrong type and are left out as well: an `i64` that is no integer of 64
/// bits. A number that is not finite is null and listed in `$cut`, as is a text that was cut to its limit; a field of
/// the emitter's own called `$cut` gives way then.
///
/// # Errors
/// [`Malformed`] if the record does not hold what the emitter's fields and their states say. Then nothing has been
/// appended.
pub fn write_emit(
    record: &EmitRecord<'_>,
    emitter: &Emitter,
    definitions: &Definitions,
    out: &mut Vec<u8>,
) -> Result<u32, Malformed> {
    or_nothing(out, |out| {
        let start = out.len();
        let mut fields = Fields::new(record, emitter, definitions)?;
        fields.write(false, out)?;
        if !fields.cuts.is_empty() {
            // Rare: written again without a field that would stand beside the list of cuts under the same name.
            out.truncate(start);
            fields = Fields::new(record, emitter, definitions)?;
            fields.write(true, out)?;
            if out.len() > start + 1 {
                out.push(b',');
            }
            fields.cuts.write_field(out);
        }
        out.push(b'}');
        Ok(fields.mistyped)
    })
}

struct Fields<'a> {
    emitter: &'a Emitter,
    definitions: &'a Definitions,
    first_states: u32,
    /// States from the 17th field on, four bytes for 16.
    further_states: &'a [u8],
    words: &'a [u8],
    /// Bytes of strings that have not been read yet.
    strings: &'a [u8],
    cuts: Cuts,
    mistyped: u32,
}

impl<'a> Fields<'a> {
    fn new(
        record: &EmitRecord<'a>,
        emitter: &'a Emitter,
        definitions: &'a Definitions,
    ) -> Result<Self, Malformed> {
        let count = emitter.fields.len();
        let further_bytes =
            (count.div_ceil(STATES_PER_GROUP).saturating_sub(1) * 4).next_multiple_of(WORD_BYTES);
        let too_short = Malformed {
            expected: "a word for every field of the emitter",
            at_byte: 32,
        };
        let (further_states, rest) = record
            .fields
            .split_at_checked(further_bytes)
            .ok_or(too_short)?;
        let (words, strings) = rest.split_at_checked(count * WORD_BYTES).ok_or(too_short)?;
        let first_states = record.first_states;
        Ok(Self {
            emitter,
            definitions,
            first_states,
            further_states,
            words,
            strings,
            cuts: Cuts::default(),
            mistyped: 0,
        })
    }

    /// Writes the opening brace and the fields.
    fn write(&mut self, without_cut: bool, out: &mut Vec<u8>) -> Result<(), Malformed> {
        out.push(b'{');
        let mut states = self.first_states;
        let mut further = self.further_states.chunks_exact(4);
        let start = out.len();
        let (words, _) = self.words.as_chunks::<WORD_BYTES>();
        for (index, (field, word)) in self.emitter.fields.iter().zip(words).enumerate() {
            if index > 0 && index.is_multiple_of(STATES_PER_GROUP) {
                let group = further.next().and_then(<[u8]>::first_chunk);
                states =
                    u32::from_le_bytes(*group.ok_or(malformed("states of every field", index))?);
            }
            let state = states & 0b11;
            states >>= 2;
            if state == at::FIELD_ABSENT {
                continue;
            }
            let field_start = out.len();
            if field_start > start {
                out.push(b',');
            }
            let name = self.definitions.string(field.name).ok_or(UNKNOWN_STRING)?;
            out.extend_from_slice(name.json_key.as_bytes());
            let is_written = self.field(field, state, u64::from_le_bytes(*word), index, out)?;
            if !is_written || without_cut && &*name.text == "$cut" {
                out.truncate(field_start);
            }
        }
        Ok(())
    }

    /// Writes a field's value; false if it was of the wrong type.
    #[inline]
    fn field(
        &mut self,
        field: &EmitterField,
        state: u32,
        word: u64,
        index: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, Malformed> {
        let low = word as u32;
        match (field.field_type, state) {
            (FieldType::I64, at::FIELD_PLAIN) => return Ok(self.integer(f64::from_bits(word), out)),
            (FieldType::I64, at::FIELD_ALTERNATIVE) => write_integer(word as i64, out),
            (FieldType::F64, at::FIELD_PLAIN) => {
                let value = f64::from_bits(word);
                if value.is_finite() {
                    write_finite(value, out);
                } else {
                    out.extend_from_slice(b"null");
                    self.cut(field, CutReason::NonFinite)?;
                }
            }
            (FieldType::Bool, at::FIELD_PLAIN) => match low {
                0 => out.extend_from_slice(b"false"),
                1 => out.extend_from_slice(b"true"),
                _ => return Err(malformed("0 or 1 for a boolean", index)),
            },
            (FieldType::Symbol, at::FIELD_PLAIN) => {
                let symbol = self.definitions.string(low).ok_or(UNKNOWN_STRING)?;
                out.extend_from_slice(symbol.json().as_bytes());
            }
            (FieldType::Utf8, at::FIELD_PLAIN) | (FieldType::Symbol, at::FIELD_ALTERNATIVE) => {
                write_string(self.string(low as usize, index)?, out);
            }
            (FieldType::Utf8, at::FIELD_ALTERNATIVE) | (FieldType::Symbol, at::FIELD_CUT) => {
                write_string(self.string(low as usize, index)?, out);
                self.cut(field, CutReason::Length)?;
            }
            _ => return Err(malformed("a state that the field's type has", index)),
        }
        Ok(true)
    }

    #[inline]
    fn integer(&mut self, value: f64, out: &mut Vec<u8>) -> bool {
        let integer = value as i64;
        // The cast saturates: 2^63 would pass for the greatest integer, whose float it is.
        let is_integer = integer as f64 == value && integer != i64::MAX;
        if is_integer {
            write_integer(integer, out);
        } else {
            self.mistyped += 1;
        }
        is_integer
    }

    fn string(&mut self, length_bytes: usize, index: usize) -> Result<&'a str, Malformed> {
        let (bytes, rest) = self
            .strings
            .split_at_checked(length_bytes)
            .ok_or(malformed("a string's bytes", index))?;
        self.strings = rest;
        std::str::from_utf8(bytes).map_err(|_| malformed("UTF-8", index))
    }

    fn cut(&mut self, field: &EmitterField, reason: CutReason) -> Result<(), Malformed> {
        let path = Path::Key {
            parent: &Path::Root,
            key: Text::Defined(field.name),
        };
        self.cuts.add(&path, reason, self.definitions)
    }
}

/// An error at a field of the emitter, counted in words.
fn malformed(expected: &'static str, field_index: usize) -> Malformed {
    Malformed {
        expected,
        at_byte: 32 + field_index * WORD_BYTES,
    }
}
