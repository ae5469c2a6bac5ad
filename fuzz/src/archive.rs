//! A directory as one input: its files by name, of each its length and what is not zero of it.

use std::fs;
use std::path::Path;

/// Files that are longer would only take time: what a target reads of them is sparse.
const FILE_BYTES_MAX: usize = 8 << 20;
const FILES_MAX: usize = 24;
/// Zeros between two stretches, from which on they are no longer one.
const GAP_BYTES: usize = 32;

/// A stretch of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    pub offset: u32,
    pub bytes: Vec<u8>,
}

/// A file; zeros where no extent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub len: u32,
    pub extents: Vec<Extent>,
}

/// A directory, and what is to be done with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Archive {
    pub flags: u8,
    pub files: Vec<Entry>,
}

impl Entry {
    pub fn of(name: &str, bytes: &[u8]) -> Self {
        let mut extents: Vec<Extent> = Vec::new();
        let mut at = 0;
        while let Some(start) = bytes[at..].iter().position(|byte| *byte != 0) {
            let start = at + start;
            let mut end = start + 1;
            while end < bytes.len() && end - start < usize::from(u16::MAX) {
                let next = &bytes[end..(end + GAP_BYTES).min(bytes.len())];
                match next.iter().position(|byte| *byte != 0) {
                    Some(gap) => end += gap + 1,
                    None => break,
                }
            }
            end = end.min(start + usize::from(u16::MAX));
            extents.push(Extent {
                offset: start as u32,
                bytes: bytes[start..end].to_vec(),
            });
            at = end;
        }
        Self {
            name: name.to_owned(),
            len: bytes.len() as u32,
            extents,
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; (self.len as usize).min(FILE_BYTES_MAX)];
        for extent in &self.extents {
            let start = (extent.offset as usize).min(bytes.len());
            let len = extent.bytes.len().min(bytes.len() - start);
            bytes[start..start + len].copy_from_slice(&extent.bytes[..len]);
        }
        bytes
    }
}

impl Archive {
    /// What is in a directory, and one level below.
    pub fn of_directory(path: &Path, flags: u8) -> Self {
        let mut files = Vec::new();
        for entry in fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_dir() {
                let inner = Self::of_directory(&entry.path(), 0).files;
                files.extend(inner.into_iter().map(|file| Entry {
                    name: format!("{name}/{}", file.name),
                    ..file
                }));
            } else {
                files.push(Entry::of(&name, &fs::read(entry.path()).unwrap()));
            }
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Self { flags, files }
    }

    /// Puts the files into a directory. Names that lead out of it, or nowhere, are left out.
    pub fn unpack(&self, path: &Path) {
        fs::create_dir_all(path).unwrap();
        for file in &self.files {
            if let Some((folder, _)) = file.name.split_once('/') {
                let _ = fs::create_dir_all(path.join(folder));
            }
            let _ = disk_write(&path.join(&file.name), file);
        }
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.flags];
        for file in &self.files {
            out.push(file.name.len() as u8);
            out.extend(file.name.as_bytes());
            out.extend(file.len.to_le_bytes());
            out.extend((file.extents.len() as u16).to_le_bytes());
            for extent in &file.extents {
                out.extend(extent.offset.to_le_bytes());
                out.extend((extent.bytes.len() as u16).to_le_bytes());
                out.extend(&extent.bytes);
            }
        }
        out
    }

    /// As much as there is of an archive.
    pub fn decode(mut input: &[u8]) -> Self {
        let mut archive = Self {
            flags: crate::take::<1>(&mut input)[0],
            files: Vec::new(),
        };
        while !input.is_empty() && archive.files.len() < FILES_MAX {
            let len = usize::from(crate::take::<1>(&mut input)[0]).min(input.len());
            let (name, rest) = input.split_at(len);
            input = rest;
            let file_len = u32::from_le_bytes(crate::take(&mut input));
            let count = u16::from_le_bytes(crate::take(&mut input));
            let mut extents = Vec::new();
            for _ in 0..count {
                if input.is_empty() {
                    break;
                }
                extents.push(Extent {
                    offset: u32::from_le_bytes(crate::take(&mut input)),
                    bytes: crate::take_bytes(&mut input).to_vec(),
                });
            }
            if let Some(name) = safe_name(name) {
                archive.files.push(Entry {
                    name: name.to_owned(),
                    len: file_len.min(FILE_BYTES_MAX as u32),
                    extents,
                });
            }
        }
        archive
    }
}

/// A file's name, perhaps in a directory, of letters that lead nowhere else.
fn safe_name(name: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(name).ok()?;
    let is_part = |part: &str| {
        let is_plain = |letter: u8| letter.is_ascii_alphanumeric() || b".-".contains(&letter);
        part.starts_with(|letter: char| letter.is_ascii_alphanumeric())
            && part.bytes().all(is_plain)
    };
    let mut parts = name.split('/');
    (parts.clone().count() <= 2 && parts.all(is_part)).then_some(name)
}

fn disk_write(path: &Path, file: &Entry) -> std::io::Result<()> {
    use std::os::unix::fs::FileExt;
    let target = fs::File::create(path)?;
    target.set_len(u64::from(file.len))?;
    for extent in &file.extents {
        let left = (file.len as usize).saturating_sub(extent.offset as usize);
        let len = extent.bytes.len().min(left);
        target.write_all_at(&extent.bytes[..len], u64::from(extent.offset))?;
    }
    Ok(())
}
