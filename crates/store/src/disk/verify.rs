//! Checks everything that a recording's directory holds, and changes nothing.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::codec::{Decoder, Record};
use super::columns_of_file::{Lens, check};
use super::commit::{Commit, State};
use super::directory::{Directory, Kind, boot_id};
use super::durable::{Durable, DurableFile};
use super::head::Head;
use super::index_file::IndexFile;
use super::lock::Lock;
use super::stored::Stored;
use super::{losses, sequences};
use crate::error::Error;
use crate::loss::{LossCause, LossLog};
use crate::segment::{ProducerRange, Segment};
use crate::slot::StoredSegment;

/// Looks at a record or a list of files that a process may be changing.
const LOOKS: u32 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
/// What is read at once of a file that is read in order.
const READ_BYTES: usize = 1 << 18;
const LOSS_RECORD_BYTES: u64 = 64;

/// What a recording's files are worth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Whether a process writes the recording now.
    pub is_live: bool,
    /// Positions of the log below this have been given out.
    pub next_seq: u64,
    /// In the order of the log.
    pub segments: Vec<VerifiedSegment>,
    /// Every file that was looked at.
    pub files: Vec<VerifiedFile>,
    /// Positions that are in no file, and of which the recording does not say that they are missing.
    pub holes: Vec<Range<u64>>,
}

/// A run of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedSegment {
    /// Position of its first row.
    pub base_seq: u64,
    /// Rows; none when nothing that can be trusted says how many.
    pub rows: Option<u64>,
    /// Whether it is complete and in a file of its own.
    pub is_sealed: bool,
    /// Why its rows cannot be read.
    pub damage: Option<String>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedFile {
    /// In the recording's directory.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// What is wrong with it.
    pub damage: Option<String>,
}

impl Verification {
    /// Whether nothing is damaged and nothing is missing without being known to be.
    pub fn is_intact(&self) -> bool {
        let is_damaged = self.files.iter().any(|file| file.damage.is_some())
            || self.segments.iter().any(|segment| segment.damage.is_some());
        !is_damaged && self.holes.is_empty()
    }
}

