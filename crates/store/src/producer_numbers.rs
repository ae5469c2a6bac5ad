//! Who may call itself producer 1, 2, 3, …

use kinescope_ring::layout::SEQUENCE_LIMIT;

use crate::error::Error;

/// Numbers from here on belong to imported events; the first of them to those that bring no id.
pub(crate) const FIRST_IMPORT: u16 = 0x8000;
const RECORDING_MAX: u16 = FIRST_IMPORT - 1;

/// Hands out producer numbers, each to one producer at a time. A number comes back when its producer is gone and
/// drained, and its next holder continues its sequence, so event ids stay unique however many threads come and go.
#[derive(Default)]
pub struct ProducerNumbers {
    used: u16,
    free: Vec<(u16, u64)>,
    /// No sequence begins below.
    floor: u64,
}

impl ProducerNumbers {
    /// The numbers of a recording that goes on: those that have been used, with the first of the sequence that their next
    /// holders use, and where sequences of new numbers begin.
    pub fn resume(used: impl IntoIterator<Item = (u16, u64)>, floor: u64) -> Self {
        let mut numbers = Self {
            floor,
            ..Self::default()
        };
        for (number, next_sequence) in used {
            // Numbers in between have been taken and never recorded anything.
            for skipped in numbers.used + 1..number {
                numbers.free.push((skipped, floor));
            }
            numbers.used = numbers.used.max(number);
            numbers.give_back(number, next_sequence.max(floor));
        }
        // The lowest is taken first.
        numbers.free.reverse();
        numbers
    }

    /// A number and the first of the sequence that its holder uses.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when 32,767 producers are alive.
    pub fn take(&mut self) -> Result<(u16, u64), Error> {
        if let Some(freed) = self.free.pop() {
            return Ok(freed);
        }
        if self.used == RECORDING_MAX {
            return Err(Error::resource_exhausted(format!(
                "{RECORDING_MAX} threads record already; expected fewer"
            )));
        }
        self.used += 1;
        Ok((self.used, self.floor))
    }

    /// Takes a number back.
    pub fn give_back(&mut self, number: u16, next_sequence: u64) {
        // A sequence that is used up ends its number.
        if next_sequence < SEQUENCE_LIMIT {
            self.free.push((number, next_sequence));
        }
    }
}
