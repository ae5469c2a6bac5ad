//! The thread that serves all subscriptions of a store.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kinescope_store::{Error, ErrorCode, Snapshot};

use crate::batch::{self, StreamBatch};
use crate::bell::Watch;
use crate::index::{KeyIndex, Wanting};
use crate::scan::{Segments, Stretch, first_at, scan, segments_of};
use crate::step::{Look, Plan, Seen, Step, View};
use crate::streams::{Hub, Notices, lock};

/// Sleep without anything to wait for.
const SLEEP_MAX: Duration = Duration::from_secs(3600);
/// New rows are looked at for all keyed subscriptions together from so many of them on.
const TOGETHER_MIN: usize = 4;
/// How far behind the newest row a subscription that is live may be.
const NEAR_ROWS: u64 = 64 << 10;

/// How long those that are farther behind may keep the others waiting in one round, roughly; one of them always gets a look.
const FAR_MAX: Duration = Duration::from_millis(2);
/// How long batches that had time to wait may keep the others waiting in one round, roughly; one of them is always made.
const PATIENT_MAX: Duration = Duration::from_millis(2);

/// A look for a subscription, as it was when the look began.
struct Task {
    id: u64,
    epoch: u64,
    look: Look,
    stretch: Stretch,
}

/// A look that is done.
struct Sight {
    id: u64,
    epoch: u64,
    seen: Seen,
    took: Duration,
}

/// What there is to do in a round.
#[derive(Default)]
struct Round {
    tasks: Vec<Task>,
    plans: Vec<(u64, Plan)>,
    /// The next time at which something is due.
    wake_at: Option<Instant>,
    /// Somebody waits for the log to grow.
    is_watching: bool,
}

