//! Checks everything that a recording's directory holds, and changes nothing.

mod index_checksums;
mod parts;
mod records;
mod report;
mod rows;

use std::path::Path;
use std::thread;
use std::time::Duration;

pub use self::report::{Verification, VerifiedFile, VerifiedSegment};
use super::commit::Commit;
use super::directory::{Directory, Kind};
use super::lock::Lock;
use crate::error::Error;

/// Looks at a record or a list of files that a process may be changing.
const LOOKS: u32 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Checks the files of a recording, which another process may be writing. Rings, and files that are unfinished or not of
/// the recording, are not looked at. What an open segment holds has no checksums: of it is checked what readers rely on.
///
/// # Errors
/// `NOT_FOUND`, `UNSUPPORTED_VERSION`, `IO`; `CORRUPT_RECORDING` when the file `recording` is damaged, without which nothing
/// else can be told.
pub fn verify(path: &Path) -> Result<Verification, Error> {
    let mut verifier = Verifier::of(path)?;
    verifier.file("recording", None);
    verifier.file("config.json", None);
    let (commit, has_lost_power) = verifier.commit();
    verifier.report.is_unrecovered = verifier.is_unrecovered(&commit, has_lost_power);
    verifier.producers();
    let (heads, stored) = verifier.list(&commit, has_lost_power)?;
    let known = verifier.losses(&commit);
    verifier.find_holes(&commit, &heads, &stored, &known);
    for (base_seq, stored) in stored {
        verifier.sealed(base_seq, stored);
    }
    for head in heads {
        verifier.head(&head);
    }
    verifier.report.segments.sort_by_key(|part| part.base_seq);
    Ok(verifier.report)
}

/// Whether the process that wrote a recording has ended without closing it, and nobody has opened it to record since.
///
/// # Errors
/// As [`verify`].
pub fn is_unrecovered(path: &Path) -> Result<bool, Error> {
    let mut verifier = Verifier::of(path)?;
    let (commit, has_lost_power) = verifier.commit();
    Ok(verifier.is_unrecovered(&commit, has_lost_power))
}

struct Verifier {
    directory: Directory,
    report: Verification,
}

impl Verifier {
    fn of(path: &Path) -> Result<Self, Error> {
        let directory = Directory::open(path)?;
        Ok(Self {
            report: Verification {
                is_live: Lock::is_held(&directory.file("lock")),
                ..Verification::default()
            },
            directory,
        })
    }

    fn is_unrecovered(&self, commit: &Commit, has_lost_power: bool) -> bool {
        // What was in rings is gone with the run of the machine.
        commit.session != 0 && !self.report.is_live && !has_lost_power
    }

    /// Notes what was found of a file; one that is gone is none unless that is the damage.
    fn file(&mut self, name: &str, damage: Option<String>) {
        let metadata = std::fs::metadata(self.directory.file(name));
        let bytes = metadata.map(|metadata| metadata.len()).ok();
        if bytes.is_some() || damage.is_some() {
            self.report.files.push(VerifiedFile {
                name: name.to_owned(),
                bytes: bytes.unwrap_or(0),
                damage,
            });
        }
    }

    fn segment_file(&mut self, base_seq: u64, kind: Kind, damage: Option<String>) {
        let path = self.directory.segment_file(base_seq, kind);
        let name = path.file_name().map(|name| name.to_string_lossy());
        self.file(&name.unwrap_or_default(), damage);
    }

    /// Looks again at what is damaged, which may just be being written.
    fn settled<T>(&self, look: impl Fn() -> (T, Option<String>)) -> (T, Option<String>) {
        let mut found = look();
        for _ in 1..LOOKS {
            if found.1.is_none() || !self.report.is_live {
                break;
            }
            thread::sleep(BETWEEN_LOOKS);
            found = look();
        }
        found
    }
}
