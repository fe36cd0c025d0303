//! From a configuration to a running whole: finds what it names, here and on hosts, then starts its backends and merges
//! them.

mod asked;
mod away;
mod bring_up;
mod config_file;
mod data_files;
mod directories;
mod env_file;
mod granted;
mod hosts;
mod jobs;
mod lasting;
mod links;
mod located;
mod looks;
mod own_places;
mod plugin_file;
mod programs;
mod setup;
mod start;
mod surroundings;
mod survey;
mod system;
mod terminal;
#[cfg(test)]
mod tests;
mod texts;
mod users;
mod writers;

pub use bring_up::bring_up;
pub use data_files::{follow_former_sockets, left_apart, socket, take_over_state, with_places, write_confs};
pub use env_file::EnvFile;
pub use granted::Granted;
pub use hosts::Host;
pub use jobs::jobs_on;
pub use lasting::Lasting;
pub use links::Links;
pub use programs::SearchPath;
pub use setup::Setup;
pub use start::{Starter, aside, desk, merge, start_each};
pub use survey::{Survey, Version, survey};
pub use terminal::{Shown, Terminal, terminal};
pub use texts::{Texts, accept_shipped, write_first};
