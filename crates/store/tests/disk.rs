//! Recordings on disk: what comes back after closing, after a crash at any step, and while another one writes.
#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use kinescope_ring::Priority;
use kinescope_store::{ErrorCode, Store, verify};
use proptest::prelude::*;
use support::disk::{CrashPoints, Scratch, disk, later, open_on_disk};
use support::model::Model;
use support::program::{program, without_waiting};
use support::{eventually, head_at, log, of_type, plain, producer, settle};

#[test]
fn a_closed_recording_goes_on_where_it_was() {
    let scratch = Scratch::new();
    let mut all = Vec::new();
    for life in 0..4 {
        let store = open_on_disk(later(plain(10), life), scratch.path());
        assert_eq!(log(&store), all);
        let (mut writer, ring) = producer(&store, "thread");
        assert_eq!(
            (ring.producer(), ring.first_sequence()),
            (1, life as u64 * 25)
        );
        for number in 0..25 {
            writer.event(head_at(number), &of_type("e"), Priority::Normal);
        }
        settle(&store, &mut writer);
        all = log(&store);
        assert_eq!(all.len() as i64, (life + 1) * 25);
        assert!(
            all.iter()
                .enumerate()
                .all(|(seq, row)| row.seq == seq as u64)
        );
        store.close();
        assert!(store.shared().is_closed());
    }
    let names: Vec<_> = std::fs::read_dir(scratch.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert!(
        !names
            .iter()
            .any(|name| name.ends_with(".head") || name.starts_with("live-")),
        "{names:?}"
    );
}

#[test]
fn a_second_writer_is_told_who_has_the_recording() {
    let scratch = Scratch::new();
    let store = open_on_disk(plain(10), scratch.path());
    let second = Store::open_on_disk(plain(10), &disk(scratch.path(), None));
    let error = second.err().unwrap();
    assert_eq!(error.code, ErrorCode::Locked);
    assert!(
        error
            .message
            .contains(&format!("process {}", std::process::id())),
        "{error}"
    );
    store.close();
    open_on_disk(plain(10), scratch.path());
}

/// A process that is being started has a copy of every open file until it runs its program, and who asks whether somebody
/// writes must not keep a writer out.
#[test]
fn neither_starting_processes_nor_verifying_keeps_a_recording_locked() {
    let scratch = Scratch::new();
    open_on_disk(plain(10), scratch.path()).close();
    let is_done = AtomicBool::new(false);
    let opened = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                Command::new("true").status().unwrap();
            }
        });
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                let _ = verify(scratch.path());
            }
        });
        let opened = (0..200).try_for_each(|_| {
            Store::open_on_disk(plain(10), &disk(scratch.path(), None)).map(|store| store.close())
        });
        is_done.store(true, Ordering::Relaxed);
        opened
    });
    assert!(opened.is_ok(), "{opened:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn after_a_crash_every_number_is_a_row_or_lost(
        before in program(40),
        during in program(40),
        after in program(30),
        segment_events in prop_oneof![1usize..30, Just(100_000)],
        steps in 0u32..12,
    ) {
        let (scratch, crashed) = (Scratch::new(), Scratch::new());
        let points = CrashPoints::new(scratch.path(), crashed.path());
        let plain = || plain(segment_events);
        let store = Store::open_on_disk(plain(), &disk(scratch.path(), Some(points.probe()))).unwrap();
        let mut model = Model::new(store);
        model.run(&before);
        let during = without_waiting(&during);
        let shared = std::sync::Arc::clone(model.store.shared());
        let done = std::cell::Cell::new(0);
        let step = points.crash("kinescope-writer", steps, || model.run(&during), || {
            // Nothing has happened for a while.
            let now = shared.snapshot().watermark;
            let is_same = done.replace(now) == now;
            std::thread::sleep(std::time::Duration::from_millis(30));
            is_same && shared.snapshot().watermark == now
        });
        if step.is_none() {
            // The writer has nothing left to do: what is there now is what a crash would leave.
            support::disk::image(scratch.path(), crashed.path());
        }
        let second = open_on_disk(later(plain(), 1), crashed.path());
        drop(model.reopen(second));
        model.check(None);
        model.run(&after);
        let store = model.finish();
        let all = log(&store);
        store.close();
        let third = open_on_disk(later(plain(), 2), crashed.path());
        prop_assert_eq!(log(&third), all, "crashed before {:?}", step);
        eventually("the end", || { third.close(); true });
    }
}
