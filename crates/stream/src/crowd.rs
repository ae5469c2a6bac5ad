//! The subscriptions that are live and wait for something that is theirs: they move along together.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::agenda::Alarm;
use crate::look::NEAR_ROWS;
use crate::pace::HOLD_ROWS_MAX;
use crate::state::State;
use crate::step::View;

/// Live subscriptions with a key for which the log has been looked at up to the same position. New rows are looked at for
/// all of them at once, and those that want none of the rows are not even touched: how far they are is told to them when
/// they leave. So new rows cost what they hold, however many subscriptions there are.
#[derive(Default)]
pub(crate) struct Crowd {
    members: BTreeMap<u64, Member>,
    /// How many of the members leave new rows alone for how long.
    holds: BTreeMap<Duration, usize>,
    /// Everything below has been looked at for all of them.
    scanned: u64,
    looked_at: Option<Instant>,
    /// Nobody can move on together: there are no rows where they are.
    is_stuck: bool,
}

#[derive(Clone, Copy)]
struct Member {
    /// As it was when it joined: whoever changes its course since then takes it out of what is found here.
    epoch: u64,
    /// None while it owes nothing: then it is taken along where others go.
    hold: Option<Duration>,
}

impl Crowd {
    /// Takes a subscription in, unless it has to go alone. Its deadline is its only alarm then.
    pub(crate) fn join(&mut self, id: u64, state: &State, view: View) -> bool {
        self.try_join(id, state, view).is_some()
    }

    fn try_join(&mut self, id: u64, state: &State, view: View) -> Option<()> {
        let is_watching = state.is_watching();
        if is_watching && state.deadline_among_others() <= view.now {
            return None;
        }
        let (scanned, looked_at) = state.following()?;
        if self.is_stuck || view.watermark.saturating_sub(scanned) > NEAR_ROWS {
            return None;
        }
        if self.members.is_empty() {
            (self.scanned, self.looked_at) = (scanned, looked_at);
        }
        if scanned != self.scanned {
            return None;
        }
        let member = Member {
            epoch: state.epoch,
            hold: is_watching.then(|| state.hold()),
        };
        if let Some(hold) = member.hold {
            *self.holds.entry(hold).or_default() += 1;
        }
        self.members.insert(id, member);
        Some(())
    }

    /// Lets a subscription go, and tells it how far it is.
    pub(crate) fn leave(&mut self, id: u64, state: Option<&mut State>) {
        let Some(member) = self.members.remove(&id) else {
            return;
        };
        if let Some(hold) = member.hold
            && let Some(count) = self.holds.get_mut(&hold)
        {
            *count -= 1;
            if *count == 0 {
                self.holds.remove(&hold);
            }
        }
        if let Some(state) = state.filter(|state| state.epoch == member.epoch) {
            state.follow(self.scanned, self.looked_at);
            if member.hold.is_none() {
                state.set_unwatched(self.looked_at);
            }
        }
    }

    /// Those who have to go on alone: all of them where the log does not go on behind what they have seen, or when it has gone on
    /// for long and none of them cared.
    pub(crate) fn stragglers(&self, view: View) -> Vec<u64> {
        let is_left_behind =
            self.holds.is_empty() && view.watermark.saturating_sub(self.scanned) > NEAR_ROWS;
        match self.is_stuck || self.scanned < view.first_seq || is_left_behind {
            true => self.members.keys().copied().collect(),
            false => Vec::new(),
        }
    }

    /// Whether it is a member.
    pub(crate) fn has(&self, id: u64) -> bool {
        self.members.contains_key(&id)
    }

    /// Whether it is a member whose course is what it was when it joined.
    pub(crate) fn is_with(&self, id: u64, state: &State) -> bool {
        let member = self.members.get(&id);
        member.is_some_and(|member| member.epoch == state.epoch)
    }

    /// When it is to look; none while it has nobody to look for.
    pub(crate) fn alarm(&self, watermark: u64) -> Option<Alarm> {
        let (&hold, _) = self.holds.first_key_value()?;
        let new_rows = watermark.saturating_sub(self.scanned);
        Some(match self.looked_at {
            _ if new_rows == 0 => Alarm::Growth(None),
            Some(at) if new_rows <= HOLD_ROWS_MAX => Alarm::At(at + hold),
            _ => Alarm::Now,
        })
    }

    /// Whether there are rows that it has not looked at.
    pub(crate) fn is_behind(&self, watermark: u64) -> bool {
        !self.members.is_empty() && self.scanned < watermark
    }

    /// Whether it is to look now, be it because somebody else does.
    pub(crate) fn is_due(&self, watermark: u64, now: Instant, others_look: bool) -> bool {
        match self.alarm(watermark) {
            None => others_look && self.is_behind(watermark),
            Some(Alarm::Growth(_)) => false,
            Some(Alarm::At(at)) => others_look || at <= now,
            Some(Alarm::Now) => true,
        }
    }

    /// Tells a member that is to be told what was found how far it was before.
    pub(crate) fn bring_up(&self, state: &mut State) {
        state.follow(self.scanned, self.looked_at);
    }

    /// Notes whether there is nothing to look at where everybody is.
    pub(crate) fn set_stuck(&mut self, is_stuck: bool) {
        self.is_stuck = is_stuck;
    }

    /// Everything below has been looked at.
    pub(crate) fn scanned(&self) -> u64 {
        self.scanned
    }

    /// Notes that everything below a position has been looked at now.
    pub(crate) fn move_to(&mut self, scanned: u64, now: Instant) {
        (self.scanned, self.looked_at) = (scanned, Some(now));
    }
}
