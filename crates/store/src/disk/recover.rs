//! Opens a recording to go on with it: finds what the last process left, whole or not.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crossbeam_channel::Receiver;
use kinescope_ring::{Definitions, Ring};

use super::commit::{Commit, NUMBER_LIMIT, State};
use super::compactor::Compactor;
use super::contexts;
use super::directory::{Directory, Kind, Probe, boot_id, make, wall_now_ns};
use super::disk_journal::{Begin, DiskJournal, Handles, STRANDED_MAX_BYTES};
use super::durable::{Durable, DurableFile};
use super::head::Head;
use super::lock::Lock;
use super::losses::{self, LossFile};
use super::parts::{
    Part, remove_evicted, remove_left_indexes, remove_unfinished, resumed, rolled_parts,
    stored_parts, without_covered,
};
use super::sealer::Sealer;
use super::sequences::{SEQUENCE_JUMP, Sequences};
use super::session::{Remains, remove_orphans};
use super::stored::Stored;
use crate::error::Error;
use crate::import::ImportNumbers;
use crate::log_writer::LogWriter;
use crate::loss::{LossCause, LossLog, LossRange};
use crate::options::{Durability, StoreOptions};
use crate::producer_numbers::{FIRST_IMPORT, ProducerNumbers};
use crate::producer_sink::ProducerState;
use crate::segment_builder::SegmentBuilder;
use crate::shared::Shared;
use crate::slot::StoredSegment;
use crate::store::Producers;
use crate::writer_thread::{Command, Writer};

const SEQUENCE_LIMIT: u64 = kinescope_ring::layout::SEQUENCE_LIMIT;

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

/// A recording that was taken over, with what its last process left in rings not drained yet.
pub(crate) struct Opened {
    pub(crate) shared: Arc<Shared>,
    pub(crate) log: LogWriter,
    pub(crate) remains: Remains,
    /// What the remains belong to.
    pub(crate) commit: Commit,
    pub(crate) directory: Directory,
    pub(crate) lock: Lock,
    pub(crate) handles: Arc<OnceLock<Handles>>,
    unsaved_sequence: Arc<AtomicU64>,
    sequence_floor: u64,
}

/// What the files say of where the recording was.
pub(super) struct Basis {
    pub(super) commit: Commit,
    /// The machine has stopped since: only what was synced counts, and more had been handed out.
    pub(super) lost_power: bool,
    seq_bound: u64,
    sequence_floor: u64,
    durable: Option<Durable>,
    is_fresh: bool,
}

