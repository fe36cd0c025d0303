//! The machines on which backends are: the only room that starts programs, opens directories and connects to hosts. It
//! knows neither grants nor the contract; its callers have checked that this is allowed.

mod child;
mod companion;
mod entry;
mod files;
mod host;
pub mod job;
mod mounts;
mod place;
mod programs;
mod question;
mod root;
pub(crate) mod sh;
mod ssh;
#[cfg(test)]
#[path = "../../tests/sshd/mod.rs"]
pub(crate) mod sshd;
mod system;
pub(crate) mod trusted_path;
mod unreached;

pub use self::child::{end_programs, replace_this_process};
pub use self::companion::{Companion, accompany};
pub use self::host::Host;
pub use self::question::ask;
pub use self::root::OwnPlace;
pub use self::ssh::{HostKey, KeyQuestion, Link, OpenSsh, Said, Trouble, Ways, What, askpass, remove_unused};
pub use self::system::{RUNNING, SYSTEM};

pub(crate) use self::child::{Ended, Output};
pub(crate) use self::entry::{Entry, Kind};
pub(crate) use self::files::Slice;
pub(crate) use self::place::{Failure, Place, Root};
pub(crate) use self::programs::{Around, Run};
pub(crate) use self::root::Root as Directory;
pub(crate) use self::system::is_own;
pub(crate) use self::unreached::{for_clients, is_busy};

/// Where the programs, files and directories of a backend are.
#[derive(Debug, Clone)]
pub enum Machine {
    /// This machine.
    This,
    /// Another one, over SSH.
    Host(Host),
}
