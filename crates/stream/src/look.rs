//! The looks of a round: for whom rows are looked at alone, for whom together, and in which order.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kinescope_store::{Segment, Snapshot};

use crate::crowd::Crowd;
use crate::gap::Gap;
use crate::index::{KeyIndex, Wanting};
use crate::scan::{Segments, Stretch, first_at, scan, segments_of};
use crate::settings::StreamQuery;
use crate::step::{Look, Piece, Seen};
use crate::streams::{Hub, lock};

/// Rows are looked at for all keyed subscriptions together from so many of them on,
pub(crate) const TOGETHER_MIN: usize = 4;
/// or so many, where an index tells each of them its rows.
const TOGETHER_MIN_INDEXED: usize = 64;
/// How far behind the newest row a subscription that is live may be.
pub(crate) const NEAR_ROWS: u64 = 64 << 10;
/// Rows that are looked at in one go together for those who are farther behind.
const FAR_ROWS: u64 = 128 << 10;
/// How long those that are farther behind may keep the others waiting in one round, roughly; one of them always gets a look.
const FAR_MAX: Duration = Duration::from_millis(2);

/// A look for a subscription, as it was when the look began.
pub(crate) struct Task {
    pub(crate) id: u64,
    pub(crate) epoch: u64,
    pub(crate) look: Look,
    pub(crate) stretch: Stretch,
}

/// A look that is done.
pub(crate) struct Sight {
    pub(crate) id: u64,
    pub(crate) epoch: u64,
    pub(crate) seen: Seen,
    pub(crate) took: Duration,
}

/// What looks leave to later ones.
#[derive(Default)]
pub(crate) struct Looker {
    index: KeyIndex,
    /// Of those far behind, whose turn it was last.
    last_far: u64,
}

impl Looker {
    /// Looks near the newest row come first, and all of them in every round: catching up is not allowed to delay what is
    /// live. Those for which there is no time are asked for again in the next round, where it is their turn.
    pub(crate) fn look(&mut self, hub: &Hub, snapshot: &Snapshot, tasks: Vec<Task>) -> Vec<Sight> {
        if tasks.is_empty() {
            return Vec::new();
        }
        let from = tasks.iter().map(|task| task.stretch.from).min();
        let segments = segments_of(snapshot, from.unwrap_or(snapshot.watermark));
        let is_near = |task: &Task| snapshot.watermark - task.stretch.from <= NEAR_ROWS;
        let (near, far): (Vec<Task>, Vec<Task>) = tasks.into_iter().partition(is_near);
        self.refresh(hub);
        let missing = |seqs: Range<u64>| Gap::first_of(seqs, snapshot, &hub.log);
        let mut sights = Vec::with_capacity(near.len());
        for (place, tasks) in crowds(near, &segments) {
            match place {
                Some(place) if is_crowd(tasks.len(), segments[place].0) => {
                    let (segment, rows) = segments[place];
                    sights.extend(self.look_together(segment, rows, tasks));
                }
                _ => sights.extend(
                    tasks
                        .into_iter()
                        .map(|task| look_alone(task, &segments, missing)),
                ),
            }
        }
        self.look_far(&segments, far, &missing, &mut sights);
        sights
    }

    /// Looks at some of the rows behind a crowd, of one segment; none where the log has no such row.
    pub(crate) fn look_for(
        &mut self,
        hub: &Hub,
        crowd: &Crowd,
        snapshot: &Snapshot,
    ) -> Option<Piece> {
        let from = crowd.scanned();
        let segments = segments_of(snapshot, from);
        let place = segments.partition_point(|(segment, _)| segment.base_seq <= from);
        let (segment, rows) = *segments.get(place.checked_sub(1)?)?;
        let first = (from - segment.base_seq) as usize;
        if first >= rows {
            return None;
        }
        self.refresh(hub);
        let end = rows.min(first + NEAR_ROWS as usize);
        Some(Piece {
            end: segment.base_seq + end as u64,
            ends_segment: segment.sealed().is_some_and(|sealed| sealed.rows == end),
            rows: end - first,
            found: self.index.find_for(crowd, segment, first..end),
        })
    }

