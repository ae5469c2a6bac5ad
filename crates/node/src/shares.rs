//! Results that any thread of the process may open, by an id that cannot be guessed.
//!
//! A share holds its result's memory until it is ended: by itself, with the result's release, or with the recording. What
//! has been opened holds the memory on its own.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use kinescope_store::{Error, ErrorCode};
use napi::Env;
use napi::bindgen_prelude::{ArrayBuffer, Float64Array};
use napi_derive::napi;

use crate::convert::js_error;
use crate::exported::{Exported, released};
use crate::external::Leases;
use crate::registry;

#[derive(Clone)]
struct Share {
    exported: Arc<Exported>,
    /// What TypeScript makes of the columns; opaque here.
    description: String,
}

struct Shares {
    made: u64,
    /// A keyed hash of a number that does not come twice cannot be guessed by who does not know the keys.
    keys: [RandomState; 2],
    by_id: HashMap<u128, Share>,
}

static SHARES: LazyLock<Mutex<Shares>> = LazyLock::new(|| {
    Mutex::new(Shares {
        made: 0,
        keys: [RandomState::new(), RandomState::new()],
        by_id: HashMap::new(),
    })
});

fn with<T>(action: impl FnOnce(&mut Shares) -> T) -> T {
    action(&mut SHARES.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Lets other threads open a result.
///
/// # Errors
/// `CLOSED` when the recording has been closed: nothing would ever end the share.
pub(crate) fn add(exported: &Arc<Exported>, description: String) -> Result<String, Error> {
    let share = Share {
        exported: Arc::clone(exported),
        description,
    };
    with(|shares| {
        if exported.account().closed.load(Ordering::Relaxed) {
            let message = "the recording has been closed, and nothing of it can be shared any more";
            return Err(Error::new(ErrorCode::Closed, message));
        }
        exported.mark_shared();
        shares.made += 1;
        let [high, low] = [0, 1].map(|half| u128::from(shares.keys[half].hash_one(shares.made)));
        let id = (high << 64) | low;
        shares.by_id.insert(id, share);
        Ok(format!("{id:032x}"))
    })
}

/// Ends all shares of a result.
pub(crate) fn end_all_of(exported: &Arc<Exported>) {
    if exported.may_be_shared() {
        end_where(|share| Arc::ptr_eq(&share.exported, exported));
    }
}

/// Ends all shares of a recording's results, of which none can be shared from now on.
pub(crate) fn end_all_of_recording(account: &Arc<Leases>) {
    with(|_| account.closed.store(true, Ordering::Relaxed));
    end_where(|share| Arc::ptr_eq(share.exported.account(), account));
}

fn end_where(is_over: impl Fn(&Share) -> bool) {
    // Memory is freed after the lock is.
    let over: Vec<_> = with(|shares| shares.by_id.extract_if(|_, share| is_over(share)).collect());
    drop(over);
}

fn parse(id: &str) -> napi::Result<u128> {
    u128::from_str_radix(id, 16).map_err(|_| {
        let message = "shared.shareId: expected 32 hexadecimal digits";
        js_error(Error::new(ErrorCode::InvalidArgument, message))
    })
}

/// A result of any thread, opened; holds its memory until it is released or collected.
#[napi]
pub struct NativeShare {
    share: Option<Share>,
}

/// Opens what another thread has shared.
///
/// # Errors
/// `INVALID_ARGUMENT` for another process's, `CLOSED` when there is no such share.
#[napi]
pub fn open_share(id: String, process_id: u32) -> napi::Result<NativeShare> {
    napi::bindgen_prelude::retain_current_module_for_unload_safety();
    registry::ensure_own("shared", process_id).map_err(js_error)?;
    let id = parse(&id)?;
    let share = with(|shares| shares.by_id.get(&id).cloned()).ok_or_else(|| {
        let message = "shared: expected a result that is shared; this one has been released, its recording has been closed, or it was shared by another copy of the addon";
        js_error(Error::new(ErrorCode::Closed, message))
    })?;
    Ok(NativeShare { share: Some(share) })
}

/// Ends a share; does nothing when it has ended.
///
/// # Errors
/// `INVALID_ARGUMENT` for another process's.
#[napi]
pub fn end_share(id: String, process_id: u32) -> napi::Result<()> {
    registry::ensure_own("shared", process_id).map_err(js_error)?;
    let id = parse(&id)?;
    drop(with(|shares| shares.by_id.remove(&id)));
    Ok(())
}

impl NativeShare {
    fn share(&self) -> napi::Result<&Share> {
        self.share.as_ref().ok_or_else(released)
    }
}

#[napi]
impl NativeShare {
    /// What was given to [`add`].
    #[napi]
    pub fn description(&self) -> napi::Result<String> {
        self.share().map(|share| share.description.clone())
    }

    /// Where the columns are, see [`Exported::layout`].
    #[napi]
    pub fn layout(&self) -> napi::Result<Float64Array> {
        self.share().map(|share| share.exported.layout())
    }

    /// A new ArrayBuffer over one of them.
    #[napi]
    pub fn buffer<'env>(&self, env: &'env Env, index: u32) -> napi::Result<ArrayBuffer<'env>> {
        self.share()?.exported.buffer(env, index)
    }

    /// Gives the memory back, as far as nothing else holds it. The share it was opened from goes on.
    #[napi]
    pub fn release(&mut self) {
        self.share = None;
    }
}
