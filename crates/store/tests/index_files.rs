//! Indexes in files: what is read back is what would be built, nothing of it is read before it is needed, and what is
//! missing or damaged is made again.
#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "support/sections.rs"]
mod sections;
mod support;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use kinescope_ring::Priority;
use kinescope_store::columns::DictionaryColumn;
use kinescope_store::index::SegmentIndex;
use kinescope_store::index::cells::{CellKey, CellPath};
use kinescope_store::{ImportBatch, ImportColumn, Integers, Segment, Store, Texts};
use proptest::prelude::*;
use sections::{index_files, replace, sections, without_queries};
use support::disk::{CrashPoints, Scratch, disk, image, later, open_on_disk};
use support::imports::import;
use support::model::Model;
use support::program::{program, without_waiting};
use support::{EventRow, eventually, head_at, log, of_type, plain, producer, settle};

fn read(path: &Path) -> Store {
    Store::open_to_read(plain(1), path).unwrap()
}

fn segments(store: &Store) -> Vec<Arc<Segment>> {
    let snapshot = store.snapshot().unwrap();
    snapshot
        .segments()
        .map(|(segment, _)| Arc::clone(segment))
        .collect()
}

fn is_loaded(segment: &Segment) -> bool {
    segment.index().is_some_and(SegmentIndex::is_in_file)
}

/// Rows that an index covers, in memory or in files.
fn indexed(store: &Store) -> u64 {
    store.snapshot().unwrap().indexed_rows()
}

/// Takes what queries look at out of all index files.
fn strip(path: &Path) {
    for file in index_files(path) {
        let stripped = without_queries(&fs::read(&file).unwrap());
        replace(&file, &stripped);
    }
}

/// Numbers stand for the same text in all segments, and for one only.
fn check_numbers(segments: &[Arc<Segment>]) {
    for column in DictionaryColumn::ALL {
        let (mut by_text, mut by_number) = (HashMap::new(), HashMap::new());
        for segment in segments {
            let dictionary = &segment.columns.dictionaries[column as usize];
            let numbers = segment.index().unwrap().numbers[column as usize]
                .as_ref()
                .unwrap();
            assert_eq!(numbers.len(), dictionary.len());
            for (code, &number) in numbers.iter().enumerate() {
                let text = dictionary.text(code);
                assert_eq!(*by_text.entry(text).or_insert(number), number);
                assert_eq!(*by_number.entry(number).or_insert(text), text);
            }
        }
    }
}

/// What an index knows of cells, by what their rows have in common: their order follows from numbers that each process
/// gives itself.
fn cells_of(index: &SegmentIndex) -> Option<HashMap<CellKey, String>> {
    let cells = index.cells.as_ref()?;
    let nodes = 0..index.paths.as_ref().map_or(0, |paths| paths.nodes().len()) as u32;
    let paths: Vec<_> = nodes.filter_map(|node| cells.path(node)).collect();
    let described = |cell: u32| {
        let of_path = |path: &&CellPath| {
            let flags = (path.node, path.has_floats, path.is_numeric, path.has_large);
            let numbers = path.numbers().find(|(own, _)| *own == cell as usize);
            let numbers = numbers.map(|(_, of)| {
                let buckets = path.buckets(&of).to_vec();
                (of.count, of.sum, of.min, of.max, of.has_floats, buckets)
            });
            (flags, numbers)
        };
        let paths: Vec<_> = paths.iter().map(of_path).collect();
        format!("{} rows, {paths:?}", cells.rows()[cell as usize])
    };
    let all = (0..cells.len() as u32).map(|cell| (cells.key(cell), described(cell)));
    Some(all.collect())
}

