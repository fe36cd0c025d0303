//! The `store` capability: what a backend keeps from one call to the next.
//!
//! It needs no grant: each backend has a file of its own in the data directory, and its size is bounded.

mod host;
mod power;

pub use self::power::Keeper;
