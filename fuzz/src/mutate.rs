//! Changes inputs: bytes by chance, archives by what they are, which is one place of one file, a number where numbers are, or
//! a length.

use crate::archive::{Archive, Extent};

/// Numbers that lengths, counts, codes and times are compared with.
const NUMBERS: [u64; 16] = [
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    64,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 48,
    (1 << 62) - 1,
    1 << 62,
    1 << 63,
    u64::MAX,
];
const RUN_MAX_BYTES: usize = 64;

/// Makes another input from the one in the first `size` bytes of `data`; gives its length, at most the last number.
pub type Bytes = fn(dice: &mut Dice, data: &mut [u8], size: usize, max_size: usize) -> usize;

/// xorshift, which is all that choosing places takes.
pub struct Dice(u64);

impl Dice {
    /// The same choices for the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Neighbouring seeds would begin alike.
        Self((seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9) | 1)
    }

    /// Below `end`; 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % end.max(1)
    }

    fn number(&mut self) -> u64 {
        match self.below(4) {
            0 => 1 << self.below(64),
            1 => self.below(64) as u64,
            _ => NUMBERS[self.below(NUMBERS.len())],
        }
    }

    /// First byte and length of a run in so many bytes.
    fn run(&mut self, len: usize) -> (usize, usize) {
        let run = 1 + self.below(RUN_MAX_BYTES.min(len));
        (self.below(len - run + 1), run)
    }
}

/// Changes bytes where libFuzzer is not there to do it.
pub fn bytes(dice: &mut Dice, data: &mut [u8], size: usize, max_size: usize) -> usize {
    if size == 0 {
        let len = max_size.min(8);
        data[..len].copy_from_slice(&dice.number().to_le_bytes()[..len]);
        return len;
    }
    match dice.below(10) {
        0 => data[dice.below(size)] ^= 1 << dice.below(8),
        1 => data[dice.below(size)] = dice.below(256) as u8,
        2..=5 => put_number(dice, &mut data[..size]),
        6 => copy_run(dice, &mut data[..size]),
        7 => {
            let (at, run) = dice.run(size);
            data.copy_within(at + run..size, at);
            return size - run;
        }
        8 => {
            let (at, run) = dice.run(size);
            let run = run.min(max_size - size);
            data.copy_within(at..size, at + run);
            return size + run;
        }
        _ => return 1 + dice.below(size),
    }
    size
}

/// Another archive from the one in the first `size` bytes of `data`; gives its length. `bytes` changes what is in a file.
pub fn archive(
    dice: &mut Dice,
    data: &mut [u8],
    size: usize,
    max_size: usize,
    bytes: Bytes,
) -> usize {
    let mut archive = Archive::decode(&data[..size]);
    if archive.files.is_empty() || dice.below(16) == 0 {
        return bytes(dice, data, size, max_size);
    }
    for _ in 0..=dice.below(3) {
        change(&mut archive, dice, bytes);
    }
    let changed = archive.encode();
    if changed.len() > max_size {
        return bytes(dice, data, size, max_size);
    }
    data[..changed.len()].copy_from_slice(&changed);
    changed.len()
}

fn change(archive: &mut Archive, dice: &mut Dice, bytes: Bytes) {
    let number = dice.below(archive.files.len());
    match dice.below(40) {
        0 => archive.flags ^= 1 << dice.below(8),
        1 if archive.files.len() > 1 => {
            archive.files.remove(number);
        }
        2 => {
            let file = &mut archive.files[number];
            file.len = match dice.below(4) {
                0 => file.len.saturating_add(dice.number() as u32),
                1 => file.len & !4095,
                _ => dice.below(file.len as usize + 1) as u32,
            };
        }
        3 => {
            let file = &mut archive.files[number];
            let offset = dice.below(file.len as usize) as u32;
            let bytes = dice.number().to_le_bytes()[..1 + dice.below(8)].to_vec();
            file.extents.push(Extent { offset, bytes });
        }
        _ => {
            let extents = &mut archive.files[number].extents;
            if !extents.is_empty() {
                let extent = dice.below(extents.len());
                change_extent(&mut extents[extent].bytes, dice, bytes);
            }
        }
    }
}

fn change_extent(extent: &mut [u8], dice: &mut Dice, bytes: Bytes) {
    if extent.is_empty() {
        return;
    }
    match dice.below(8) {
        0..=2 => put_number(dice, extent),
        3 => copy_run(dice, extent),
        _ => {
            // A window, so that what is inserted or removed moves little.
            let (at, run) = dice.run(extent.len());
            let window = &mut extent[at..at + run];
            bytes(dice, window, run, run);
        }
    }
}

/// Puts a number where one of its width may be.
fn put_number(dice: &mut Dice, bytes: &mut [u8]) {
    let width = 1 << dice.below(4);
    let at = dice.below(bytes.len()) / width * width;
    let number = dice.number().to_le_bytes();
    let len = width.min(bytes.len() - at);
    bytes[at..at + len].copy_from_slice(&number[..len]);
}

/// Puts what stands in one place into another.
fn copy_run(dice: &mut Dice, bytes: &mut [u8]) {
    let (from, run) = dice.run(bytes.len());
    let to = dice.below(bytes.len() - run + 1);
    bytes.copy_within(from..from + run, to);
}
