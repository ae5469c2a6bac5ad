//! What a subscription sees, and what it asks for.

use std::sync::Arc;
use std::time::Instant;

use crate::agenda::Alarm;
use crate::gap::Gap;
use crate::position::TimeColumn;
use crate::scan::{Found, Stretch};
use crate::settings::StreamQuery;

/// The log as the delivery thread sees it in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// The first position that retention has left.
    pub(crate) first_seq: u64,
    /// Everything below is visible.
    pub(crate) watermark: u64,
    /// No row that retention has evicted had a later timestamp.
    pub(crate) evicted_until: i64,
    /// Nothing will be added any more.
    pub(crate) is_final: bool,
    pub(crate) now: Instant,
}

/// A batch that is to be made.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Its subscription wants batches at once.
    pub(crate) is_prompt: bool,
    pub(crate) epoch: u64,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) seqs: Vec<u64>,
    pub(crate) gap: Option<Gap>,
    pub(crate) caught_up: bool,
    pub(crate) filter_version: u32,
    pub(crate) query: Arc<StreamQuery>,
}

/// What to look for on behalf of a subscription.
#[derive(Debug)]
pub(crate) enum Look {
    /// Rows that match.
    Rows(Arc<StreamQuery>),
    /// The first row of a time.
    Time(TimeColumn, i64),
}

/// What a look has found.
#[derive(Debug)]
pub(crate) enum Seen {
    Rows(Found),
    /// The first row of the time, or how far there is none.
    Time(Result<u64, u64>),
}

/// What a crowd has looked at.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Everything below has been looked at.
    pub(crate) end: u64,
    /// Whether that is the end of a segment that grows no more.
    pub(crate) ends_segment: bool,
    /// How many rows were looked at.
    pub(crate) rows: usize,
    /// Who wants any of them, and which.
    pub(crate) found: Vec<(u64, Vec<u64>)>,
}

/// What a subscription does next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing until its consumer or somebody else asks.
    Rest,
    /// Nothing until the log grows, or until a time.
    Wait(Option<Instant>),
    /// Nothing until a time, however much the log grows.
    Hold(Instant),
    /// Looks at more rows.
    Look(Look, Stretch),
    /// Makes a batch.
    Make(Plan),
    /// Has delivered all that it will.
    End,
}

impl Step {
    /// Whether others may look at new rows on its behalf.
    pub(crate) fn lets_follow(&self) -> bool {
        !matches!(self, Self::Look(Look::Time(..), _) | Self::End)
    }

    /// When to ask again, unless the subscription changes before.
    pub(crate) fn alarm(&self) -> Option<Alarm> {
        match self {
            // Once a batch is made its subscription has changed.
            Self::Rest | Self::End | Self::Make(_) => None,
            Self::Wait(until) => Some(Alarm::Growth(*until)),
            Self::Hold(until) => Some(Alarm::At(*until)),
            Self::Look(..) => Some(Alarm::Now),
        }
    }
}
