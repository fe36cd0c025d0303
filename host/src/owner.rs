//! The one process that owns the data directory: everything that a configuration starts, and the socket by which other
//! processes of the operator use it.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use serde_json::json;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::capability::Powers;
use crate::capability::files::Directories;
use crate::capability::process::Programs;
use crate::capability::process::grant::{CONF_MARKER, Grant};
use crate::catalog::{Catalog, Terms};
use crate::config::{self, Config, PluginSource};
use crate::mcp::{self, Server};
use crate::plugin::{Backend, Engine, Limits, Plugin};
use crate::principal::Principal;
use crate::store::{self, DataDirectory, Lock};
use crate::watch::Watched;

/// Calls of the host's own that a backend may have at once beside its callers': its poll and its upkeep.
const OWN_CALLS: u32 = 2;
/// How long another owner may take until it answers on its socket, or ends: a `berth call` serves nobody else, and may
/// wait for a session for a minute.
const ANSWERS_WITHIN: Duration = Duration::from_secs(65);

/// A running berth.
pub struct Owner {
    /// All its tools.
    pub catalog: Arc<Catalog>,
    /// Its data directory.
    pub data: DataDirectory,
    _lock: Lock,
}

impl Owner {
    /// Starts every backend of `config`. `purpose` says in an error of another process who holds the data directory;
    /// `base_url` is where a browser would reach this one.
    pub async fn start(
        config: &Config,
        purpose: &str,
        base_url: String,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let data = DataDirectory::open(&config.server.data, &config.server.cache)?;
        let lock = data.lock(purpose)?;
        let backends = start_backends(config, &data).await?;
        let catalog = merge(config, backends, base_url)?;
        catalog.watch(shutdown);
        Ok(Self {
            catalog: Arc::new(catalog),
            data,
            _lock: lock,
        })
    }

    /// Serves the operator's own processes on the data directory's socket, until `shutdown`.
    pub fn serve_socket(&self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let listener = bind(&self.data.socket_path())?;
        let server = Server::new(self.catalog.clone()).for_principal(Principal::local());
        tokio::spawn(async move {
            while let Some(Ok((stream, _))) = shutdown.run_until_cancelled(listener.accept()).await {
                let (server, shutdown) = (server.clone(), shutdown.clone());
                tokio::spawn(async move {
                    let (read, write) = stream.into_split();
                    if let Err(error) = mcp::serve_stream(server, read, write, shutdown).await {
                        tracing::debug!("a client on the socket: {error:#}");
                    }
                });
            }
        });
        Ok(())
    }
}

/// A way to the one owner: it is another process, or now this one.
pub enum Ownership {
    /// A connection to the process that owns the data directory.
    Theirs(UnixStream),
    /// This process has become it.
    Ours(Box<Owner>),
}

impl Ownership {
    /// Connects to the owner, or becomes it for `purpose` where there is none. Of several that try at once one wins, and
    /// the others find it.
    pub async fn find(config: &Config, purpose: &str, shutdown: &CancellationToken) -> anyhow::Result<Self> {
        let data = DataDirectory::open(&config.server.data, &config.server.cache)?;
        let deadline = Instant::now() + ANSWERS_WITHIN;
        loop {
            if let Ok(stream) = UnixStream::connect(data.socket_path()).await {
                return Ok(Self::Theirs(stream));
            }
            let base_url = format!("http://{}", config.server.listen);
            match Owner::start(config, purpose, base_url, shutdown).await {
                Ok(owner) => return Ok(Self::Ours(Box::new(owner))),
                Err(error) if Instant::now() < deadline && is_held(&error) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether another process has the data directory.
fn is_held(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(store::Error::InUse { .. }))
}

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

/// Merges started backends on the terms of `config`.
pub fn merge(config: &Config, backends: Vec<Backend>, base_url: String) -> anyhow::Result<Catalog> {
    let of = |backend: &Backend| {
        config
            .backends
            .get(&backend.name)
            .map(|settings| terms(config, settings))
    };
    let members = backends
        .into_iter()
        .map(|backend| (of(&backend).unwrap_or_default(), Watched::new(backend)));
    Ok(Catalog::new(
        members.map(|(terms, watched)| (watched, terms)).collect(),
        config.default_backend.clone(),
        &config.tools,
        config.server.url_hosts.clone(),
        base_url,
    )?)
}

/// The engine for all backends of `config`.
fn engine(config: &Config) -> anyhow::Result<Engine> {
    let limits = || config.backends.values().map(|backend| &backend.limits);
    let calls: usize = limits().map(|limits| limits.calls + OWN_CALLS as usize).sum();
    let memory = limits().map(|limits| limits.memory).max().unwrap_or(64 << 20);
    Engine::new(u32::try_from(calls)?, memory, Some(&config.server.cache))
}

/// A socket that only the operator can reach, in place of what an ended process left.
fn bind(path: &Path) -> anyhow::Result<UnixListener> {
    // We hold the lock, so whatever is there belongs to nobody.
    if path.exists() {
        std::fs::remove_file(path).with_context(|| format!("{} cannot be replaced", path.display()))?;
    }
    let listener = UnixListener::bind(path).with_context(|| {
        format!(
            "{} cannot be made; a socket's path may have some 100 bytes: set [server] data to a shorter one",
            path.display()
        )
    })?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
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
    let powers = powers(config, backend, data)?;
    let state: PathBuf = data.state_dir(&backend.name)?;
    Backend::start(engine, plugin, powers, state, limits)
        .await
        .map_err(|error| {
            anyhow!(
                "{origin} refuses its configuration: {}",
                crate::catalog::describe(&backend.name, error)
            )
        })
}

fn powers(config: &Config, backend: &config::Backend, data: &DataDirectory) -> anyhow::Result<Powers> {
    let grants = backend
        .programs
        .iter()
        .map(|(name, grant)| Ok((name.clone(), with_conf(grant, data)?)))
        .collect::<anyhow::Result<_>>()?;
    Ok(Powers {
        backend: backend.name.clone(),
        settings: settings(config, backend),
        programs: Programs {
            grants,
            agents: config.agent_commands(backend),
            environment: environment(backend),
            guest_env: backend.guest_env.clone(),
            children: Arc::new(Semaphore::new(backend.limits.processes)),
        },
        directories: Directories::open(&backend.name, &backend.directories)?,
    })
}

/// `grant` with the path of its configuration file, now written, in place of `@conf`.
pub fn with_conf(grant: &Grant, data: &DataDirectory) -> anyhow::Result<Grant> {
    let mut grant = grant.clone();
    if let Some(text) = &grant.conf {
        let path = data.write_conf(&format!("{}-{}", grant.backend, grant.program), text)?;
        let path = path.to_str().ok_or_else(|| anyhow!("{} is no text", path.display()))?;
        for argument in grant.fixed.iter_mut().filter(|argument| *argument == CONF_MARKER) {
            *argument = path.to_owned();
        }
    }
    Ok(grant)
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

fn terms(config: &Config, backend: &config::Backend) -> Terms {
    let installed = |name: &&String| config.agents.get(*name).is_some_and(|agent| agent.installed);
    Terms {
        agents: backend.agents.iter().filter(installed).cloned().collect(),
        read_tools: backend.read_tools.clone(),
        remote_trust: backend.remote_trust,
    }
}
