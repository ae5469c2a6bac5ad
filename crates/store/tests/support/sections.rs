//! Index files as docs/format.md draws them.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// A section of an index file: where its name, its body and its checksum begin.
#[derive(Clone, Debug)]
pub struct Section {
    pub name: String,
    pub start: usize,
    pub body: usize,
    pub crc: usize,
}

/// The sections of an index file.
pub fn sections(file: &[u8]) -> Vec<Section> {
    let mut start = 16;
    let mut sections = Vec::new();
    while start < file.len() {
        let name = file[start..start + 8].iter().take_while(|byte| **byte != 0);
        let name = name.map(|byte| char::from(*byte)).collect();
        let body = start + 16;
        let len = u64::from_le_bytes(file[start + 8..body].try_into().unwrap());
        let crc = body + len as usize;
        sections.push(Section {
            name,
            start,
            body,
            crc,
        });
        start = crc + 4;
    }
    sections
}

/// Makes a section's checksum fit again.
pub fn seal_section(file: &mut [u8], section: &Section) {
    let crc = crc32fast::hash(&file[section.start..section.crc]);
    file[section.crc..section.crc + 4].copy_from_slice(&crc.to_le_bytes());
}

/// The file without what queries look at, as versions before that wrote it.
pub fn without_queries(file: &[u8]) -> Vec<u8> {
    let end = sections(file)[2].crc + 4;
    let mut file = file[..end].to_vec();
    file[8..12].copy_from_slice(&3u32.to_le_bytes());
    let crc = crc32fast::hash(&file[..12]);
    file[12..16].copy_from_slice(&crc.to_le_bytes());
    file
}

/// All index files of a recording.
pub fn index_files(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|own| own == "index"))
        .collect();
    files.sort();
    files
}

/// Puts another file in place; who has the old one mapped still has that.
pub fn replace(file: &Path, bytes: &[u8]) {
    let new = file.with_extension("changed");
    fs::write(&new, bytes).unwrap();
    fs::rename(new, file).unwrap();
}
