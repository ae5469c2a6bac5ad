//! Ids of imported events: those that they bring, and those that they get.

use hashbrown::{HashMap, HashSet};

use super::invalid;
use crate::error::Error;
use crate::event_id::EventId;
use crate::producer_numbers::FIRST_IMPORT;
use crate::segment::{ProducerRange, Segment};
use crate::segment_builder::SegmentBuilder;
use crate::shared::Shared;
use crate::slot::Summary;
use crate::snapshot::Snapshot;
use crate::sync::Ordering;

/// Up to this many ids of a producer are looked up one by one; more are compared with all rows of a segment at once.
const LOOKED_UP_MAX: usize = 16;
const SEQUENCE_END: u64 = 1 << crate::event_id::SEQUENCE_BITS;

/// Where an import's ids stand, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Events,
    Table,
}

/// The numbers that imported events without an id get.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ImportNumbers {
    next: u64,
}

impl ImportNumbers {
    /// The numbers from `next` on.
    #[cfg(all(unix, not(loom)))]
    pub(crate) fn from(next: u64) -> Self {
        Self { next }
    }
}

/// The ids that events of an import bring; no two are equal.
pub(crate) struct GivenIds {
    /// One for each event; 0: none.
    ids: Vec<u64>,
    /// Between which numbers those of each producer are.
    ranges: Vec<ProducerRange>,
    place: Place,
}

impl GivenIds {
    /// # Errors
    /// `INVALID_ARGUMENT` for an id that comes twice.
    pub(super) fn new(ids: Vec<u64>, place: Place) -> Result<Self, Error> {
        let mut ranges: Vec<ProducerRange> = Vec::new();
        let mut places: HashMap<u16, usize> = HashMap::new();
        let mut ascending = true;
        // Ids come in runs of one producer, so the last place is nearly always the right one.
        let mut last_place = 0;
        for id in ids.iter().copied().filter(|&id| id != 0).map(EventId) {
            let (producer, sequence) = (id.producer(), id.sequence());
            if ranges.get(last_place).map(|range| range.producer) != Some(producer) {
                last_place = *places.entry(producer).or_insert(ranges.len());
            }
            let Some(range) = ranges.get_mut(last_place) else {
                ranges.push(ProducerRange {
                    producer,
                    first: sequence,
                    last: sequence,
                });
                continue;
            };
            // A producer's numbers nearly always ascend, and then none of them comes twice.
            ascending &= sequence > range.last;
            range.first = range.first.min(sequence);
            range.last = range.last.max(sequence);
        }
        let given = Self { ids, ranges, place };
        if !ascending {
            given.ensure_distinct()?;
        }
        Ok(given)
    }

    fn ensure_distinct(&self) -> Result<(), Error> {
        let mut seen = HashSet::with_capacity(self.ids.len());
        let repeated = self.ids.iter().find(|&&id| id != 0 && !seen.insert(id));
        match repeated {
            Some(&id) => {
                let last = self.ids.iter().rposition(|&other| other == id);
                Err(self.refused(last, id, "an id that comes once"))
            }
            None => Ok(()),
        }
    }

    fn refused(&self, index: Option<usize>, id: u64, expected: &str) -> Error {
        let index = index.unwrap_or_default();
        let place = match self.place {
            Place::Events => format!("events[{index}].eventId"),
            Place::Table => format!("events.event_id[{index}]"),
        };
        invalid(format!(
            "{place}: expected {expected}, got \"{}\"",
            EventId(id)
        ))
    }

    fn taken(&self, id: u64) -> Error {
        let index = self.ids.iter().position(|&given| given == id);
        self.refused(index, id, "an id that does not exist yet")
    }

    /// Compares with the sealed segments; gives the `seq` below which everything has been compared.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for an id that exists.
    pub(super) fn check_sealed(&self, snapshot: &Snapshot) -> Result<u64, Error> {
        let may_meet = |summary: &Summary| {
            let meets = |range: &ProducerRange| {
                summary
                    .producer_range(range.producer)
                    .is_some_and(|own| overlap(own, range))
            };
            self.ranges.iter().any(meets)
        };
        for (segment, rows) in snapshot.segments_where(may_meet) {
            if segment.sealed().is_none_or(|sealed| rows < sealed.rows) {
                return Ok(segment.base_seq);
            }
            self.check_segment(segment)?;
        }
        Ok(snapshot.watermark)
    }

