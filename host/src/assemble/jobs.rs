//! The jobs of a backend, on the terms of its table.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;

use super::hosts::Host;
use super::lasting::Lasting;
use super::looks::link;
use super::programs::SearchPath;
use super::{Granted, Links, Setup};
use crate::capability::jobs::Keeper;
use crate::jobs::{Folders, Terms};
use crate::machine::job::{Folder, On, Scope, There};
use crate::store::DataDirectory;
use crate::store::jobs::Room;

/// The variable of an earlier tool that says how deep runs go.
const MAX_DEPTH: &str = "CLAUDE_MCP_MAX_DEPTH";
/// How deep they go where nobody says more.
const NESTED: u32 = 2;

/// What `backend` has of jobs: none if it may run none and has none from before, or if this process does not own the data
/// directory.
pub(super) fn keeper(setup: &Setup, backend: &Granted, lasting: &Lasting) -> anyhow::Result<Keeper> {
    let name = &backend.written.name;
    let has_some = || lasting.data.path().join("jobs").join(name).exists();
    let Some(all) = lasting.jobs.as_ref().filter(|_| may_run(backend) || has_some()) else {
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
    jobs.be_in(folders(setup, backend, lasting)?);
    Ok(Keeper::new(jobs, terms, scope()))
}

/// Where they are. No host is reached for that.
fn folders(setup: &Setup, backend: &Granted, lasting: &Lasting) -> anyhow::Result<Folders> {
    let there = |label: &String| {
        let host = setup.hosts.get(label);
        let host = host.with_context(|| format!("the host {label} is not configured"))?;
        anyhow::Ok(There::new(On {
            label: label.clone(),
            way: Arc::new(link(&lasting.links, host)?),
            installation: lasting.data.installation()?,
            keep: backend.written.env.clone(),
            paths: host.written.path.clone(),
        }))
    };
    let written = &backend.written;
    Ok(match &written.host {
        Some(host) => Folders::One(Folder::There(there(host)?)),
        None if written.hosts.is_empty() => Folders::One(Folder::Here(lasting.data.jobs_path(&written.name)?)),
        None => Folders::on(written.hosts.iter().map(there).collect::<Result<Vec<_>, _>>()?),
    })
}

/// The jobs of this installation on `host`, for who begins none there.
///
/// # Errors
/// A [`Trouble`](crate::machine::Trouble) if it cannot be reached, or what else is in the way.
pub async fn jobs_on(host: &Host, links: &Links, data: &DataDirectory) -> anyhow::Result<There> {
    let link = links.to(host)?;
    link.round_trip(Instant::now() + host.written.connect_timeout).await?;
    let data = data.clone();
    Ok(There::new(On {
        label: host.written.name.clone(),
        way: Arc::new(link),
        installation: tokio::task::spawn_blocking(move || data.installation()).await??,
        keep: Vec::new(),
        paths: Vec::new(),
    }))
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
