//! What a backend may run, found on this machine.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::grant::{AgentCommand, Grant};
use super::socket::Socket;

/// The programs of one backend, and what a child of it gets.
#[derive(Debug)]
pub struct Programs {
    /// By the name that a guest gives; `fixed` has its `@conf` and `@socket` filled in.
    pub grants: BTreeMap<String, Grant>,
    /// The sockets of those that reach a server by one of berth's own, by the same name.
    pub sockets: BTreeMap<String, Socket>,
    /// On a host, the paths of these sockets instead.
    pub sockets_there: BTreeMap<String, String>,
    /// The agents that `@agent` stands for in `read` and `control` lists.
    pub agents: Vec<AgentCommand>,
    /// The same in `job` lists: their commands without a terminal.
    pub headless: Vec<AgentCommand>,
    /// The whole environment of a child, except what the guest adds; on a host also except what a login gives there.
    pub environment: Vec<(OsString, OsString)>,
    /// Names that a guest may set.
    pub guest_env: Vec<String>,
    /// Children that may run at once in calls of this backend's callers.
    pub children: Arc<Semaphore>,
    /// The same for calls that the host makes for itself.
    pub own_children: Arc<Semaphore>,
}
