//! JSON text from elsewhere, captured as the recorder captures values: within limits, and marked where it was cut.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::check::{Checker, Verdict};
use super::value::write_value;
use crate::definitions::Definitions;
use crate::layout::tag;
use crate::value::{CutReason, MAX_DEPTH, Malformed};

/// Integers of more digits, those of 2^4096, leave no text.
const HUGE_DIGITS: usize = 1234;

/// Bounds on what is captured of one event's nested values; what they cut off is marked in `$cut`.
#[derive(Clone, Debug)]
pub struct CaptureLimits {
    /// UTF-16 code units of a string.
    pub max_string_length: usize,
    /// Containers inside each other, at most [`MAX_DEPTH`].
    pub max_depth: usize,
    /// Fields of an object.
    pub max_fields: usize,
    /// Items of an array.
    pub max_items: usize,
    /// Bytes of the captured value in its tagged form.
    pub max_event_bytes: usize,
    /// Names of fields whose values are left out.
    pub redact: HashSet<String>,
}

impl CaptureLimits {
    /// The first `max_string_length` UTF-16 code units of a text; never half a pair.
    #[must_use]
    pub fn cut_text<'t>(&self, text: &'t str) -> &'t str {
        if text.len() <= self.max_string_length {
            return text;
        }
        let mut units = 0;
        let end = text.char_indices().find(|(_, char)| {
            units += char.len_utf16();
            units > self.max_string_length
        });
        end.map_or(text, |(end, _)| &text[..end])
    }
}

/// Captures JSON texts, one at a time.
///
/// ```
/// use kinescope_ring::{CaptureLimits, JsonCapture};
/// let limits = CaptureLimits {
///     max_string_length: 8, max_depth: 8, max_fields: 8, max_items: 2, max_event_bytes: 1024, redact: Default::default(),
/// };
/// let mut capture = JsonCapture::new(limits);
/// assert_eq!(capture.capture(r#"{ "a": 1.50 }"#)?, r#"{"a":1.5}"#);
/// assert_eq!(capture.capture("[1,2,3]")?, r#"{"$value":[1,2],"$cut":{"":"length"}}"#);
/// assert!(capture.capture("{a:1}").is_err());
/// # Ok::<(), kinescope_ring::Malformed>(())
/// ```
pub struct JsonCapture {
    limits: CaptureLimits,
    checker: Checker,
    /// Empty: tagged values made here name no defined string.
    definitions: Definitions,
    tagged: Vec<u8>,
    json: Vec<u8>,
}

impl JsonCapture {
    /// Captures within these limits; a depth above [`MAX_DEPTH`] counts as that.
    #[must_use]
    pub fn new(mut limits: CaptureLimits) -> Self {
        limits.max_depth = limits.max_depth.min(MAX_DEPTH);
        Self {
            limits,
            checker: Checker::default(),
            definitions: Definitions::new(),
            tagged: Vec::new(),
            json: Vec::new(),
        }
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> &CaptureLimits {
        &self.limits
    }

    /// The text as the recorder would have written its values: without white space between tokens, numbers and strings in
    /// their one spelling, the last of equal keys, and within the limits. Most text is so already and comes back as it is.
    ///
    /// # Errors
    /// [`Malformed`] for text that is no JSON.
    pub fn capture<'t>(&'t mut self, text: &'t str) -> Result<&'t str, Malformed> {
        if self.checker.check(text, &self.limits)? == Verdict::Canonical {
            return Ok(text);
        }
        self.tagged.clear();
        self.json.clear();
        let mut encoder = Encoder {
            text,
            at: 0,
            limits: &self.limits,
            out: &mut self.tagged,
        };
        encoder.value(1);
        write_value(&self.tagged, &self.definitions, &mut self.json)?;
        std::str::from_utf8(&self.json).map_err(|_| Malformed {
            expected: "UTF-8",
            at_byte: 0,
        })
    }
}

/// Makes a tagged value of valid text, as `src/recorder/value-encoder.ts` does of JavaScript's values.
struct Encoder<'a> {
    text: &'a str,
    at: usize,
    limits: &'a CaptureLimits,
    out: &'a mut Vec<u8>,
}

