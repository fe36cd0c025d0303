//! Plugins as components: the engine, loading, and calls in fresh instances.

mod backend;
pub mod bundled;
mod checked;
mod compiled;
mod convert;
mod engine;
mod exports;
mod fits;
pub mod inspect;
mod load;
mod log;
mod manifest;
mod memory;
mod words;

pub(crate) use backend::LISTED_WITHIN;
pub use backend::{Backend, Failure, Limits, OWN_CALLS};
pub use checked::{Enough, Listed, Output, Promise};
pub use engine::Engine;
pub use exports::Interface;
pub use load::{LoadError, Plugin};
pub use words::in_words;
