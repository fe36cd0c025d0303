//! The jobs of a backend, on the terms of its table.

use std::path::Path;

use super::Granted;
use super::programs::SearchPath;
use crate::capability::jobs::Keeper;
use crate::jobs::{AllJobs, Folders, Terms};
use crate::machine::job::{Folder, Scope, There};
use crate::store::DataDirectory;
use crate::store::jobs::Room;

/// The variable of an earlier tool that says how deep runs go.
const MAX_DEPTH: &str = "CLAUDE_MCP_MAX_DEPTH";
/// How deep they go where nobody says more.
const NESTED: u32 = 2;

/// What `backend` has of jobs: none if it may run none and has none from before, or if this process does not own the data
/// directory.
/// `there` is where they are if the backend is on a host.
pub(super) fn keeper(
    backend: &Granted,
    there: Option<There>,
    data: &DataDirectory,
    all: Option<&AllJobs>,
) -> anyhow::Result<Keeper> {
    let name = &backend.written.name;
    let Some(all) = all.filter(|_| may_run(backend) || data.path().join("jobs").join(name).exists()) else {
        return Ok(Keeper::none());
    };
    let limits = &backend.written.limits;
    let terms = Terms {
        room: Room {
            runs: u32::try_from(limits.jobs)?,
            interactive: u32::try_from(limits.interactive_jobs)?,
        },
        depth: backend.depth(),
        keep: limits.keep_jobs,
        size: limits.jobs_size,
    };
    let jobs = all.of(name)?;
    jobs.be_in(Folders::One(match there {
        Some(there) => Folder::There(there),
        None => Folder::Here(data.jobs_path(name)?),
    }));
    Ok(Keeper::new(jobs, terms, scope()))
}

/// Whether `backend` may run jobs.
pub(super) fn may_run(backend: &Granted) -> bool {
    backend.programs.values().any(|program| !program.job.is_empty())
}

impl Granted {
    /// How deep its runs go that start others: what its table says, otherwise what users of an earlier tool have set.
    pub fn depth(&self) -> u32 {
        let of_environment = || {
            let written = std::env::var(MAX_DEPTH).ok()?;
            written.parse().ok().filter(|depth| (1..=8).contains(depth))
        };
        match self.written.nested {
            true => self.written.limits.depth.or_else(of_environment).unwrap_or(NESTED),
            false => 1,
        }
    }
}

/// A service of systemd ends with all its processes, unless they have scopes of their own. A user manager makes these.
fn scope() -> Option<Scope> {
    std::env::var_os("INVOCATION_ID")?;
    let runtime = std::env::var_os("XDG_RUNTIME_DIR")?;
    let manager = Path::new(&runtime).join("systemd/private");
    let systemd_run = SearchPath::of_process().first("systemd-run")?;
    manager.exists().then_some(Scope(systemd_run))
}
