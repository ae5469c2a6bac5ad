//! A recording's directory: what it is called inside, whose it is, and which files are there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::codec::{Decoder, Encoder};
use super::commit::NUMBER_LIMIT;
use crate::error::{Error, ErrorCode};

/// Version of everything in the directory.
pub(crate) const VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"KSCOPE\r\n";
const META_BYTES: usize = 60;
/// Digits of a segment's base in its files' names.
const BASE_DIGITS: usize = 20;

/// Called before each step that changes a file, with the step's name; an error is taken for the system's. Tests cut
/// recordings off here.
pub type Probe = Arc<dyn Fn(&'static str) -> io::Result<()> + Send + Sync>;

/// An open recording's directory.
#[derive(Clone)]
pub(crate) struct Directory {
    /// Without links, so that it stays when one of them is changed.
    path: PathBuf,
    /// Device and number of it: after it has been renamed, another one may have its path.
    place: (u64, u64),
    id: [u8; 16],
    probe: Option<Probe>,
}

/// A segment's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Head,
    Arrow,
    Index,
}

impl Kind {
    fn extension(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Arrow => "arrow",
            Self::Index => "index",
        }
    }
}

impl Directory {
    /// The recording in a directory, which is made when there is none.
    ///
    /// # Errors
    /// `IO`, `CORRUPT_RECORDING`, `UNSUPPORTED_VERSION`; `INVALID_ARGUMENT` for a directory that holds something else.
    pub(crate) fn create(path: &Path, probe: Option<Probe>) -> Result<Self, Error> {
        let mut directory = Self::at(path, probe)?;
        if !directory.has_meta()? {
            directory.ensure_is_new()?;
            directory.write_meta()?;
        }
        directory.read_meta()?;
        Ok(directory)
    }

