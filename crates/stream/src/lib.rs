//! Subscriptions to a Kinescope recording.
//!
//! A subscription is a cursor in the log and a filter. One delivery thread serves all of a store's: it looks at the rows
//! behind each cursor whose consumer asks for a batch, whether they were recorded long ago or just now, and goes to sleep
//! when there are none. The road: [`Streams`] owns the thread; a [`Consumer`] is a thread's share of it and makes
//! [`Subscription`]s; [`StreamBatch`] is what they take, or what a [`Reader`] waits for.
#![forbid(unsafe_code)]

mod agenda;
mod batch;
pub mod bell;
mod crowd;
mod delivery;
mod gap;
mod index;
mod key;
mod look;
mod pace;
mod position;
mod reader;
mod scan;
mod settings;
mod state;
mod step;
mod streams;
mod subscription;
mod sync;

pub use batch::StreamBatch;
pub use gap::{Gap, GapCause};
pub use position::{Start, TimeColumn, latest, locate};
pub use reader::{OnGap, Read, Reader};
pub use settings::{Settings, StreamQuery};
pub use streams::{Consumer, News, Notify, Streams};
pub use subscription::{Status, Subscription, SubscriptionStats};
