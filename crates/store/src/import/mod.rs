//! Events from elsewhere: gathered into segments of their own, away from the writer thread, which then takes them all at
//! once.

mod batch;
mod codes;
mod events;
mod ids;
mod staging;
mod table;
mod values;

use kinescope_ring::{CaptureLimits, Definitions};

pub use batch::{ImportBatch, ImportColumn};
pub use values::{Integers, Texts};

pub(crate) use ids::GivenIds;
pub(crate) use ids::ImportNumbers;

use crate::error::{Error, ErrorCode};
use crate::segment_builder::SegmentBuilder;
use crate::shared::Shared;
use staging::Staging;

/// What an import is made of.
pub enum ImportSource {
    /// `EVENT` records, as [`kinescope_ring::read_events`] reads them, in any number of pieces; a record without the flag
    /// of the caller's time has none.
    Events {
        /// Of each event the id that it brings, or 0.
        ids: Vec<u64>,
        /// Records one behind the other.
        pieces: Vec<Vec<u8>>,
    },
    /// Columns of events in batches.
    Table(Vec<ImportBatch>),
}

/// Events to import, all of them or none.
pub struct Import {
    /// The events.
    pub source: ImportSource,
    /// Their logical process where they name none.
    pub pid: String,
    /// Their time on the recording's time line where they have none, nanoseconds.
    pub now: i64,
    /// What is captured of `data` that comes as text.
    pub limits: CaptureLimits,
}

/// Events on their way to the writer, with the ids that they bring.
pub(crate) struct Staged {
    pub(crate) segments: Vec<SegmentBuilder>,
    pub(crate) given: GivenIds,
    /// Everything with a lower `seq` is known to have none of the ids.
    pub(crate) checked_below: u64,
}

/// What gathering needs besides the events.
pub(crate) struct Gathering<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) definitions: &'a Definitions,
}

/// Times of an event of which either may be missing.
fn times(timestamp: Option<i64>, wall_time: Option<i64>, now: i64, wall_minus: i64) -> (i64, i64) {
    let timestamp =
        timestamp.unwrap_or_else(|| wall_time.map_or(now, |wall| wall.saturating_sub(wall_minus)));
    let wall_time = wall_time.unwrap_or_else(|| timestamp.saturating_add(wall_minus));
    (timestamp, wall_time)
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidArgument, message)
}

impl Gathering<'_> {
    /// Ids and rows of an import. `numbers` is locked for as long as the import takes, so that no other one is given the
    /// same numbers; it advances when the import is stored.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for an id that exists or comes twice, and for what is wrong in a column; `RESOURCE_EXHAUSTED`.
    pub(crate) fn gather(
        &self,
        import: Import,
        numbers: &ImportNumbers,
    ) -> Result<(Staged, Vec<u64>, ImportNumbers), Error> {
        let place = match &import.source {
            ImportSource::Events { .. } => ids::Place::Events,
            ImportSource::Table(_) => ids::Place::Table,
        };
        let wanted = match &import.source {
            ImportSource::Events { ids, .. } => ids.clone(),
            ImportSource::Table(batches) => batch::given_ids(batches),
        };
        let given = GivenIds::new(wanted, place)?;
        let snapshot = self.shared.snapshot();
        let checked_below = given.check_sealed(&snapshot)?;
        let (ids, numbers) = given.fill(numbers, &snapshot, self.shared)?;
        let mut staging = Staging::new(&self.shared.options, &self.shared.areas(), &import.source)?;
        let wall_minus = self.shared.clock.wall_minus_timestamp_ns();
        let Import {
            source,
            pid,
            now,
            limits,
        } = import;
        let times = |timestamp, wall_time| times(timestamp, wall_time, now, wall_minus);
        match source {
            ImportSource::Events { pieces, .. } => {
                let defaults = events::Defaults {
                    node: &self.shared.options.node,
                    pid: &pid,
                    definitions: self.definitions,
                };
                events::stage(&pieces, &ids, &defaults, times, &mut staging)?;
            }
            ImportSource::Table(batches) => {
                let defaults = table::Defaults {
                    node: &self.shared.options.node,
                    pid: &pid,
                };
                table::stage(batches, &ids, &defaults, limits, times, &mut staging)?;
            }
        }
        let staged = Staged {
            segments: staging.finish(),
            given,
            checked_below,
        };
        Ok((staged, ids, numbers))
    }
}
