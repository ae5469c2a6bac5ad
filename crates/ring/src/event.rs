//! The envelope of an `EVENT` record.

use crate::layout as at;
use crate::record::{EventRecord, SiteRef, Tags, read_arity_or_null, read_line_or_null, read_site};
use crate::value::{Malformed, Text, Token, ValueReader};

/// A field that an event can leave to its context, or set to none whatever the context says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inherited<T> {
    /// Not given: the context's.
    #[default]
    FromContext,
    /// Given as none.
    None,
    /// Given.
    Value(T),
}

/// An event's envelope; what is absent is `None`. Fields of its own win over the site's.
#[derive(Clone, Debug)]
pub struct EventFields<'a> {
    /// Type of the event.
    pub event_type: Text<'a>,
    /// Event id, 16 bits of producer and 48 bits of sequence, if the caller gave one.
    pub event_id: Option<u64>,
    /// Node.
    pub node: Option<Text<'a>>,
    /// Logical process.
    pub pid: Option<Text<'a>>,
    /// Correlation id.
    pub correlation_id: Inherited<Text<'a>>,
    /// Parent's event id (of any producer).
    pub parent_id: Inherited<u64>,
    /// Where the event comes from.
    pub site: SiteRef<'a>,
    /// Module name.
    pub module: Option<Text<'a>>,
    /// Function name.
    pub function: Option<Text<'a>>,
    /// Number of parameters.
    pub arity: Option<u16>,
    /// Source file.
    pub file: Option<Text<'a>>,
    /// Line in the file, from 1.
    pub line: Option<u32>,
    /// Tags, merged over the context's.
    pub tags: Option<Tags<'a>>,
    /// Nanoseconds since the Unix epoch.
    pub wall_time_ns: Option<i64>,
    /// The payload, a tagged value that is checked by whoever reads it.
    pub data: Option<&'a [u8]>,
}

pub(crate) use crate::layout::bit;

impl<'a> EventFields<'a> {
    /// An event of a type, everything else absent.
    #[must_use]
    pub fn of_type(event_type: Text<'a>) -> Self {
        Self {
            event_type,
            event_id: None,
            node: None,
            pid: None,
            correlation_id: Inherited::FromContext,
            parent_id: Inherited::FromContext,
            site: SiteRef::None,
            module: None,
            function: None,
            arity: None,
            file: None,
            line: None,
            tags: None,
            wall_time_ns: None,
            data: None,
        }
    }

    pub(crate) fn read(record: &EventRecord<'a>) -> Result<Self, Malformed> {
        let mut reader = ValueReader::new(record.body);
        let reader = &mut reader;
        let site = read_site(record.site, reader)?;
        let has = |bit: u32| record.presence >> bit & 1 == 1;
        let text =
            |reader: &mut ValueReader<'a>, bit: u32| has(bit).then(|| reader.text()).transpose();
        let in_body = text(reader, bit::EVENT_TYPE)?;
        let event_type = match record.event_type {
            at::EVENT_TYPE_INLINE => in_body.ok_or(reader.expected("an event type"))?,
            id => Text::Defined(id.unsigned_abs()),
        };
        let event_id = has(bit::EVENT_ID)
            .then(|| read_u64_or_null(reader))
            .transpose()?
            .flatten();
        let node = text(reader, bit::NODE)?;
        let pid = text(reader, bit::PID)?;
        let correlation_id = inherited(has(bit::CORRELATION_ID), || reader.text_or_null())?;
        let parent_id = inherited(has(bit::PARENT_ID), || read_u64_or_null(reader))?;
        let module = text(reader, bit::MODULE)?;
        let function = text(reader, bit::FUNCTION)?;
        let arity = has(bit::ARITY)
            .then(|| read_arity_or_null(reader))
            .transpose()?
            .flatten();
        let file = text(reader, bit::FILE)?;
        let line = has(bit::LINE)
            .then(|| read_line_or_null(reader))
            .transpose()?
            .flatten();
        let tags = has(bit::TAGS)
            .then(|| Tags::read_or_null(reader))
            .transpose()?
            .flatten();
        let wall_time_ns = has(bit::WALL_TIME).then(|| read_i64(reader)).transpose()?;
        let data = has(bit::DATA).then(|| reader.rest());
        Ok(Self {
            event_type,
            event_id,
            node,
            pid,
            correlation_id,
            parent_id,
            site,
            module,
            function,
            arity,
            file,
            line,
            tags,
            wall_time_ns,
            data,
        })
    }
}

fn inherited<T>(
    is_given: bool,
    read: impl FnOnce() -> Result<Option<T>, Malformed>,
) -> Result<Inherited<T>, Malformed> {
    if !is_given {
        return Ok(Inherited::FromContext);
    }
    Ok(read()?.map_or(Inherited::None, Inherited::Value))
}

fn read_u64_or_null(reader: &mut ValueReader<'_>) -> Result<Option<u64>, Malformed> {
    let expected = reader.expected("an event id or null");
    match reader.token()? {
        Token::U64(id) => Ok(Some(id)),
        Token::Null => Ok(None),
        _ => Err(expected),
    }
}

fn read_i64(reader: &mut ValueReader<'_>) -> Result<i64, Malformed> {
    let expected = reader.expected("nanoseconds since the Unix epoch");
    match reader.token()? {
        Token::I64(nanoseconds) => Ok(nanoseconds),
        _ => Err(expected),
    }
}
