//! The `ssh` capability: programs and files on several hosts, for a backend that is on none of them as a whole.
//!
//! A guest names a granted host by its label; what is granted there is judged and done as on one machine.

mod host;
mod power;
#[cfg(test)]
mod tests;

pub use self::power::{Hosts, Locate, Unfound};
