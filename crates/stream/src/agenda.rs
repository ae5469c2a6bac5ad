//! When to ask which subscription what it does next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::bell::Watch;

/// What a subscription waits for. One that waits for its consumer is not on the agenda.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// Nothing.
    Now,
    /// A time.
    At(Instant),
    /// The log growing, or a time.
    Growth(Option<Instant>),
}

impl Alarm {
    fn time(self) -> Option<Instant> {
        match self {
            Self::Now => None,
            Self::At(at) => Some(at),
            Self::Growth(at) => at,
        }
    }
}

/// The alarms of all subscriptions. Those that have not gone off cost nothing when the delivery thread wakes up.
#[derive(Default)]
pub(crate) struct Agenda {
    alarms: BTreeMap<u64, Alarm>,
    now: BTreeSet<u64>,
    growing: BTreeSet<u64>,
    times: BTreeSet<(Instant, u64)>,
    /// How far the log was when the alarms were set.
    watermark: u64,
}

impl Agenda {
    /// Sets a subscription's alarm in place of the one that it had.
    pub(crate) fn set(&mut self, id: u64, alarm: Option<Alarm>) {
        let before = match alarm {
            Some(alarm) => self.alarms.insert(id, alarm),
            None => self.alarms.remove(&id),
        };
        if before == alarm {
            return;
        }
        if let Some(at) = before.and_then(Alarm::time) {
            self.times.remove(&(at, id));
        }
        match before {
            Some(Alarm::Now) => self.now.remove(&id),
            Some(Alarm::Growth(_)) => self.growing.remove(&id),
            Some(Alarm::At(_)) | None => false,
        };
        if let Some(at) = alarm.and_then(Alarm::time) {
            self.times.insert((at, id));
        }
        match alarm {
            Some(Alarm::Now) => self.now.insert(id),
            Some(Alarm::Growth(_)) => self.growing.insert(id),
            Some(Alarm::At(_)) | None => false,
        };
    }

    /// Those whose alarm has gone off, some of them twice. Every one of them has to be set anew.
    pub(crate) fn due(&mut self, watermark: u64, now: Instant) -> Vec<u64> {
        let mut due: Vec<u64> = self.now.iter().copied().collect();
        if watermark != self.watermark {
            self.watermark = watermark;
            due.extend(&self.growing);
        }
        let times = self.times.iter().take_while(|(at, _)| *at <= now);
        due.extend(times.map(|(_, id)| id));
        due
    }

    /// Whether the time has come for any of these.
    pub(crate) fn is_time_for(&self, now: Instant, is_one: impl Fn(u64) -> bool) -> bool {
        let mut times = self.times.iter().take_while(|(at, _)| *at <= now);
        times.any(|&(_, id)| is_one(id))
    }

    /// What to sleep on: what may end it, and when it ends at the latest.
    pub(crate) fn rest(&self) -> (Watch, Option<Instant>) {
        let watch = match self.growing.is_empty() {
            true => Watch::End,
            false => Watch::Log(self.watermark),
        };
        (watch, self.times.first().map(|(at, _)| *at))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::{Agenda, Alarm, Watch};

    #[derive(Clone, Debug)]
    enum Action {
        Set(u64, Option<Kind>),
        Ask(bool, u64),
    }

    #[derive(Clone, Copy, Debug)]
    enum Kind {
        Now,
        At(u64),
        Growth(Option<u64>),
    }

    fn action() -> impl Strategy<Value = Action> {
        let kind = prop_oneof![
            Just(Kind::Now),
            (0u64..20).prop_map(Kind::At),
            prop::option::of(0u64..20).prop_map(Kind::Growth),
        ];
        prop_oneof![
            3 => (0u64..6, prop::option::of(kind)).prop_map(|(id, kind)| Action::Set(id, kind)),
            1 => (any::<bool>(), 0u64..20).prop_map(|(grows, now)| Action::Ask(grows, now)),
        ]
    }

    proptest! {
        /// Against going through all alarms.
        #[test]
        fn those_are_due_whose_alarm_has_gone_off(actions in prop::collection::vec(action(), 0..60)) {
            let start = Instant::now();
            let time = |ticks: u64| start + Duration::from_secs(ticks);
            let mut agenda = Agenda::default();
            let mut alarms: BTreeMap<u64, Alarm> = BTreeMap::new();
            let mut watermark = 0;
            for action in actions {
                match action {
                    Action::Set(id, kind) => {
                        let alarm = kind.map(|kind| match kind {
                            Kind::Now => Alarm::Now,
                            Kind::At(at) => Alarm::At(time(at)),
                            Kind::Growth(at) => Alarm::Growth(at.map(time)),
                        });
                        agenda.set(id, alarm);
                        match alarm {
                            Some(alarm) => alarms.insert(id, alarm),
                            None => alarms.remove(&id),
                        };
                    }
                    Action::Ask(grows, now) => {
                        watermark += u64::from(grows);
                        let has_gone_off = |alarm: &Alarm| match *alarm {
                            Alarm::Now => true,
                            Alarm::At(at) => at <= time(now),
                            Alarm::Growth(at) => grows || at.is_some_and(|at| at <= time(now)),
                        };
                        let expected = alarms.iter().filter(|(_, alarm)| has_gone_off(alarm));
                        let expected: Vec<u64> = expected.map(|(&id, _)| id).collect();
                        let mut due = agenda.due(watermark, time(now));
                        due.sort_unstable();
                        due.dedup();
                        prop_assert_eq!(due, expected);
                    }
                }
                let is_growing = |alarm: &Alarm| matches!(alarm, Alarm::Growth(_));
                let watch = match alarms.values().any(is_growing) {
                    true => Watch::Log(watermark),
                    false => Watch::End,
                };
                let first = alarms.values().filter_map(|alarm| alarm.time()).min();
                prop_assert_eq!(agenda.rest(), (watch, first));
            }
        }
    }
}
