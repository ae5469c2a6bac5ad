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

/// Some threads, and what they have to do.
struct Lane {
    name: &'static str,
    threads: usize,
    sender: OnceLock<Sender<Job>>,
}

static QUERIES: Lane = Lane {
    name: "kinescope-query",
    threads: THREADS,
    sender: OnceLock::new(),
};
/// Imports wait for each other, and no query for them.
static IMPORTS: Lane = Lane {
    name: "kinescope-import",
    threads: 1,
    sender: OnceLock::new(),
};

impl Lane {
    fn sender(&self) -> &Sender<Job> {
        self.sender.get_or_init(|| {
            let (sender, receiver) = unbounded::<Job>();
            for index in 0..self.threads {
                let jobs = receiver.clone();
                // Without any of the threads the channel closes, and a job runs on the caller's thread.
                let _ = thread::Builder::new()
                    .name(format!("{}-{index}", self.name))
                    .spawn(move || {
                        for job in jobs {
                            // A bug in one job must not take the thread from the others; the job's promise is
                            // dropped, which rejects it.
                            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
                        }
                    });
            }
            sender
        })
    }

    /// Runs a job on one of the threads and settles a promise with what `finish` makes of it on the JavaScript thread.
    fn promise<'env, V: Send + 'static, T: ToNapiValue + 'static>(
        &self,
        env: &'env Env,
        job: impl FnOnce() -> Result<V, Error> + Send + 'static,
        finish: impl FnOnce(&Env, V) -> napi::Result<T> + Send + 'static,
    ) -> napi::Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred::<T, _>()?;
        let run = move || match job() {
            Ok(value) => deferred.resolve(move |env| finish(&env, value)),
            Err(error) => deferred.reject(js_error(error)),
        };
        if let Err(refused) = self.sender().send(Box::new(run)) {
            (refused.0)();
        }
        Ok(promise)
    }
}

/// Runs a job on one of the pool's threads and settles a promise with what it returns.
///
/// # Errors
/// What the runtime says when it cannot make a promise.
pub(crate) fn promise<T: ToNapiValue + Send + 'static>(
    env: &Env,
    job: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> napi::Result<Object<'_>> {
    QUERIES.promise(env, job, |_, value| Ok(value))
}

/// As [`promise`], with what `finish` makes of it on the JavaScript thread.
///
/// # Errors
/// As [`promise`].
pub(crate) fn promise_then<V: Send + 'static, T: ToNapiValue + 'static>(
    env: &Env,
    job: impl FnOnce() -> Result<V, Error> + Send + 'static,
    finish: impl FnOnce(&Env, V) -> napi::Result<T> + Send + 'static,
) -> napi::Result<Object<'_>> {
    QUERIES.promise(env, job, finish)
}

/// As [`promise`], on the thread of imports.
///
/// # Errors
/// As there.
pub(crate) fn import<T: ToNapiValue + Send + 'static>(
    env: &Env,
    job: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> napi::Result<Object<'_>> {
    IMPORTS.promise(env, job, |_, value| Ok(value))
}
