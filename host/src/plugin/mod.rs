//! Plugins as components: the engine, loading, and calls in fresh instances.

mod backend;
pub mod bundled;
mod engine;
pub mod inspect;
mod load;
mod log;

pub use backend::{Backend, Failure, Limits, OWN_CALLS};
pub use engine::Engine;
pub use load::{LoadError, Plugin};
