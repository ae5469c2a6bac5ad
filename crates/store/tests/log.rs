//! Random programs of several producers: the log holds every number once, as its row or in a loss.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use kinescope_ring::Publication;
use kinescope_store::Store;
use proptest::prelude::*;
use support::model::Model;
use support::plain;
use support::program::program;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_number_of_every_producer_is_a_row_or_lost(
        program in program(120),
        segment_events in prop_oneof![1usize..50, Just(100_000)],
        by_commit_words in any::<bool>(),
    ) {
        let publication = if by_commit_words && cfg!(target_arch = "x86_64") {
            Publication::CommitWords
        } else {
            Publication::PublishedHead
        };
        let options = plain(segment_events);
        let mut model = Model::new(Store::open_with(options, publication).unwrap());
        model.run(&program);
        let store = model.finish();
        store.close();
        prop_assert!(store.shared().is_closed());
    }
}
