//! JSON text from elsewhere: whether it is valid, and whether it already is as the store writes it.

use std::ops::Range;

use super::capture::CaptureLimits;
use super::scalar::{plain_prefix_bytes, write_finite};
use crate::value::Malformed;

/// Above this many fields an object is looked at the slow way: comparing each key with all before it takes their square.
const COMPARED_KEYS_MAX: usize = 64;
/// Digits that every integer of 64 bits may have.
const SAFE_DIGITS: usize = 18;
/// Bytes that a byte of JSON takes at most as a tagged value: a digit becomes an `INT32`.
const TAGGED_BYTES_PER_BYTE: usize = 5;

/// What a valid text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Just what the store would write of it.
    Canonical,
    /// The same values may be written otherwise, or are beyond a limit.
    Rewrite,
}

struct Open {
    is_object: bool,
    /// Values that have ended.
    items: usize,
    /// Where its keys start.
    first_key: usize,
}

/// Reads texts without recursion; its stacks are kept between them.
#[derive(Default)]
pub(super) struct Checker {
    open: Vec<Open>,
    keys: Vec<Range<usize>>,
    number: Vec<u8>,
}

impl Checker {
    /// # Errors
    /// [`Malformed`] for text that is no JSON.
    pub(super) fn check(
        &mut self,
        text: &str,
        limits: &CaptureLimits,
    ) -> Result<Verdict, Malformed> {
        self.open.clear();
        self.keys.clear();
        let too_long = text.len() > limits.max_event_bytes / TAGGED_BYTES_PER_BYTE;
        let mut walk = Walk {
            checker: self,
            bytes: text.as_bytes(),
            at: 0,
            rewrite: too_long,
            limits,
        };
        walk.text()?;
        Ok(if walk.rewrite {
            Verdict::Rewrite
        } else {
            Verdict::Canonical
        })
    }
}

struct Walk<'a> {
    checker: &'a mut Checker,
    bytes: &'a [u8],
    at: usize,
    rewrite: bool,
    limits: &'a CaptureLimits,
}

impl Walk<'_> {
    fn expected(&self, expected: &'static str) -> Malformed {
        Malformed {
            expected,
            at_byte: self.at,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.rewrite = true;
            self.at += 1;
        }
    }

    fn text(&mut self) -> Result<(), Malformed> {
        loop {
            self.space();
            match self.peek() {
                Some(opening @ (b'{' | b'[')) => {
                    if self.opens(opening == b'{')? {
                        continue;
                    }
                }
                Some(b'"') => {
                    self.string()?;
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(b'n') => self.word(b"null")?,
                _ => return Err(self.expected("a JSON value")),
            }
            if self.is_at_end_after_value()? {
                return Ok(());
            }
        }
    }

    /// A container; true if a value of it follows, false if it is empty and has ended.
    fn opens(&mut self, is_object: bool) -> Result<bool, Malformed> {
        self.at += 1;
        self.space();
        if self.checker.open.len() >= self.limits.max_depth {
            self.rewrite = true;
        }
        if self.eat(if is_object { b'}' } else { b']' }) {
            return Ok(false);
        }
        self.checker.open.push(Open {
            is_object,
            items: 0,
            first_key: self.checker.keys.len(),
        });
        if is_object {
            self.key()?;
        }
        Ok(true)
    }

    /// Behind a value: true at the end of the text, false where another value follows.
    fn is_at_end_after_value(&mut self) -> Result<bool, Malformed> {
        loop {
            self.space();
            let Some(open) = self.checker.open.last_mut() else {
                return if self.at == self.bytes.len() {
                    Ok(true)
                } else {
                    Err(self.expected("the end of the text"))
                };
            };
            open.items += 1;
            let (is_object, items, first_key) = (open.is_object, open.items, open.first_key);
            if self.eat(b',') {
                let items_max = if is_object {
                    self.limits.max_fields
                } else {
                    self.limits.max_items
                };
                self.rewrite |= items >= items_max;
                if is_object {
                    self.space();
                    self.key()?;
                }
                return Ok(false);
            }
            if !self.eat(if is_object { b'}' } else { b']' }) {
                return Err(self.expected("a comma or the container's end"));
            }
            self.checker.open.pop();
            self.checker.keys.truncate(first_key);
        }
    }

    fn key(&mut self) -> Result<(), Malformed> {
        let key = self.string()?;
        self.space();
        if !self.eat(b':') {
            return Err(self.expected("a colon"));
        }
        if self.rewrite {
            return Ok(());
        }
        let raw = &self.bytes[key.clone()];
        let first_key = self.checker.open.last().map_or(0, |open| open.first_key);
        let siblings = &self.checker.keys[first_key..];
        let is_redacted = !self.limits.redact.is_empty()
            && std::str::from_utf8(raw).is_ok_and(|name| self.limits.redact.contains(name));
        self.rewrite = is_redacted
            || siblings.len() >= COMPARED_KEYS_MAX
            || siblings
                .iter()
                .any(|sibling| &self.bytes[sibling.clone()] == raw);
        self.checker.keys.push(key);
        Ok(())
    }

    /// A string; gives where its inside is.
    fn string(&mut self) -> Result<Range<usize>, Malformed> {
        if !self.eat(b'"') {
            return Err(self.expected("a string"));
        }
        let start = self.at;
        loop {
            self.at += plain_prefix_bytes(&self.bytes[self.at..]);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.rewrite = true;
                    self.escape()?;
                }
                Some(_) => return Err(self.expected("an escape instead of a control character")),
                None => return Err(self.expected("the string's end")),
            }
        }
        let inside = start..self.at;
        self.at += 1;
        self.rewrite |= inside.len() > self.limits.max_string_length;
        Ok(inside)
    }

    fn escape(&mut self) -> Result<(), Malformed> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                let digits = self.bytes.get(self.at..self.at + 4);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(self.expected("four hexadecimal digits"));
                }
                self.at += 4;
            }
            _ => return Err(self.expected("an escape of JSON")),
        }
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Malformed> {
        if self.bytes[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.expected("true, false or null"))
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        let is_negative = self.eat(b'-');
        let leads_with_zero = self.peek() == Some(b'0');
        let digits = self.digits();
        if digits == 0 || leads_with_zero && digits > 1 {
            return Err(self.expected("a JSON number"));
        }
        let whole_end = self.at;
        if self.eat(b'.') && self.digits() == 0 {
            return Err(self.expected("a digit behind the point"));
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _has_sign = self.eat(b'+') || self.eat(b'-');
            if self.digits() == 0 {
                return Err(self.expected("a digit of the exponent"));
            }
        }
        if self.at == whole_end {
            self.rewrite |= digits > SAFE_DIGITS || is_negative && leads_with_zero;
        } else if !self.rewrite {
            let literal = &self.bytes[start..self.at];
            self.checker.number.clear();
            let value = std::str::from_utf8(literal)
                .ok()
                .and_then(|text| text.parse().ok());
            if let Some(value) = value.filter(|value: &f64| value.is_finite()) {
                write_finite(value, &mut self.checker.number);
            }
            self.rewrite = self.checker.number != literal;
        }
        Ok(())
    }
}
