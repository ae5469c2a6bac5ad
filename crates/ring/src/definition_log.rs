//! Definitions as bytes, so that the records of a dead process can be read; docs/format.md draws them.

use crate::definitions::{Definitions, Emitter, EmitterField, FieldType, Site};

const KIND_STRING: u8 = 1;
const KIND_SITE: u8 = 2;
const KIND_EMITTER: u8 = 3;
/// Kind and length in front of an entry, checksum behind it.
const FRAME_BYTES: usize = 9;
/// Stands for no id.
const NONE: u32 = u32::MAX;

/// Takes each definition's bytes before its id is given out; false when it could not keep them, and then there is no id.
pub type DefinitionLog = Box<dyn FnMut(&[u8]) -> bool + Send>;

fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut entry = Vec::with_capacity(body.len() + FRAME_BYTES);
    entry.push(kind);
    entry.extend((body.len() as u32).to_le_bytes());
    entry.extend(body);
    entry.extend(crc32fast::hash(&entry).to_le_bytes());
    entry
}

pub(crate) fn string_entry(text: &str) -> Vec<u8> {
    framed(KIND_STRING, text.as_bytes())
}

pub(crate) fn site_entry(site: &Site) -> Vec<u8> {
    let mut body = Vec::with_capacity(24);
    for id in [
        site.module,
        site.function,
        site.file,
        site.arity.map(u32::from),
    ] {
        body.extend(id.unwrap_or(NONE).to_le_bytes());
    }
    body.extend(site.line.map_or(u64::MAX, u64::from).to_le_bytes());
    framed(KIND_SITE, &body)
}

pub(crate) fn emitter_entry(emitter: &Emitter) -> Vec<u8> {
    let mut body = Vec::with_capacity(8 + emitter.fields.len() * 5);
    body.extend(emitter.event_type.to_le_bytes());
    body.extend(emitter.site.unwrap_or(NONE).to_le_bytes());
    for field in &emitter.fields {
        body.extend(field.name.to_le_bytes());
        body.push(field.field_type as u8);
    }
    framed(KIND_EMITTER, &body)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn id_at(bytes: &[u8], at: usize) -> Option<Option<u32>> {
    u32_at(bytes, at).map(|id| (id != NONE).then_some(id))
}

fn site(body: &[u8]) -> Option<Site> {
    let line = u64::from_le_bytes(*body.get(16..)?.first_chunk()?);
    Some(Site {
        module: id_at(body, 0)?,
        function: id_at(body, 4)?,
        file: id_at(body, 8)?,
        arity: id_at(body, 12)?.and_then(|arity| u16::try_from(arity).ok()),
        line: u32::try_from(line).ok(),
    })
}

fn emitter(body: &[u8]) -> Option<Emitter> {
    let (fields, rest) = body.get(8..)?.as_chunks::<5>();
    if !rest.is_empty() {
        return None;
    }
    let field = |field: &[u8; 5]| {
        Some(EmitterField {
            name: u32_at(field, 0)?,
            field_type: FieldType::from_number(u32::from(field[4]))?,
        })
    };
    Some(Emitter {
        event_type: u32_at(body, 0)?,
        site: id_at(body, 4)?,
        fields: fields.iter().map(field).collect::<Option<_>>()?,
    })
}

impl Definitions {
    /// The definitions of a dead process, from what its [`DefinitionLog`] took. What follows the first entry that is not
    /// whole is left out: its id was never given out.
    #[must_use]
    pub fn of_log(bytes: &[u8]) -> Self {
        let definitions = Self::new();
        let mut rest = bytes;
        while let Some((kind, body, behind)) = entry(rest) {
            let taken = match kind {
                KIND_STRING => std::str::from_utf8(body)
                    .ok()
                    .and_then(|text| definitions.define_string(text)),
                KIND_SITE => site(body).and_then(|site| definitions.restore_site(site)),
                KIND_EMITTER => {
                    emitter(body).and_then(|emitter| definitions.restore_emitter(emitter))
                }
                _ => None,
            };
            if taken.is_none() {
                break;
            }
            rest = behind;
        }
        definitions
    }
}

/// Kind and body of the entry that bytes start with, and what follows it.
fn entry(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let length = u32_at(bytes, 1)? as usize;
    let end = length.checked_add(5)?;
    let checked = bytes.get(..end)?;
    if u32_at(bytes, end)? != crc32fast::hash(checked) {
        return None;
    }
    Some((bytes[0], &checked[5..], &bytes[end + 4..]))
}