impl Round {
    fn wake(&mut self, until: Option<Instant>) {
        self.wake_at = match (self.wake_at, until) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    fn add(&mut self, id: u64, epoch: u64, step: Step) {
        match step {
            Step::Rest | Step::End => {}
            Step::Wait(until) => {
                self.is_watching = true;
                self.wake(until);
            }
            Step::Hold(until) => self.wake(Some(until)),
            Step::Look(look, stretch) => self.tasks.push(Task {
                id,
                epoch,
                look,
                stretch,
            }),
            Step::Make(plan) => self.plans.push((id, plan)),
        }
    }
}

/// A batch that may wait until the quick ones are made.
struct Waiting {
    id: u64,
    plan: Plan,
    /// What it was planned on: retention may take its rows from later ones.
    snapshot: Snapshot,
}

/// Delivers until the store is closed and everything is delivered, or nobody can subscribe any more.
pub(crate) fn run(hub: &Hub) {
    let mut index = KeyIndex::default();
    // Of those far behind, whose turn it was last.
    let mut last_far = 0;
    let mut patient = VecDeque::new();
    loop {
        hub.bell.hear();
        // Before the snapshot: one that is taken afterwards is final.
        let is_final = hub.log.is_closed();
        let snapshot = hub.log.snapshot();
        let view = hub.view_of(&snapshot, is_final);
        let Some(round) = begin(hub, view) else {
            return;
        };
        if round.tasks.is_empty() && round.plans.is_empty() && patient.is_empty() {
            drop(snapshot);
            let bound = round
                .wake_at
                .map_or(SLEEP_MAX, |at| at.saturating_duration_since(Instant::now()));
            let watch = if is_final {
                Watch::Bell
            } else if round.is_watching {
                Watch::Log(view.watermark)
            } else {
                Watch::End
            };
            hub.bell.sleep(&hub.log, watch, bound);
            continue;
        }
        let mut plans = round.plans;
        let results = look(hub, &mut index, &snapshot, round.tasks, &mut last_far);
        plans.extend(take_note(hub, view, results));
        for (id, plan) in plans {
            if plan.is_prompt {
                deliver(hub, &snapshot, id, plan);
            } else {
                let snapshot = snapshot.clone();
                patient.push_back(Waiting { id, plan, snapshot });
            }
        }
        deliver_some(hub, &mut patient);
    }
}

/// Asks every subscription what it does next; none when there is nothing left to do for ever.
fn begin(hub: &Hub, view: View) -> Option<Round> {
    let mut round = Round::default();
    let mut ended = Vec::new();
    let mut notices = Notices::default();
    let mut subscriptions = lock(&hub.subscriptions);
    for (&id, entry) in &mut subscriptions.entries {
        let step = entry.state.step(view);
        if matches!(step, Step::End) {
            ended.push(id);
        }
        round.add(id, entry.state.epoch, step);
    }
    for id in ended {
        subscriptions.end(id, None, &mut notices);
    }
    if view.is_final && subscriptions.entries.is_empty() {
        subscriptions.is_over = true;
    }
    let is_over = subscriptions.is_over;
    drop(subscriptions);
    notices.send();
    (!is_over).then_some(round)
}

fn is_near(task: &Task, watermark: u64) -> bool {
    watermark - task.stretch.from <= NEAR_ROWS
}

/// Looks near the newest row come first, and all of them in every round: catching up is not allowed to delay what is live.
/// Those for which there is no time are asked for again in the next round, where it is their turn.
fn look(
    hub: &Hub,
    index: &mut KeyIndex,
    snapshot: &Snapshot,
    tasks: Vec<Task>,
    last_far: &mut u64,
) -> Vec<Sight> {
    let from = tasks.iter().map(|task| task.stretch.from).min();
    let segments = segments_of(snapshot, from.unwrap_or(snapshot.watermark));
    let (near, mut far): (Vec<Task>, Vec<Task>) = tasks
        .into_iter()
        .partition(|task| is_near(task, snapshot.watermark));
    let (together, alone) = split(near, &segments, snapshot.watermark);
    let alone = alone.into_iter();
    let mut results: Vec<Sight> = alone.map(|task| look_alone(task, &segments)).collect();
    if !together.is_empty() {
        results.extend(look_together(hub, index, &segments, together));
    }
    far.sort_by_key(|task| (task.id <= *last_far, task.id));
    let start = Instant::now();
    for task in far {
        *last_far = task.id;
        results.push(look_alone(task, &segments));
        if start.elapsed() > FAR_MAX {
            break;
        }
    }
    results
}

fn look_alone(task: Task, segments: &Segments<'_>) -> Sight {
    let start = Instant::now();
    let seen = match &task.look {
        Look::Rows(query) => Seen::Rows(scan(&query.filter, segments, task.stretch)),
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

/// Those that are better looked at together, and the others.
fn split(tasks: Vec<Task>, segments: &Segments<'_>, watermark: u64) -> (Vec<Task>, Vec<Task>) {
    let Some((open, _)) = segments.last() else {
        return (Vec::new(), tasks);
    };
    let is_joining = |task: &Task| {
        let from = task.stretch.from;
        let has_key = matches!(&task.look, Look::Rows(query) if query.key.is_some());
        // Who is to stop before the newest row goes alone.
        has_key && from >= open.base_seq && task.stretch.rows_max as u64 >= watermark - from
    };
    if tasks.iter().filter(|task| is_joining(task)).count() < TOGETHER_MIN {
        return (Vec::new(), tasks);
    }
    tasks.into_iter().partition(is_joining)
}

fn look_together(
    hub: &Hub,
    index: &mut KeyIndex,
    segments: &Segments<'_>,
    tasks: Vec<Task>,
) -> Vec<Sight> {
    let subscriptions = lock(&hub.subscriptions);
    index.refresh(subscriptions.version, || {
        let entries = subscriptions.entries.iter();
        entries
            .map(|(&id, entry)| (id, Arc::clone(&entry.state.query)))
            .collect()
    });
    drop(subscriptions);
    let wanting: Vec<Wanting> = tasks
        .iter()
        .filter_map(|task| match &task.look {
            Look::Rows(query) => Some(Wanting {
                id: task.id,
                query: Arc::clone(query),
                from: task.stretch.from,
                wanted: task.stretch.wanted,
            }),
            Look::Time(..) => None,
        })
        .collect();
    let Some((segment, rows)) = segments.last() else {
        return Vec::new();
    };
    let found = index.find(&wanting, segment, *rows);
    tasks
        .into_iter()
        .zip(found)
        .map(|(task, found)| Sight {
            id: task.id,
            epoch: task.epoch,
            seen: Seen::Rows(found),
            took: Duration::ZERO,
        })
        .collect()
}

/// Tells the subscriptions what was found, and gathers the batches that are due now.
fn take_note(hub: &Hub, view: View, results: Vec<Sight>) -> Vec<(u64, Plan)> {
    let view = View {
        now: Instant::now(),
        ..view
    };
    let mut round = Round::default();
    let mut subscriptions = lock(&hub.subscriptions);
    for result in results {
        let Some(entry) = subscriptions.entries.get_mut(&result.id) else {
            continue;
        };
        if entry.state.epoch != result.epoch {
            continue;
        }
        entry.state.see(result.seen, result.took, view);
        // What else there is to do is for the next round.
        if let Some(plan) = entry.state.due(view) {
            round.plans.push((result.id, plan));
        }
    }
    round.plans
}

/// A hundred subscriptions whose batches fall due in the same moment keep nobody waiting for all of them: what there is no
/// time for stays for the next round, behind whatever has become urgent.
fn deliver_some(hub: &Hub, patient: &mut VecDeque<Waiting>) {
    let start = Instant::now();
    while let Some(Waiting { id, plan, snapshot }) = patient.pop_front() {
        deliver(hub, &snapshot, id, plan);
        if start.elapsed() > PATIENT_MAX {
            break;
        }
    }
}

fn deliver(hub: &Hub, snapshot: &Snapshot, id: u64, mut plan: Plan) {
    if !lock(&hub.subscriptions).is_wanted(id, &plan) {
        return;
    }
    let made = make(hub, id, snapshot, &mut plan);
    let mut notices = Notices::default();
    let mut subscriptions = lock(&hub.subscriptions);
    if subscriptions.is_wanted(id, &plan) {
        match made {
            Ok(batch) => {
                if let Some(entry) = subscriptions.entries.get_mut(&id) {
                    entry.state.accept(batch);
                }
                subscriptions.announce(id, &mut notices);
            }
            Err(error) => subscriptions.end(id, Some(error), &mut notices),
        }
    }
    drop(subscriptions);
    notices.send();
}

/// Makes a batch, of half of the events as long as all of them are too much for one.
fn make(hub: &Hub, id: u64, snapshot: &Snapshot, plan: &mut Plan) -> Result<StreamBatch, Error> {
    loop {
        let made = batch::make(plan, snapshot, &hub.log);
        let is_too_large = made
            .as_ref()
            .is_err_and(|error| error.code == ErrorCode::ResourceExhausted);
        if !is_too_large || plan.seqs.len() < 2 {
            return made;
        }
        if let Some(entry) = lock(&hub.subscriptions).entries.get_mut(&id) {
            entry.state.give_back(plan);
        }
    }
}
