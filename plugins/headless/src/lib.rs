//! The bundled backend that runs coding agents without a terminal.
//!
//! A conversation is a session here. A run is one request and its answer, and the job that carries it out. A conversation
//! that a person leads (`talk`) has a process of its own, an interactive job. The host keeps the jobs, so all of it
//! survives berth. What an agent's lines mean is known to `berth_agents`: `headless` for runs, `live` for processes with
//! which one talks.
//!
//! With the feature `component`, which is on by default, it is the backend `jobs`. Without it, it is a library for a backend
//! whose agents run on hosts: [`ask`] begins runs there, and [`sessions`] has all that is done with them afterwards.

#![cfg_attr(
    not(feature = "component"),
    allow(dead_code, reason = "what only the component serves is not used in the library")
)]

pub mod ask;
mod build;
#[cfg(feature = "component")]
mod component;
mod cut;
mod describe;
mod kept;
mod manifest;
mod read;
mod run;
pub mod sessions;
mod setup;
mod shown;
mod start;
mod talk;
mod tools;
mod upkeep;

#[cfg(test)]
mod fake;

#[cfg(feature = "component")]
pub use component::Plugin;
pub use setup::Setup;
pub use setup::schema::settings_of_runs;
