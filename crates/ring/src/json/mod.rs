//! JSON of records, see "As JSON" in docs/ring-format.md.

pub(crate) mod capture;
mod check;
mod cuts;
pub(crate) mod scalar;

pub(crate) mod emit;
pub(crate) mod value;
