//! Single values: how they compare and sort.

use std::borrow::Cow;
use std::cmp::Ordering;

/// A value that can be compared: what a column, a tag or a path in `data` holds, or what it is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// `true` or `false`.
    Bool(bool),
    /// An integer of any width that occurs.
    Int(i128),
    /// Finite.
    Float(f64),
    /// Text; compares by UTF-8 bytes.
    Text(Cow<'a, str>),
}

impl Scalar<'_> {
    /// The same value without borrowed text.
    pub fn into_owned(self) -> Scalar<'static> {
        match self {
            Self::Bool(value) => Scalar::Bool(value),
            Self::Int(value) => Scalar::Int(value),
            Self::Float(value) => Scalar::Float(value),
            Self::Text(text) => Scalar::Text(Cow::Owned(text.into_owned())),
        }
    }

    /// Compares by exact value within a type; values of two types do not compare.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(b),
            (Self::Int(a), Self::Float(b)) => Some(compare_int_float(*a, *b)),
            (Self::Float(a), Self::Int(b)) => Some(compare_int_float(*b, *a).reverse()),
            (Self::Text(a), Self::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            _ => None,
        }
    }

    /// Booleans before numbers before texts.
    fn rank(&self) -> u8 {
        match self {
            Self::Bool(_) => 0,
            Self::Int(_) | Self::Float(_) => 1,
            Self::Text(_) => 2,
        }
    }

    /// A total order over all values: by type first, then by value.
    pub fn sort_order(&self, other: &Self) -> Ordering {
        self.compare(other)
            .unwrap_or_else(|| self.rank().cmp(&other.rank()))
    }
}

/// Two to the power of 127: floats from here on are larger than any integer.
pub const INT_LIMIT: f64 = (1u128 << 127) as f64;

/// An integer against a float, without rounding either.
fn compare_int_float(int: i128, float: f64) -> Ordering {
    if float >= INT_LIMIT {
        return Ordering::Less;
    }
    if float < -INT_LIMIT {
        return Ordering::Greater;
    }
    let whole = float.trunc();
    // Exact: a float without a fraction, within the range of i128.
    int.cmp(&(whole as i128)).then_with(|| {
        if float > whole {
            Ordering::Less
        } else if float < whole {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    })
}

/// The number that a text stands for, if it is a JSON number: whole literals exactly, others as the nearest float.
pub fn number_of_text(text: &str) -> Option<Scalar<'static>> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let whole = digits.bytes().take_while(u8::is_ascii_digit).count();
    if whole == 0 || (whole > 1 && digits.starts_with('0')) {
        return None;
    }
    let rest = &digits[whole..];
    if rest.is_empty()
        && let Ok(int) = text.parse::<i128>()
    {
        return Some(Scalar::Int(int));
    }
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => {
            let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                return None;
            }
            &fraction[digits..]
        }
        None => rest,
    };
    if !rest.is_empty() {
        let exponent = rest.strip_prefix(['e', 'E'])?;
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if exponent.is_empty() || !exponent.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
    }
    text.parse::<f64>()
        .ok()
        .filter(|float| float.is_finite())
        .map(Scalar::Float)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tells_json_numbers_from_other_texts() {
        for text in [
            "", "-", "01", "1.", ".5", "1e", "0x1", "+1", " 1", "1_0", "NaN", "Infinity", "1e999",
            "--1",
        ] {
            assert_eq!(number_of_text(text), None, "{text}");
        }
        assert_eq!(number_of_text("-0"), Some(Scalar::Int(0)));
        assert_eq!(
            number_of_text("9007199254740993"),
            Some(Scalar::Int(9_007_199_254_740_993))
        );
        assert_eq!(number_of_text("1.5e2"), Some(Scalar::Float(150.0)));
    }

    #[test]
    fn compares_integers_and_floats_without_rounding() {
        let order = |int: i128, float: f64| Scalar::Int(int).compare(&Scalar::Float(float));
        assert_eq!(
            order(9_007_199_254_740_993, 9_007_199_254_740_992.0),
            Some(Ordering::Greater)
        );
        assert_eq!(order(1, 1.0), Some(Ordering::Equal));
        assert_eq!(order(-1, -1.5), Some(Ordering::Greater));
        assert_eq!(order(0, -0.0), Some(Ordering::Equal));
        assert_eq!(order(1e38 as i128, 1e38), Some(Ordering::Equal));
        assert_eq!(order(i128::MIN, -INT_LIMIT), Some(Ordering::Equal));
        assert_eq!(order(i128::MAX, INT_LIMIT), Some(Ordering::Less));
        assert_eq!(order(i128::from(u64::MAX), 1e300), Some(Ordering::Less));
        assert_eq!(order(i128::from(i64::MIN), -1e300), Some(Ordering::Greater));
    }

    proptest! {
        #[test]
        fn small_numbers_order_as_floats_do(int in -1000i128..1000, float in -1000f64..1000.0) {
            prop_assert_eq!(Scalar::Int(int).compare(&Scalar::Float(float)), (int as f64).partial_cmp(&float));
        }
    }
}
