//! Records as words, the counterpart of decoding them.

use crate::event::{EventFields, Inherited, bit};
use crate::layout as at;
use crate::record::{ExitReason, RecordTime, SiteRef};
use crate::value::Text;
use crate::value_writer::ValueWriter;
use crate::writer::{EventHead, FieldValue};

/// The words of one record; the commit word is left to whoever stores it.
#[derive(Default)]
pub(crate) struct Encoder {
    words: Vec<u64>,
    body: ValueWriter,
}

impl Encoder {
    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    pub(crate) fn loss(&mut self, cause: u32, number: u64, since_raw_ns: i64, now_raw_ns: i64) {
        self.words.clear();
        let number = (number as f64).to_bits();
        self.words.extend([
            u64::from(cause) << 32,
            now_raw_ns as u64,
            number,
            since_raw_ns as u64,
        ]);
    }

    pub(crate) fn context(
        &mut self,
        slot: u16,
        parent: Option<u64>,
        pid: Option<Text<'_>>,
        correlation_id: Option<Text<'_>>,
        tags: &[(&str, &str)],
    ) {
        self.body
            .clear()
            .text_or_null(pid)
            .text_or_null(correlation_id);
        if tags.is_empty() {
            self.body.null();
        } else {
            put_tags(
                &mut self.body,
                tags.iter()
                    .map(|(key, value)| (Text::Inline(key), Text::Inline(value))),
            );
        }
        self.words.clear();
        let length_bytes = self.body.as_bytes().len() as u64;
        self.words.extend([
            u64::from(slot) << 32,
            parent.unwrap_or(u64::MAX),
            length_bytes,
        ]);
        put_bytes(&mut self.words, self.body.as_bytes());
    }

