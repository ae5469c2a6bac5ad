//! Numbers and strings as JSON.

use crate::definitions::Definitions;
use crate::value::{Malformed, Text};

/// Below this, every integer is a float of its own, and a float that is an integer is written as one.
const INTEGER_LIMIT: u64 = 1 << f64::MANTISSA_DIGITS;

pub(crate) fn write_integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Writes a finite number as the shortest text that reads back as it; an integer literal only below 2^53.
#[inline]
pub(crate) fn write_finite(value: f64, out: &mut Vec<u8>) {
    let integer = value as i64;
    let is_negative_zero = integer == 0 && value.is_sign_negative();
    if integer as f64 == value && integer.unsigned_abs() < INTEGER_LIMIT && !is_negative_zero {
        write_integer(integer, out);
    } else {
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format_finite(value);
        // The format has no sign before positive exponents.
        match text.split_once('+') {
            None => out.extend_from_slice(text.as_bytes()),
            Some((digits, exponent)) => {
                out.extend_from_slice(digits.as_bytes());
                out.extend_from_slice(exponent.as_bytes());
            }
        }
    }
}

/// Appends `text` as a JSON string: quoted, with quotes, backslashes and control characters escaped.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    write_escaped(text, out);
    out.push(b'"');
}

/// Writes the inside of a quoted string.
pub(crate) fn write_escaped(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    loop {
        let plain = plain_prefix_bytes(rest);
        out.extend_from_slice(&rest[..plain]);
        let Some(byte) = rest.get(plain) else { return };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            control => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(control >> 4)]);
                out.push(HEX[usize::from(control & 0xf)]);
            }
        }
        rest = &rest[plain + 1..];
    }
}

/// How many bytes stand before the first that has to be escaped.
pub(super) fn plain_prefix_bytes(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let has_zero = |lanes: u64| lanes.wrapping_sub(ONES) & !lanes & HIGHS;
    let mut at = 0;
    while let Some(chunk) = bytes[at..].first_chunk::<8>() {
        let lanes = u64::from_le_bytes(*chunk);
        let controls = lanes.wrapping_sub(ONES * 0x20) & !lanes & HIGHS;
        let quotes = has_zero(lanes ^ (ONES * u64::from(b'"')));
        let backslashes = has_zero(lanes ^ (ONES * u64::from(b'\\')));
        // A borrow reaches only lanes above a true hit, so the lowest hit is always true.
        let hits = controls | quotes | backslashes;
        if hits != 0 {
            return at + hits.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let is_escaped = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    bytes[at..]
        .iter()
        .position(is_escaped)
        .map_or(bytes.len(), |offset| at + offset)
}

/// A text as a JSON key with its colon.
pub(crate) fn json_key(text: &str) -> Box<str> {
    let mut key = Vec::with_capacity(text.len() + 3);
    write_string(text, &mut key);
    key.push(b':');
    // Escaping keeps UTF-8 whole; were it not so, every byte would become a replacement character, not a panic.
    String::from_utf8(key)
        .unwrap_or_else(|broken| String::from_utf8_lossy(broken.as_bytes()).into_owned())
        .into()
}

/// The characters of a text.
pub(crate) fn resolve<'t>(
    text: Text<'t>,
    definitions: &'t Definitions,
) -> Result<&'t str, Malformed> {
    match text {
        Text::Inline(text) => Ok(text),
        Text::Defined(id) => definitions
            .string(id)
            .map(|defined| &*defined.text)
            .ok_or(UNKNOWN_STRING),
    }
}

/// Writes a text as a JSON string.
pub(crate) fn write_text(
    text: Text<'_>,
    definitions: &Definitions,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    match text {
        Text::Inline(text) => write_string(text, out),
        Text::Defined(id) => {
            out.extend_from_slice(
                definitions
                    .string(id)
                    .ok_or(UNKNOWN_STRING)?
                    .json()
                    .as_bytes(),
            );
        }
    }
    Ok(())
}

/// Writes a text as a JSON key with its colon.
pub(crate) fn write_key(
    text: Text<'_>,
    definitions: &Definitions,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    match text {
        Text::Inline(text) => {
            write_string(text, out);
            out.push(b':');
        }
        Text::Defined(id) => {
            out.extend_from_slice(
                definitions
                    .string(id)
                    .ok_or(UNKNOWN_STRING)?
                    .json_key
                    .as_bytes(),
            );
        }
    }
    Ok(())
}

/// A string's id that was never given out.
pub(crate) const UNKNOWN_STRING: Malformed = Malformed {
    expected: "the id of a defined string",
    at_byte: 0,
};
