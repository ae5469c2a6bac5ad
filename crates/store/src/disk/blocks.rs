//! Blocks of the disk for what is stored through mappings: a store for which there is none would end the process.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::directory::Directory;
use crate::mapping::Allocate;

pub(crate) const PAGE_BYTES: usize = 4096;

/// The blocks of a head's file.
pub(crate) struct Blocks {
    pub(crate) file: File,
    pub(crate) directory: Directory,
}

impl std::panic::RefUnwindSafe for Blocks {}

impl Allocate for Blocks {
    fn allocate(&self, offset: u64, len: u64) -> bool {
        let allocated = match self.directory.step("head.allocate") {
            Ok(()) => allocate(&self.file, offset, len),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                write_again(&self.file, offset, len)
            }
            Err(error) => Err(error),
        };
        allocated.is_ok()
    }
}

/// Gives a part of a file blocks; what it holds stays, and what it does not hold reads as zeros.
pub(crate) fn allocate(file: &File, offset: u64, len: u64) -> io::Result<()> {
    if len == 0 {
        return Ok(());
    }
    match fallocate(file, FallocateFlags::empty(), offset, len) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_again(file, offset, len),
        Err(errno) => Err(errno.into()),
    }
}

/// Where a file system cannot be asked for blocks, writing is what gives them: what is there is written once more.
fn write_again(file: &File, offset: u64, len: u64) -> io::Result<()> {
    let end = offset + len;
    if file.metadata()?.len() < end {
        file.set_len(end)?;
    }
    let mut page = [0; PAGE_BYTES];
    for at in (offset..end).step_by(PAGE_BYTES) {
        let page = &mut page[..(end - at).min(PAGE_BYTES as u64) as usize];
        file.read_exact_at(page, at)?;
        file.write_all_at(page, at)?;
    }
    Ok(())
}
