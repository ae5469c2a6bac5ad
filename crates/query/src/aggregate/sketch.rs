//! Quantiles of bounded relative error.

/// Bits of a float's fraction that its bucket keeps.
const FRACTION_BITS: u32 = 5;

/// No estimate is farther from the value at its rank than this share of that value.
pub const QUANTILE_ERROR: f64 = 1.0 / (2u64 << FRACTION_BITS) as f64;

/// Lifts the smallest floats, which have fewer bits, into the range of normal ones.
const SUBNORMAL_SCALE_BITS: i32 = 64;

/// Counts of values by bucket, every power of two divided evenly into 32 of them, positive, zero and negative.
///
/// Method: DDSketch with its interpolated mapping (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile
/// sketch with relative-error guarantees", VLDB 2019). Buckets are never collapsed, so merging is exact.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sketch {
    /// By bucket, ascending.
    counts: Vec<(i32, u64)>,
    total: u64,
}

impl Sketch {
    /// Adds a finite value.
    pub fn add(&mut self, value: f64) {
        self.add_count(bucket_of(value), 1);
    }

    /// Adds everything that was added to another.
    pub fn merge(&mut self, other: &Self) {
        for &(bucket, count) in &other.counts {
            self.add_count(bucket, count);
        }
    }

    fn add_count(&mut self, bucket: i32, count: u64) {
        self.total += count;
        match self
            .counts
            .binary_search_by_key(&bucket, |&(known, _)| known)
        {
            Ok(index) => self.counts[index].1 += count,
            Err(index) => self.counts.insert(index, (bucket, count)),
        }
    }

    /// Of the values in order, the one of the nearest rank, `ceil(q * n)`, within [`QUANTILE_ERROR`]; none of no values.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let rank = nearest_rank(q, self.total)?;
        let mut below = 0;
        let (bucket, _) = self.counts.iter().find(|(_, count)| {
            below += count;
            below > rank
        })?;
        Some(value_of(*bucket))
    }
}

/// The index, from 0, of the value at quantile `q` of `count` values in order; none of no values.
pub(crate) fn nearest_rank(q: f64, count: u64) -> Option<u64> {
    (count > 0).then(|| ((q * count as f64).ceil() as u64).clamp(1, count) - 1)
}

/// Ascending with the value; 0 is zero's.
fn bucket_of(value: f64) -> i32 {
    if value == 0.0 {
        return 0;
    }
    let magnitude = value.abs();
    let (bits, scale) = if magnitude < f64::MIN_POSITIVE {
        let lifted = magnitude * 2f64.powi(SUBNORMAL_SCALE_BITS);
        (lifted.to_bits(), SUBNORMAL_SCALE_BITS)
    } else {
        (magnitude.to_bits(), 0)
    };
    let place = (bits >> (f64::MANTISSA_DIGITS - 1 - FRACTION_BITS)) as i32;
    // From 1 on, whatever the exponent.
    let bucket = place + ((SUBNORMAL_SCALE_BITS - scale) << FRACTION_BITS) + 1;
    if value < 0.0 { -bucket } else { bucket }
}

/// The value that is relatively as near to the bucket's one end as to its other.
fn value_of(bucket: i32) -> f64 {
    if bucket == 0 {
        return 0.0;
    }
    let place = bucket.abs() - 1 - (SUBNORMAL_SCALE_BITS << FRACTION_BITS);
    let lifted_place = place + (SUBNORMAL_SCALE_BITS << FRACTION_BITS);
    let is_subnormal = place < 1 << FRACTION_BITS;
    let place = if is_subnormal { lifted_place } else { place };
    let start = f64::from_bits((place as u64) << (f64::MANTISSA_DIGITS - 1 - FRACTION_BITS));
    // The bucket's width is the same share of its power of two, wherever in it the bucket lies.
    let power =
        f64::from_bits(start.to_bits() >> (f64::MANTISSA_DIGITS - 1) << (f64::MANTISSA_DIGITS - 1));
    let width = power / f64::from(1 << FRACTION_BITS);
    // 2 * start * end / (start + end), without leaving the range of floats.
    let middle = start + width / (2.0 + width / start);
    let middle = if is_subnormal {
        middle / 2f64.powi(SUBNORMAL_SCALE_BITS)
    } else {
        middle
    };
    if bucket < 0 { -middle } else { middle }
}
