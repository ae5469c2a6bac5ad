//! JSON of records, see "As JSON" in docs/ring-format.md.

pub(crate) mod capture;
mod check;
pub(crate) mod cuts;
pub(crate) mod scalar;

pub(crate) mod emit;
pub(crate) mod value;
