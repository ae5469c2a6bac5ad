//! What is found when a recording is checked.

use std::ops::Range;

/// What a recording's files are worth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Whether a process writes the recording now.
    pub is_live: bool,
    /// Whether its process has ended without closing it, and nobody has opened it to record since: what that one recorded last
    /// is in its rings.
    pub is_unrecovered: bool,
    /// Positions of the log below this have been given out.
    pub next_seq: u64,
    /// In the order of the log.
    pub segments: Vec<VerifiedSegment>,
    /// Every file that was looked at.
    pub files: Vec<VerifiedFile>,
    /// Positions that are in no file, and of which the recording does not say that they are missing.
    pub holes: Vec<Range<u64>>,
}

/// A run of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedSegment {
    /// Position of its first row.
    pub base_seq: u64,
    /// Rows; none when nothing that can be trusted says how many.
    pub rows: Option<u64>,
    /// Whether it is complete and in a file of its own.
    pub is_sealed: bool,
    /// Why its rows cannot be read.
    pub damage: Option<String>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedFile {
    /// In the recording's directory.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// What is wrong with it.
    pub damage: Option<String>,
}

impl Verification {
    /// Whether nothing is damaged and nothing is missing without being known to be.
    pub fn is_intact(&self) -> bool {
        let is_damaged = self.files.iter().any(|file| file.damage.is_some())
            || self.segments.iter().any(|segment| segment.damage.is_some());
        !is_damaged && self.holes.is_empty()
    }
}
