//! The thread that serves all subscriptions of a store.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use kinescope_store::{Error, ErrorCode, Snapshot};

use crate::agenda::{Agenda, Alarm};
use crate::batch::{self, StreamBatch};
use crate::bell::Watch;
use crate::crowd::Crowd;
use crate::look::{Looker, Sight, TOGETHER_MIN, Task, is_keyed};
use crate::state::State;
use crate::step::{Piece, Plan, Step, View};
use crate::streams::{Hub, Notices, lock};

/// Sleep without anything to wait for.
const SLEEP_MAX: Duration = Duration::from_secs(3600);
/// On the agenda, what is no subscription: their numbers begin at 1.
const CROWD: u64 = 0;
/// How long batches that had time to wait may keep the others waiting in one round, roughly; one of them is always made.
const PATIENT_MAX: Duration = Duration::from_millis(2);

/// What there is to do in a round.
#[derive(Default)]
struct Round {
    tasks: Vec<Task>,
    plans: Vec<(u64, Plan)>,
    /// Somebody wants batches at once.
    has_prompt: bool,
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
    let mut agenda = Agenda::default();
    let mut crowd = Crowd::default();
    let mut looker = Looker::default();
    let mut patient = VecDeque::new();
    loop {
        hub.bell.hear();
        // Before the snapshot: one that is taken afterwards is final.
        let is_final = hub.log.is_closed();
        let snapshot = hub.log.snapshot();
        let view = hub.view_of(&snapshot, is_final);
        let mut plans = Vec::new();
        // Batches that are due reach to the newest row, so that they have caught up, and no other has to say so.
        if crowd.is_behind(view.watermark) && agenda.is_time_for(view.now, |id| crowd.has(id)) {
            let piece = looker.look_for(hub, &crowd, &snapshot);
            plans.extend(move_on(hub, &mut agenda, &mut crowd, view, piece));
        }
        let Some(round) = begin(hub, &mut agenda, &mut crowd, view) else {
            return;
        };
        let others_look = round.tasks.iter().any(|task| is_keyed(&task.look));
        let crowd_looks = crowd.is_due(view.watermark, view.now, others_look);
        plans.extend(round.plans);
        let has_work = crowd_looks || !round.tasks.is_empty() || !plans.is_empty();
        if !has_work && patient.is_empty() {
            drop(snapshot);
            let (watch, wake_at) = agenda.rest();
            let bound =
                wake_at.map_or(SLEEP_MAX, |at| at.saturating_duration_since(Instant::now()));
            let watch = if is_final { Watch::Bell } else { watch };
            hub.log
                .set_eager(round.has_prompt && matches!(watch, Watch::Log(_)));
            hub.bell.sleep(&hub.log, watch, bound);
            continue;
        }
        if crowd_looks {
            let piece = looker.look_for(hub, &crowd, &snapshot);
            plans.extend(move_on(hub, &mut agenda, &mut crowd, view, piece));
        }
        let results = looker.look(hub, &snapshot, round.tasks);
        plans.extend(take_note(hub, &mut agenda, &mut crowd, view, results));
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

/// Asks those subscriptions what they do next that may have something to do; none when there is nothing left to do for ever.
fn begin(hub: &Hub, agenda: &mut Agenda, crowd: &mut Crowd, view: View) -> Option<Round> {
    let mut round = Round::default();
    let mut ended = Vec::new();
    let mut notices = Notices::default();
    let mut subscriptions = lock(&hub.subscriptions);
    let mut asked = agenda.due(view.watermark, view.now);
    asked.append(&mut subscriptions.changed);
    asked.extend(crowd.stragglers(view));
    if view.is_final {
        asked.extend(subscriptions.entries.keys());
    }
    asked.sort_unstable();
    asked.dedup();
    let are_many = subscriptions.entries.len() >= TOGETHER_MIN;
    for id in asked {
        let mut entry = subscriptions.entries.get_mut(&id);
        crowd.leave(id, entry.as_mut().map(|entry| &mut entry.state));
        let Some(entry) = entry else {
            agenda.set(id, None);
            continue;
        };
        entry.has_changed = false;
        let step = entry.state.step(view);
        if are_many && step.lets_follow() && crowd.join(id, &entry.state, view) {
            agenda.set(id, alarm_in_crowd(&entry.state));
            if let Step::Make(plan) = step {
                round.plans.push((id, plan));
            }
            continue;
        }
        agenda.set(id, step.alarm());
        let epoch = entry.state.epoch;
        match step {
            Step::Rest | Step::Wait(_) | Step::Hold(_) => {}
            Step::Look(look, stretch) => round.tasks.push(Task {
                id,
                epoch,
                look,
                stretch,
            }),
            Step::Make(plan) => round.plans.push((id, plan)),
            Step::End => ended.push(id),
        }
    }
    crowd.set_stuck(false);
    agenda.set(CROWD, crowd.alarm(view.watermark));
    for id in ended {
        subscriptions.end(id, None, &mut notices);
    }
    if view.is_final && subscriptions.entries.is_empty() {
        subscriptions.is_over = true;
    }
    round.has_prompt = subscriptions.prompt > 0;
    let is_over = subscriptions.is_over;
    drop(subscriptions);
    notices.send();
    (!is_over).then_some(round)
}

/// In the crowd nothing concerns a subscription but its deadline, and not even that while it owes nothing.
fn alarm_in_crowd(state: &State) -> Option<Alarm> {
    state
        .is_watching()
        .then(|| Alarm::At(state.deadline_among_others()))
}

/// Tells those members of the crowd for which something was found, and gathers the batches that are due now.
fn move_on(
    hub: &Hub,
    agenda: &mut Agenda,
    crowd: &mut Crowd,
    view: View,
    piece: Option<Piece>,
) -> Vec<(u64, Plan)> {
    let Some(mut piece) = piece else {
        crowd.set_stuck(true);
        return Vec::new();
    };
    let now = Instant::now();
    let view = View { now, ..view };
    let mut plans: Vec<(u64, Plan)> = Vec::new();
    let mut subscriptions = lock(&hub.subscriptions);
    for (id, seqs) in std::mem::take(&mut piece.found) {
        let Some(entry) = subscriptions.entries.get_mut(&id) else {
            continue;
        };
        if !crowd.is_with(id, &entry.state) {
            continue;
        }
        crowd.bring_up(&mut entry.state);
        entry.state.see_together(seqs, &piece, view);
        if let Some(plan) = entry.state.due(view) {
            crowd.leave(id, None);
            agenda.set(id, None);
            plans.push((id, plan));
        } else if entry.state.following().is_none() {
            crowd.leave(id, None);
            agenda.set(id, Some(Alarm::Now));
        } else {
            agenda.set(id, alarm_in_crowd(&entry.state));
        }
    }
    crowd.move_to(piece.end, now);
    // Whoever has a batch coming goes along with the others.
    for (id, _) in &plans {
        if let Some(entry) = subscriptions.entries.get(id) {
            crowd.join(*id, &entry.state, view);
        }
    }
    plans
}

/// Tells the subscriptions what was found, and gathers the batches that are due now.
fn take_note(
    hub: &Hub,
    agenda: &mut Agenda,
    crowd: &mut Crowd,
    view: View,
    results: Vec<Sight>,
) -> Vec<(u64, Plan)> {
    let view = View {
        now: Instant::now(),
        ..view
    };
    let mut plans = Vec::new();
    let mut subscriptions = lock(&hub.subscriptions);
    let are_many = subscriptions.entries.len() >= TOGETHER_MIN;
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
            plans.push((result.id, plan));
            if are_many && crowd.join(result.id, &entry.state, view) {
                agenda.set(result.id, None);
            }
        }
    }
    plans
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
                subscriptions.note(id);
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