fn are_same(a: &SegmentIndex, b: &SegmentIndex) -> bool {
    a.rows() == b.rows()
        && a.codes == b.codes
        && a.trigrams == b.trigrams
        && a.ids == b.ids
        && a.calls == b.calls
        && a.states == b.states
        && a.paths == b.paths
        && a.tags == b.tags
        && cells_of(a) == cells_of(b)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_loaded_index_is_the_one_that_is_built(
        program in program(120),
        segment_events in prop_oneof![1usize..40, Just(100_000)],
    ) {
        let (scratch, bare) = (Scratch::new(), Scratch::new());
        let mut model = Model::new(open_on_disk(plain(segment_events), scratch.path()));
        model.run(&program);
        let store = model.finish();
        let all = log(&store);
        store.close();
        image(scratch.path(), bare.path());
        strip(bare.path());
        let (loaded, built) = (read(scratch.path()), read(bare.path()));
        prop_assert_eq!(indexed(&loaded), all.len() as u64);
        prop_assert_eq!(indexed(&built), 0);
        prop_assert_eq!(log(&loaded), all);
        let (own, others) = (segments(&loaded), segments(&built));
        prop_assert_eq!(own.len(), others.len());
        for (own, other) in own.iter().zip(&others) {
            prop_assert!(is_loaded(own));
            built.shared().index_sealed(other).unwrap();
            let is_same = are_same(own.index().unwrap(), other.index().unwrap());
            prop_assert!(is_same, "the segment at {}", own.base_seq);
            prop_assert!(!is_loaded(other));
        }
        check_numbers(&own);
        prop_assert_eq!(indexed(&loaded), log(&loaded).len() as u64);
    }
}

/// A small recording with something of everything; what it holds.
fn recorded(path: &Path, segment_events: usize, events: i64) -> Vec<EventRow> {
    let store = open_on_disk(plain(segment_events), path);
    let all = record(&store, events);
    store.close();
    all
}

fn record(store: &Store, events: i64) -> Vec<EventRow> {
    let (mut writer, _ring) = producer(store, "thread");
    for number in 0..events {
        writer.event(head_at(number), &of_type("e"), Priority::Normal);
    }
    settle(store, &mut writer);
    log(store)
}

#[test]
fn nothing_of_an_index_is_read_before_somebody_looks_at_the_segment() {
    let scratch = Scratch::new();
    let all = recorded(scratch.path(), 10, 30);
    let (store, damaged) = (read(scratch.path()), &index_files(scratch.path())[1]);
    assert_eq!(indexed(&store), 30);
    // What has been opened is not looked at again before that.
    let mut bytes = fs::read(damaged).unwrap();
    let last = sections(&bytes).pop().unwrap();
    bytes[last.body] ^= 1;
    replace(damaged, &bytes);
    let found = segments(&store);
    assert_eq!(
        found
            .iter()
            .map(|segment| is_loaded(segment))
            .collect::<Vec<_>>(),
        [true, false, true]
    );
    assert_eq!(log(&store), all);
    // Here nobody may write, so it is made in memory.
    eventually("an index", || indexed(&store) == 30);
    assert!(!is_loaded(&segments(&store)[1]));
    let memory: usize = found.iter().map(|segment| segment.used_bytes()).sum();
    assert_eq!(store.stats().memory_bytes, memory as u64);
}

#[test]
fn an_index_file_without_an_index_gets_one_once_somebody_has_looked() {
    let scratch = Scratch::new();
    let all = recorded(scratch.path(), 10, 30);
    let before: Vec<_> = index_files(scratch.path())
        .iter()
        .map(|file| fs::read(file).unwrap())
        .collect();
    strip(scratch.path());
    let store = open_on_disk(later(plain(10), 1), scratch.path());
    let files = |path: &Path| -> Vec<Vec<u8>> {
        let files = index_files(path).into_iter();
        files.map(|file| fs::read(file).unwrap()).collect()
    };
    let bytes = |files: Vec<Vec<u8>>| files.iter().map(Vec::len).sum::<usize>() as u64;
    let (on_disk, stripped) = (store.stats().disk_bytes, bytes(files(scratch.path())));
    assert_eq!(log(&store), all);
    eventually("all indexes in files", || files(scratch.path()) == before);
    eventually("the files in use", || {
        segments(&store)
            .iter()
            .filter(|segment| is_loaded(segment))
            .count()
            == 3
    });
    assert_eq!(log(&store), all);
    let grown = bytes(before) - stripped;
    eventually("the bytes", || store.stats().disk_bytes == on_disk + grown);
    store.close();
    assert_eq!(indexed(&read(scratch.path())), 30);
}

