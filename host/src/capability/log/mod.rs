//! The `log` capability: lines for the operator's log, and how far a call has come.
//!
//! It needs no grant: what a guest says is one clean line under its backend's name, and the number of lines is bounded.

mod host;
mod power;

pub use self::power::Lines;
