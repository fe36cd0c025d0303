//! The connection to a host, which the operator's own OpenSSH makes: their configuration, keys and jump hosts count. A
//! master of ours is kept for each host, and every shell there is a session on it.

pub mod askpass;
mod connection;
mod folder;
mod host_key;
mod known_hosts;
mod link;
mod master;
mod pause;
mod relief;
mod said;
mod ssh_config;
mod terminal;
#[cfg(test)]
mod tests;
mod trouble;
mod ways;

pub use self::folder::remove_unused;
pub use self::host_key::{HostKey, KeyQuestion};
pub use self::link::Link;
pub use self::trouble::{Said, Trouble, What};
pub use self::ways::{OpenSsh, Ways};
