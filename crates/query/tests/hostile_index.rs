//! Indexes in files that somebody has made up with the right checksums: whatever they say, every query comes to an end with an
//! answer or an error.
#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "support/questions.rs"]
mod questions;
#[path = "../../store/tests/support/sections.rs"]
mod sections;
#[path = "../../store/tests/support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use kinescope_store::index::SegmentIndex;
use kinescope_store::{Retention, Store};
use proptest::prelude::*;
use questions::ask;
use sections::{index_files, replace, seal_section, sections};
use support::disk::{Scratch, image, open_on_disk};
use support::{options, producer, settle};

const EVENTS: i64 = 1500;

/// Every kind of index there is, in one sealed segment and a part of another.
fn recording() -> &'static Scratch {
    static RECORDING: OnceLock<Scratch> = OnceLock::new();
    RECORDING.get_or_init(|| {
        let scratch = Scratch::new();
        let mut options = options(1000, Retention::default());
        options.ring_bytes = 4 << 20;
        let store = open_on_disk(options, scratch.path());
        let (mut first, _ring) = producer(&store, "first");
        let (mut second, _ring) = producer(&store, "second");
        for number in 0..EVENTS {
            let writer = if number % 2 == 0 {
                &mut first
            } else {
                &mut second
            };
            questions::record(writer, number);
            if number % 100 == 0 {
                settle(&store, &mut first);
                settle(&store, &mut second);
            }
        }
        settle(&store, &mut first);
        settle(&store, &mut second);
        store.close();
        scratch
    })
}

/// How many of the segments have the index of their file.
fn loaded(store: &Store) -> usize {
    let snapshot = store.snapshot().unwrap();
    let indexes = snapshot
        .segments()
        .filter_map(|(segment, _)| segment.index());
    indexes
        .filter(|index| SegmentIndex::is_in_file(index))
        .count()
}

fn read(path: &Path) -> Store {
    Store::open_to_read(options(1000, Retention::default()), path).unwrap()
}

/// What is put in a place of a section.
#[derive(Clone, Debug)]
enum Change {
    Byte(u8),
    /// Of the numbers that lengths, counts and codes are.
    Number(u64, usize),
    /// What stands elsewhere in the section, so many bytes of it.
    Copy(prop::sample::Index, usize),
}

fn change() -> impl Strategy<Value = (prop::sample::Index, Change)> {
    let number = prop_oneof![
        0u64..3,
        Just(u64::MAX),
        Just(1 << 63),
        Just(u64::from(u32::MAX)),
        (0u32..64).prop_map(|bit| 1 << bit),
        900u64..1600,
        any::<u64>(),
    ];
    let width = prop::sample::select(vec![1usize, 2, 4, 8]);
    let change = prop_oneof![
        2 => any::<u8>().prop_map(Change::Byte),
        3 => (number, width).prop_map(|(number, width)| Change::Number(number, width)),
        1 => (any::<prop::sample::Index>(), 1usize..64).prop_map(|(from, len)| Change::Copy(from, len)),
    ];
    (any::<prop::sample::Index>(), change)
}

fn apply(body: &mut [u8], at: usize, change: &Change) {
    let put = |body: &mut [u8], bytes: &[u8]| {
        let len = bytes.len().min(body.len() - at);
        body[at..at + len].copy_from_slice(&bytes[..len]);
    };
    match change {
        Change::Byte(byte) => put(body, &[*byte]),
        Change::Number(number, width) => put(body, &number.to_le_bytes()[..*width]),
        Change::Copy(from, len) => {
            let from = from.index(body.len());
            let copied = body[from..(from + len).min(body.len())].to_vec();
            put(body, &copied);
        }
    }
}

#[test]
fn an_index_of_a_file_answers_everything() {
    let store = read(recording().path());
    assert_eq!(store.snapshot().unwrap().indexed_rows(), EVENTS as u64);
    ask(&store, || true).unwrap();
    assert_eq!(loaded(&store), 2);
}

/// How many made-up indexes have been used, and how many not.
static TAKEN: AtomicU32 = AtomicU32::new(0);
static REFUSED: AtomicU32 = AtomicU32::new(0);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    fn made_up_indexes_do_no_harm(
        section in 3usize..11,
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let scratch = Scratch::new();
        image(recording().path(), scratch.path());
        let file = index_files(scratch.path()).remove(0);
        let mut bytes = fs::read(&file).unwrap();
        let section = sections(&bytes)[section].clone();
        let body = section.body..section.crc;
        for (at, change) in &changes {
            let at = at.index(body.len());
            apply(&mut bytes[body.clone()], at, change);
        }
        seal_section(&mut bytes, &section);
        replace(&file, &bytes);
        let store = read(scratch.path());
        let taken = loaded(&store) == 2;
        if taken { &TAKEN } else { &REFUSED }.fetch_add(1, Ordering::Relaxed);
        ask(&store, || true).unwrap();
    }
}

#[test]
fn a_made_up_index_does_no_harm() {
    made_up_indexes_do_no_harm();
    let (taken, refused) = (
        TAKEN.load(Ordering::Relaxed),
        REFUSED.load(Ordering::Relaxed),
    );
    assert!(
        taken > 10 && refused > 10,
        "{taken} were used, {refused} were not"
    );
}
