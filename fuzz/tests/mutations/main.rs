//! The seeds of every target, those inputs that have broken something before, and so many that are changed by chance: always by
//! the same chance, unless `KINESCOPE_SEED` is another number, but of recordings that hold readings of the clock; `KINESCOPE_CASES` times as many if it is given.
#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bounded;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use kinescope_fuzz::Target;
use kinescope_fuzz::mutate::{self, Dice};

#[global_allocator]
static ALLOCATOR: bounded::Bounded = bounded::Bounded;

/// No input is longer.
const INPUT_MAX_BYTES: usize = 1 << 17;
/// Changes of an input, at most.
const CHANGES_MAX: usize = 4;
/// No input takes a second; this is a hang.
const HANGS_AFTER: Duration = Duration::from_secs(120);

/// An input that is being read.
struct Reading {
    target: &'static str,
    input: Vec<u8>,
    since: Instant,
}

/// What every target is reading.
static READING: Mutex<Vec<Reading>> = Mutex::new(Vec::new());
/// Some thread has panicked, be it one of a store.
static HAS_PANICKED: AtomicBool = AtomicBool::new(false);

fn number_of(variable: &str, default: u64) -> u64 {
    let given = std::env::var(variable).ok();
    given.map_or(default, |given| given.parse().expect(variable))
}

/// Keeps what is being read when a thread panics or nothing moves any more.
fn watch() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            HAS_PANICKED.store(true, Ordering::SeqCst);
            usual(info);
        }));
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(Duration::from_secs(1));
                let reading = READING.lock().unwrap();
                let hanging = reading.iter().find(|one| one.since.elapsed() > HANGS_AFTER);
                if let Some(Reading { target, input, .. }) = hanging {
                    eprintln!("{target} hangs; its input is in {}", kept(target, input));
                    std::process::abort();
                }
            }
        });
    });
}

/// Writes an input down; says where.
fn kept(name: &str, input: &[u8]) -> String {
    let hash = kinescope_query::page_token::stable_hash(input);
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{hash:016x}"));
    std::fs::write(&path, input).unwrap();
    path.display().to_string()
}

/// Has a target read an input.
fn read(target: &Target, input: &[u8], which: &str) {
    READING.lock().unwrap().push(Reading {
        target: target.name,
        input: input.to_vec(),
        since: Instant::now(),
    });
    let read = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let mut reading = READING.lock().unwrap();
    reading.retain(|one| one.target != target.name);
    drop(reading);
    let too_large = bounded::too_large();
    // A thread of a store may belong to another target: then both keep their inputs.
    let has_failed = read.is_err() || HAS_PANICKED.load(Ordering::SeqCst) || too_large.is_some();
    assert!(
        !has_failed,
        "{} reads {which} and fails (bytes asked for at once: {too_large:?}); the input is in {}. \
         Once it is in fuzz/regressions/{}, every run tries it first",
        target.name,
        kept(target.name, input),
        target.name
    );
}

fn explore(name: &str, cases: u64) {
    watch();
    let target = Target::of_name(name).unwrap();
    for (number, input) in target.regressions().iter().enumerate() {
        read(target, input, &format!("regression {number}"));
    }
    let seeds = (target.seeds)();
    for (number, input) in seeds.iter().enumerate() {
        read(target, input, &format!("seed {number}"));
    }
    let seed = number_of("KINESCOPE_SEED", 1);
    for case in 0..cases * number_of("KINESCOPE_CASES", 1) {
        let mut dice = Dice::new(seed << 32 | case);
        let mut input = seeds[dice.below(seeds.len())].clone();
        let mut len = input.len();
        input.resize(INPUT_MAX_BYTES.max(len), 0);
        for _ in 0..=dice.below(CHANGES_MAX) {
            len = target.mutate(&mut dice, &mut input, len, INPUT_MAX_BYTES, mutate::bytes);
        }
        let which = format!("case {case} of KINESCOPE_SEED={seed}");
        read(target, &input[..len], &which);
    }
}

#[test]
fn journal() {
    explore("journal", 300);
}

#[test]
fn segment() {
    explore("segment", 600);
}

#[test]
fn ring() {
    explore("ring", 5000);
}

#[test]
fn import() {
    explore("import", 5000);
}

#[test]
fn definitions() {
    explore("definitions", 3000);
}

#[test]
fn token() {
    explore("token", 20_000);
}
