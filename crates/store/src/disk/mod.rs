//! Recordings on disk: what is written when, and what becomes of it. docs/format.md draws the files.

mod arrow_file;
mod basis;
mod codec;
mod columns_of_file;
mod commit;
mod compactor;
mod contexts;
mod directory;
mod disk_journal;
mod durable;
mod follow;
mod handover;
mod head;
mod holes;
mod index_file;
mod lock;
mod losses;
mod merger;
mod opening;
mod parts;
mod placement;
mod recover;
mod sealer;
mod sequences;
mod session;
mod stored;
mod syncer;
mod unplaced;
mod verify;

pub use directory::Probe;
pub(crate) use disk_journal::Handles;
pub(crate) use follow::{Follower, Looks};
pub(crate) use lock::Lock;
pub use recover::DiskOptions;
pub(crate) use recover::open;
pub use verify::{Verification, VerifiedFile, VerifiedSegment, verify};
