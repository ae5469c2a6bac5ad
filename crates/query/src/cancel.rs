//! How a running query is stopped.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use kinescope_store::{Error, ErrorCode};

/// Checked once per segment, and within it where a look at each row may take long.
#[derive(Debug, Default)]
pub struct Cancel {
    cancelled: AtomicBool,
    deadline: Option<Instant>,
}

impl Cancel {
    /// Stops the query at `deadline`, besides when it is asked to.
    pub fn at(deadline: Instant) -> Self {
        Self {
            cancelled: AtomicBool::new(false),
            deadline: Some(deadline),
        }
    }

    /// Asks the query to stop.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// # Errors
    /// `CLOSED` once cancelled (whoever cancelled knows why), `RESOURCE_EXHAUSTED` past the deadline.
    pub fn check(&self) -> Result<(), Error> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorCode::Closed, "the query was cancelled"));
        }
        if self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
        {
            return Err(Error::resource_exhausted(
                "the query did not finish within timeoutMs",
            ));
        }
        Ok(())
    }
}
