//! Random texts and values, each with the JSON that it must become.

use kinescope_ring::{Definitions, Text, ValueWriter};
use proptest::prelude::*;

/// A text that a record carries, or the id of a definition.
#[derive(Clone, Debug)]
pub struct AnyText {
    pub text: String,
    pub is_defined: bool,
}

impl AnyText {
    /// As a record refers to it; the definition is made if it is to be one.
    pub fn reference<'a>(&'a self, definitions: &Definitions) -> Text<'a> {
        let id = self
            .is_defined
            .then(|| definitions.define_string(&self.text))
            .flatten();
        id.map_or(Text::Inline(&self.text), Text::Defined)
    }
}

/// Text that needs no escaping in JSON, empty and beyond ASCII too.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(vec!["", "a", "main", "été", "日本語", "🎞", "worker-1"]).prop_map(str::to_owned),
        2 => "[a-zA-Z0-9 éß日🎞]{0,12}",
        1 => (100usize..400).prop_map(|length| "long".repeat(length)),
    ]
}

pub fn any_text() -> impl Strategy<Value = AnyText> {
    (text(), any::<bool>()).prop_map(|(text, is_defined)| AnyText { text, is_defined })
}

/// Tags with distinct keys.
pub fn tags() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::btree_map("[a-cé]{0,2}", text(), 0..4)
        .prop_map(|tags| tags.into_iter().collect())
}

/// A payload.
#[derive(Clone, Debug)]
pub enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Text(String),
    Array(Vec<Value>),
    Object(Vec<(String, Value)>),
}

impl Value {
    /// As a record carries it.
    pub fn write(&self, out: &mut ValueWriter) {
        match self {
            Self::Null => out.null(),
            Self::Bool(value) => out.bool(*value),
            Self::Integer(value) => out.i64(*value),
            Self::Text(text) => out.text(Text::Inline(text)),
            Self::Array(items) => {
                out.array();
                items.iter().for_each(|item| item.write(out));
                out.end()
            }
            Self::Object(fields) => {
                out.object();
                for (key, value) in fields {
                    out.text(Text::Inline(key));
                    value.write(out);
                }
                out.end()
            }
        };
    }

    pub fn tagged(&self) -> Vec<u8> {
        let mut out = ValueWriter::new();
        self.write(&mut out);
        out.as_bytes().to_vec()
    }

    /// As the log has it.
    pub fn json(&self) -> String {
        let joined = |parts: Vec<String>| parts.join(",");
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Text(text) => format!("\"{text}\""),
            Self::Array(items) => format!("[{}]", joined(items.iter().map(Self::json).collect())),
            Self::Object(fields) => format!("{{{}}}", fields_json(fields)),
        }
    }
}

/// Fields without their braces.
pub fn fields_json(fields: &[(String, Value)]) -> String {
    let field = |(key, value): &(String, Value)| format!("\"{key}\":{}", value.json());
    fields.iter().map(field).collect::<Vec<_>>().join(",")
}

/// An object's fields, with distinct names that mean nothing to the store.
pub fn fields(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Vec<(String, Value)>> {
    prop::collection::vec(value, 0..4).prop_map(|values| {
        let named = values.into_iter().enumerate();
        named
            .map(|(index, value)| (format!("k{index}é"), value))
            .collect()
    })
}

pub fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Integer),
        text().prop_map(Value::Text),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            fields(inner).prop_map(Value::Object),
        ]
    })
}
