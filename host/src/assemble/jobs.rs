//! The jobs of a backend, on the terms of its table.

use std::path::Path;

use super::Granted;
use super::programs::SearchPath;
use crate::capability::jobs::Keeper;
use crate::jobs::{AllJobs, Terms};
use crate::machine::job::Scope;
use crate::store::DataDirectory;
use crate::store::jobs::Room;

/// What `backend` has of jobs: none if it may run none and has none from before, or if this process does not own the data
/// directory.
pub(super) fn keeper(backend: &Granted, data: &DataDirectory, all: Option<&AllJobs>) -> anyhow::Result<Keeper> {
    let name = &backend.written.name;
    let may_run = backend.programs.values().any(|program| !program.job.is_empty());
    let Some(all) = all.filter(|_| may_run || data.path().join("jobs").join(name).exists()) else {
        return Ok(Keeper::none());
    };
    let limits = &backend.written.limits;
    let terms = Terms {
        room: Room {
            runs: u32::try_from(limits.jobs)?,
            interactive: u32::try_from(limits.interactive_jobs)?,
        },
        keep: limits.keep_jobs,
        size: limits.jobs_size,
    };
    Ok(Keeper::new(all.of(name)?, terms, scope()))
}

/// A service of systemd ends with all its processes, unless they have scopes of their own. A user manager makes these.
fn scope() -> Option<Scope> {
    std::env::var_os("INVOCATION_ID")?;
    let runtime = std::env::var_os("XDG_RUNTIME_DIR")?;
    let manager = Path::new(&runtime).join("systemd/private");
    let systemd_run = SearchPath::of_process().first("systemd-run")?;
    manager.exists().then_some(Scope(systemd_run))
}