/// Checks the files of a recording, which another process may be writing. Rings, and files that are unfinished or not of
/// the recording, are not looked at. What an open segment holds has no checksums: of it is checked what readers rely on.
///
/// # Errors
/// `NOT_FOUND`, `UNSUPPORTED_VERSION`, `IO`; `CORRUPT_RECORDING` when the file `recording` is damaged, without which nothing
/// else can be told.
pub fn verify(path: &Path) -> Result<Verification, Error> {
    let directory = Directory::open(path)?;
    let mut verifier = Verifier {
        report: Verification {
            is_live: Lock::is_held(&directory.file("lock")),
            ..Verification::default()
        },
        directory,
    };
    verifier.file("recording", None);
    verifier.file("config.json", None);
    let (commit, has_lost_power) = verifier.commit();
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

/// A file's segment, as far as it could be opened.
type Sealed = io::Result<Option<Stored>>;

/// Heads that count, and sealed segments by their bases.
type Parts = (Vec<Rows>, Vec<(u64, Sealed)>);

/// A head that counts.
struct Rows {
    base_seq: u64,
    rows: usize,
    entries: Option<[usize; crate::columns::DictionaryColumn::COUNT]>,
    damage: Option<String>,
}

struct Verifier {
    directory: Directory,
    report: Verification,
}

impl Verifier {
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

    /// The commit that counts, of both files that have one, and whether the machine has stopped since.
    fn commit(&mut self) -> (Commit, bool) {
        let path = self.directory.file("state");
        let (of_state, state_damage) = self.settled(|| match State::watch(&self.directory) {
            Ok(state) => newest(
                state.records(),
                |commit: &Commit| commit.generation,
                // Whoever is killed while writing one leaves it torn; whoever closes leaves both whole.
                |commit| commit.session == 0,
            ),
            Err(error) => (None, path.exists().then_some(error.message)),
        });
        let (durable, durable_damage) =
            self.settled(|| match DurableFile::records(&self.directory) {
                Ok(records) => newest(
                    records,
                    |durable: &Durable| durable.commit.generation,
                    |durable| durable.is_clean,
                ),
                Err(error) if error.kind() == io::ErrorKind::NotFound => (None, None),
                Err(error) => (None, Some(error.to_string())),
            });
        let is_begun = of_state.is_some_and(|commit| commit.session != 0 || commit.next_seq > 0);
        let no_record = |is_damage: bool| is_damage.then(|| "it has no record".to_owned());
        let lacks_state = of_state.is_none() && durable.is_some() && !path.exists();
        self.file("state", state_damage.or_else(|| no_record(lacks_state)));
        let lacks_durable = durable.is_none() && is_begun;
        self.file(
            "durable",
            durable_damage.or_else(|| no_record(lacks_durable)),
        );
        let boot_id = boot_id();
        let of_state = of_state.filter(|commit| commit.boot_id == boot_id && boot_id != [0; 16]);
        let is_clean = durable.is_some_and(|durable| durable.is_clean);
        let commit = of_state.or(durable.map(|durable| durable.commit));
        (commit.unwrap_or_default(), of_state.is_none() && !is_clean)
    }

    fn producers(&mut self) {
        let (_, damage) = self.settled(|| {
            let entries = sequences::read(&self.directory);
            let damaged = entries.iter().find(|(_, next)| next.is_none());
            let says = |(number, _): &(u16, Option<u64>)| {
                format!("the number of producer {number} does not have its check")
            };
            ((), damaged.map(says))
        });
        self.file("producers", damage);
    }

    /// What is known to be missing. Looked at after the files: what retention removes is written down first.
    fn losses(&mut self, commit: &Commit) -> LossLog {
        let ((found, name), damage) = self.settled(|| {
            let newest = State::watch(&self.directory).ok();
            let newest = newest.filter(|_| self.report.is_live);
            let newest = newest.and_then(|state| state.read());
            let counted = newest.unwrap_or(*commit).losses;
            let found = losses::read(&self.directory, 0, counted);
            let records = counted.len / LOSS_RECORD_BYTES;
            let is_short = (found.len() as u64) < records;
            let damage =
                is_short.then(|| format!("record {} of {records} is damaged", found.len()));
            ((found, format!("losses-{}", counted.number)), damage)
        });
        self.file(&name, damage);
        let mut known = LossLog::default();
        for range in found {
            if range.cause == LossCause::Retention {
                known.push_evicted(range);
            } else {
                known.push(range);
            }
        }
        known
    }

    /// Heads and sealed segments, of one moment if possible.
    fn list(&self, commit: &Commit, has_lost_power: bool) -> Result<Parts, Error> {
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
    fn find_holes(
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
        let mut parts: Vec<Range<u64>> = of_heads.chain(of_files).collect();
        parts.sort_by_key(|part| part.start);
        let end = parts.iter().map(|part| part.end).max().unwrap_or(0);
        let is_over = commit.session == 0 && commit.generation > 0;
        let end = if is_over {
            end.max(commit.next_seq)
        } else {
            end
        };
        self.report.next_seq = end;
        let mut covered = 0;
        parts.push(end..end);
        for part in parts {
            let is_known = part.start > covered && known.covers(covered, part.start - 1);
            if part.start > covered && !is_known {
                self.report.holes.push(covered..part.start);
            }
            covered = covered.max(part.end);
        }
    }

    fn sealed(&mut self, base_seq: u64, stored: Sealed) {
        let index = self.directory.segment_file(base_seq, Kind::Index);
        let index_damage = match index_damage(&index, self.directory.id(), base_seq) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Some("it is missing".to_owned())
            }
            Err(error) => Some(error.to_string()),
            Ok(damage) => damage,
        };
        let (rows, damage) = match stored {
            Ok(Some(stored)) => {
                let rows = stored.summary().rows as u64;
                let damage = stored.load(true).and_then(|segment| {
                    bounds_hold(&stored, &segment)
                        .then_some(())
                        .ok_or_else(|| Error::corrupt("its index tells of other rows"))
                });
                (Some(rows), damage.err().map(|error| error.message))
            }
            Ok(None) => (
                None,
                Some("it is not as long as its index says, or no such file".to_owned()),
            ),
            Err(error) => (None, Some(error.to_string())),
        };
        self.segment_file(base_seq, Kind::Arrow, damage.clone());
        // Of files that go, this is the last.
        if self.directory.segment_file(base_seq, Kind::Arrow).exists() {
            self.segment_file(base_seq, Kind::Index, index_damage);
        }
        self.report.segments.push(VerifiedSegment {
            base_seq,
            rows,
            is_sealed: true,
            damage,
        });
    }

    fn head(&mut self, head: &Rows) {
        let base_seq = head.base_seq;
        let checked = || -> Result<(), Error> {
            let Some(entries) = head.entries else {
                return Ok(());
            };
            let columns = Head::open(&self.directory, base_seq, false)?.watch()?;
            check(&columns, base_seq, &Lens::default(), head.rows, &entries).map(|_| ())
        };
        let path = self.directory.segment_file(base_seq, Kind::Head);
        let found = head.damage.clone();
        // A head that is gone has become a file, which has been written from what was whole.
        let damage = found.or_else(|| {
            let error = checked().err()?;
            path.exists().then_some(error.message)
        });
        self.segment_file(base_seq, Kind::Head, damage.clone());
        if head.rows == 0 && damage.is_none() {
            return;
        }
        self.report.segments.push(VerifiedSegment {
            base_seq,
            rows: head.entries.map(|_| head.rows as u64),
            is_sealed: false,
            damage,
        });
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

/// The newest of two records, and what is wrong with the file that has them. A record that is torn is no damage where
/// the other does not say that nobody was writing any more.
fn newest<T>(
    records: [Record<T>; 2],
    number: impl Fn(&T) -> u64,
    is_last: impl Fn(&T) -> bool,
) -> (Option<T>, Option<String>) {
    let is_torn = records
        .iter()
        .any(|record| matches!(record, Record::Damaged));
    let valid = records.into_iter().filter_map(Record::valid);
    let newest = valid.max_by_key(number);
    let damage = match &newest {
        None if is_torn => Some("neither of its records has its checksum"),
        Some(record) if is_torn && is_last(record) => {
            Some("one of its two records does not have its checksum")
        }
        Some(_) | None => None,
    };
    (newest, damage.map(str::to_owned))
}

/// Whether an index leaves out no row that is there; its bounds may be wider.
fn bounds_hold(stored: &Stored, segment: &Segment) -> bool {
    let summary = stored.summary();
    let timestamps = segment.columns.timestamp.slice(summary.rows);
    let is_inside = |time: &i64| (summary.min_timestamp..=summary.max_timestamp).contains(time);
    let producers = ProducerRange::of(segment.columns.event_id.slice(summary.rows));
    let is_known = |range: &ProducerRange| {
        let known = summary.producer_range(range.producer);
        known.is_some_and(|known| known.first <= range.first && known.last >= range.last)
    };
    timestamps.iter().all(is_inside)
        && (!summary.in_time_order || timestamps.is_sorted())
        && producers.iter().all(is_known)
}

/// What is wrong with an index. Every section has its checksum, whatever is in it.
fn index_damage(path: &Path, recording: &[u8; 16], base_seq: u64) -> io::Result<Option<String>> {
    let file = File::open(path)?;
    let mut left = file.metadata()?.len();
    let mut file = BufReader::with_capacity(READ_BYTES, file);
    let Some(head) = read_checked::<12>(&mut file, &mut left, |_| Some(0))? else {
        return Ok(Some("its start does not have its checksum".to_owned()));
    };
    let sections = Decoder::new(&head[8..]).u32().unwrap_or(0);
    for section in 0..sections {
        let body_len = |head: &[u8; 16]| Decoder::new(&head[8..]).u64();
        if read_checked(&mut file, &mut left, body_len)?.is_none() {
            let damage = format!("section {section} of {sections} does not have its checksum");
            return Ok(Some(damage));
        }
    }
    if left > 0 {
        return Ok(Some(format!("{left} bytes follow its last section")));
    }
    let is_ours = IndexFile::open(path, recording, base_seq)?.is_some();
    Ok((!is_ours).then(|| "it is of another segment, or has impossible numbers".to_owned()))
}

/// Reads the head of a record, as many bytes more as that says, and a checksum of both. `None` if it does not hold, or if
/// there is less left of the file.
fn read_checked<const N: usize>(
    file: &mut impl Read,
    left: &mut u64,
    body_len: impl Fn(&[u8; N]) -> Option<u64>,
) -> io::Result<Option<[u8; N]>> {
    let mut take = |len: u64| {
        let rest = left.checked_sub(len);
        *left = rest.unwrap_or(*left);
        rest.is_some()
    };
    let mut head = [0; N];
    if !take(N as u64) {
        return Ok(None);
    }
    file.read_exact(&mut head)?;
    let body = body_len(&head).filter(|len| take(*len) && take(4));
    let Some(mut body) = body else {
        return Ok(None);
    };
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&head);
    let mut buffer = [0; 4096];
    while body > 0 {
        let part = usize::try_from(body).map_or(buffer.len(), |body| body.min(buffer.len()));
        file.read_exact(&mut buffer[..part])?;
        hasher.update(&buffer[..part]);
        body -= part as u64;
    }
    let mut crc = [0; 4];
    file.read_exact(&mut crc)?;
    Ok((u32::from_le_bytes(crc) == hasher.finalize()).then_some(head))
}
