//! Records as the reader hands them over: borrowed from the ring, their bodies not decoded yet.

use crate::event::EventFields;
use crate::layout as at;
use crate::value::{Malformed, Text, Token, ValueReader};

/// Takes what a [`crate::RingReader`] reads, in the producer's order.
pub trait RecordSink {
    /// From here on the producer's context slot means this.
    fn context(&mut self, record: ContextRecord<'_>);
    /// An emitter's event.
    fn emit(&mut self, record: EmitRecord<'_>);
    /// A function entry.
    fn enter(&mut self, record: EnterRecord<'_>);
    /// A function exit.
    fn exit(&mut self, record: ExitRecord<'_>);
    /// An event with an envelope of its own.
    fn event(&mut self, record: EventRecord<'_>);
    /// Attempts that were not stored.
    fn loss(&mut self, loss: Loss);
}

/// Why attempts were not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LossCause {
    /// The ring was full.
    RingFull,
    /// The record was longer than a record may be.
    TooLarge,
    /// The event could not be encoded.
    Encoder,
    /// The record was never finished, or the ring's contents are not what the format says.
    Torn,
}

/// Attempts of one producer that were not stored, consecutive numbers of its sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Why.
    pub cause: LossCause,
    /// The first number.
    pub first_sequence: u64,
    /// The last number, inclusive.
    pub last_sequence: u64,
    /// How many: `last_sequence - first_sequence + 1`.
    pub count: u64,
    /// When the first one was lost, raw monotonic nanoseconds, as far as it is known.
    pub since_raw_ns: i64,
    /// When the loss was noticed, raw monotonic nanoseconds.
    pub until_raw_ns: i64,
}

/// A record's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordTime {
    /// Raw monotonic nanoseconds (`process.hrtime`).
    Raw(i64),
    /// A copy of the coarse clock, raw monotonic nanoseconds: the event's time is the later of it and the producer's
    /// last time.
    Coarse(i64),
    /// The caller's `timestamp`, nanoseconds on the recording's time line.
    Given(i64),
}

/// What records of all events have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// Number in the producer's sequence, below 2^48.
    pub sequence: u64,
    /// Context slot, 0 (the thread's own) to 4095.
    pub slot: u16,
    /// When.
    pub time: RecordTime,
    /// Number in this producer's sequence of the parent; `None`: the context's parent.
    pub parent: Option<u64>,
}

/// Where in the code an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteRef<'a> {
    /// Nowhere.
    None,
    /// Id of a defined site, see [`crate::Definitions::site`].
    Defined(u32),
    /// In the record itself.
    Inline(InlineSite<'a>),
}

/// A site that a record carries; `None` where unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InlineSite<'a> {
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
}

/// A `CONTEXT` record.
#[derive(Clone, Copy, Debug)]
pub struct ContextRecord<'a> {
    /// The slot that gets a new meaning, 1 to 4095.
    pub slot: u16,
    /// Parent of events that name none: an event id (of any producer).
    pub parent: Option<u64>,
    pub(crate) body: &'a [u8],
}

/// What a context says about its events.
#[derive(Clone, Debug)]
pub struct ContextValues<'a> {
    /// Logical process; `None`: the thread's.
    pub pid: Option<Text<'a>>,
    /// Correlation id.
    pub correlation_id: Option<Text<'a>>,
    /// Tags, if it has any.
    pub tags: Option<Tags<'a>>,
}

impl<'a> ContextRecord<'a> {
    /// Decodes the context.
    ///
    /// # Errors
    /// [`Malformed`] if the body is not pid, correlation id and tags.
    pub fn values(&self) -> Result<ContextValues<'a>, Malformed> {
        let mut reader = ValueReader::new(self.body);
        Ok(ContextValues {
            pid: reader.text_or_null()?,
            correlation_id: reader.text_or_null()?,
            tags: Tags::read_or_null(&mut reader)?,
        })
    }
}

/// Tags of an event or context; checked when made, so that iterating cannot fail.
#[derive(Clone, Debug)]
pub struct Tags<'a> {
    reader: ValueReader<'a>,
}

impl<'a> Tags<'a> {
    /// The tags of a tagged value, as [`EventFields`] takes them: an object of strings.
    ///
    /// # Errors
    /// [`Malformed`] if the value is not exactly that.
    pub fn new(value: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = ValueReader::new(value);
        let tags = Self::read_or_null(&mut reader)?.ok_or(malformed_tags())?;
        if reader.is_at_end() {
            Ok(tags)
        } else {
            Err(reader.expected("the end of the tags"))
        }
    }

    /// Reads an object of strings, or null as `None`. Values that were not captured are left out.
    pub(crate) fn read_or_null(reader: &mut ValueReader<'a>) -> Result<Option<Self>, Malformed> {
        let mut token = reader.token()?;
        if let Token::Mark(_) = token {
            token = reader.token()?;
        }
        match token {
            Token::Null | Token::Cut(_) => return Ok(None),
            Token::Object => {}
            _ => return Err(malformed_tags()),
        }
        let tags = Self {
            reader: reader.clone(),
        };
        while reader.key()?.is_some() {
            reader.text_or_null()?;
        }
        Ok(Some(tags))
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = (Text<'a>, Text<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let key = self.reader.key().ok()??;
            if let Some(value) = self.reader.text_or_null().ok()? {
                return Some((key, value));
            }
        }
    }
}

