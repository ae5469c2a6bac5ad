//! Opens a recording to go on with it: finds what the last process left, whole or not.

use std::path::PathBuf;
use std::sync::Arc;

use super::basis::Basis;
use super::commit::{Commit, NUMBER_LIMIT, State};
use super::directory::{Directory, Kind, Probe, make};
use super::disk_journal::STRANDED_MAX_BYTES;
use super::handover::Opened;
use super::holes::lost_in_holes;
use super::lock::Lock;
use super::losses;
use super::opening::Opening;
use super::parts::{
    Part, remove_evicted, remove_left_indexes, remove_unfinished, rolled_parts, stored_parts,
    without_covered,
};
use super::stored::Stored;
use crate::error::Error;
use crate::loss::{LossCause, LossLog};
use crate::options::StoreOptions;
use crate::shared::Shared;

/// Where a recording is, and how it is kept.
#[derive(Clone, Default)]
pub struct DiskOptions {
    /// The directory; made when it is not there.
    pub path: PathBuf,
    /// Keeps rings in the directory, also where shared memory has room for them.
    pub rings_in_directory: bool,
    /// Bytes that may be held in memory while the disk takes no more; 256 MiB if not given.
    pub memory_bytes: Option<u64>,
    /// For tests: see [`Probe`].
    pub probe: Option<Probe>,
}

/// Opens a recording for its one writer.
///
/// # Errors
/// `LOCKED`, `UNSUPPORTED_VERSION`, `CORRUPT_RECORDING`, `INVALID_ARGUMENT`, `IO`.
pub(crate) fn open(options: StoreOptions, disk: &DiskOptions) -> Result<Opened, Error> {
    let in_directory =
        |error: std::io::Error| Error::io(format!("path: {}", disk.path.display()), &error);
    make(&disk.path)?;
    let lock = Lock::take(&disk.path.join("lock"))?;
    let directory = Directory::create(&disk.path, disk.probe.clone())?;
    remove_unfinished(&directory);
    let config = directory.replace("config.json", options.config_json.as_bytes(), false);
    config.map_err(in_directory)?;
    let state = State::create(&directory)?;
    let heads = directory.bases(Kind::Head).map_err(in_directory)?;
    let arrows = directory.bases(Kind::Arrow).map_err(in_directory)?;
    let basis = Basis::find(&directory, &state, heads.is_empty() && arrows.is_empty());
    let mut losses = read_losses(&directory, &basis.commit);
    let mut parts = stored_parts(&directory, &arrows, basis.last_append_max())?;
    if !basis.lost_power {
        // Files of an import that was not committed.
        let (counted, uncounted) = parts
            .into_iter()
            .partition(|part| part.base_seq() < basis.commit.next_seq);
        parts = counted;
        for part in uncounted {
            let _ = Stored::remove(&directory, part.base_seq());
        }
    }
    rolled_parts(&directory, &basis, &heads, &mut parts)?;
    parts.sort_by_key(Part::base_seq);
    let (mut parts, end) = without_covered(&directory, parts);
    remove_left_indexes(&directory);
    let next_seq = if basis.lost_power {
        end.max(basis.seq_bound).max(basis.commit.next_seq)
    } else {
        end.max(basis.commit.next_seq)
    };
    if next_seq >= NUMBER_LIMIT / 2 {
        return Err(Error::corrupt(format!(
            "{}: expected positions below 2^61, got {next_seq}",
            disk.path.display()
        )));
    }
    remove_evicted(&directory, &mut parts, losses.evicted());
    let offset_ns = basis.offset_ns(&parts, options.raw_now_ns);
    let durability = options.durability;
    let opened = Opening {
        directory: directory.clone(),
        state,
        basis,
        next_seq,
        keep_here: disk.rings_in_directory,
        memory_bytes: disk.memory_bytes.unwrap_or(STRANDED_MAX_BYTES),
    };
    let open_head = opened.open_head()?;
    let open = open_head.as_ref().map(|(_, builder)| builder.segment());
    let open_base = open.map_or(next_seq, |segment| segment.base_seq);
    let holes = lost_in_holes(&opened.basis, &parts, open_base, &losses);
    holes.iter().for_each(|hole| losses.push(*hole));
    let shared = Arc::new(Shared::resume(options, offset_ns, losses));
    if opened.basis.commit.timestamp != 0 {
        shared
            .clock
            .note(opened.basis.commit.wall_minus_timestamp_ns);
    }
    opened.take_over(shared, parts, open_head, &holes, durability, lock)
}

fn read_losses(directory: &Directory, commit: &Commit) -> LossLog {
    let mut log = LossLog::default();
    for range in losses::read(directory, 0, commit.losses) {
        if range.cause == LossCause::Retention {
            log.push_evicted(range);
        } else {
            log.push(range);
        }
    }
    log
}
