//! From a configuration to backends that run and the desk where calls of them are done.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::capability::Powers;
use crate::capability::files::Directories;
use crate::capability::process::grant::{CONF_MARKER, Grant, SOCKET_MARKER};
use crate::capability::process::{Former, Programs, Socket};
use crate::capability::store::Keeper;
use crate::catalog::{Catalog, Offer};
use crate::config::{self, Config, PluginSource};
use crate::desk::{Desk, Member};
use crate::plugin::{self, Backend, Engine, Limits, OWN_CALLS, Plugin};
use crate::shell;
use crate::store::DataDirectory;
use crate::watch::Watched;

/// Starts every backend of `config`, in the order of their names.
pub async fn start_backends(config: &Config, data: &DataDirectory) -> anyhow::Result<Vec<Backend>> {
    let engine = engine(config)?;
    let mut backends = Vec::new();
    for backend in config.backends.values() {
        let started = start_backend(config, backend, &engine, data).await;
        backends.push(started.with_context(|| format!("backend `{}`", backend.name))?);
    }
    Ok(backends)
}

/// Merges started backends as `config` says, and gives the desk where calls of them are done.
pub fn merge(config: &Config, backends: Vec<Backend>, base_url: String) -> anyhow::Result<Desk> {
    let offers = backends.iter().map(|backend| offer(config, backend)).collect();
    let from = || {
        config
            .file
            .as_ref()
            .map_or("the shipped configuration".into(), |file| file.display().to_string())
    };
    let catalog = Catalog::new(offers, config.default_backend.clone(), &config.tools).with_context(from)?;
    let members = backends.into_iter().map(|backend| member(config, backend)).collect();
    Ok(Desk::new(catalog, members, config.server.url_hosts.clone(), base_url))
}

/// What a backend brings to the merge.
fn offer(config: &Config, backend: &Backend) -> Offer {
    let settings = config.backends.get(&backend.name);
    Offer {
        backend: backend.name.clone(),
        origin: backend.plugin.origin.clone(),
        digest: backend.plugin.digest.clone(),
        tools: backend.description.tools.clone(),
        read_tools: settings.map(|settings| settings.read_tools.clone()).unwrap_or_default(),
    }
}

/// The backend as calls are done with it.
fn member(config: &Config, backend: Backend) -> Member {
    let settings = config.backends.get(&backend.name);
    let installed = |name: &&String| config.agents.get(*name).is_some_and(|agent| agent.installed);
    let agents = settings.iter().flat_map(|settings| &settings.agents);
    Member {
        agents: agents.filter(installed).cloned().collect(),
        remote_trust: settings.is_some_and(|settings| settings.remote_trust),
        watched: Watched::new(backend),
    }
}

/// The engine for all backends of `config`.
fn engine(config: &Config) -> anyhow::Result<Engine> {
    let limits = || config.backends.values().map(|backend| &backend.limits);
    let calls: usize = limits().map(|limits| limits.calls + OWN_CALLS).sum();
    let memory = limits().map(|limits| limits.memory).max().unwrap_or(64 << 20);
    Engine::new(u32::try_from(calls)?, memory, Some(&config.server.cache))
}

async fn start_backend(
    config: &Config,
    backend: &config::Backend,
    engine: &Engine,
    data: &DataDirectory,
) -> anyhow::Result<Backend> {
    let plugin = match &backend.plugin {
        PluginSource::Bundled(name) => Plugin::bundled(engine, name)?,
        PluginSource::File { path, sha256 } => Plugin::file(engine, path, *sha256)?,
    };
    let origin = plugin.origin.clone();
    let limits = Limits {
        memory: backend.limits.memory,
        calls: backend.limits.calls,
        deadline: backend.limits.deadline,
    };
    let (opened, name) = (data.clone(), backend.name.clone());
    let kept = tokio::task::spawn_blocking(move || opened.kept(&name)).await??;
    let powers = powers(config, backend, data, Keeper::new(kept))?;
    Backend::start(engine, plugin, powers, limits)
        .await
        .map_err(|error| anyhow!("{origin} refuses its configuration: {}", plugin::in_words(error)))
}

fn powers(config: &Config, backend: &config::Backend, data: &DataDirectory, keeper: Keeper) -> anyhow::Result<Powers> {
    let (mut grants, mut sockets) = (BTreeMap::new(), BTreeMap::new());
    for (name, grant) in &backend.programs {
        grants.insert(name.clone(), with_places(grant, data)?);
        sockets.extend(socket(grant, data)?.map(|socket| (name.clone(), socket)));
    }
    Ok(Powers {
        backend: backend.name.clone(),
        settings: settings(config, backend),
        programs: Programs {
            grants,
            sockets,
            agents: config.agent_commands(backend),
            environment: environment(backend),
            guest_env: backend.guest_env.clone(),
            children: Arc::new(Semaphore::new(backend.limits.processes)),
            own_children: Arc::new(Semaphore::new(OWN_CALLS)),
        },
        directories: Directories::open(&backend.name, &backend.directories, config.own_places().into())?,
        keeper,
        lines: Default::default(),
    })
}

