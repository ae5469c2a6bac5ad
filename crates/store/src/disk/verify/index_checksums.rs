//! Checks the file that has what is known of a segment, and its index.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use crate::disk::codec::Decoder;
use crate::disk::index_file::IndexFile;

/// What is read at once of a file that is read in order.
const READ_BYTES: usize = 1 << 18;

/// What is wrong with an index. Every section has its checksum, whatever is in it.
pub(super) fn index_damage(
    path: &Path,
    recording: &[u8; 16],
    base_seq: u64,
) -> io::Result<Option<String>> {
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
