//! JSON against a slow and obvious oracle, and the rules of "As JSON" one by one.
#![cfg(not(loom))]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;

use kinescope_ring::*;
use proptest::prelude::*;
use serde_json::json;
use support::{KeepingSink, head_at, recording};

/// A value as a tree; the oracle makes JSON from it, the writer bytes.
#[derive(Clone, Debug)]
enum Tree {
    Null,
    Bool(bool),
    Int32(i32),
    F64(f64),
    I64(i64),
    U64(u64),
    Text(String),
    /// Text that is defined first.
    Symbol(String),
    Cut(CutReason),
    Mark(CutReason, Box<Tree>),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

fn put(tree: &Tree, definitions: &Definitions, out: &mut ValueWriter) {
    match tree {
        Tree::Null => out.null(),
        Tree::Bool(value) => out.bool(*value),
        Tree::Int32(value) => out.int32(*value),
        Tree::F64(value) => out.f64(*value),
        Tree::I64(value) => out.i64(*value),
        Tree::U64(value) => out.u64(*value),
        Tree::Text(text) => out.text(Text::Inline(text)),
        Tree::Symbol(text) => out.text(Text::Defined(
            definitions.define_string(text).expect("below the cap"),
        )),
        Tree::Cut(reason) => out.cut(*reason),
        Tree::Mark(reason, inner) => {
            out.mark(*reason);
            put(inner, definitions, out);
            out
        }
        Tree::Array(items) => {
            out.array();
            items.iter().for_each(|item| put(item, definitions, out));
            out.end()
        }
        Tree::Object(fields) => {
            out.object();
            for (index, (key, value)) in fields.iter().enumerate() {
                // Keys come in both forms.
                let id = (index % 2 == 0)
                    .then(|| definitions.define_string(key))
                    .flatten();
                out.text(id.map_or(Text::Inline(key), Text::Defined));
                put(value, definitions, out);
            }
            out.end()
        }
    };
}

/// The JSON text of a tree, with what was cut collected as (path, reason).
fn oracle(tree: &Tree, path: &str, cuts: &mut Vec<(String, &'static str)>) -> String {
    match tree {
        Tree::Null => "null".into(),
        Tree::Bool(value) => value.to_string(),
        Tree::Int32(value) => value.to_string(),
        Tree::I64(value) => value.to_string(),
        Tree::U64(value) => value.to_string(),
        Tree::F64(value) if !value.is_finite() => {
            oracle(&Tree::Cut(CutReason::NonFinite), path, cuts)
        }
        Tree::F64(value) => json!(value).to_string(),
        Tree::Text(text) | Tree::Symbol(text) => json!(text).to_string(),
        Tree::Cut(reason) => {
            cuts.push((path.to_owned(), reason.name()));
            "null".into()
        }
        Tree::Mark(reason, inner) => {
            cuts.push((path.to_owned(), reason.name()));
            oracle(inner, path, cuts)
        }
        Tree::Array(items) => {
            let item = |(index, item): (usize, &Tree)| {
                let dot = if path.is_empty() { "" } else { "." };
                oracle(item, &format!("{path}{dot}{index}"), cuts)
            };
            format!(
                "[{}]",
                items
                    .iter()
                    .enumerate()
                    .map(item)
                    .collect::<Vec<_>>()
                    .join(",")
            )
        }
        Tree::Object(fields) => {
            let field = |(key, value): &(String, Tree)| {
                format!(
                    "{}:{}",
                    json!(key),
                    oracle(value, &key_path(path, key), cuts)
                )
            };
            format!(
                "{{{}}}",
                fields.iter().map(field).collect::<Vec<_>>().join(",")
            )
        }
    }
}

fn key_path(path: &str, key: &str) -> String {
    let is_letter = |character: char| character.is_ascii_alphabetic() || "_$".contains(character);
    let is_plain = key.starts_with(is_letter)
        && key
            .chars()
            .all(|character| is_letter(character) || character.is_ascii_digit());
    match (is_plain, path.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{path}.{key}"),
        (false, _) => format!("{path}[{}]", json!(key)),
    }
}

/// The whole `data`, cuts included.
fn oracle_root(tree: &Tree) -> serde_json::Value {
    let mut cuts = Vec::new();
    let text = oracle(tree, "", &mut cuts);
    let mut root: serde_json::Value = serde_json::from_str(&text).expect("the oracle writes JSON");
    if !cuts.is_empty() {
        let list: serde_json::Map<_, _> = cuts
            .into_iter()
            .map(|(path, reason)| (path, json!(reason)))
            .collect();
        if !root.is_object() {
            root = json!({ "$value": root });
        }
        if let Some(fields) = root.as_object_mut() {
            fields.shift_remove("$cut");
            fields.insert("$cut".into(), list.into());
        }
    }
    root
}

/// The same with every number as a number: texts of one float may differ.
fn numbers_as_values(value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Number(number) => {
            let text = number.to_string();
            let is_float = text.contains(['.', 'e', 'E']);
            let is_small = text
                .parse::<f64>()
                .is_ok_and(|float| float.trunc() == float && float.abs() < 2f64.powi(53));
            if is_float || is_small {
                json!(format!("{:?}", text.parse::<f64>().expect("a number")))
            } else {
                json!(format!("integer {text}"))
            }
        }
        serde_json::Value::Array(items) => items.iter().map(numbers_as_values).collect(),
        serde_json::Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| (key.clone(), numbers_as_values(value)));
            serde_json::Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

fn to_json(tree: &Tree) -> String {
    let definitions = Definitions::new();
    let mut value = ValueWriter::new();
    put(tree, &definitions, &mut value);
    assert_eq!(
        ValueReader::new(value.as_bytes()).value(),
        Ok(value.as_bytes())
    );
    let mut out = b"before".to_vec();
    write_value(value.as_bytes(), &definitions, &mut out).expect("well-formed");
    String::from_utf8(out.split_off(6)).expect("UTF-8")
}

fn reason() -> impl Strategy<Value = CutReason> {
    (1..=9u8).prop_map(|byte| CutReason::from_byte(byte).expect("a reason"))
}

fn tree() -> impl Strategy<Value = Tree> {
    let text = || prop_oneof![".{0,12}", "[ -~]{0,300}", "[\\x00-\\x1f\"\\\\/\u{7f}]{0,9}"];
    let leaf = prop_oneof![
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::Bool),
        any::<i32>().prop_map(Tree::Int32),
        any::<f64>().prop_map(Tree::F64),
        any::<i32>().prop_map(|integer| Tree::F64(f64::from(integer))),
        any::<i64>().prop_map(|integer| Tree::F64(integer as f64)),
        any::<i64>().prop_map(Tree::I64),
        any::<u64>().prop_map(Tree::U64),
        text().prop_map(Tree::Text),
        text().prop_map(Tree::Symbol),
        reason().prop_map(Tree::Cut),
    ];
    let marked = |(reason, tree): (Option<CutReason>, Tree)| match (reason, tree) {
        (Some(reason), tree) if !matches!(tree, Tree::Cut(_)) => Tree::Mark(reason, Box::new(tree)),
        (_, tree) => tree,
    };
    let marks = move || prop::option::weighted(0.1, reason());
    leaf.prop_recursive(6, 60, 8, move |inner| {
        let key =
            prop_oneof![3 => "[a-z$_][a-z0-9]{0,3}", 1 => ".{0,3}", 1 => Just("$cut".to_owned())];
        let fields =
            prop::collection::btree_map(key, (marks(), inner.clone()).prop_map(marked), 0..8);
        prop_oneof![
            prop::collection::vec((marks(), inner).prop_map(marked), 0..8).prop_map(Tree::Array),
            fields.prop_map(|fields| Tree::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn values_become_the_json_of_the_oracle(tree in tree()) {
        let text = to_json(&tree);
        let parsed: serde_json::Value = serde_json::from_str(&text).expect("valid JSON");
        prop_assert_eq!(numbers_as_values(&parsed), numbers_as_values(&oracle_root(&tree)));
        // The fields' order counts too, and serde_json's own text keeps it.
        let keys = |value: &serde_json::Value| {
            value.as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>())
        };
        prop_assert_eq!(keys(&parsed), keys(&oracle_root(&tree)));
    }

    #[test]
    fn numbers_read_back_and_show_what_they_were(bits in prop_oneof![any::<u64>(), any::<i64>().prop_map(|i| (i as f64).to_bits())]) {
        let number = f64::from_bits(bits);
        prop_assume!(number.is_finite());
        let text = to_json(&Tree::F64(number));
        prop_assert_eq!(text.parse::<f64>().expect("a number").to_bits(), bits);
        let is_integer = number.trunc() == number && number.abs() < 9_007_199_254_740_992.0;
        let is_negative_zero = bits == (-0.0f64).to_bits();
        prop_assert_eq!(!text.contains(['.', 'e']), is_integer && !is_negative_zero);
        prop_assert!(!text.contains('+'));
        let digits = |text: &str| {
            let mantissa = text.split('e').next().unwrap_or(text).to_owned();
            mantissa.replace(['.', '-'], "").trim_matches('0').len()
        };
        prop_assert_eq!(digits(&text), digits(&format!("{number:e}")));
    }

    #[test]
    fn emitted_fields_become_the_json_of_the_oracle(
        fields in prop::collection::vec((0..5u32, 0..4u32, any::<f64>(), any::<i64>(), ".{0,9}"), 0..70),
    ) {
        let definitions = Arc::new(Definitions::new());
        let names: Vec<_> = (0..fields.len()).map(|index| format!("f\"{index}")).collect();
        let types: Vec<_> = names
            .iter()
            .zip(&fields)
            .map(|(name, field)| (name.as_str(), FieldType::from_number(field.0).expect("a type")))
            .collect();
        let (mut values, mut expected, mut cuts) = (Vec::new(), serde_json::Map::new(), serde_json::Map::new());
        for ((name, field_type), (_, state, float, integer, text)) in types.iter().zip(&fields) {
            let path = format!("[{}]", json!(name));
            let (value, json) = match (field_type, state) {
                (_, 0) => (FieldValue::Absent, None),
                (FieldType::I64, 1) => (FieldValue::F64(f64::from(*integer as i32)), Some(json!(*integer as i32))),
                (FieldType::I64, _) => (FieldValue::I64(*integer), Some(json!(integer))),
                (FieldType::F64, _) => {
                    if !float.is_finite() {
                        cuts.insert(path, json!("non_finite"));
                    }
                    (FieldValue::F64(*float), Some(json!(float)))
                }
                (FieldType::Bool, _) => (FieldValue::Bool(*state == 1), Some(json!(*state == 1))),
                (FieldType::Utf8, 1) => (FieldValue::Utf8(text), Some(json!(text))),
                (FieldType::Utf8, _) => {
                    cuts.insert(path, json!("length"));
                    (FieldValue::Utf8Cut(text), Some(json!(text)))
                }
                (FieldType::Symbol, 1) => {
                    let id = definitions.define_string(text).expect("below the cap");
                    (FieldValue::Symbol(id), Some(json!(text)))
                }
                (FieldType::Symbol, 2) => (FieldValue::SymbolText(text), Some(json!(text))),
                (FieldType::Symbol, _) => {
                    cuts.insert(path, json!("length"));
                    (FieldValue::SymbolTextCut(text), Some(json!(text)))
                }
            };
            values.push(value);
            json.map(|json| expected.insert((*name).to_owned(), json));
        }
        if !cuts.is_empty() {
            expected.insert("$cut".into(), cuts.into());
        }
        let emitter = EmitterDefinition { event_type: "e", fields: &types, site: None };
        let emitter = definitions.define_emitter(emitter).expect("below the cap");
        let (mut writer, mut reader) = recording(1 << 12, 0, Publication::CommitWords);
        prop_assert_eq!(writer.emit(head_at(1), emitter, &values), Outcome::Stored(0));
        let mut sink = KeepingSink::new(&definitions);
        reader.read(u32::MAX, &mut sink);
        let parsed: serde_json::Value = serde_json::from_str(sink.texts()[0]).expect("valid JSON");
        prop_assert_eq!(numbers_as_values(&parsed), numbers_as_values(&expected.into()));
    }
}

fn object(fields: &[(&str, Tree)]) -> Tree {
    Tree::Object(
        fields
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect(),
    )
}

#[test]
fn numbers_look_as_the_format_says() {
    let cases = [
        (1.0, "1"),
        (-0.0, "-0.0"),
        (0.0, "0"),
        (1.5, "1.5"),
        (1e300, "1e300"),
        (1.152921504606847e18, "1.152921504606847e18"),
        (9_007_199_254_740_991.0, "9007199254740991"),
        (9_007_199_254_740_992.0, "9007199254740992.0"),
        (-1e-7, "-1e-7"),
    ];
    for (number, text) in cases {
        assert_eq!(to_json(&Tree::F64(number)), text);
    }
    assert_eq!(to_json(&Tree::I64(1 << 60)), "1152921504606846976");
}

#[test]
fn cuts_are_listed_at_the_root() {
    let proxy = || Tree::Cut(CutReason::Proxy);
    let args = Tree::Array(vec![object(&[("name", proxy()), ("a b", proxy())])]);
    assert_eq!(
        to_json(&object(&[("args", args)])),
        r#"{"args":[{"name":null,"a b":null}],"$cut":{"args.0.name":"proxy","args.0[\"a b\"]":"proxy"}}"#
    );
    assert_eq!(to_json(&proxy()), r#"{"$value":null,"$cut":{"":"proxy"}}"#);
    let array = Tree::Mark(
        CutReason::Length,
        Box::new(Tree::Array(vec![Tree::Null, proxy()])),
    );
    assert_eq!(
        to_json(&array),
        r#"{"$value":[null,null],"$cut":{"":"length","1":"proxy"}}"#
    );
    let fields = Tree::Mark(CutReason::Fields, Box::new(object(&[])));
    assert_eq!(to_json(&fields), r#"{"$cut":{"":"fields"}}"#);
}

#[test]
fn a_users_own_cut_field_gives_way_only_when_there_are_cuts() {
    let own = |value: Tree| [("$cut", value), ("a", Tree::Int32(1))];
    assert_eq!(
        to_json(&object(&own(Tree::Int32(2)))),
        r#"{"$cut":2,"a":1}"#
    );
    let cut = Tree::Cut(CutReason::Getter);
    assert_eq!(
        to_json(&object(&own(cut.clone()))),
        r#"{"a":1,"$cut":{"$cut":"getter"}}"#
    );
    let last = object(&[("a", cut.clone()), ("$cut", Tree::Int32(2))]);
    assert_eq!(to_json(&last), r#"{"a":null,"$cut":{"a":"getter"}}"#);
    assert_eq!(
        to_json(&object(&[("$cut", cut)])),
        r#"{"$cut":{"$cut":"getter"}}"#
    );
}

#[test]
fn an_exit_has_its_duration_first_and_its_reason_last() {
    let definitions = Definitions::new();
    let exit = |tree: Option<&Tree>| {
        let mut value = ValueWriter::new();
        if let Some(tree) = tree {
            put(tree, &definitions, &mut value);
        }
        let mut out = Vec::new();
        let result = write_exit(
            12,
            ExitReason::Throw,
            value.as_bytes(),
            &definitions,
            &mut out,
        );
        result.map(|()| String::from_utf8(out).expect("UTF-8"))
    };
    let json = |tree: &Tree| exit(Some(tree)).expect("well-formed");
    assert_eq!(
        exit(None).expect("well-formed"),
        r#"{"duration_ns":12,"exit_reason":"throw"}"#
    );
    assert_eq!(
        json(&object(&[
            ("result", Tree::Cut(CutReason::Size)),
            ("x", Tree::Int32(1))
        ])),
        r#"{"duration_ns":12,"result":null,"x":1,"exit_reason":"throw","$cut":{"result":"size"}}"#
    );
    let own = object(&[
        ("duration_ns", Tree::Array(vec![Tree::Null])),
        ("exit_reason", Tree::Null),
    ]);
    assert_eq!(json(&own), r#"{"duration_ns":12,"exit_reason":"throw"}"#);
    assert_eq!(
        json(&Tree::Cut(CutReason::Proxy)),
        r#"{"duration_ns":12,"exit_reason":"throw","$cut":{"":"proxy"}}"#
    );
    assert!(exit(Some(&Tree::Int32(1))).is_err());
}

#[test]
fn integers_that_are_none_are_mistyped_and_absent() {
    let definitions = Arc::new(Definitions::new());
    let fields = [("a", FieldType::I64), ("b", FieldType::I64)];
    let emitter = EmitterDefinition {
        event_type: "e",
        fields: &fields,
        site: None,
    };
    let emitter = definitions.define_emitter(emitter).expect("below the cap");
    let (mut writer, mut reader) = recording(1 << 12, 0, Publication::CommitWords);
    let two_to_63 = 9_223_372_036_854_775_808.0;
    for (first, second) in [
        (1.5, 1e15),
        (f64::NAN, -0.0),
        (two_to_63, -two_to_63),
        (1e300, f64::INFINITY),
    ] {
        writer.emit(
            head_at(1),
            emitter,
            &[FieldValue::F64(first), FieldValue::F64(second)],
        );
    }
    let mut sink = KeepingSink::new(&definitions);
    reader.read(u32::MAX, &mut sink);
    let expected = [
        r#"{"b":1000000000000000} mistyped 1"#,
        r#"{"b":0} mistyped 1"#,
        r#"{"b":-9223372036854775808} mistyped 1"#,
        "{} mistyped 2",
    ];
    assert_eq!(sink.texts(), expected);
}

#[test]
fn an_emitters_own_cut_field_gives_way_only_when_there_are_cuts() {
    let definitions = Arc::new(Definitions::new());
    let fields = [("$cut", FieldType::F64), ("t", FieldType::Utf8)];
    let emitter = EmitterDefinition {
        event_type: "e",
        fields: &fields,
        site: None,
    };
    let emitter = definitions.define_emitter(emitter).expect("below the cap");
    let (mut writer, mut reader) = recording(1 << 12, 0, Publication::CommitWords);
    writer.emit(
        head_at(1),
        emitter,
        &[FieldValue::F64(1.0), FieldValue::Utf8("x")],
    );
    writer.emit(
        head_at(1),
        emitter,
        &[FieldValue::F64(1.0), FieldValue::Utf8Cut("x")],
    );
    let mut sink = KeepingSink::new(&definitions);
    reader.read(u32::MAX, &mut sink);
    assert_eq!(
        sink.texts(),
        [
            r#"{"$cut":1,"t":"x"}"#,
            r#"{"t":"x","$cut":{"t":"length"}}"#
        ]
    );
}