/// Moves what plugins kept in files to where they keep things now. Only the owner of the data directory does this.
pub async fn take_over_state(config: &Config, data: &DataDirectory) -> anyhow::Result<()> {
    let (names, data): (Vec<String>, _) = (config.backends.keys().cloned().collect(), data.clone());
    let moved = tokio::task::spawn_blocking(move || names.iter().try_for_each(|name| data.take_over_state(name)));
    Ok(moved.await??)
}

/// Writes the configuration files of all granted programs. Only the owner of the data directory does this.
pub fn write_confs(config: &Config, data: &DataDirectory) -> anyhow::Result<()> {
    for grant in config.backends.values().flat_map(|backend| backend.programs.values()) {
        if let Some(text) = &grant.conf {
            data.write_conf(&conf_name(grant), text)?;
        }
    }
    Ok(())
}

fn conf_name(grant: &Grant) -> String {
    format!("{}-{}", grant.backend, grant.program)
}

/// `grant` with the paths of its configuration file and its socket in place of `@conf` and `@socket`.
pub fn with_places(grant: &Grant, data: &DataDirectory) -> anyhow::Result<Grant> {
    let mut grant = grant.clone();
    if grant.conf.is_some() {
        let conf = data.conf_path(&conf_name(&grant))?;
        fill(&mut grant.fixed, CONF_MARKER, &conf)?;
    }
    if grant.socket.is_some() {
        let socket = data.program_socket(&grant.backend, &grant.program)?;
        fill(&mut grant.fixed, SOCKET_MARKER, &socket)?;
    }
    Ok(grant)
}

fn fill(arguments: &mut [String], marker: &str, path: &Path) -> anyhow::Result<()> {
    let path = path
        .to_str()
        .ok_or_else(|| anyhow!("{} is not text: choose another `data` in [server]", path.display()))?;
    for argument in arguments.iter_mut().filter(|argument| *argument == marker) {
        *argument = path.to_owned();
    }
    Ok(())
}

/// The socket of `grant`, if that names one of berth's own.
pub fn socket(grant: &Grant, data: &DataDirectory) -> anyhow::Result<Option<Socket>> {
    let Some(terms) = &grant.socket else { return Ok(None) };
    let path = data.program_socket(&grant.backend, &grant.program)?;
    Ok(Some(Socket::new(path, terms.clone())))
}

/// Goes on using the servers that have their socket where it was before, and logs the ones of which that is not
/// possible. Only the owner of the data directory does this, before any program runs.
pub async fn follow_former_sockets(config: &Config, data: &DataDirectory) -> anyhow::Result<()> {
    for grant in config.backends.values().flat_map(|backend| backend.programs.values()) {
        let Some(socket) = socket(grant, data)? else { continue };
        let followed = socket.follow_former().await;
        match followed.with_context(|| format!("the socket {}", socket.path().display()))? {
            Former::Apart(why) => {
                let (what, fix) = left_apart(grant, data, why)?;
                tracing::warn!("{what}; {fix}");
            }
            Former::Used => tracing::debug!(
                "the server of `{}` that runs at {:?} is used",
                grant.program,
                socket.former_path().unwrap_or(socket.path())
            ),
            Former::Absent => {}
        }
    }
    Ok(())
}

/// What is the matter with the sessions of a server that is [`Former::Apart`] for the reason `why`, and what to do.
pub fn left_apart(grant: &Grant, data: &DataDirectory, why: &str) -> anyhow::Result<(String, String)> {
    let terms = grant.socket.clone().unwrap_or_default();
    let former = terms.former.unwrap_or_default();
    let mut by_hand = grant.clone();
    fill(&mut by_hand.fixed, SOCKET_MARKER, &former)?;
    let by_hand = with_places(&by_hand, data)?;
    let program = by_hand.path.display().to_string();
    let words = [program].into_iter().chain(by_hand.fixed).chain(terms.show);
    let command: Vec<String> = words.map(shell::word).collect();
    Ok((
        format!(
            "sessions of backend `{}` at {former:?} are not shown, {why}",
            grant.backend
        ),
        format!("see them with: {}", command.join(" ")),
    ))
}

fn settings(config: &Config, backend: &config::Backend) -> String {
    let agents: Vec<_> = backend
        .agents
        .iter()
        .filter_map(|name| Some((name, config.agents.get(name)?)))
        .map(|(name, agent)| {
            json!({
                "name": name,
                "command": agent.command,
                "options": agent.options,
                "installed": agent.installed,
                "profile": agent.profile,
                "signs": agent.signs,
            })
        })
        .collect();
    json!({"settings": backend.settings, "agents": agents, "host": null}).to_string()
}

/// The host's own variables that the operator granted, and those of the `env_file`.
pub fn environment(backend: &config::Backend) -> Vec<(OsString, OsString)> {
    let granted = |name: &str| {
        backend.env.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == pattern,
        })
    };
    let own = std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(granted));
    let secret = backend.env_file.iter().flat_map(|file| file.variables.iter());
    own.chain(secret.map(|(name, value)| (name.into(), value.into())))
        .collect()
}
