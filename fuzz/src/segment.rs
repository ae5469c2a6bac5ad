//! A sealed segment's two files: read and asked everything.
//!
//! An input is an archive of a closed recording's directory.

use kinescope_query::{Cancel, Query, execute};
use kinescope_store::Store;

use crate::archive::Archive;
use crate::journal::{UNSEALED, read};
use crate::questions::{filters, query_of};
use crate::recordings::{Scratch, options};
use crate::seal;

/// The segments have no index, and get one while they are read.
const WITHOUT_INDEX: u8 = 2;

pub fn run(input: &[u8]) {
    let mut archive = Archive::decode(input);
    if archive.flags & UNSEALED == 0 {
        seal::archive(&mut archive);
    }
    if archive.flags & WITHOUT_INDEX > 0 {
        archive.files.retain(|file| !file.name.ends_with(".index"));
    }
    let scratch = Scratch::new();
    archive.unpack(scratch.path());
    let rows = read(scratch.path(), input.len() as u8);
    if archive.flags & WITHOUT_INDEX > 0 && rows.is_some_and(|rows| rows > 0) {
        compare(&scratch, input.len());
    }
}

/// An index that was built here, of whatever the file says, answers as a look at all rows does.
fn compare(scratch: &Scratch, picked: usize) {
    let store = Store::open_to_read(options(8, 1), scratch.path()).unwrap();
    let queries: Vec<Query> = filters()
        .into_iter()
        .skip(picked % 8)
        .step_by(8)
        .map(query_of)
        .collect();
    let totals = || -> Vec<Option<u64>> {
        let total = |query: &Query| {
            let answer = execute(query, store.snapshot().unwrap(), &Cancel::default());
            answer.ok().map(|answer| answer.total)
        };
        queries.iter().map(total).collect()
    };
    let scanned = totals();
    for (segment, _) in store.snapshot().unwrap().segments() {
        store.shared().index_sealed(segment);
    }
    assert_eq!(totals(), scanned);
    store.close();
}
