//! This machine: the only room that starts programs and opens directories. It knows neither grants nor the contract;
//! its callers have checked that this is allowed.

mod child;
mod companion;
mod host_key;
pub mod job;
mod mounts;
mod question;
mod root;
pub(crate) mod sh;
mod ssh;
mod system;

pub use self::child::{end_programs, replace_this_process};
pub use self::companion::{Companion, accompany};
pub use self::host_key::{HostKey, KeyQuestion};
pub use self::question::ask;
pub use self::root::OwnPlace;
pub use self::ssh::{Link, OpenSsh, Said, Trouble, Ways, What, askpass};
pub use self::system::{RUNNING, SYSTEM};

pub(crate) use self::child::{Ended, Output, Start, run};
pub(crate) use self::root::{Opened, Root, Unusable};
pub(crate) use self::system::is_own;