    fn look_far(
        &mut self,
        segments: &Segments<'_>,
        mut far: Vec<Task>,
        missing: &impl Fn(Range<u64>) -> Gap,
        sights: &mut Vec<Sight>,
    ) {
        let start = Instant::now();
        far.sort_by_key(|task| (task.id <= self.last_far, task.id));
        let mut far = VecDeque::from(far);
        while let Some(task) = far.pop_front() {
            self.last_far = task.id;
            let from = task.stretch.from;
            let others = place_of(&task, segments).and_then(|place| {
                let (segment, rows) = segments[place];
                let end = (segment.base_seq + rows as u64).min(from + FAR_ROWS);
                let joins = |other: &&Task| {
                    (from..end).contains(&other.stretch.from) && is_keyed(&other.look)
                };
                is_crowd(1 + far.iter().filter(joins).count(), segment).then_some((segment, end))
            });
            if let Some((segment, end)) = others {
                let joins = |other: &Task| {
                    (from..end).contains(&other.stretch.from) && is_keyed(&other.look)
                };
                let (mut together, rest): (Vec<Task>, Vec<Task>) = far.into_iter().partition(joins);
                far = rest.into();
                together.push(task);
                together.sort_unstable_by_key(|task| task.id);
                let rows = (end - segment.base_seq) as usize;
                sights.extend(self.look_together(segment, rows, together));
            } else {
                sights.push(look_alone(task, segments, missing));
            }
            if start.elapsed() > FAR_MAX {
                break;
            }
        }
    }

    fn refresh(&mut self, hub: &Hub) {
        let subscriptions = lock(&hub.subscriptions);
        self.index.refresh(subscriptions.version, || {
            let entries = subscriptions.entries.iter();
            entries
                .map(|(&id, entry)| (id, Arc::clone(&entry.state.query)))
                .collect()
        });
    }

    /// Looks among the first `rows` rows of a segment for tasks with a key, which are in the order of their ids.
    fn look_together(
        &mut self,
        segment: &Arc<Segment>,
        rows: usize,
        tasks: Vec<Task>,
    ) -> Vec<Sight> {
        let all: Vec<Wanting<'_>> = tasks.iter().filter_map(wanting_of).collect();
        let found = self.index.find(&all, segment, rows);
        let sight = |(task, found): (&Task, _)| Sight {
            id: task.id,
            epoch: task.epoch,
            seen: Seen::Rows(found),
            took: Duration::ZERO,
        };
        tasks.iter().zip(found).map(sight).collect()
    }
}

/// Looking at every row pays off for so many at once.
fn is_crowd(tasks: usize, segment: &Segment) -> bool {
    tasks
        >= match segment.index() {
            Some(_) => TOGETHER_MIN_INDEXED,
            None => TOGETHER_MIN,
        }
}

fn query_of(look: &Look) -> Option<&StreamQuery> {
    match look {
        Look::Rows(query) => query.key.is_some().then_some(&**query),
        Look::Time(..) => None,
    }
}

fn wanting_of(task: &Task) -> Option<Wanting<'_>> {
    Some(Wanting {
        id: task.id,
        query: query_of(&task.look)?,
        stretch: task.stretch,
    })
}

pub(crate) fn is_keyed(look: &Look) -> bool {
    query_of(look).is_some()
}

/// The segment of a task that has a key; none where the log has no such row.
fn place_of(task: &Task, segments: &Segments<'_>) -> Option<usize> {
    query_of(&task.look)?;
    let from = task.stretch.from;
    let place = segments.partition_point(|(segment, _)| segment.base_seq <= from);
    let place = place.checked_sub(1)?;
    let (segment, rows) = segments[place];
    (from < segment.base_seq + rows as u64).then_some(place)
}

/// The tasks by their segment; without one, those that are looked for alone.
fn crowds(tasks: Vec<Task>, segments: &Segments<'_>) -> BTreeMap<Option<usize>, Vec<Task>> {
    let mut crowds: BTreeMap<Option<usize>, Vec<Task>> = BTreeMap::new();
    for task in tasks {
        let place = place_of(&task, segments);
        crowds.entry(place).or_default().push(task);
    }
    crowds
}

fn look_alone(task: Task, segments: &Segments<'_>, missing: impl Fn(Range<u64>) -> Gap) -> Sight {
    let start = Instant::now();
    let seen = match &task.look {
        Look::Rows(query) => Seen::Rows(scan(&query.filter, segments, task.stretch, missing)),
        Look::Time(column, at_least) => {
            Seen::Time(first_at(*column, *at_least, segments, task.stretch))
        }
    };
    Sight {
        id: task.id,
        epoch: task.epoch,
        seen,
        took: start.elapsed(),
    }
}
