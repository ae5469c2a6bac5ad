//! The order of answers.

use std::cmp::Ordering;

use crate::condition::Field;
use crate::scalar::Scalar;

/// What an answer is sorted by; without a field by time. Ties go by `seq`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// None: `timestamp`.
    pub field: Option<Field>,
    /// The exact mirror of ascending, except that absent values stay last.
    pub descending: bool,
}

/// A row's place in an order; comparing gives the order of the answer.
pub trait Key: Ord + Clone {
    /// The row's position in the log.
    fn seq(&self) -> u64;
}

/// A row's place in time, ascending or, negated, descending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeKey {
    timestamp: i64,
    seq: i64,
}

impl TimeKey {
    /// The key of a row.
    pub fn new(timestamp: i64, seq: u64, descending: bool) -> Self {
        // Positions stay far below 2^63. The complement mirrors the whole range without overflow.
        let seq = seq as i64;
        if descending {
            Self {
                timestamp: !timestamp,
                seq: !seq,
            }
        } else {
            Self { timestamp, seq }
        }
    }

    /// The row's time.
    pub fn timestamp(&self) -> i64 {
        if self.seq < 0 {
            !self.timestamp
        } else {
            self.timestamp
        }
    }
}

impl Key for TimeKey {
    fn seq(&self) -> u64 {
        (if self.seq < 0 { !self.seq } else { self.seq }) as u64
    }
}

/// A row's place in the order of any field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldKey {
    /// None: absent.
    pub value: Option<Scalar<'static>>,
    /// The row.
    pub seq: u64,
    /// Of the order.
    pub descending: bool,
}

impl FieldKey {
    /// Where a value at a position comes in the order of this key, seen from it.
    pub(crate) fn compare(&self, value: Option<&Scalar<'_>>, seq: u64) -> Ordering {
        let mirrored = |order: Ordering| {
            if self.descending {
                order.reverse()
            } else {
                order
            }
        };
        let by_value = match (value, &self.value) {
            (Some(a), Some(b)) => mirrored(a.sort_order(b)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        by_value.then_with(|| mirrored(seq.cmp(&self.seq)))
    }
}

impl Eq for FieldKey {}

impl PartialOrd for FieldKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for FieldKey {
    fn cmp(&self, other: &Self) -> Ordering {
        other.compare(self.value.as_ref(), self.seq)
    }
}

impl Key for FieldKey {
    fn seq(&self) -> u64 {
        self.seq
    }
}