const fn malformed_tags() -> Malformed {
    Malformed {
        expected: "an object of strings",
        at_byte: 0,
    }
}

/// An `EMIT` record; [`crate::write_emit`] makes its JSON.
#[derive(Clone, Copy, Debug)]
pub struct EmitRecord<'a> {
    /// What records of all events have.
    pub header: RecordHeader,
    /// Id of the emitter, see [`crate::Definitions::emitter`].
    pub emitter: u32,
    /// States of the first 16 fields.
    pub(crate) first_states: u32,
    /// Further states, fields and strings: everything from word 4.
    pub(crate) fields: &'a [u8],
}

/// An `ENTER` record.
#[derive(Clone, Copy, Debug)]
pub struct EnterRecord<'a> {
    /// What records of all events have; `sequence` is the call's entry.
    pub header: RecordHeader,
    pub(crate) site: i32,
    pub(crate) body: &'a [u8],
}

impl<'a> EnterRecord<'a> {
    /// Where the call is, and its `data` as a tagged value.
    ///
    /// # Errors
    /// [`Malformed`] if an inline site is not what the format says. The data is checked by whoever reads it.
    pub fn parts(&self) -> Result<(SiteRef<'a>, Option<&'a [u8]>), Malformed> {
        site_and_data(self.site, self.body)
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// It returned, or its promise was fulfilled.
    Normal = 0,
    /// It threw.
    Throw = 1,
    /// Its promise was rejected.
    Reject = 2,
    /// Its generator was given up.
    Abandoned = 3,
}

impl ExitReason {
    /// The reason of a number of the format; `None` for a number that is no reason.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        [Self::Normal, Self::Throw, Self::Reject, Self::Abandoned]
            .get(number as usize)
            .copied()
    }

    /// The name in `exit_reason`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Throw => "throw",
            Self::Reject => "reject",
            Self::Abandoned => "abandoned",
        }
    }
}

/// An `EXIT` record; [`crate::write_exit`] makes its JSON.
#[derive(Clone, Copy, Debug)]
pub struct ExitRecord<'a> {
    /// What records of all events have; `parent` is the call's entry.
    pub header: RecordHeader,
    /// The entry's raw monotonic nanoseconds.
    pub entry_raw_ns: i64,
    /// How the call ended.
    pub reason: ExitReason,
    pub(crate) site: i32,
    pub(crate) body: &'a [u8],
}

impl<'a> ExitRecord<'a> {
    /// Where the call is, and the exit's own fields as a tagged object.
    ///
    /// # Errors
    /// As [`EnterRecord::parts`].
    pub fn parts(&self) -> Result<(SiteRef<'a>, Option<&'a [u8]>), Malformed> {
        site_and_data(self.site, self.body)
    }
}

/// An `EVENT` record.
#[derive(Clone, Copy, Debug)]
pub struct EventRecord<'a> {
    /// What records of all events have.
    pub header: RecordHeader,
    pub(crate) event_type: i32,
    pub(crate) presence: u32,
    pub(crate) site: i32,
    pub(crate) body: &'a [u8],
}

impl<'a> EventRecord<'a> {
    /// Decodes the envelope.
    ///
    /// # Errors
    /// [`Malformed`] if the body is not what the presence mask and the format say.
    pub fn fields(&self) -> Result<EventFields<'a>, Malformed> {
        EventFields::read(self)
    }
}

/// Reads the site that `site` names; an inline one opens the values.
pub(crate) fn read_site<'a>(
    site: i32,
    reader: &mut ValueReader<'a>,
) -> Result<SiteRef<'a>, Malformed> {
    Ok(match site {
        at::SITE_NONE => SiteRef::None,
        at::SITE_INLINE => SiteRef::Inline(InlineSite {
            module: reader.text_or_null()?,
            function: reader.text_or_null()?,
            arity: read_arity_or_null(reader)?,
            file: reader.text_or_null()?,
            line: read_line_or_null(reader)?,
        }),
        // The reader of the ring lets no other negative id pass.
        id => SiteRef::Defined(id.unsigned_abs()),
    })
}

pub(crate) fn read_arity_or_null(reader: &mut ValueReader<'_>) -> Result<Option<u16>, Malformed> {
    const EXPECTED: &str = "an arity of 0 to 65535 or null";
    let expected = reader.expected(EXPECTED);
    match reader.token()? {
        Token::Null => Ok(None),
        Token::Int32(arity) => u16::try_from(arity).map(Some).map_err(|_| expected),
        _ => Err(expected),
    }
}

pub(crate) fn read_line_or_null(reader: &mut ValueReader<'_>) -> Result<Option<u32>, Malformed> {
    const EXPECTED: &str = "a line of 0 to 4294967295 or null";
    let expected = reader.expected(EXPECTED);
    match reader.token()? {
        Token::Null => Ok(None),
        Token::Int32(line) => u32::try_from(line).map(Some).map_err(|_| expected),
        // The cast saturates, and so keeps exactly the integers of the range.
        Token::F64(line) if f64::from(line as u32) == line => Ok(Some(line as u32)),
        _ => Err(expected),
    }
}

fn site_and_data(site: i32, body: &[u8]) -> Result<(SiteRef<'_>, Option<&[u8]>), Malformed> {
    let mut reader = ValueReader::new(body);
    let site = read_site(site, &mut reader)?;
    let data = reader.rest();
    Ok((site, (!data.is_empty()).then_some(data)))
}
