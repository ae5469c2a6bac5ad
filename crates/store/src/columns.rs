//! The public columns: their order, their Arrow types, and which of them have dictionaries or nulls.

use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

/// Columns that are dictionary-encoded, as indexes into a segment's arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum DictionaryColumn {
    /// `event_type`
    EventType,
    /// `node`
    Node,
    /// `pid`
    Pid,
    /// `correlation_id`
    CorrelationId,
    /// `module`
    Module,
    /// `function`
    Function,
    /// `file`
    File,
}

impl DictionaryColumn {
    /// How many there are.
    pub const COUNT: usize = 7;

    /// All of them, in their order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::EventType,
        Self::Node,
        Self::Pid,
        Self::CorrelationId,
        Self::Module,
        Self::Function,
        Self::File,
    ];

    /// Where its nulls are, if it may have any.
    pub fn nullable(self) -> Option<NullableColumn> {
        match self {
            Self::EventType | Self::Node | Self::Pid => None,
            Self::CorrelationId => Some(NullableColumn::CorrelationId),
            Self::Module => Some(NullableColumn::Module),
            Self::Function => Some(NullableColumn::Function),
            Self::File => Some(NullableColumn::File),
        }
    }
}

/// Columns that may be null, as indexes into a segment's arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum NullableColumn {
    /// `correlation_id`
    CorrelationId,
    /// `parent_id`
    ParentId,
    /// `module`
    Module,
    /// `function`
    Function,
    /// `arity`
    Arity,
    /// `file`
    File,
    /// `line`
    Line,
    /// `tags`
    Tags,
    /// `data`
    Data,
}

impl NullableColumn {
    /// How many there are.
    pub const COUNT: usize = 9;
}

/// Fields of the entries of the `tags` map.
pub fn tag_entry_fields() -> Fields {
    Fields::from(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Utf8, true),
    ])
}

/// The Arrow type of `tags`.
pub fn tags_type() -> DataType {
    DataType::Map(
        Arc::new(Field::new(
            "entries",
            DataType::Struct(tag_entry_fields()),
            false,
        )),
        false,
    )
}

/// The schema of every segment and of every result without a projection.
pub fn event_schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let text = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        Arc::new(Schema::new(vec![
            Field::new("seq", DataType::UInt64, false),
            Field::new("event_id", DataType::UInt64, false),
            Field::new("timestamp", DataType::Int64, false),
            Field::new(
                "wall_time",
                DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
                false,
            ),
            Field::new("event_type", text(), false),
            Field::new("node", text(), false),
            Field::new("pid", text(), false),
            Field::new("correlation_id", text(), true),
            Field::new("parent_id", DataType::UInt64, true),
            Field::new("module", text(), true),
            Field::new("function", text(), true),
            Field::new("arity", DataType::UInt16, true),
            Field::new("file", text(), true),
            Field::new("line", DataType::UInt32, true),
            Field::new("tags", tags_type(), true),
            Field::new("data", DataType::Utf8, true),
        ]))
    });
    Arc::clone(&SCHEMA)
}
