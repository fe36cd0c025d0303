//! The `jobs` capability: programs that outlive a call, and berth itself.
//!
//! A guest names a grant and gives arguments, as for `process`; the list `job` of the grant says whether they are allowed,
//! once when the job is submitted and again when it starts.

mod command;
mod host;
mod own;
mod power;

pub use self::power::{Keeper, SubmittedIds};
