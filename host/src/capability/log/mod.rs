//! The `log` capability: lines for the operator's log, and how far a call has come.
//!
//! It needs no grant: what a guest says is one clean line below its backend's name, and how much of that comes is bounded.

mod host;
mod power;

pub use self::power::Lines;
