//! Makes what the checksums of a recording's files are about fit them, as docs/format.md draws the files; and what each file
//! says of which recording and which place it is, so that files of several inputs go together.

use crate::archive::{Archive, Entry};

/// Stands for the running machine's boot id, so that an input means the same on every machine.
pub const BOOT_ID: [u8; 16] = *b"this boot's id..";
/// Of all recordings here.
pub const RECORDING_ID: [u8; 16] = *b"recording's id..";

const PAGE: usize = 4096;
const COMMIT_BYTES: usize = 184;
const BLOCK_BYTES: usize = 1 << 20;

/// The running machine's boot id, as recordings have it; zeros where the system does not tell.
pub fn boot_id() -> [u8; 16] {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16).unwrap_or(0).to_be_bytes()
}

fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + what.len()) {
        place.copy_from_slice(what);
    }
}

/// Stores the checksum of a range behind it, unless the range is empty or all zero: nothing was ever written there.
fn seal_range(bytes: &mut [u8], from: usize, len: usize) {
    let Some(range) = bytes.get(from..from + len) else {
        return;
    };
    if range.iter().any(|byte| *byte != 0) {
        let crc = crc32fast::hash(range);
        put(bytes, from + len, &crc.to_le_bytes());
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    let number = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*number) as usize)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn commit(bytes: &mut [u8], at: usize, boot_id: &[u8; 16]) {
    if bytes.get(at + 8..at + 24) == Some(&BOOT_ID) {
        put(bytes, at + 8, boot_id);
    }
    seal_range(bytes, at, COMMIT_BYTES);
}

fn producers(bytes: &mut [u8]) {
    for (number, entry) in bytes.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let next = u64::from_le_bytes(*entry) & ((1 << 48) - 1);
        if next == 0 {
            continue;
        }
        let mut checked = (number as u32).to_le_bytes().to_vec();
        checked.extend(next.to_le_bytes());
        let check = u64::from(crc32fast::hash(&checked) as u16);
        *entry = (next | check << 48).to_le_bytes();
    }
}

/// The log of definitions: kind, length, body, checksum.
pub fn definitions(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(len) = u32_at(bytes, at + 1) {
        seal_range(bytes, at, 5 + len);
        at += 5 + len + 4;
    }
}

fn contexts(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(len) = u32_at(bytes, at) {
        seal_range(bytes, at, 4 + len);
        at += 4 + len + 4;
    }
}

fn ring(bytes: &mut [u8]) {
    let Some(page) = bytes.len().checked_sub(PAGE) else {
        return;
    };
    for slot in [page, page + 128] {
        if let Some(words) = bytes.get(slot..slot + 48) {
            let crc = u64::from(crc32fast::hash(words));
            put(bytes, slot + 48, &crc.to_le_bytes());
        }
    }
}

fn head(bytes: &mut [u8], base: u64) {
    put(bytes, 8, &RECORDING_ID);
    put(bytes, 24, &base.to_le_bytes());
    seal_range(bytes, 0, 72);
    seal_range(bytes, 2048, 64);
}

/// An index file, over the .arrow file beside it.
fn index(bytes: &mut [u8], base: u64, arrow: Option<&[u8]>) {
    seal_range(bytes, 0, 12);
    let mut at = 16;
    while let Some(len) = u64_at(bytes, at + 8) {
        let Some(end) = usize::try_from(len)
            .ok()
            .and_then(|len| (at + 16).checked_add(len))
        else {
            return;
        };
        if end > bytes.len() {
            return;
        }
        if let Some(arrow) = arrow {
            match &bytes[at..at + 8] {
                b"summary\0" => {
                    put(bytes, at + 16, &RECORDING_ID);
                    put(bytes, at + 32, &base.to_le_bytes());
                    put(bytes, at + 48, &(arrow.len() as u64).to_le_bytes());
                }
                b"blocks\0\0" => {
                    for (number, block) in arrow.chunks(BLOCK_BYTES).enumerate() {
                        let place = at + 20 + number * 4;
                        if place + 4 <= end {
                            put(bytes, place, &crc32fast::hash(block).to_le_bytes());
                        }
                    }
                }
                _ => {}
            }
        }
        seal_range(bytes, at, end - at);
        at = end + 4;
    }
}

fn base_of(name: &str) -> u64 {
    let digits = name.split('.').next().unwrap_or_default();
    digits.parse().unwrap_or(0)
}

/// Makes everything in an archive fit.
pub fn archive(archive: &mut Archive) {
    let boot_id = boot_id();
    let arrows: Vec<(u64, Vec<u8>)> = archive
        .files
        .iter()
        .filter(|file| file.name.ends_with(".arrow"))
        .map(|file| (base_of(&file.name), file.bytes()))
        .collect();
    for file in &mut archive.files {
        let name = file.name.clone();
        // What has no checksum stays as it is.
        if name.ends_with(".arrow") || name == "config.json" {
            continue;
        }
        let mut bytes = file.bytes();
        let inner = name.split_once('/').map(|(_, inner)| inner);
        match (&*name, inner) {
            ("recording", _) => {
                put(&mut bytes, 16, &RECORDING_ID);
                seal_range(&mut bytes, 0, 60);
            }
            ("state", _) => {
                put(&mut bytes, 16, &RECORDING_ID);
                commit(&mut bytes, PAGE, &boot_id);
                commit(&mut bytes, 2 * PAGE, &boot_id);
            }
            ("durable", _) => {
                for page in [0, PAGE] {
                    commit(&mut bytes, page, &boot_id);
                    seal_range(&mut bytes, page, 224);
                }
            }
            ("producers", _) => producers(&mut bytes),
            (_, Some("definitions")) => definitions(&mut bytes),
            (_, Some(inner)) if inner.starts_with("contexts-") => contexts(&mut bytes),
            (_, Some(inner)) if inner.starts_with("ring-") => ring(&mut bytes),
            _ if name.starts_with("losses-") => {
                for record in bytes.as_chunks_mut::<64>().0 {
                    seal_range(record, 0, 60);
                }
            }
            _ if name.ends_with(".head") => head(&mut bytes, base_of(&name)),
            _ if name.ends_with(".index") => {
                let base = base_of(&name);
                let arrow = arrows.iter().find(|(own, _)| *own == base);
                index(&mut bytes, base, arrow.map(|(_, arrow)| &arrow[..]));
            }
            _ => continue,
        }
        *file = Entry::of(&name, &bytes);
    }
}

/// Takes out of a recording's files what only this machine and this run know.
pub fn generalize(archive: &mut Archive) {
    let boot_id = boot_id();
    for file in &mut archive.files {
        if !["state", "durable"].contains(&&*file.name) {
            continue;
        }
        let mut bytes = file.bytes();
        for page in [0, PAGE, 2 * PAGE] {
            if bytes.get(page + 8..page + 24) == Some(&boot_id) {
                put(&mut bytes, page + 8, &BOOT_ID);
            }
        }
        *file = Entry::of(&file.name, &bytes);
    }
    archive_ids(archive);
}

/// The recording's own id gives way to the one of all recordings here; sealing sees to every other file.
fn archive_ids(archive: &mut Archive) {
    for file in archive
        .files
        .iter_mut()
        .filter(|file| file.name == "recording")
    {
        let mut bytes = file.bytes();
        put(&mut bytes, 16, &RECORDING_ID);
        *file = Entry::of("recording", &bytes);
    }
}
