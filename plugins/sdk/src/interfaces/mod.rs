//! What a plugin serves: one trait for each interface of the contract, and how it becomes an export.

mod backend;
mod changes;
mod control;
mod manifest;
mod options;
mod own_tools;
mod projects;
mod transcripts;
mod upkeep;

pub use backend::Backend;
pub use changes::Changes;
pub use control::Control;
pub use manifest::{Manifest, Needs};
pub use options::Options;
pub use own_tools::OwnTools;
pub use projects::Projects;
pub use transcripts::Transcripts;
pub use upkeep::Upkeep;