#[test]
fn imported_segments_get_their_indexes_too() {
    let scratch = Scratch::new();
    let store = open_on_disk(plain(16), scratch.path());
    let mut batch = ImportBatch::new(1000);
    let types = Texts::new()
        .push(false, &[0, 0, 0, 0, 1, 0, 0, 0], b"e", 1, None, 0)
        .unwrap();
    let codes = Integers::new(8, false, &[0; 1000], 1000, None, 0).unwrap();
    batch
        .set(
            "event_type",
            ImportColumn::Texts(types.coded(codes).unwrap()),
        )
        .unwrap();
    store.import(import(vec![batch])).unwrap();
    let all = log(&store);
    assert_eq!(all.len(), 1000);
    eventually("all indexes in files", || {
        let found = segments(&store);
        found
            .iter()
            .filter(|segment| segment.sealed().is_some())
            .all(|segment| is_loaded(segment))
    });
    store.close();
    let again = read(scratch.path());
    assert_eq!(indexed(&again), 1000);
    assert_eq!(log(&again), all);
}

#[test]
fn any_damage_of_an_index_file_is_found_or_harmless() {
    let (scratch, damaged) = (Scratch::new(), Scratch::new());
    let all = recorded(scratch.path(), 100, 12);
    image(scratch.path(), damaged.path());
    let whole = read(scratch.path());
    let whole = segments(&whole);
    let file = index_files(damaged.path()).remove(0);
    let bytes = fs::read(&file).unwrap();
    let first_of_queries = sections(&bytes)[3].start;
    let check = |what: &str, at: usize| {
        let store = read(damaged.path());
        let found = segments(&store);
        assert_eq!(log(&store), all, "{what} {at}");
        let own = found[0].index();
        // One that has been built meanwhile is as good.
        let expected = whole[0].index().unwrap();
        assert!(own.is_none_or(|own| are_same(own, expected)), "{what} {at}");
        is_loaded(&found[0])
    };
    let mut taken = 0;
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        replace(&file, &changed);
        taken += usize::from(check("changed at", at));
    }
    assert_eq!(taken, 0, "every byte is under a checksum");
    for len in (0..first_of_queries)
        .step_by(7)
        .chain(first_of_queries..bytes.len())
    {
        replace(&file, &bytes[..len]);
        assert!(!check("cut at", len));
    }
    replace(&file, &bytes);
    assert!(check("whole", 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_crash_while_an_index_is_written_down_leaves_a_whole_recording(
        program in program(40),
        steps in 0u32..12,
        segment_events in 1usize..20,
    ) {
        let (scratch, crashed) = (Scratch::new(), Scratch::new());
        let mut model = Model::new(open_on_disk(plain(segment_events), scratch.path()));
        model.run(&without_waiting(&program));
        let store = model.finish();
        let all = log(&store);
        store.close();
        strip(scratch.path());
        let points = CrashPoints::new(scratch.path(), crashed.path());
        let store = Store::open_on_disk(later(plain(segment_events), 1), &disk(scratch.path(), Some(points.probe()))).unwrap();
        let step = points.crash("kinescope-sealer", steps, || drop(log(&store)), || segments(&store).iter().filter(|segment| segment.sealed().is_some()).all(|segment| is_loaded(segment)));
        if step.is_none() {
            image(scratch.path(), crashed.path());
        }
        let again = open_on_disk(later(plain(segment_events), 2), crashed.path());
        prop_assert_eq!(log(&again), all, "crashed before {:?}", step);
    }
}
