//! From what was found to backends that run, and the desk where calls of them are done.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use serde_json::json;
use tokio::sync::Semaphore;

use super::data_files::{socket, with_places};
use super::{Granted, Setup};
use crate::capability::Powers;
use crate::capability::files::Directories;
use crate::capability::process::Programs;
use crate::capability::store::Keeper;
use crate::catalog::{Catalog, Offer};
use crate::config::PluginSource;
use crate::desk::{Desk, Member};
use crate::plugin::{self, Backend, Engine, Limits, OWN_CALLS, Plugin};
use crate::store::DataDirectory;
use crate::watch::Watched;

/// Starts every backend of `setup`, in the order of their names.
pub async fn start_backends(setup: &Setup, data: &DataDirectory) -> anyhow::Result<Vec<Backend>> {
    let engine = engine(setup)?;
    let mut backends = Vec::new();
    for backend in setup.backends.values() {
        let started = start_backend(setup, backend, &engine, data).await;
        backends.push(started.with_context(|| format!("backend `{}`", backend.written.name))?);
    }
    Ok(backends)
}

/// Merges started backends as `setup` says, and gives the desk where calls of them are done.
pub fn merge(setup: &Setup, backends: Vec<Backend>, base_url: String) -> anyhow::Result<Desk> {
    let offers = backends.iter().map(|backend| offer(setup, backend)).collect();
    let from = || {
        setup
            .file
            .as_ref()
            .map_or("the shipped configuration".into(), |file| file.display().to_string())
    };
    let catalog = Catalog::new(offers, setup.default_backend.clone(), &setup.tools).with_context(from)?;
    let members = backends.into_iter().map(|backend| member(setup, backend)).collect();
    Ok(Desk::new(catalog, members, setup.server.url_hosts.clone(), base_url))
}

/// What a backend brings to the merge.
fn offer(setup: &Setup, backend: &Backend) -> Offer {
    let settings = setup.backends.get(&backend.name);
    Offer {
        backend: backend.name.clone(),
        origin: backend.plugin.origin.clone(),
        digest: backend.plugin.digest.clone(),
        tools: backend.description.tools.clone(),
        read_tools: settings
            .map(|settings| settings.written.read_tools.clone())
            .unwrap_or_default(),
    }
}

/// The backend as calls are done with it.
fn member(setup: &Setup, backend: Backend) -> Member {
    let settings = setup.backends.get(&backend.name);
    let installed = |(name, _): &(&String, _)| setup.is_installed(name);
    let agents = settings.into_iter().flat_map(|settings| setup.agents_of(settings));
    Member {
        agents: agents.filter(installed).map(|(name, _)| name.clone()).collect(),
        remote_trust: settings.is_some_and(|settings| settings.written.remote_trust),
        watched: Watched::new(backend),
    }
}

/// The engine for all backends of `setup`.
fn engine(setup: &Setup) -> anyhow::Result<Engine> {
    let limits = || setup.backends.values().map(|backend| &backend.written.limits);
    let calls: usize = limits().map(|limits| limits.calls + OWN_CALLS).sum();
    let memory = limits().map(|limits| limits.memory).max().unwrap_or(64 << 20);
    Engine::new(u32::try_from(calls)?, memory, Some(&setup.server.cache))
}

async fn start_backend(
    setup: &Setup,
    backend: &Granted,
    engine: &Engine,
    data: &DataDirectory,
) -> anyhow::Result<Backend> {
    let plugin = match &backend.written.plugin {
        PluginSource::Bundled(name) => Plugin::bundled(engine, name)?,
        PluginSource::File { path, sha256 } => Plugin::file(engine, path, *sha256)?,
    };
    let origin = plugin.origin.clone();
    let limits = Limits {
        memory: backend.written.limits.memory,
        calls: backend.written.limits.calls,
        deadline: backend.written.limits.deadline,
    };
    let (opened, name) = (data.clone(), backend.written.name.clone());
    let kept = tokio::task::spawn_blocking(move || opened.kept(&name)).await??;
    let powers = powers(setup, backend, data, Keeper::new(kept))?;
    Backend::start(engine, plugin, powers, limits)
        .await
        .map_err(|error| anyhow!("{origin} refuses its configuration: {}", plugin::in_words(error)))
}

fn powers(setup: &Setup, backend: &Granted, data: &DataDirectory, keeper: Keeper) -> anyhow::Result<Powers> {
    let (mut grants, mut sockets) = (BTreeMap::new(), BTreeMap::new());
    for (name, grant) in &backend.programs {
        grants.insert(name.clone(), with_places(grant, data)?);
        sockets.extend(socket(grant, data)?.map(|socket| (name.clone(), socket)));
    }
    Ok(Powers {
        backend: backend.written.name.clone(),
        settings: settings(setup, backend),
        programs: Programs {
            grants,
            sockets,
            agents: setup.agent_commands(backend),
            environment: backend.environment(),
            guest_env: backend.written.guest_env.clone(),
            children: Arc::new(Semaphore::new(backend.written.limits.processes)),
            own_children: Arc::new(Semaphore::new(OWN_CALLS)),
        },
        directories: Directories::open(&backend.written.name, &backend.directories, setup.own_places().into())?,
        keeper,
        lines: Default::default(),
    })
}

fn settings(setup: &Setup, backend: &Granted) -> String {
    let agents: Vec<_> = setup
        .agents_of(backend)
        .map(|(name, agent)| {
            json!({
                "name": name,
                "command": agent.command,
                "options": agent.options,
                "installed": setup.is_installed(name),
                "profile": agent.profile,
                "signs": agent.signs,
            })
        })
        .collect();
    json!({"settings": backend.written.settings, "agents": agents, "host": null}).to_string()
}
