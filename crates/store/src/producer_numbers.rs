//! Who may call itself producer 1, 2, 3, …

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
}

impl ProducerNumbers {
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
        Ok((self.used, 0))
    }

    /// Takes a number back.
    pub fn give_back(&mut self, number: u16, next_sequence: u64) {
        self.free.push((number, next_sequence));
    }
}
