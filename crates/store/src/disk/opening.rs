//! Takes over the log of a recording from the process that wrote it last.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::basis::Basis;
use super::commit::{Commit, State};
use super::compactor::Compactor;
use super::directory::Directory;
use super::disk_journal::{Begin, DiskJournal};
use super::handover::Opened;
use super::head::Head;
use super::lock::Lock;
use super::losses::LossFile;
use super::parts::{Part, resumed};
use super::sealer::Sealer;
use super::sequences::Sequences;
use super::session::Remains;
use crate::error::Error;
use crate::log_writer::LogWriter;
use crate::loss::LossRange;
use crate::options::Durability;
use crate::segment_builder::SegmentBuilder;
use crate::shared::Shared;
use crate::slot::StoredSegment;

/// A recording whose log is about to be taken over.
pub(super) struct Opening {
    pub(super) directory: Directory,
    pub(super) state: State,
    pub(super) basis: Basis,
    pub(super) next_seq: u64,
    pub(super) keep_here: bool,
    pub(super) memory_bytes: u64,
}

impl Opening {
    /// The open segment of the dead process, to be appended to.
    pub(super) fn open_head(&self) -> Result<Option<(Head, SegmentBuilder)>, Error> {
        let Basis {
            commit, lost_power, ..
        } = &self.basis;
        let is_next = |base_seq: &u64| *base_seq + commit.rows == self.next_seq;
        let Some(base_seq) = commit.head.filter(|_| !lost_power).filter(is_next) else {
            return Ok(None);
        };
        let rows = usize::try_from(commit.rows).unwrap_or(usize::MAX);
        resumed(&self.directory, base_seq, rows, &commit.entry_lens())
    }

    /// The log as its writer goes on with it, with what is left to do.
    ///
    /// # Errors
    /// `IO`.
    pub(super) fn take_over(
        mut self,
        shared: Arc<Shared>,
        mut parts: Vec<Part>,
        open_head: Option<(Head, SegmentBuilder)>,
        holes: &[LossRange],
        durability: Durability,
        lock: Lock,
    ) -> Result<Opened, Error> {
        let remains = if self.basis.lost_power {
            Remains::of(&self.directory, &Commit::default())
        } else {
            Remains::of(&self.directory, &self.basis.commit)
        };
        let is_unsure =
            self.basis.lost_power || (self.basis.commit.session != 0 && remains.path.is_none());
        let sequences =
            Sequences::create(&self.directory).map_err(|error| Error::io("producers", &error))?;
        if is_unsure {
            self.basis.jump(&sequences);
        }
        if self.basis.lost_power {
            let cleared = self.state.clear();
            cleared.map_err(|error| Error::io("state", &error))?;
        }
        let (directory, next_seq) = (self.directory.clone(), self.next_seq);
        let (dead, sequence_floor) = (self.basis.commit, self.basis.sequence_floor);
        let mut journal = self.journal(&shared, &parts, holes, sequences, durability)?;
        let handles = Arc::clone(&journal.begin.handles);
        let unsaved_sequence = Arc::clone(&journal.unsaved_sequence);
        adopt_rolled(&mut journal, &mut parts, shared.clock.offset_ns())?;
        let open = open_head.map(|(head, builder)| {
            journal.heads.insert(head.base_seq, Arc::new(head));
            builder
        });
        let slots = parts.iter().map(Part::slot).collect();
        let mut log = LogWriter::resume(
            Arc::clone(&shared),
            open,
            next_seq,
            slots,
            Box::new(journal),
            dead.own_sequence,
        )?;
        log.start_indexing()?;
        log.publish();
        Ok(Opened {
            shared,
            log,
            remains,
            commit: dead,
            directory,
            lock,
            handles,
            unsaved_sequence,
            sequence_floor,
        })
    }

    /// What keeps the log on disk from now on.
    fn journal(
        self,
        shared: &Arc<Shared>,
        parts: &[Part],
        holes: &[LossRange],
        sequences: Sequences,
        durability: Durability,
    ) -> Result<DiskJournal, Error> {
        let Self {
            directory,
            state,
            basis,
            keep_here,
            memory_bytes,
            ..
        } = self;
        let mut loss_file = LossFile::open(&directory, basis.commit.losses)
            .map_err(|error| Error::io("losses", &error))?;
        holes.iter().for_each(|hole| loss_file.push(hole));
        let sealer = Sealer::start(
            directory.clone(),
            Arc::clone(shared),
            durability != Durability::Process,
        )?;
        let stored = parts.iter().filter_map(|part| match part {
            Part::Stored(stored) => Some((stored.summary().base_seq, stored.disk_bytes())),
            Part::Rolled(..) => None,
        });
        let file_bytes: HashMap<u64, u64> = stored.collect();
        Ok(DiskJournal {
            commit: Commit {
                offset_ns: shared.clock.offset_ns(),
                ..basis.commit
            },
            shared: Arc::clone(shared),
            directory: directory.clone(),
            state,
            losses: loss_file,
            sequences,
            heads: BTreeMap::new(),
            sealer,
            compactor: Compactor::default(),
            sealed_bytes: file_bytes.values().sum(),
            file_bytes,
            live: None,
            after_commit: Vec::new(),
            no_space_since: None,
            stranded_max_bytes: memory_bytes,
            has_new_heads: true,
            losses_rest_until: None,
            import_end: 0,
            begin: Begin {
                keep_here,
                durable: basis.durable,
                handles: Arc::default(),
            },
            unsaved_sequence: Arc::default(),
        })
    }
}

/// Has files made of heads of which there are none.
fn adopt_rolled(
    journal: &mut DiskJournal,
    parts: &mut [Part],
    offset_ns: i64,
) -> Result<(), Error> {
    for part in parts {
        if let Part::Rolled(segment, closed, builder) = part {
            if let Some(builder) = builder.take() {
                builder.seal(closed.last_append.saturating_sub(offset_ns));
            }
            journal.adopt(segment, closed)?;
        }
    }
    Ok(())
}
