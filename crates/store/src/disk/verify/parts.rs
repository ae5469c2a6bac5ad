//! Finds the parts of the log, and the positions that are in none.

use std::io;
use std::ops::Range;

use super::{LOOKS, Verifier};
use crate::columns::DictionaryColumn;
use crate::disk::commit::Commit;
use crate::disk::directory::Kind;
use crate::disk::head::Head;
use crate::disk::holes::holes;
use crate::disk::stored::Stored;
use crate::error::Error;
use crate::loss::LossLog;
use crate::slot::StoredSegment;

/// A file's segment, as far as it could be opened.
pub(super) type Sealed = io::Result<Option<Stored>>;

/// Heads that count, and sealed segments by their bases.
pub(super) type Parts = (Vec<Rows>, Vec<(u64, Sealed)>);

/// A head that counts.
pub(super) struct Rows {
    pub(super) base_seq: u64,
    pub(super) rows: usize,
    pub(super) entries: Option<[usize; DictionaryColumn::COUNT]>,
    pub(super) damage: Option<String>,
}

impl Verifier {
    /// Heads and sealed segments, of one moment if possible.
    pub(super) fn list(&self, commit: &Commit, has_lost_power: bool) -> Result<Parts, Error> {
        let failed = |error: io::Error| {
            Error::io(format!("path: {}", self.directory.path().display()), &error)
        };
        let mut looks = 0;
        loop {
            // Heads first: one that goes after that has a file by then.
            let heads = self.directory.bases(Kind::Head).map_err(failed)?;
            let arrows = self.directory.bases(Kind::Arrow).map_err(failed)?;
            let left = heads.iter().copied();
            let left: Vec<u64> = left
                .filter(|base_seq| arrows.binary_search(base_seq).is_err())
                .filter(|base_seq| counts(*base_seq, commit, has_lost_power))
                .collect();
            let found: Vec<Rows> = left
                .iter()
                .filter_map(|base_seq| self.rows_of_head(*base_seq, commit))
                .collect();
            looks += 1;
            if found.len() < left.len() && looks < LOOKS {
                continue;
            }
            let stored = arrows
                .into_iter()
                .map(|base_seq| (base_seq, Stored::open(&self.directory, base_seq)))
                // Retention has been faster.
                .filter(|(_, stored)| !is_gone(stored));
            return Ok((found, stored.collect()));
        }
    }

    /// What is known of a head before its rows are looked at; none when it is gone.
    fn rows_of_head(&self, base_seq: u64, commit: &Commit) -> Option<Rows> {
        let is_open = commit.head == Some(base_seq);
        let damaged = |why: String| Rows {
            base_seq,
            rows: 0,
            entries: None,
            damage: Some(why),
        };
        let head = match Head::open(&self.directory, base_seq, false) {
            Ok(head) => head,
            Err(_) if !self.directory.segment_file(base_seq, Kind::Head).exists() => return None,
            Err(error) => return Some(damaged(error.message)),
        };
        let (rows, entries) = match (is_open, head.closed()) {
            (true, _) => (usize::try_from(commit.rows).ok()?, commit.entry_lens()),
            (false, Some(closed)) => (closed.rows, closed.entries.map(|entries| entries as usize)),
            (false, None) => {
                let why = "nothing that can be trusted says how many rows it has";
                return Some(damaged(why.to_owned()));
            }
        };
        Some(Rows {
            base_seq,
            rows,
            entries: Some(entries),
            damage: None,
        })
    }

    /// Finds positions in no file; sets where the log ends.
    pub(super) fn find_holes(
        &mut self,
        commit: &Commit,
        heads: &[Rows],
        stored: &[(u64, Sealed)],
        known: &LossLog,
    ) {
        let of_heads = heads
            .iter()
            .map(|head| head.base_seq..head.base_seq.saturating_add(head.rows as u64));
        let of_files = stored.iter().filter_map(|(base_seq, stored)| {
            let rows = stored.as_ref().ok()?.as_ref()?.summary().rows as u64;
            Some(*base_seq..*base_seq + rows)
        });
        let parts: Vec<Range<u64>> = of_heads.chain(of_files).collect();
        let end = parts.iter().map(|part| part.end).max().unwrap_or(0);
        let is_over = commit.session == 0 && commit.generation > 0;
        let end = if is_over {
            end.max(commit.next_seq)
        } else {
            end
        };
        self.report.next_seq = end;
        self.report.holes = holes(parts, end, |missing| known.unexplained(missing));
    }
}

/// Whether a head's rows count: others were made for rows to come, or left by a machine that stopped.
fn counts(base_seq: u64, commit: &Commit, has_lost_power: bool) -> bool {
    if has_lost_power {
        commit.head.is_some_and(|head| base_seq <= head)
    } else {
        commit.head == Some(base_seq) || base_seq < commit.next_seq
    }
}

fn is_gone(stored: &Sealed) -> bool {
    stored
        .as_ref()
        .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}
