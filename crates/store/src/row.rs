//! One event on its way into a segment.

use std::borrow::Cow;

use crate::columns::DictionaryColumn;

/// A tag's key and value.
pub type Tag<'a> = (Cow<'a, str>, Cow<'a, str>);

/// A field that an event may leave to its context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inherited<T> {
    /// Not given: the context's.
    FromContext,
    /// Given as none.
    Nothing,
    /// Given.
    Value(T),
}

impl<T> Inherited<T> {
    /// The value that holds, given the context's.
    pub fn or(self, context: Option<T>) -> Option<T> {
        match self {
            Self::FromContext => context,
            Self::Nothing => None,
            Self::Value(value) => Some(value),
        }
    }
}

/// A text that may have a definition's id, under which its code in the segment is remembered.
#[derive(Clone, Copy, Debug)]
pub struct TextRef<'a> {
    /// Id of the defined string.
    pub id: Option<u32>,
    /// The text.
    pub text: &'a str,
}

/// Where in the source an event comes from.
#[derive(Clone, Copy, Debug, Default)]
pub struct SiteRef<'a> {
    /// Id of the defined site, if every field is just as it was defined.
    pub id: Option<u32>,
    /// Module, class or file, as the caller names it.
    pub module: Option<&'a str>,
    /// Function.
    pub function: Option<&'a str>,
    /// Number of parameters.
    pub arity: Option<u16>,
    /// Source file.
    pub file: Option<&'a str>,
    /// 1-based.
    pub line: Option<u32>,
}

/// Everything a row is made of except what its producer's context adds.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// 16 bits of producer, 48 bits of sequence.
    pub event_id: u64,
    /// On the recording's time line.
    pub timestamp: i64,
    /// Nanoseconds since the Unix epoch; none: derived from `timestamp`.
    pub wall_time: Option<i64>,
    /// What happened.
    pub event_type: TextRef<'a>,
    /// Where.
    pub site: SiteRef<'a>,
    /// Instead of the recording's node.
    pub node: Option<&'a str>,
    /// Instead of the context's pid.
    pub pid: Option<&'a str>,
    /// Instead of the context's.
    pub correlation_id: Inherited<&'a str>,
    /// The parent's event id, instead of the context's.
    pub parent_id: Inherited<u64>,
    /// Merged over the context's tags, later keys winning.
    pub tags: &'a [Tag<'a>],
    /// JSON text.
    pub data: Option<&'a str>,
}

/// A row's dictionary codes in the open segment.
#[derive(Clone, Copy, Debug)]
pub struct RowCodes {
    /// `event_type`
    pub event_type: i32,
    /// `node`
    pub node: i32,
    /// `pid`
    pub pid: i32,
    /// `correlation_id`
    pub correlation_id: Option<i32>,
    /// `module`, `function`, `file`
    pub site: SiteCodes,
}

impl RowCodes {
    /// The same row's codes elsewhere; none when one of them has none there.
    pub fn map(&self, mut code: impl FnMut(DictionaryColumn, i32) -> Option<i32>) -> Option<Self> {
        let mut optional = |column, given: Option<i32>| match given {
            Some(given) => code(column, given).map(Some),
            None => Some(None),
        };
        let correlation_id = optional(DictionaryColumn::CorrelationId, self.correlation_id)?;
        let site = SiteCodes {
            module: optional(DictionaryColumn::Module, self.site.module)?,
            function: optional(DictionaryColumn::Function, self.site.function)?,
            file: optional(DictionaryColumn::File, self.site.file)?,
        };
        Some(Self {
            event_type: code(DictionaryColumn::EventType, self.event_type)?,
            node: code(DictionaryColumn::Node, self.node)?,
            pid: code(DictionaryColumn::Pid, self.pid)?,
            correlation_id,
            site,
        })
    }
}

/// Dictionary codes of a site.
#[derive(Clone, Copy, Debug, Default)]
pub struct SiteCodes {
    /// `module`
    pub module: Option<i32>,
    /// `function`
    pub function: Option<i32>,
    /// `file`
    pub file: Option<i32>,
}

/// What goes into the columns that have no dictionary.
#[derive(Clone, Copy, Debug)]
pub struct RowValues<'a> {
    /// `event_id`
    pub event_id: u64,
    /// `timestamp`
    pub timestamp: i64,
    /// `wall_time`
    pub wall_time: i64,
    /// `parent_id`
    pub parent_id: Option<u64>,
    /// `arity`
    pub arity: Option<u16>,
    /// `line`
    pub line: Option<u32>,
    /// `tags`; none is null.
    pub tags: Option<&'a [Tag<'a>]>,
    /// `data`
    pub data: Option<&'a str>,
}
