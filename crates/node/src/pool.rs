//! The threads that answer asynchronous calls: not libuv's, whose four are for file access and name look-ups.

use std::sync::OnceLock;
use std::thread;

use crossbeam_channel::{Sender, unbounded};
use kinescope_store::Error;
use napi::Env;
use napi::bindgen_prelude::{Object, ToNapiValue};

use crate::convert::js_error;

/// Enough to keep a query going while another call waits for the writer.
const THREADS: usize = 2;

type Job = Box<dyn FnOnce() + Send>;

fn sender() -> &'static Sender<Job> {
    static SENDER: OnceLock<Sender<Job>> = OnceLock::new();
    SENDER.get_or_init(|| {
        let (sender, receiver) = unbounded::<Job>();
        for index in 0..THREADS {
            let jobs = receiver.clone();
            // Without any of the threads the channel closes, and `run` runs its job on the caller's thread.
            let _ = thread::Builder::new()
                .name(format!("kinescope-query-{index}"))
                .spawn(move || {
                    for job in jobs {
                        // A bug in one job must not take the thread from the others; the job's promise is dropped,
                        // which rejects it.
                        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
                    }
                });
        }
        sender
    })
}

/// Runs a job on one of the pool's threads and settles a promise with what it returns.
///
/// # Errors
/// What the runtime says when it cannot make a promise.
pub(crate) fn promise<T: ToNapiValue + Send + 'static>(
    env: &Env,
    job: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> napi::Result<Object<'_>> {
    let (deferred, promise) = env.create_deferred::<T, _>()?;
    run(move || match job() {
        Ok(value) => deferred.resolve(|_| Ok(value)),
        Err(error) => deferred.reject(js_error(error)),
    });
    Ok(promise)
}

/// Runs a job on one of the pool's threads.
fn run(job: impl FnOnce() + Send + 'static) {
    if let Err(refused) = sender().send(Box::new(job)) {
        (refused.0)();
    }
}
