//! Conditions on groups.

use crate::condition::Test;
use crate::evaluate::tag_holds;
use crate::scalar::Scalar;

/// A condition on a group's columns; two-valued, as [`Condition`](crate::condition::Condition) is.
#[derive(Clone, Debug)]
pub enum Having {
    /// All hold; none is needed.
    And(Vec<Having>),
    /// One holds; without any, none does.
    Or(Vec<Having>),
    /// It does not hold.
    Not(Box<Having>),
    /// The value of the answer's column of this index passes the test; an absent one does not.
    Test(usize, Test),
}

/// Columns as conditions see them.
pub(crate) trait Group {
    /// The value of a column.
    fn value(&self, column: usize) -> Option<Scalar<'_>>;

    /// Whether a column has tags, which compare as what their text is.
    fn is_tag(&self, column: usize) -> bool;
}

impl Having {
    /// Whether a group satisfies it.
    pub(crate) fn holds(&self, group: &impl Group) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.holds(group)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(group)),
            Self::Not(inner) => !inner.holds(group),
            Self::Test(column, test) => match group.value(*column) {
                Some(Scalar::Text(text)) if group.is_tag(*column) => tag_holds(test, &text),
                Some(value) => test.holds(&value),
                None => false,
            },
        }
    }
}
