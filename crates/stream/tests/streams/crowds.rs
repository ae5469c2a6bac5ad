//! So many subscriptions that they are looked for together.

use crate::actions::{Action, Wanted, Where};
use crate::support::settle;
use crate::world::World;

/// More than any look takes at once, over several segments, and enough subscriptions to be looked for together.
#[test]
fn many_that_catch_up_from_different_positions_get_what_their_filters_select() {
    const EVENTS: usize = 150_000;
    let mut world = World::new(50_000, None);
    let event = |number: usize| {
        let trace = number.is_multiple_of(7).then_some((number % 4) as i64);
        (number / 2 % 3, trace, 0)
    };
    for first in (0..EVENTS).step_by(500) {
        let events: Vec<_> = (first..first + 500).map(event).collect();
        world.record(&events);
        settle(&world.store, &mut world.writer);
    }
    for number in 0..90 {
        let wanted = match number % 5 {
            0 => Wanted::Type(number % 3),
            1 => Wanted::Types(0, number % 3),
            2 => Wanted::Trace((number % 4) as i64),
            3 => Wanted::TypeAndNumber(number % 3, EVENTS as i64 - 1000),
            _ => Wanted::Number(EVENTS as i64 - 10),
        };
        let place = Where::At(number as u64 * 700);
        let size = [0, 20_000, 1024][number % 4 % 3];
        world.run(&Action::Subscribe(wanted, place, size, 0, 3_600_000));
    }
    for which in 0..world.watched.len() {
        world.run(&Action::Want(which, 1));
    }
    world.finish();
}

/// Live ones move along together; some pause, some change their filter, some are slow, and retention overtakes those.
#[test]
fn many_that_are_live_get_what_their_filters_select() {
    let mut world = World::new(700, Some(2000));
    for number in 0..80 {
        let wanted = match number % 6 {
            0 => Wanted::Type(number % 3),
            1 => Wanted::Types(0, number % 3),
            2 | 3 => Wanted::Trace((number % 4) as i64),
            4 => Wanted::TypeAndNumber(number % 3, number as i64 * 40),
            _ => Wanted::NoType,
        };
        let size = [1024, 0, 3, 1][number % 8 % 4];
        let (timeout, progress) = ([40, 5, 0][number % 3], [3_600_000, 5, 40][number % 5 % 3]);
        let subscribe = Action::Subscribe(wanted, Where::Now, size, timeout, progress);
        world.run(&subscribe);
    }
    for round in 0..100usize {
        let event = |number: usize| {
            let trace = number.is_multiple_of(5).then_some((number % 4) as i64);
            (round * number % 3, trace, 0)
        };
        let events: Vec<_> = (0..1 + round * 7 % 60).map(event).collect();
        world.record(&events);
        settle(&world.store, &mut world.writer);
        for which in (0..world.watched.len()).filter(|which| (which + round).is_multiple_of(4)) {
            world.run(&Action::Take(which));
            if !world.watched[which].subscription.is_asking() {
                world.run(&Action::Want(which, 1));
            }
        }
        let which = round * 31;
        match round % 10 {
            3 => world.run(&Action::Pause(which)),
            5 => world.run(&Action::Resume(which)),
            7 => world.run(&Action::Update(which, Wanted::Type(round % 3))),
            9 => world.run(&Action::Unsubscribe(which)),
            _ => world.run(&Action::Rest),
        }
    }
    world.finish();
}
