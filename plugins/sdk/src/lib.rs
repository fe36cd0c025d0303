#![doc = include_str!("../README.md")]

mod contract;
mod host;
mod json;

mod error;
mod export;
mod interfaces;
mod named;
mod records;

pub mod context;
pub mod files;
pub mod git;
pub mod jobs;
pub mod log;
mod process;
pub mod projects;
pub mod settings;
pub mod ssh;
pub mod store;
pub mod time;

#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use contract::types::*;
pub use interfaces::{Backend, Changes, Control, Manifest, Needs, Options, OwnTools, Projects, Transcripts, Upkeep};
pub use process::{Command, Output, run, run_all};
pub use settings::settings;

/// What a function of a plugin answers.
pub type Result<T> = std::result::Result<T, Error>;

/// What [`export!`] expands to.
#[doc(hidden)]
pub mod expansion {
    pub use crate::contract::exported;
    pub use crate::named::{Named, tag};
}
