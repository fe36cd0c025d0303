//! Who asks, as far as the system tells: a process of this user, and one outside of every session that berth started?
//!
//! A session's agent runs as its operator's user and reaches whatever the operator reaches, this server too. So each
//! program that berth starts has [`MARK`] in its environment, and a process that has it, or descends from one that has
//! it, may look but not act: otherwise an agent could answer its own permission prompts. This protects against an agent
//! that its own permission system limits. One that empties its environment *and* leaves its parents is not found.

mod descent;
#[cfg(target_os = "linux")]
#[path = "peer/linux.rs"]
mod system;
#[cfg(target_os = "macos")]
#[path = "peer/macos.rs"]
mod system;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use anyhow::ensure;

use self::descent::{Descent, ancestry, descent};
use crate::principal::Principal;

/// In the environment of every program that berth starts for a backend, with the backend's name: a process that has it
/// is in a session.
pub const MARK: &str = "BERTH_SESSION";

/// In the environment of every process of a job, with the job's id.
pub const JOB_MARK: &str = "BERTH_JOB";

/// In the environment of a process of an earlier tool, with how deep it is in runs that start runs.
const DEPTH: &str = "CLAUDE_MCP_DEPTH";

/// The process at the other end of a connection, or one that is known by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A process of this user, outside of every session.
    Operator,
    /// A process of this user that descends from a session, or for which that cannot be ruled out.
    InSession,
    /// Another user's process, one on another machine, or one that is gone.
    Stranger,
}

impl Peer {
    /// Who has the TCP socket that is bound to `theirs` and connected to `ours`. Several processes may hold it: the
    /// worst counts. This reads the system's tables, which can take tens of milliseconds, so it belongs where it may
    /// block.
    pub fn of_connection(theirs: SocketAddr, ours: SocketAddr) -> Self {
        Seen::of_connection(theirs, ours).peer
    }

    /// The process `pid` of this user. Takes about a millisecond.
    pub fn of_process(pid: i32) -> Self {
        Self::of_all([look_up(pid)])
    }

    /// This process, and so the one that started it.
    pub fn of_this_process() -> Self {
        Self::of_process(std::process::id().cast_signed())
    }

    /// What `principal` may do from there: in a session it only reads, unless `sessions_may_control`.
    pub fn limit(self, principal: Principal, sessions_may_control: bool) -> Principal {
        match self {
            Self::InSession if !sessions_may_control => principal.only_reading(),
            _ => principal,
        }
    }

    /// One process in a session is enough. A process that cannot be identified is enough if none is known to be
    /// outside.
    fn of_all(processes: impl IntoIterator<Item = Descent>) -> Self {
        match processes.into_iter().max() {
            Some(Descent::Outside) => Self::Operator,
            Some(Descent::Unknown | Descent::Session) | None => Self::InSession,
        }
    }
}

/// A process, or all that have a socket, and what they show of the jobs in which they run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who it is.
    pub peer: Peer,
    /// It and those above it, each with the time when it started, in the system's own unit.
    pub processes: Vec<(i32, u64)>,
    /// The jobs that their variables name, the nearest first.
    pub jobs: Vec<String>,
    /// How deep its own variables say that it is in runs that start runs.
    pub depth: u32,
}

impl Seen {
    /// As [`Peer::of_connection`].
    pub fn of_connection(theirs: SocketAddr, ours: SocketAddr) -> Self {
        match system::holders(canonical(theirs), canonical(ours)) {
            Some(processes) => Self::of_all(&processes),
            None => Self::only(Peer::Stranger),
        }
    }

    /// As [`Peer::of_process`].
    pub fn of_process(pid: i32) -> Self {
        Self::of_all(&[pid])
    }

    /// This process, and so the one that started it.
    pub fn of_this_process() -> Self {
        Self::of_process(std::process::id().cast_signed())
    }

    /// One that shows nothing of itself.
    pub fn only(peer: Peer) -> Self {
        Self {
            peer,
            processes: Vec::new(),
            jobs: Vec::new(),
            depth: 0,
        }
    }

    fn of_all(pids: &[i32]) -> Self {
        let mut seen = Self::only(Peer::of_all(pids.iter().map(|pid| look_up(*pid))));
        for pid in pids {
            let named = system::variable(*pid, DEPTH).and_then(|depth| depth.parse().ok());
            seen.depth = seen.depth.max(named.unwrap_or_default());
            for process in ancestry(*pid, system::process) {
                seen.processes.push((process.pid, process.started));
                seen.jobs.extend(system::variable(process.pid, JOB_MARK));
            }
        }
        seen
    }
}

/// The user who holds the TCP socket that is bound to `theirs` and connected to `ours`, if that is on this machine and can
/// be told. This reads the system's tables, so it belongs where it may block.
pub fn user_of_connection(theirs: SocketAddr, ours: SocketAddr) -> Option<u32> {
    system::user(canonical(theirs), canonical(ours))
}

/// The servers that listen at the unix socket `path`, also where its file is gone: for each, the processes of this
/// user that are seen to hold it. Other users' do not count: they can bind the same path elsewhere. May block for tens
/// of milliseconds.
///
/// # Errors
/// If the system does not tell.
pub fn listeners(path: &Path) -> io::Result<Vec<Vec<i32>>> {
    system::listeners(path)
}

/// Whether a socket that was bound to `bound` lies at `path`, by whatever links either was named.
fn is_bound_to(bound: &Path, path: &Path) -> bool {
    let real = |path: &Path| path.parent().and_then(|parent| parent.canonicalize().ok());
    bound == path
        || (bound.file_name() == path.file_name() && real(path).is_some_and(|found| real(bound) == Some(found)))
}

/// For commands that give power over berth itself, such as a token.
///
/// # Errors
/// In a session, unless `sessions_may_control`.
pub fn ensure_outside_sessions(sessions_may_control: bool) -> anyhow::Result<()> {
    ensure!(
        sessions_may_control || Peer::of_this_process() == Peer::Operator,
        "this runs in a session that berth started ({MARK} is set here or in a process that started this one), and \
         what is in a session may only look; run it in a terminal of your own, or set sessions_may_control = true \
         under [server] in your own configuration (what --config names does not count)"
    );
    Ok(())
}

/// An IPv4 address in IPv6 form becomes a plain one; scope and flow information, which tables do not have, is dropped.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(IpAddr::to_canonical(&address.ip()), address.port())
}

fn look_up(pid: i32) -> Descent {
    descent(pid, system::process)
}

#[cfg(test)]
mod tests;