impl Basis {
    fn find(directory: &Directory, state: &State, is_empty: bool) -> Self {
        let boot_id = boot_id();
        let durable = DurableFile::read(directory);
        let of_state = state.read();
        let newest = of_state.map_or(0, |commit| commit.generation);
        let of_state = of_state.filter(|commit| commit.boot_id == boot_id && boot_id != [0; 16]);
        let is_clean = durable.is_some_and(|durable| durable.is_clean);
        let mut commit = match (of_state, durable) {
            (Some(commit), _) => commit,
            (None, Some(durable)) => durable.commit,
            (None, None) => Commit::default(),
        };
        commit.generation = commit.generation.max(newest);
        commit.boot_id = boot_id;
        let is_fresh = of_state.is_none() && durable.is_none() && is_empty;
        Self {
            lost_power: of_state.is_none() && !is_clean && !is_fresh,
            seq_bound: durable.map_or(0, |durable| durable.seq_bound),
            sequence_floor: durable.map_or(0, |durable| durable.sequence_floor),
            commit,
            durable,
            is_fresh,
        }
    }
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
    let mut parts = stored_parts(&directory, &arrows);
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
    let offset_ns = offset_ns(&basis, &parts, options.raw_now_ns);
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
    let holes = opened.holes(
        &parts,
        open_head.as_ref().map(|(_, builder)| builder),
        &losses,
    );
    holes.iter().for_each(|hole| losses.push(*hole));
    let shared = Arc::new(Shared::resume(options, offset_ns, losses));
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

/// What makes the recording's time line of this process's raw time: it goes on where it was, by the wall clock if the
/// machine was started since.
fn offset_ns(basis: &Basis, parts: &[Part], raw_now_ns: i64) -> i64 {
    if basis.is_fresh {
        return 0;
    }
    let commit = &basis.commit;
    let last_append = parts.last().map_or(i64::MIN, Part::last_append);
    let last = commit.timestamp.max(last_append);
    let boot_of_commit = !basis.lost_power && commit.timestamp != 0;
    let mut now = last;
    if boot_of_commit {
        now = now.max(raw_now_ns.saturating_add(commit.offset_ns));
    }
    let wall_then = last.saturating_add(commit.wall_minus_timestamp_ns);
    let elapsed = wall_now_ns().saturating_sub(wall_then);
    if !boot_of_commit || raw_now_ns.saturating_add(commit.offset_ns) < last {
        now = last.saturating_add(elapsed.max(0));
    }
    now.saturating_sub(raw_now_ns)
}

struct Opening {
    directory: Directory,
    state: State,
    basis: Basis,
    next_seq: u64,
    keep_here: bool,
    memory_bytes: u64,
}

impl Opening {
    /// The open segment of the dead process, to be appended to.
    fn open_head(&self) -> Result<Option<(Head, SegmentBuilder)>, Error> {
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

    /// Positions that are in no part, and of which no loss is known yet.
    fn holes(
        &self,
        parts: &[Part],
        open: Option<&SegmentBuilder>,
        known: &LossLog,
    ) -> Vec<LossRange> {
        let commit = &self.basis.commit;
        let mut holes = Vec::new();
        let mut end = 0;
        let mut end_timestamp = i64::MIN;
        let open_base = open.map_or(self.next_seq, |builder| builder.segment().base_seq);
        let bases = parts
            .iter()
            .map(|part| (part.base_seq(), part.end_seq(), part.timestamps()));
        let last = (open_base, open_base, (commit.timestamp, commit.timestamp));
        for (base, next_end, (min_timestamp, max_timestamp)) in bases.chain([last]) {
            let is_known = base > end && known.covers(end, base - 1);
            if base > end && !is_known {
                let is_tail = base == open_base;
                let was_in_memory = is_tail && commit.head.is_none();
                let cause = if is_tail && (self.basis.lost_power || was_in_memory) {
                    LossCause::Restart
                } else {
                    LossCause::Corrupt
                };
                let first_timestamp = end_timestamp.min(min_timestamp);
                holes.push(LossRange {
                    cause,
                    producer: 0,
                    first: end,
                    last: base - 1,
                    count: base - end,
                    first_timestamp,
                    last_timestamp: min_timestamp.max(first_timestamp),
                });
            }
            end = next_end.max(end);
            end_timestamp = max_timestamp;
        }
        holes
    }

    fn take_over(
        self,
        shared: Arc<Shared>,
        mut parts: Vec<Part>,
        open_head: Option<(Head, SegmentBuilder)>,
        holes: &[LossRange],
        durability: Durability,
        lock: Lock,
    ) -> Result<Opened, Error> {
        let Self {
            directory,
            state,
            mut basis,
            next_seq,
            keep_here,
            memory_bytes,
        } = self;
        let remains = if basis.lost_power {
            Remains::of(&directory, &Commit::default())
        } else {
            Remains::of(&directory, &basis.commit)
        };
        let is_unsure = basis.lost_power || (basis.commit.session != 0 && remains.path.is_none());
        let io = |what: &'static str| move |error: std::io::Error| Error::io(what, &error);
        let sequences = Sequences::create(&directory).map_err(io("producers"))?;
        if is_unsure {
            let known = sequences.read().into_iter().filter_map(|(_, next)| next);
            let known = known.chain([basis.commit.own_sequence, basis.sequence_floor]);
            let floor = known.max().unwrap_or(0).next_multiple_of(SEQUENCE_JUMP) + SEQUENCE_JUMP;
            basis.sequence_floor = floor.min(SEQUENCE_LIMIT - SEQUENCE_JUMP);
            basis.commit.own_sequence = basis.sequence_floor;
        }
        if basis.lost_power {
            state.clear().map_err(io("state"))?;
        }
        let mut loss_file =
            LossFile::open(&directory, basis.commit.losses).map_err(io("losses"))?;
        holes.iter().for_each(|hole| loss_file.push(hole));
        let sealer = Sealer::start(
            directory.clone(),
            Arc::clone(&shared),
            durability != Durability::Process,
        )?;
        let stored = parts.iter().filter_map(|part| match part {
            Part::Stored(stored) => Some((stored.summary().base_seq, stored.disk_bytes())),
            Part::Rolled(..) => None,
        });
        let file_bytes: HashMap<u64, u64> = stored.collect();
        let handles = Arc::<OnceLock<Handles>>::default();
        let dead = basis.commit;
        let mut journal = DiskJournal {
            commit: Commit {
                offset_ns: shared.clock.offset_ns(),
                ..dead
            },
            shared: Arc::clone(&shared),
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
                handles: Arc::clone(&handles),
            },
            unsaved_sequence: Arc::default(),
        };
        let unsaved_sequence = Arc::clone(&journal.unsaved_sequence);
        for part in &mut parts {
            if let Part::Rolled(segment, closed, builder) = part {
                if let Some(builder) = builder.take() {
                    let offset_ns = shared.clock.offset_ns();
                    builder.seal(closed.last_append.saturating_sub(offset_ns));
                }
                journal.adopt(segment, closed)?;
            }
        }
        let open = open_head.map(|(head, builder)| {
            journal.heads.insert(head.base_seq, Arc::new(head));
            builder
        });
        let slots = parts.iter().map(Part::slot).collect();
        let own_sequence = dead.own_sequence;
        let mut log = LogWriter::resume(
            Arc::clone(&shared),
            open,
            next_seq,
            slots,
            Box::new(journal),
            own_sequence,
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
            sequence_floor: basis.sequence_floor,
        })
    }
}

