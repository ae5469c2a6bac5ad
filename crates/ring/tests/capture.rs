//! JSON text from elsewhere: what is taken, what becomes of it.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use kinescope_ring::{CaptureLimits, JsonCapture};
use proptest::prelude::*;
use serde_json::Value;

fn limits() -> CaptureLimits {
    CaptureLimits {
        max_string_length: 8192,
        max_depth: 8,
        max_fields: 128,
        max_items: 128,
        max_event_bytes: 65_536,
        redact: ["secret".to_owned()].into(),
    }
}

fn captured(text: &str) -> String {
    JsonCapture::new(limits())
        .capture(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .to_owned()
}

#[test]
fn values_have_one_spelling() {
    let spellings = [
        (" { \"a\" : [ 1 , 2 ] } ", r#"{"a":[1,2]}"#),
        ("1.0", "1"),
        ("-0", "-0.0"),
        ("-0.0", "-0.0"),
        ("1.50", "1.5"),
        ("1E3", "1000"),
        ("1e300", "1e300"),
        ("1.0e+300", "1e300"),
        ("123456789012345678", "123456789012345678"),
        ("1234567890123456789", "1234567890123456789"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("18446744073709551615", "18446744073709551615"),
        (
            "18446744073709551616",
            r#"{"$value":"18446744073709551616","$cut":{"":"bigint"}}"#,
        ),
        ("1e999", r#"{"$value":null,"$cut":{"":"non_finite"}}"#),
        (r#""\u0041\/\u00e9\u000a""#, r#""A/é\n""#),
        (r#""\ud83d\ude00""#, r#""😀""#),
        (r#""\ud83d""#, "\"\u{fffd}\""),
        (r#""\ud83d\u0041""#, "\"\u{fffd}A\""),
        (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
        (r#"{"a":1,"\u0061":3}"#, r#"{"a":3}"#),
        (
            r#"{"x":{"secret":[1,2]}}"#,
            r#"{"x":{"secret":null},"$cut":{"x.secret":"redacted"}}"#,
        ),
        ("null", "null"),
        ("{}", "{}"),
        ("[[],{}]", "[[],{}]"),
    ];
    for (text, expected) in spellings {
        assert_eq!(captured(text), expected, "{text}");
        assert_eq!(captured(expected), expected, "again: {text}");
    }
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    for text in [
        "",
        " ",
        "{",
        "[",
        "[1",
        "[1,]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "- 1",
        "tru",
        "nul",
        "\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\n\"",
        "1 2",
        "[1}",
        "{\"a\":1]",
        "]",
        "NaN",
        "'a'",
        "\u{feff}1",
        "[1,,2]",
        "{\"a\":1 \"b\":2}",
    ] {
        let mut capture = JsonCapture::new(limits());
        let error = capture.capture(text).expect_err(text);
        assert!(error.at_byte <= text.len(), "{text}");
        // The next text is read as if nothing had been.
        assert_eq!(capture.capture("[1]"), Ok("[1]"));
    }
    let deep = "[".repeat(1_000_000);
    assert!(JsonCapture::new(limits()).capture(&deep).is_err());
}

#[test]
fn limits_cut_as_the_recorder_does() {
    let narrow = CaptureLimits {
        max_string_length: 3,
        max_depth: 2,
        max_fields: 2,
        max_items: 2,
        max_event_bytes: 1024,
        redact: Default::default(),
    };
    let long = format!("\"{}\"", "x".repeat(2000));
    let many = format!("[{}]", ["[[1]]"; 3].join(","));
    let wide = (0..100)
        .map(|n| format!("\"k{n}\":{n}"))
        .collect::<Vec<_>>();
    let cut = |text: &str, expected: &str| {
        let mut capture = JsonCapture::new(narrow.clone());
        assert_eq!(capture.capture(text).unwrap(), expected, "{text}");
    };
    cut(r#"{"a":"abcd"}"#, r#"{"a":"abc","$cut":{"a":"length"}}"#);
    cut(r#""ab😀""#, r#"{"$value":"ab","$cut":{"":"length"}}"#);
    cut(&long, r#"{"$value":"xxx","$cut":{"":"length"}}"#);
    cut(
        &many,
        r#"{"$value":[[null],[null]],"$cut":{"":"length","0.0":"depth","1.0":"depth"}}"#,
    );
    cut(
        r#"{"a":1,"b":2,"c":3}"#,
        r#"{"a":1,"b":2,"$cut":{"":"fields"}}"#,
    );
    cut(
        &format!("{{{}}}", wide.join(",")),
        r#"{"k0":0,"k1":1,"$cut":{"":"fields"}}"#,
    );
    cut(r#"{"long key":1}"#, r#"{"$cut":{"":"size"}}"#);
    cut(
        r#"{"a":1,"$cut":{"x":"y"},"c":"abcd"}"#,
        r#"{"a":1,"$cut":{"":"size"}}"#,
    );
    cut(
        &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
        r#"{"$value":[[null]],"$cut":{"0.0":"depth"}}"#,
    );
    // A megabyte of digits is no reason to take a megabyte.
    cut(
        &"9".repeat(1 << 20),
        r#"{"$value":null,"$cut":{"":"bigint"}}"#,
    );

    let small = CaptureLimits {
        max_event_bytes: 64,
        max_string_length: 8192,
        max_items: 100,
        max_depth: 8,
        ..narrow
    };
    let text = format!("[{}]", ["\"ab\""; 40].join(","));
    let captured = JsonCapture::new(small).capture(&text).unwrap().to_owned();
    assert!(captured.contains(r#""$cut":{"":"size","#), "{captured}");
    assert!(captured.len() < text.len());
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-5i64..5).prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |float| serde_json::Number::from_f64(float)
            .map(Value::Number)),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((".{0,4}", inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn values_stay_and_have_one_spelling(value in json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
        let once = captured(&text);
        prop_assert_eq!(as_values(&serde_json::from_str(&once).unwrap()), as_values(&value));
        prop_assert_eq!(captured(&once), once);
    }

    #[test]
    fn takes_what_is_json_and_nothing_else(text in "[\\[\\]{}\",:\\\\ue a0-9.Etrfalsn\\-+ \\n]{0,24}") {
        let is_json = serde_json::from_str::<Value>(&text).is_ok();
        // Halves of surrogate pairs are refused there, and become U+FFFD here.
        prop_assume!(!text.contains("\\u"));
        prop_assert_eq!(JsonCapture::new(limits()).capture(&text).is_ok(), is_json, "{}", text);
    }

    #[test]
    fn never_panics(text in ".{0,60}", escaped in "\"(\\\\u[0-9a-dA-D]{4}|a){0,6}\"") {
        let mut capture = JsonCapture::new(limits());
        let _ = capture.capture(&text);
        prop_assert!(capture.capture(&escaped).is_ok());
    }
}

/// Numbers by value: their spelling is what changes.
fn as_values(value: &Value) -> String {
    match value {
        Value::Number(number) => match number.as_str().parse::<i128>() {
            Ok(integer) => integer.to_string(),
            Err(_) => format!("{:?}", number.as_str().parse::<f64>().unwrap())
                .trim_end_matches(".0")
                .to_owned(),
        },
        Value::Array(items) => format!("{:?}", items.iter().map(as_values).collect::<Vec<_>>()),
        Value::Object(fields) => format!(
            "{:?}",
            fields
                .iter()
                .map(|(key, value)| (key, as_values(value)))
                .collect::<Vec<_>>()
        ),
        other => other.to_string(),
    }
}