impl<'a> Encoder<'a> {
    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    fn peek(&self) -> u8 {
        self.bytes().get(self.at).copied().unwrap_or_default()
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    /// The next byte that is no white space, if it is this one.
    fn eat(&mut self, byte: u8) -> bool {
        self.space();
        let is_next = self.peek() == byte;
        self.at += usize::from(is_next);
        is_next
    }

    fn is_full(&self) -> bool {
        self.out.len() >= self.limits.max_event_bytes
    }

    fn cut(&mut self, reason: CutReason) {
        self.out.extend_from_slice(&[tag::CUT, reason as u8]);
    }

    fn mark(&mut self, start: usize, reason: CutReason) {
        self.out.splice(start..start, [tag::MARK, reason as u8]);
    }

    /// Recursion ends at `max_depth`.
    fn value(&mut self, depth: usize) {
        self.space();
        match self.peek() {
            b'{' | b'[' => self.container(depth),
            b'"' => {
                let text = self.string();
                self.text_value(&text);
            }
            b't' => self.word(4, tag::TRUE),
            b'f' => self.word(5, tag::FALSE),
            b'n' => self.word(4, tag::NULL),
            _ => self.number(),
        }
    }

    fn word(&mut self, length: usize, tag: u8) {
        self.at += length;
        self.out.push(tag);
    }

    fn container(&mut self, depth: usize) {
        let end = skip(self.bytes(), self.at);
        if depth > self.limits.max_depth {
            self.cut(CutReason::Depth);
        } else if self.is_full() {
            self.cut(CutReason::Size);
        } else {
            let start = self.out.len();
            let reason = if self.peek() == b'{' {
                self.object(depth)
            } else {
                self.array(depth)
            };
            self.out.push(tag::END);
            if let Some(reason) = reason {
                self.mark(start, reason);
            }
        }
        self.at = end;
    }

    /// Returns why it ended early.
    fn array(&mut self, depth: usize) -> Option<CutReason> {
        self.out.push(tag::ARRAY);
        self.at += 1;
        if self.eat(b']') {
            return None;
        }
        for index in 0.. {
            if index == self.limits.max_items {
                return Some(CutReason::Length);
            }
            if self.is_full() {
                return Some(CutReason::Size);
            }
            self.value(depth + 1);
            if !self.eat(b',') {
                break;
            }
        }
        None
    }

    /// Returns why it ended early.
    fn object(&mut self, depth: usize) -> Option<CutReason> {
        self.out.push(tag::OBJECT);
        for (index, (name, value_at)) in self.fields().into_iter().enumerate() {
            if index == self.limits.max_fields {
                return Some(CutReason::Fields);
            }
            let is_short = name.len() <= self.limits.max_string_length
                || self.limits.cut_text(&name).len() == name.len();
            if !is_short || !self.put_text(&name) {
                return Some(CutReason::Size);
            }
            if self.limits.redact.contains(&*name) {
                self.cut(CutReason::Redacted);
            } else {
                self.at = value_at;
                self.value(depth + 1);
            }
        }
        None
    }

    /// The object's keys and where their values start: the first place and the last value of equal keys.
    fn fields(&mut self) -> Vec<(Cow<'a, str>, usize)> {
        let mut fields: Vec<(Cow<'a, str>, usize)> = Vec::new();
        let mut places: HashMap<Cow<'a, str>, usize> = HashMap::new();
        self.at += 1;
        if self.eat(b'}') {
            return fields;
        }
        loop {
            self.space();
            let name = self.string();
            self.eat(b':');
            self.space();
            let value_at = self.at;
            self.at = skip(self.bytes(), self.at);
            match places.get(&name) {
                Some(&place) => fields[place].1 = value_at,
                None => {
                    places.insert(name.clone(), fields.len());
                    fields.push((name, value_at));
                }
            }
            if !self.eat(b',') {
                return fields;
            }
        }
    }

    /// The string that starts here, unescaped.
    fn string(&mut self) -> Cow<'a, str> {
        let start = self.at + 1;
        self.at = skip(self.bytes(), self.at);
        unescape(self.text.get(start..self.at - 1).unwrap_or_default())
    }

    fn text_value(&mut self, text: &str) {
        let cut = self.limits.cut_text(text);
        let start = self.out.len();
        if !self.put_text(cut) {
            self.cut(CutReason::Size);
        } else if cut.len() < text.len() {
            self.mark(start, CutReason::Length);
        }
    }

    /// Writes a string that fits; writes nothing and gives false if it does not.
    fn put_text(&mut self, text: &str) -> bool {
        if self.out.len() + text.len() + 5 > self.limits.max_event_bytes {
            return false;
        }
        match u8::try_from(text.len()) {
            Ok(length_bytes) => self.out.extend_from_slice(&[tag::STR8, length_bytes]),
            Err(_) => {
                // The limit that it fits is far below 4 GiB.
                self.out.push(tag::STR32);
                self.out
                    .extend_from_slice(&(text.len() as u32).to_le_bytes());
            }
        }
        self.out.extend_from_slice(text.as_bytes());
        true
    }

    fn number(&mut self) {
        let start = self.at;
        self.at = skip(self.bytes(), self.at);
        let literal = self.text.get(start..self.at).unwrap_or_default();
        let is_whole = !literal
            .bytes()
            .any(|byte| matches!(byte, b'.' | b'e' | b'E'));
        if !is_whole || literal == "-0" {
            match literal.parse::<f64>() {
                Ok(value) if value.is_finite() => self.put(tag::F64, value.to_le_bytes()),
                _ => self.cut(CutReason::NonFinite),
            }
        } else if let Ok(value) = literal.parse::<i64>() {
            self.put(tag::I64, value.to_le_bytes());
        } else if let Ok(value) = literal.parse::<u64>() {
            self.put(tag::U64, value.to_le_bytes());
        } else if literal.len() > HUGE_DIGITS {
            self.cut(CutReason::Bigint);
        } else {
            // One mark only, also where the text is cut: it is the less obvious of the two reasons.
            let start = self.out.len();
            if self.put_text(self.limits.cut_text(literal)) {
                self.mark(start, CutReason::Bigint);
            } else {
                self.cut(CutReason::Size);
            }
        }
    }

    fn put(&mut self, tag: u8, bytes: [u8; 8]) {
        self.out.push(tag);
        self.out.extend_from_slice(&bytes);
    }
}

/// The end of the value that starts at `at`, in valid text.
fn skip(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0usize;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at),
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            _ => {
                let ends =
                    |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
                at += bytes[at..]
                    .iter()
                    .position(ends)
                    .unwrap_or(bytes.len() - at);
            }
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Behind the closing quote of the string that opens at `at`.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    loop {
        match bytes.get(at) {
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
            None => return bytes.len(),
        }
    }
}

/// The text behind a string literal's inside; half of a surrogate pair becomes U+FFFD.
fn unescape(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let escape = rest.as_bytes().get(at + 1).copied();
        rest = rest.get(at + 2..).unwrap_or_default();
        text.push(match escape {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'u') => unicode(&mut rest),
            other => char::from(other.unwrap_or(b'\\')),
        });
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// The character of the digits behind `\u`, and of a second escape if they are the first half of a pair.
fn unicode(rest: &mut &str) -> char {
    let unit = |text: &str| {
        text.get(..4)
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
    };
    let first = unit(rest).unwrap_or_default();
    *rest = rest.get(4..).unwrap_or_default();
    if (0xd800..0xdc00).contains(&first)
        && let Some(second) = rest.strip_prefix("\\u").and_then(unit)
        && (0xdc00..0xe000).contains(&second)
    {
        *rest = rest.get(6..).unwrap_or_default();
        let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    }
    char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)
}