impl Opened {
    /// The writer with the rings of the dead process, and what is left to do.
    pub(crate) fn into_writer(
        self,
        producers: Arc<Producers>,
        commands: Receiver<Command>,
    ) -> (Writer, Finish) {
        let definitions = Arc::new(self.remains.definitions());
        let mut writer = Writer::new(
            Arc::clone(&self.shared),
            producers,
            commands,
            definitions,
            self.log,
        );
        let contexts = self.remains.path.as_ref();
        let mut contexts = contexts.map_or_else(HashMap::new, |path| {
            contexts::read(path, self.commit.contexts)
        });
        let mut has_unreadable = false;
        for path in &self.remains.rings {
            let file = File::options().read(true).write(true).open(path);
            let Some((ring, checkpoint)) = file
                .ok()
                .and_then(|file| Ring::open_in(&file, self.commit.generation).ok())
            else {
                has_unreadable = true;
                continue;
            };
            let number = ring.producer();
            let state = ProducerState::resume(
                number,
                &ring.label(),
                contexts.remove(&number).unwrap_or_default(),
                checkpoint.latest_record_raw_ns,
            );
            writer.adopt(ring, &checkpoint, state);
        }
        let finish = Finish {
            shared: self.shared,
            remains: self.remains,
            directory: self.directory,
            handles: self.handles,
            unsaved_sequence: self.unsaved_sequence,
            sequence_floor: self.sequence_floor,
            has_unreadable,
            lock: self.lock,
        };
        (writer, finish)
    }
}

/// A recording that this process has begun to write.
pub(crate) struct Begun {
    pub(crate) definitions: Arc<Definitions>,
    pub(crate) numbers: ProducerNumbers,
    pub(crate) import_numbers: ImportNumbers,
    pub(crate) shared: Arc<Shared>,
    pub(crate) handles: Arc<OnceLock<Handles>>,
}

/// What is left to do of opening a recording.
pub(crate) struct Finish {
    pub(crate) shared: Arc<Shared>,
    pub(crate) handles: Arc<OnceLock<Handles>>,
    remains: Remains,
    directory: Directory,
    unsaved_sequence: Arc<AtomicU64>,
    sequence_floor: u64,
    has_unreadable: bool,
    lock: Lock,
}

impl Finish {
    /// Drains what the dead process left, and begins this one's session.
    ///
    /// # Errors
    /// `IO`.
    pub(crate) fn run(self, writer: &mut Writer) -> Result<Begun, Error> {
        writer.drain();
        let (numbers, import_numbers, floor) = self.numbers()?;
        let handles = Arc::clone(&self.handles);
        let definitions = writer.begin(floor, || {
            let session = handles.get().map(|handles| &handles.session);
            session
                .map_or_else(|| Ok(Definitions::new()), |session| session.definitions())
                .map(Arc::new)
        })?;
        writer.hold(self.lock);
        self.remains.remove();
        remove_orphans(&self.directory);
        Ok(Begun {
            definitions,
            numbers,
            import_numbers,
            shared: self.shared,
            handles: self.handles,
        })
    }

    /// The numbers that producers of this process get.
    fn numbers(&self) -> Result<(ProducerNumbers, ImportNumbers, u64), Error> {
        let sequences =
            Sequences::create(&self.directory).map_err(|error| Error::io("producers", &error))?;
        let mut floor = self.sequence_floor;
        let entries = sequences.read();
        let unsaved = self.unsaved_sequence.load(Ordering::Relaxed);
        let is_damaged = entries.iter().any(|(_, next)| next.is_none());
        if self.has_unreadable || unsaved > 0 || is_damaged {
            let known = entries
                .iter()
                .filter_map(|(_, next)| *next)
                .chain([unsaved, floor]);
            let jumped = known.max().unwrap_or(0).next_multiple_of(SEQUENCE_JUMP) + SEQUENCE_JUMP;
            floor = jumped.min(SEQUENCE_LIMIT - SEQUENCE_JUMP);
        }
        let of_imports = entries
            .iter()
            .find(|(producer, _)| *producer == FIRST_IMPORT);
        let of_imports = of_imports.map_or(0, |(_, next)| next.unwrap_or(floor));
        let import_numbers = ImportNumbers::from(of_imports.max(floor));
        let used = entries
            .into_iter()
            .filter(|(producer, _)| (1..FIRST_IMPORT).contains(producer))
            .map(|(producer, next)| (producer, next.unwrap_or(floor)));
        Ok((ProducerNumbers::resume(used, floor), import_numbers, floor))
    }
}
