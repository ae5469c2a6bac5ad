//! What a recording's files are worth.

use kinescope_store::Error;
use napi::Env;
use napi::bindgen_prelude::{BigInt, Object};
use napi_derive::napi;

use crate::convert::count;
use crate::pool;

/// See `Verification` in the contract.
#[napi(object)]
pub struct NativeVerification {
    /// Whether a process writes it.
    pub live: bool,
    /// Whether its process has ended without closing it.
    pub unrecovered: bool,
    /// Where the log ends.
    pub next_seq: BigInt,
    /// In the order of the log.
    pub segments: Vec<NativeVerifiedSegment>,
    /// All that were looked at.
    pub files: Vec<NativeVerifiedFile>,
    /// First and last position of each.
    pub holes: Vec<Vec<BigInt>>,
}

/// A run of the log.
#[napi(object)]
pub struct NativeVerifiedSegment {
    /// Its first position.
    pub from_seq: BigInt,
    /// None: not known.
    pub events: Option<f64>,
    /// In a file of its own.
    pub sealed: bool,
    /// Why it cannot be read.
    pub damage: Option<String>,
}

/// A file.
#[napi(object)]
pub struct NativeVerifiedFile {
    /// In the directory.
    pub name: String,
    /// Its length.
    pub bytes: f64,
    /// What is wrong.
    pub damage: Option<String>,
}

#[cfg(unix)]
fn verified(path: &str) -> Result<NativeVerification, Error> {
    let found = kinescope_store::verify(path.as_ref())?;
    let segments = found.segments.into_iter();
    let files = found.files.into_iter();
    let holes = found.holes.into_iter();
    Ok(NativeVerification {
        live: found.is_live,
        unrecovered: found.is_unrecovered,
        next_seq: BigInt::from(found.next_seq),
        segments: segments
            .map(|segment| NativeVerifiedSegment {
                from_seq: BigInt::from(segment.base_seq),
                events: segment.rows.map(count),
                sealed: segment.is_sealed,
                damage: segment.damage,
            })
            .collect(),
        files: files
            .map(|file| NativeVerifiedFile {
                name: file.name,
                bytes: count(file.bytes),
                damage: file.damage,
            })
            .collect(),
        holes: holes
            .map(|hole| vec![BigInt::from(hole.start), BigInt::from(hole.end - 1)])
            .collect(),
    })
}

#[cfg(not(unix))]
fn verified(_path: &str) -> Result<NativeVerification, Error> {
    Err(crate::store::no_files())
}

#[cfg(unix)]
fn unrecovered(path: &str) -> Result<bool, Error> {
    kinescope_store::is_unrecovered(path.as_ref())
}

#[cfg(not(unix))]
fn unrecovered(_path: &str) -> Result<bool, Error> {
    Err(crate::store::no_files())
}

/// Whether the process of a recording has ended without closing it, on the pool.
#[napi]
pub fn is_unrecovered<'env>(env: &'env Env, path: String) -> napi::Result<Object<'env>> {
    pool::promise(env, move || unrecovered(&path))
}

/// Checks the files of a recording, on the pool.
#[napi]
pub fn verify_recording<'env>(env: &'env Env, path: String) -> napi::Result<Object<'env>> {
    pool::promise(env, move || verified(&path))
}
