//! Values at paths in JSON text, found by skipping, without parsing the rest.
//!
//! The text is what the store has written: valid, and without white space between tokens. On other text the
//! functions answer that there is nothing; they never panic.

use std::borrow::Cow;

use memchr::memchr2;

use crate::scalar::{Scalar, number_of_text};

/// What stands at a path.
#[derive(Clone, Debug, PartialEq)]
pub enum Found<'a> {
    /// A boolean, number or string.
    Scalar(Scalar<'a>),
    /// An object or an array, as its text.
    Container(&'a str),
}

/// The text of the value at `path`; none where there is none or where it is `null`.
pub fn text_at<'a>(json: &'a str, path: &[String]) -> Option<&'a str> {
    let mut value = json;
    for step in path {
        value = match value.as_bytes().first()? {
            b'{' => field(value, step)?,
            b'[' => item(value, step)?,
            _ => return None,
        };
    }
    (value != "null").then_some(value)
}

/// The value at `path`; none where there is none or where it is `null`.
pub fn value_at<'a>(json: &'a str, path: &[String]) -> Option<Found<'a>> {
    let text = text_at(json, path)?;
    match text.as_bytes().first()? {
        b'{' | b'[' => Some(Found::Container(text)),
        b't' => Some(Found::Scalar(Scalar::Bool(true))),
        b'f' => Some(Found::Scalar(Scalar::Bool(false))),
        b'"' => Some(Found::Scalar(Scalar::Text(unescape(
            text.get(1..text.len() - 1)?,
        )))),
        _ => number(text).map(Found::Scalar),
    }
}

/// A JSON number: with a point or an exponent a float, else an integer.
pub(crate) fn number(text: &str) -> Option<Scalar<'static>> {
    if text.len() < 18
        && !text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
        && let Ok(int) = text.parse::<i64>()
    {
        return Some(Scalar::Int(i128::from(int)));
    }
    number_of_text(text)
}

/// All keys and string values, at any depth, unescaped, until `visit` answers false.
pub fn visit_texts(json: &str, mut visit: impl FnMut(&str) -> bool) {
    let mut at = 0;
    while let Some(start) = memchr::memchr(b'"', &json.as_bytes()[at..]) {
        let start = at + start;
        let Some(end) = string_end(json.as_bytes(), start) else {
            return;
        };
        if !visit(&unescape(&json[start + 1..end - 1])) {
            return;
        }
        at = end;
    }
}

/// The end of the string that opens at `start`, behind its closing quote.
pub(crate) fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        let next = at + memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[next] == b'"' {
            return Some(next + 1);
        }
        at = next + 2;
    }
}

/// The end of the value that starts at `start`.
pub(crate) fn value_end(bytes: &[u8], start: usize) -> Option<usize> {
    match bytes.get(start)? {
        b'"' => string_end(bytes, start),
        b'{' | b'[' => {
            let mut depth = 0usize;
            let mut at = start;
            loop {
                match bytes.get(at)? {
                    b'"' => {
                        at = string_end(bytes, at)?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        _ => {
            let length = bytes[start..]
                .iter()
                .position(|byte| matches!(byte, b',' | b'}' | b']'));
            Some(length.map_or(bytes.len(), |length| start + length))
        }
    }
}

/// Keys, unescaped, and value texts of an object; nothing of anything else.
pub fn fields(object: &str) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
    let bytes = object.as_bytes();
    let mut at = if bytes.first() == Some(&b'{') {
        1
    } else {
        bytes.len()
    };
    std::iter::from_fn(move || {
        if *bytes.get(at)? != b'"' {
            return None;
        }
        let key_end = string_end(bytes, at)?;
        let value_start = key_end + 1;
        let end = value_end(bytes, value_start)?;
        let field = (
            unescape(object.get(at + 1..key_end - 1)?),
            object.get(value_start..end)?,
        );
        at = end + 1;
        Some(field)
    })
}

fn field<'a>(object: &'a str, key: &str) -> Option<&'a str> {
    let bytes = object.as_bytes();
    let mut at = 1;
    while *bytes.get(at)? == b'"' {
        let key_end = string_end(bytes, at)?;
        let raw = object.get(at + 1..key_end - 1)?;
        let value_start = key_end + 1;
        let value_end = value_end(bytes, value_start)?;
        if raw == key || (raw.contains('\\') && unescape(raw) == key) {
            return object.get(value_start..value_end);
        }
        at = value_end + 1;
    }
    None
}

fn item<'a>(array: &'a str, step: &str) -> Option<&'a str> {
    let canonical =
        step == "0" || (!step.starts_with('0') && step.bytes().all(|byte| byte.is_ascii_digit()));
    let index: usize = if canonical {
        step.parse().ok()?
    } else {
        return None;
    };
    let bytes = array.as_bytes();
    let mut at = 1;
    for _ in 0..index {
        if matches!(bytes.get(at)?, b']') {
            return None;
        }
        at = value_end(bytes, at)? + 1;
    }
    if matches!(bytes.get(at)?, b']') {
        return None;
    }
    array.get(at..value_end(bytes, at)?)
}

/// The text behind a string literal's inside.
pub fn unescape(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            text.push(char);
            continue;
        }
        match chars.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('u') => {
                let code = chars.by_ref().take(4).try_fold(0, |code, digit| {
                    digit.to_digit(16).map(|digit| code << 4 | digit)
                });
                // The store escapes control characters only; anything else is written as itself.
                text.push(
                    code.and_then(char::from_u32)
                        .unwrap_or(char::REPLACEMENT_CHARACTER),
                );
            }
            Some(other) => text.push(other),
            None => {}
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(steps: &[&str]) -> Vec<String> {
        steps.iter().map(|step| (*step).to_owned()).collect()
    }

    #[test]
    fn finds_values_at_paths() {
        let json = r#"{"a":{"b":[1,"x\ny",{"c":-1.5}],"":true},"k\"q":null,"n":9007199254740993}"#;
        assert_eq!(
            value_at(json, &path(&["a", "b", "0"])),
            Some(Found::Scalar(Scalar::Int(1)))
        );
        assert_eq!(
            value_at(json, &path(&["a", "b", "1"])),
            Some(Found::Scalar(Scalar::Text("x\ny".into())))
        );
        assert_eq!(
            value_at(json, &path(&["a", "b", "2", "c"])),
            Some(Found::Scalar(Scalar::Float(-1.5)))
        );
        assert_eq!(
            value_at(json, &path(&["a", ""])),
            Some(Found::Scalar(Scalar::Bool(true)))
        );
        assert_eq!(
            value_at(json, &path(&["n"])),
            Some(Found::Scalar(Scalar::Int(9_007_199_254_740_993)))
        );
        assert_eq!(
            value_at(json, &path(&["a", "b"])),
            Some(Found::Container(r#"[1,"x\ny",{"c":-1.5}]"#))
        );
        for absent in [
            &["k\"q"][..],
            &["a", "b", "3"],
            &["a", "b", "00"],
            &["a", "b", "-1"],
            &["n", "x"],
            &["z"],
        ] {
            assert_eq!(value_at(json, &path(absent)), None, "{absent:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(json in "[\\[\\]{}\",:\\\\a0-9.etrufalsn-]{0,40}", steps in proptest::collection::vec("[a0-9]{0,2}", 0..3)) {
            let _ = value_at(&json, &steps);
            visit_texts(&json, |_| true);
        }
    }
}