    pub(crate) fn emit(&mut self, head: &EventHead, emitter: u32, fields: &[FieldValue<'_>]) {
        // The states of the first group share a word with the emitter, the others' have words of their own.
        let groups = fields.len().div_ceil(at::STATES_PER_GROUP).max(1);
        let mut states = vec![0u32; groups];
        for (index, field) in fields.iter().enumerate() {
            states[index / at::STATES_PER_GROUP] |=
                field.state() << (index % at::STATES_PER_GROUP * 2);
        }
        self.head(head);
        self.words
            .push(u64::from(emitter) | u64::from(states[0]) << 32);
        let pairs = states[1..]
            .chunks(2)
            .map(|pair| u64::from(pair[0]) | u64::from(pair.get(1).copied().unwrap_or(0)) << 32);
        self.words.extend(pairs);
        self.words.extend(fields.iter().map(FieldValue::word));
        let mut strings = Vec::new();
        for field in fields {
            strings.extend_from_slice(field.string().as_bytes());
        }
        put_bytes(&mut self.words, &strings);
    }

    pub(crate) fn enter(&mut self, head: &EventHead, site: SiteRef<'_>, data: &[u8]) {
        let site = self.start_body(site);
        self.body.encoded(data);
        self.head(head);
        self.put_body_after(|length_bytes| [halves(site as u32, length_bytes)]);
    }

    pub(crate) fn exit(
        &mut self,
        head: &EventHead,
        site: SiteRef<'_>,
        entry_raw_ns: i64,
        reason: ExitReason,
        fields: &[u8],
    ) {
        let site = self.start_body(site);
        self.body.encoded(fields);
        self.head(head);
        self.put_body_after(|length_bytes| {
            [
                halves(site as u32, length_bytes),
                entry_raw_ns as u64,
                reason as u64,
            ]
        });
    }

    pub(crate) fn event(&mut self, head: &EventHead, fields: &EventFields<'_>) {
        let site = self.start_body(fields.site);
        let body = &mut self.body;
        let mut presence = 0;
        let event_type = match fields.event_type {
            Text::Defined(id) => id as i32,
            text => {
                presence |= 1 << bit::EVENT_TYPE;
                body.text(text);
                at::EVENT_TYPE_INLINE
            }
        };
        if let Some(id) = fields.event_id {
            presence |= 1 << bit::EVENT_ID;
            body.u64(id);
        }
        presence |= put_text(body, bit::NODE, fields.node);
        presence |= put_text(body, bit::PID, fields.pid);
        presence |= match fields.correlation_id {
            Inherited::FromContext => 0,
            Inherited::None => present(body.null(), bit::CORRELATION_ID),
            Inherited::Value(id) => present(body.text(id), bit::CORRELATION_ID),
        };
        presence |= match fields.parent_id {
            Inherited::FromContext => 0,
            Inherited::None => present(body.null(), bit::PARENT_ID),
            Inherited::Value(id) => present(body.u64(id), bit::PARENT_ID),
        };
        presence |= place_fields(body, fields);
        self.head(head);
        self.put_body_after(|length_bytes| {
            [
                halves(event_type as u32, length_bytes),
                halves(presence, site as u32),
            ]
        });
    }

    /// Words 0 to 2 of an event's record.
    fn head(&mut self, head: &EventHead) {
        let (flags, time) = match head.time {
            RecordTime::Raw(raw_ns) => (0, raw_ns as u64),
            RecordTime::Coarse(raw_ns) => (at::FLAG_COARSE, (raw_ns as f64).to_bits()),
            RecordTime::Given(timestamp) => (at::FLAG_GIVEN, timestamp as u64),
        };
        let parent = head.parent.map_or(-1.0, |parent| parent as f64);
        self.words.clear();
        self.words.extend([
            u64::from(u32::from(head.slot) | flags << 16) << 32,
            time,
            parent.to_bits(),
        ]);
    }

    fn put_body_after<const N: usize>(&mut self, words: impl FnOnce(u32) -> [u64; N]) {
        self.words.extend(words(self.body.as_bytes().len() as u32));
        put_bytes(&mut self.words, self.body.as_bytes());
    }

    /// Starts the body with an inline site; gives the site's id.
    fn start_body(&mut self, site: SiteRef<'_>) -> i32 {
        self.body.clear();
        match site {
            SiteRef::None => at::SITE_NONE,
            SiteRef::Defined(id) => id as i32,
            SiteRef::Inline(site) => {
                self.body
                    .text_or_null(site.module)
                    .text_or_null(site.function);
                put_integer_or_null(&mut self.body, site.arity.map(u32::from));
                self.body.text_or_null(site.file);
                put_integer_or_null(&mut self.body, site.line);
                at::SITE_INLINE
            }
        }
    }
}

/// Appends the fields from the module on; gives their bits.
fn place_fields(body: &mut ValueWriter, fields: &EventFields<'_>) -> u32 {
    let mut presence = put_text(body, bit::MODULE, fields.module);
    presence |= put_text(body, bit::FUNCTION, fields.function);
    if let Some(arity) = fields.arity {
        presence |= present(body.int32(i32::from(arity)), bit::ARITY);
    }
    presence |= put_text(body, bit::FILE, fields.file);
    if fields.line.is_some() {
        put_integer_or_null(body, fields.line);
        presence |= 1 << bit::LINE;
    }
    if let Some(tags) = &fields.tags {
        put_tags(body, tags.clone());
        presence |= 1 << bit::TAGS;
    }
    if let Some(nanoseconds) = fields.wall_time_ns {
        presence |= present(body.i64(nanoseconds), bit::WALL_TIME);
    }
    if let Some(data) = fields.data {
        presence |= present(body.encoded(data), bit::DATA);
    }
    presence
}

/// The bit of a field that has just been appended.
fn present(_appended: &mut ValueWriter, bit: u32) -> u32 {
    1 << bit
}

fn put_text(body: &mut ValueWriter, bit: u32, text: Option<Text<'_>>) -> u32 {
    text.map_or(0, |text| present(body.text(text), bit))
}

fn put_tags<'t>(body: &mut ValueWriter, tags: impl Iterator<Item = (Text<'t>, Text<'t>)>) {
    body.object();
    for (key, value) in tags {
        body.text(key).text(value);
    }
    body.end();
}

/// Appends an integer in the narrowest form that the format takes.
fn put_integer_or_null(body: &mut ValueWriter, integer: Option<u32>) {
    match integer.map(|integer| (integer, i32::try_from(integer))) {
        None => body.null(),
        Some((_, Ok(integer))) => body.int32(integer),
        Some((integer, Err(_))) => body.f64(f64::from(integer)),
    };
}

fn halves(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

/// Appends bytes, padded to a whole word.
fn put_bytes(words: &mut Vec<u64>, bytes: &[u8]) {
    let (whole, rest) = bytes.as_chunks::<{ at::WORD_BYTES }>();
    words.extend(whole.iter().map(|word| u64::from_le_bytes(*word)));
    if !rest.is_empty() {
        let mut word = [0; at::WORD_BYTES];
        word[..rest.len()].copy_from_slice(rest);
        words.push(u64::from_le_bytes(word));
    }
}