    /// The recording in a directory, which is not changed.
    ///
    /// # Errors
    /// As [`Directory::create`]; `NOT_FOUND` when there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let found = match Self::at(path, None) {
            Ok(directory) => directory.has_meta()?.then_some(directory),
            Err(error) if error.code == ErrorCode::NotFound => None,
            Err(error) => return Err(error),
        };
        let Some(mut directory) = found else {
            return Err(Error::new(
                ErrorCode::NotFound,
                format!(
                    "path: expected a recording's directory, got {}",
                    path.display()
                ),
            ));
        };
        directory.read_meta()?;
        Ok(directory)
    }

    fn at(path: &Path, probe: Option<Probe>) -> Result<Self, Error> {
        let found = fs::canonicalize(path).and_then(|path| Ok((place_of(&path)?, path)));
        let (place, path) = found.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                Error::new(ErrorCode::NotFound, at("path", path))
            }
            _ => Error::io(at("path", path), &error),
        })?;
        Ok(Self {
            path,
            place,
            id: [0; 16],
            probe,
        })
    }

    /// Whether the directory says that it is a recording's; an error when it does not let anyone look.
    fn has_meta(&self) -> Result<bool, Error> {
        match self.path.join("recording").try_exists() {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
            found => found.map_err(|error| Error::io(at("path", &self.path), &error)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn id(&self) -> &[u8; 16] {
        &self.id
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn segment_file(&self, base_seq: u64, kind: Kind) -> PathBuf {
        self.path
            .join(format!("{base_seq:0BASE_DIGITS$}.{}", kind.extension()))
    }

    /// Says that a step comes.
    pub(crate) fn step(&self, name: &'static str) -> io::Result<()> {
        self.probe.as_ref().map_or(Ok(()), |probe| probe(name))
    }

    /// Says that a step comes that finds a file by its name.
    ///
    /// # Errors
    /// What the system says, and `NotFound` when the path is another directory's by now: nothing of that is touched.
    pub(crate) fn step_by_name(&self, name: &'static str) -> io::Result<()> {
        if place_of(&self.path)? != self.place {
            let message = "another directory has taken the recording's place";
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        }
        self.step(name)
    }

    /// A recording's own files may be there without its meta file only when another opener was stopped before any other.
    fn ensure_is_new(&self) -> Result<(), Error> {
        let entries =
            fs::read_dir(&self.path).map_err(|error| Error::io(at("path", &self.path), &error))?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            if name != "lock" && name != "recording.new" {
                return Err(Error::new(
                    ErrorCode::InvalidArgument,
                    format!(
                        "path: expected an empty directory or a recording's, got {}, which holds {}",
                        self.path.display(),
                        name.to_string_lossy()
                    ),
                ));
            }
        }
        Ok(())
    }

    fn write_meta(&self) -> Result<(), Error> {
        let mut id = [0; 16];
        random(&mut id).map_err(|error| Error::io("/dev/urandom", &error))?;
        let meta = Encoder::default()
            .bytes(MAGIC)
            .u32(VERSION)
            .u32(0)
            .bytes(&id)
            .i64(wall_now_ns())
            .pad_to(META_BYTES)
            .checked();
        self.replace("recording", &meta, true)
            .map_err(|error| Error::io(at("recording", &self.path), &error))
    }

    fn read_meta(&mut self) -> Result<(), Error> {
        let path = self.file("recording");
        let bytes = read_bounded(&path, 4096).map_err(|error| Error::io(path.display(), &error))?;
        let corrupt = || {
            Error::corrupt(format!(
                "{}: expected a recording's description, got something else",
                path.display()
            ))
        };
        let mut head = Decoder::new(&bytes);
        if head.array().as_ref() != Some(MAGIC) {
            return Err(corrupt());
        }
        // Before the checksum: a later version may keep it elsewhere.
        let version = head.u32().ok_or_else(corrupt)?;
        if version > VERSION {
            return Err(Error::new(
                ErrorCode::UnsupportedVersion,
                format!(
                    "{}: expected version {VERSION} or lower, got {version}",
                    path.display()
                ),
            ));
        }
        let mut meta = Decoder::of_checked(&bytes, META_BYTES).ok_or_else(corrupt)?;
        let id = meta
            .bytes(16)
            .and_then(|_| meta.array())
            .ok_or_else(corrupt)?;
        self.id = id;
        Ok(())
    }

    /// Puts a whole file in place; with `sync`, it is on the disk then. One that is the same already stays, which takes no
    /// space.
    pub(crate) fn replace(&self, name: &'static str, bytes: &[u8], sync: bool) -> io::Result<()> {
        let is_same =
            read_bounded(&self.file(name), bytes.len() as u64).is_ok_and(|old| old == bytes);
        if is_same {
            return Ok(());
        }
        let (new, path) = (self.file(&format!("{name}.new")), self.file(name));
        self.step_by_name("replace.write")?;
        let mut file = File::create(&new)?;
        file.write_all(bytes)?;
        if sync {
            self.step("replace.sync")?;
            file.sync_data()?;
        }
        self.step_by_name("replace.rename")?;
        fs::rename(&new, &path)?;
        if sync { self.sync() } else { Ok(()) }
    }

    /// Has the directory's own entries reach the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.step_by_name("directory.sync")?;
        File::open(&self.path)?.sync_all()
    }

    /// Bases of the segments that have a file of a kind, ascending. Names of positions that no log comes to are no segments'.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn bases(&self, kind: Kind) -> io::Result<Vec<u64>> {
        let mut bases = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let base = name
                .to_str()
                .and_then(|name| name.split_once('.'))
                .filter(|(base, extension)| {
                    *extension == kind.extension() && base.len() == BASE_DIGITS
                })
                .and_then(|(base, _)| base.parse::<u64>().ok())
                .filter(|base| *base < NUMBER_LIMIT);
            bases.extend(base);
        }
        bases.sort_unstable();
        Ok(bases)
    }

    /// Names of what is there.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        fs::read_dir(&self.path)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        self.step_by_name("remove")?;
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }
}

/// Makes a directory, and those that it is to be in.
///
/// # Errors
/// `IO` saying what is in the way.
pub(crate) fn make(path: &Path) -> Result<(), Error> {
    match fs::create_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Error::new(
            ErrorCode::Io,
            format!(
                "path: expected a directory, got the file {}",
                path.display()
            ),
        )),
        made => made.map_err(|error| Error::io(at("path", path), &error)),
    }
}

fn place_of(path: &Path) -> io::Result<(u64, u64)> {
    let meta = fs::metadata(path)?;
    Ok((meta.dev(), meta.ino()))
}

fn at(what: &str, path: &Path) -> String {
    format!("{what}: {}", path.display())
}

/// Random bytes.
pub(crate) fn random(bytes: &mut [u8]) -> io::Result<()> {
    File::open("/dev/urandom")?.read_exact(bytes)
}

/// A file to read and write, made when it is not there.
pub(crate) fn open_or_create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

/// A whole file, or an error when it is longer than it can be.
pub(crate) fn read_bounded(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    if len > max_bytes {
        let message = format!("expected at most {max_bytes} bytes, got {len}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let mut bytes = Vec::new();
    file.take(max_bytes).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Nanoseconds since the Unix epoch.
pub(crate) fn wall_now_ns() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
        })
}

/// Names this run of the machine; zeros where the system does not tell, which counts as never the same.
pub(crate) fn boot_id() -> [u8; 16] {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let mut id = [0; 16];
    let digits: Vec<u8> = text
        .bytes()
        .filter_map(|byte| (byte as char).to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    id
}
