//! What reads bytes that somebody else may have written, given what nobody would write. A [`Target`] is a function of bytes
//! that panics when something does not hold. libFuzzer makes such bytes from seeds that real recordings give, and keeps those
//! that reach new code; the tests change the same seeds by chance.
//!
//! Checksums would stop nearly all of them at the door, so they are made to fit (`seal.rs`) before anything reads them, unless
//! an input says that they shall not.
#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a target fails by panicking"
)]

mod archive;
mod definitions;
mod import;
mod journal;
pub mod mutate;
mod recordings;
mod ring;
mod seal;
mod segment;
mod sink;
mod token;

#[path = "../../crates/store/tests/support/disk.rs"]
#[allow(dead_code, reason = "the tests' helpers, of which this takes a part")]
mod disk;
#[path = "../../crates/query/tests/support/questions.rs"]
mod questions;

use std::path::{Path, PathBuf};
use std::time::Duration;

use mutate::{Bytes, Dice};

/// Only what is broken waits this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A reader of bytes.
pub struct Target {
    /// What it is called.
    pub name: &'static str,
    /// Reads an input; panics when something does not hold.
    pub run: fn(&[u8]),
    /// Inputs as real recordings have them.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Inputs are directories, as `archive.rs` has them.
    has_archives: bool,
}

/// Every reader of bytes.
pub const TARGETS: [Target; 6] = [
    Target {
        name: "journal",
        run: journal::run,
        seeds: recordings::crashed,
        has_archives: true,
    },
    Target {
        name: "segment",
        run: segment::run,
        seeds: recordings::closed,
        has_archives: true,
    },
    Target {
        name: "ring",
        run: ring::run,
        seeds: ring::seeds,
        has_archives: false,
    },
    Target {
        name: "import",
        run: import::run,
        seeds: import::seeds,
        has_archives: false,
    },
    Target {
        name: "definitions",
        run: definitions::run,
        seeds: definitions::seeds,
        has_archives: false,
    },
    Target {
        name: "token",
        run: token::run,
        seeds: token::seeds,
        has_archives: false,
    },
];

impl Target {
    /// The target that is called so.
    #[must_use]
    pub fn of_name(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Inputs that have broken something before.
    #[must_use]
    pub fn regressions(&self) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
        let files = std::fs::read_dir(folder.join(self.name));
        let mut paths: Vec<PathBuf> = files
            .into_iter()
            .flatten()
            .map(|file| file.unwrap().path())
            .collect();
        paths.sort();
        paths
            .iter()
            .map(|path| std::fs::read(path).unwrap())
            .collect()
    }

    /// Another input from the one in the first `size` bytes of `data`; gives its length, at most `max_size`.
    pub fn mutate(
        &self,
        dice: &mut Dice,
        data: &mut [u8],
        size: usize,
        max_size: usize,
        bytes: Bytes,
    ) -> usize {
        if self.has_archives {
            mutate::archive(dice, data, size, max_size, bytes)
        } else {
            bytes(dice, data, size, max_size)
        }
    }

    /// Writes the seeds into the directory that `KINESCOPE_FUZZ_SEEDS` names and ends the process, if it names one.
    pub fn write_seeds_if_asked(&self) {
        let Some(folder) = std::env::var_os("KINESCOPE_FUZZ_SEEDS").map(PathBuf::from) else {
            return;
        };
        std::fs::create_dir_all(&folder).unwrap();
        let seeds = (self.seeds)();
        assert!(!seeds.is_empty());
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), seed).unwrap();
        }
        std::process::exit(0);
    }
}

/// A number of an input, zero where it has ended.
fn take<const N: usize>(input: &mut &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    let len = N.min(input.len());
    bytes[..len].copy_from_slice(&input[..len]);
    *input = &input[len..];
    bytes
}

/// The next bytes of an input, as many as a number in front of them says, or as there are.
fn take_bytes<'a>(input: &mut &'a [u8]) -> &'a [u8] {
    let len = usize::from(u16::from_le_bytes(take(input)));
    let (bytes, rest) = input.split_at(len.min(input.len()));
    *input = rest;
    bytes
}