    /// # Errors
    /// `INVALID_ARGUMENT` for an id that a sealed segment has.
    pub(crate) fn check_segment(&self, segment: &Segment) -> Result<(), Error> {
        let Some(sealed) = segment.sealed() else {
            return Ok(());
        };
        let meeting = self.ranges.iter().filter(|range| {
            let found = sealed
                .producers
                .binary_search_by_key(&range.producer, |own| own.producer);
            found.is_ok_and(|index| overlap(&sealed.producers[index], range))
        });
        let meeting: Vec<u16> = meeting.map(|range| range.producer).collect();
        if meeting.is_empty() {
            return Ok(());
        }
        let candidates: Vec<u64> = self.ids_of(&meeting).collect();
        let found = if candidates.len() <= LOOKED_UP_MAX {
            candidates
                .into_iter()
                .find(|&id| segment.row_of(id, 0..sealed.rows).is_some())
        } else {
            first_common(candidates, segment.columns.event_id.slice(sealed.rows))
        };
        found.map_or(Ok(()), |id| Err(self.taken(id)))
    }

    /// # Errors
    /// `INVALID_ARGUMENT` for an id that the open segment has.
    pub(crate) fn check_open(&self, open: &SegmentBuilder) -> Result<(), Error> {
        let meeting = self.ranges.iter().filter(|range| {
            open.producer_range(range.producer)
                .is_some_and(|own| overlap(&own, range))
        });
        let meeting: Vec<u16> = meeting.map(|range| range.producer).collect();
        if meeting.is_empty() {
            return Ok(());
        }
        let found = first_common(self.ids_of(&meeting).collect(), open.event_ids());
        found.map_or(Ok(()), |id| Err(self.taken(id)))
    }

    fn ids_of<'a>(&'a self, producers: &'a [u16]) -> impl Iterator<Item = u64> + 'a {
        let ids = self.ids.iter().copied();
        ids.filter(|&id| id != 0 && producers.contains(&EventId(id).producer()))
    }

    /// Tells where the numbers of the producer of imports end now.
    pub(crate) fn note(&self, shared: &Shared) {
        for range in &self.ranges {
            shared.note_given(EventId::new(range.producer, range.last));
        }
    }

    /// The ids of all events: those that they bring, and for the others numbers from `numbers` on that nobody has.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when there are no more numbers.
    pub(super) fn fill(
        &self,
        numbers: &ImportNumbers,
        snapshot: &Snapshot,
        shared: &Shared,
    ) -> Result<(Vec<u64>, ImportNumbers), Error> {
        let mut numbers = *numbers;
        let used = self.used_from(numbers.next, snapshot, shared);
        let ids = self.ids.iter().map(|&id| {
            if id != 0 {
                return Ok(id);
            }
            loop {
                let sequence = numbers.next;
                if sequence >= SEQUENCE_END {
                    return Err(Error::resource_exhausted(
                        "no more numbers for imported events; expected fewer than 2^48",
                    ));
                }
                numbers.next += 1;
                let id = EventId::new(FIRST_IMPORT, sequence).0;
                if used.is_empty() || !used.contains(&id) {
                    return Ok(id);
                }
            }
        });
        let ids = ids.collect::<Result<Vec<u64>, Error>>()?;
        Ok((ids, numbers))
    }

    /// Ids that the numbers from `next` on would repeat: nearly always none, for only an event that brings an id of
    /// that producer has one.
    fn used_from(&self, next: u64, snapshot: &Snapshot, shared: &Shared) -> HashSet<u64> {
        let is_used =
            |id: &u64| EventId(*id).producer() == FIRST_IMPORT && EventId(*id).sequence() >= next;
        let mut used: HashSet<u64> = self.ids.iter().copied().filter(is_used).collect();
        let given_end = shared.given_import_end.load(Ordering::Acquire);
        let may_have = |summary: &Summary| {
            let own = summary.producer_range(FIRST_IMPORT);
            own.is_some_and(|own| own.last >= next)
        };
        for (segment, rows) in snapshot.segments_where(may_have) {
            let end = segment.sealed().map_or(given_end, |sealed| {
                let own = sealed
                    .producers
                    .binary_search_by_key(&FIRST_IMPORT, |own| own.producer);
                own.map_or(0, |index| sealed.producers[index].last + 1)
            });
            if end > next {
                let ids = segment.columns.event_id.slice(rows);
                used.extend(ids.iter().copied().filter(is_used));
            }
        }
        used
    }
}

fn overlap(a: &ProducerRange, b: &ProducerRange) -> bool {
    a.first <= b.last && b.first <= a.last
}

fn first_common(candidates: Vec<u64>, ids: &[u64]) -> Option<u64> {
    let candidates: HashSet<u64> = candidates.into_iter().collect();
    ids.iter().copied().find(|id| candidates.contains(id))
}
