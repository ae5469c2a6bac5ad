//! What subscriptions deliver, against filtering a list: random recordings, retention, consumers and changes of mind.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod actions;
mod consumers;
mod crowds;
#[path = "../../../store/tests/support/mod.rs"]
mod support;
mod world;

use actions::action;
use proptest::prelude::*;
use support::cases;
use world::World;

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn delivered_is_what_the_filter_selects_less_the_gaps(
        segment_events in prop_oneof![1usize..40, Just(100_000)],
        max_events in prop_oneof![2 => Just(None), 1 => (8u64..200).prop_map(Some)],
        actions in prop::collection::vec(action(), 1..120),
    ) {
        let mut world = World::new(segment_events, max_events);
        for action in &actions {
            world.run(action);
        }
        world.finish();
    }
}
