//! Starts backends from what was found, and makes the desk where calls to them are done.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use futures::future::join_all;
use serde_json::json;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use super::lasting::Lasting;
use super::located::{Located, Turns};
use super::looks::{link, looks};
use super::{Granted, Links, Setup, jobs};
use crate::capability::files::Folder;
use crate::capability::ssh::Hosts;
use crate::capability::store::Keeper;
use crate::capability::{Powers, Sites};
use crate::catalog::{Backends, Catalog, Offer};
use crate::config::{self, Agent, PluginSource};
use crate::desk::{Addresses, Confirm, Desk, Generation, Member, Rules, Stores};
use crate::plugin::{self, Backend, Engine, Limits, OWN_CALLS, Plugin};
use crate::store::DataDirectory;
use crate::watch::Watched;

/// Starts backends, each when it is asked to.
pub struct Starter {
    setup: Arc<Setup>,
    lasting: Lasting,
    engine: Engine,
    /// One plugin is compiled for one backend at a time: the others then find it in the cache.
    compiling: BTreeMap<String, Mutex<()>>,
}

impl Starter {
    /// For the backends of `setup`.
    pub fn new(setup: &Setup, lasting: Lasting) -> anyhow::Result<Self> {
        let sources = setup.backends.values().map(|backend| source(&backend.written.plugin));
        Ok(Self {
            engine: engine(setup)?,
            compiling: sources.map(|source| (source, Mutex::default())).collect(),
            setup: Arc::new(setup.clone()),
            lasting,
        })
    }

    /// The names of all backends.
    pub(super) fn names(&self) -> Vec<String> {
        self.setup.backends.keys().cloned().collect()
    }

    /// Changes when hosts are tried again that could not be reached.
    pub(super) fn hosts_tried(&self) -> watch::Receiver<()> {
        self.lasting.links.tried()
    }

    pub(super) fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Starts the backend called `name`. Its plugin is read again each time.
    pub(super) async fn start(&self, name: &str) -> anyhow::Result<Backend> {
        let backend = self.setup.backends.get(name).context("it is not configured")?;
        let plugin = self.load(&backend.written.plugin).await?;
        let origin = plugin.origin.clone();
        let limits = Limits {
            memory: backend.written.limits.memory,
            calls: backend.written.limits.calls,
            deadline: backend.written.limits.deadline,
        };
        let (opened, name) = (self.lasting.data.clone(), name.to_owned());
        let kept = tokio::task::spawn_blocking(move || opened.kept(&name)).await??;
        let (sites, settings) = self.sites(backend).await?;
        let (setup, lasting, granted) = (self.setup.clone(), self.lasting.clone(), backend.clone());
        let jobs = tokio::task::spawn_blocking(move || jobs::keeper(&setup, &granted, &lasting)).await??;
        let powers = Powers {
            backend: backend.written.name.clone(),
            sites,
            settings,
            keeper: Keeper::new(kept),
            jobs,
            lines: Default::default(),
        };
        Backend::start(&self.engine, plugin, powers, limits)
            .await
            .map_err(|error| anyhow!("{origin} refuses its configuration: {}", plugin::in_words(error)))
    }

    /// What it is granted, and what its plugin is told of that.
    async fn sites(&self, backend: &Granted) -> anyhow::Result<(Sites, String)> {
        if !backend.written.hosts.is_empty() {
            let hosts = Hosts::new(
                &backend.written.name,
                self.setup.agents_of(backend).map(|(name, _)| name.clone()).collect(),
                looks(&self.setup, backend, &self.lasting.links, &self.lasting.data),
            );
            let settings = settings(&self.setup, backend, &backend.files, |_| true);
            return Ok((Sites::Hosts(hosts), settings));
        }
        let located = self.located(backend).await?;
        let is_installed = |agent: &String| located.installed.contains(agent);
        let settings = settings(&self.setup, backend, &located.files, is_installed);
        let site = located.site(&self.setup, backend, &Turns::of(backend));
        Ok((Sites::One(Arc::new(site)), settings))
    }

    /// What it names, on its machine.
    async fn located(&self, backend: &Granted) -> anyhow::Result<Located> {
        let named = backend.written.host.as_ref();
        match named.and_then(|host| self.setup.hosts.get(host)) {
            Some(host) => {
                let link = link(&self.lasting.links, host)?;
                Located::there(&self.setup, backend, host, link, &self.lasting.data).await
            }
            None => Located::here(&self.setup, backend, &self.lasting.data),
        }
    }

    /// Compiling takes seconds of a thread, which must be none of those that run tasks.
    async fn load(&self, plugin: &PluginSource) -> anyhow::Result<Plugin> {
        let _turn = match self.compiling.get(&source(plugin)) {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        let (engine, plugin) = (self.engine.clone(), plugin.clone());
        let load = move || match plugin {
            PluginSource::Bundled(name) => Plugin::bundled(&engine, &name),
            PluginSource::File { path, sha256 } => Plugin::file(&engine, &path, sha256),
        };
        Ok(tokio::task::spawn_blocking(load).await??)
    }
}

/// What tells plugins apart before they are read.
fn source(plugin: &PluginSource) -> String {
    match plugin {
        PluginSource::Bundled(name) => name.clone(),
        PluginSource::File { path, .. } => path.display().to_string(),
    }
}

/// Starts every backend of `setup`: each of them, or why it cannot start, with its name, in their order.
pub async fn start_each(setup: &Setup, data: &DataDirectory) -> anyhow::Result<Vec<anyhow::Result<Backend>>> {
    let lasting = Lasting {
        data: data.clone(),
        jobs: None,
        links: Arc::new(Links::new(data)),
    };
    let starter = Starter::new(setup, lasting)?;
    let start = async |name: &String| starter.start(name).await.with_context(|| format!("backend `{name}`"));
    Ok(join_all(setup.backends.keys().map(start)).await)
}

/// The desk for the backends of `setup`, which are all coming up. `base_url` is where a browser would reach it, `stores` has
/// what it keeps; what goes on between calls ends with `ending`.
pub fn desk(setup: &Setup, base_url: String, stores: Stores, ending: &CancellationToken) -> anyhow::Result<Desk> {
    let addresses = Addresses {
        base: base_url,
        hosts: setup.server.url_hosts.clone(),
    };
    Ok(Desk::new(
        catalog(setup)?,
        setup.grants(),
        rules(setup),
        addresses,
        stores,
        ending.clone(),
    )?)
}

/// A generation for the backends of `setup`, aside from the present one of `desk`. They are all coming up.
pub fn aside(setup: &Setup, desk: &Desk) -> anyhow::Result<Arc<Generation>> {
    Ok(desk.aside(catalog(setup)?, setup.grants(), rules(setup)))
}

/// What calls mean while none of the backends of `setup` is up.
fn catalog(setup: &Setup) -> anyhow::Result<Catalog> {
    let with_jobs = setup.backends.iter().filter(|(_, backend)| jobs::may_run(backend));
    let depths = with_jobs.map(|(name, backend)| (name.clone(), backend.depth()));
    let backends = Backends::new(setup.meanings(), setup.default_backend.clone()).with_depths(depths.collect());
    Catalog::new(backends, setup.tools.clone()).with_context(|| from(setup))
}

/// What callers may do about prompts and options.
fn rules(setup: &Setup) -> Rules {
    let narrow = |(name, agent): (&String, &Agent)| (name.clone(), agent.widens_unless.clone());
    Rules {
        confirm: match setup.prompts.confirm {
            config::Confirm::Client => Confirm::Client,
            config::Confirm::Person => Confirm::Person,
            config::Confirm::None => Confirm::None,
        },
        remote_effects: setup.prompts.remote_effects.clone(),
        narrow: setup.agents.iter().map(narrow).collect(),
    }
}

/// Merges started backends as `setup` says, and gives the generation in which calls of them could be done.
pub fn merge(setup: &Setup, backends: Vec<Backend>) -> anyhow::Result<Arc<Generation>> {
    let generation = desk(setup, String::new(), Stores::in_memory()?, &CancellationToken::new())?.present();
    for backend in backends {
        raise(setup, &generation, backend)?;
    }
    Ok(generation)
}

/// Puts a backend that has started to its place in `generation`.
///
/// # Errors
/// What it offers cannot stand beside the rest.
pub(super) fn raise(setup: &Setup, generation: &Generation, backend: Backend) -> anyhow::Result<Arc<Watched>> {
    let offer = offer(setup, &backend);
    let member = member(setup, backend);
    let watched = member.watched.clone();
    generation.raise(member, offer).with_context(|| from(setup))?;
    Ok(watched)
}

/// Where `setup` is from.
fn from(setup: &Setup) -> String {
    let file = setup.file.as_ref();
    file.map_or("the shipped configuration".into(), |file| file.display().to_string())
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
    Member {
        agents: backend.agents(),
        home: backend.home_directory(),
        is_here: settings.is_some_and(Granted::is_here),
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

/// What a plugin is told: its name and the settings of its table, and what `files` and agents there are.
fn settings(setup: &Setup, backend: &Granted, files: &[Folder], is_installed: impl Fn(&String) -> bool) -> String {
    let agents: Vec<_> = setup
        .agents_of(backend)
        .map(|(name, agent)| {
            json!({
                "name": name,
                "command": agent.command,
                "options": agent.options,
                "headless": agent.headless.as_ref().map(|headless| &headless.command),
                "protocol": agent.headless.as_ref().map(|headless| headless.protocol),
                "headless_options": agent.headless.as_ref().map(|headless| &headless.options),
                "installed": is_installed(name),
                "profile": agent.profile,
                "signs": agent.signs,
            })
        })
        .collect();
    let files: Vec<_> = files
        .iter()
        .map(|folder| json!({"under": folder.under.to_string_lossy(), "names": folder.names.to_string()}))
        .collect();
    let written = &backend.written;
    json!({
        "settings": written.settings,
        "agents": agents,
        "files": files,
        "host": written.host,
        "backend": written.name,
    })
    .to_string()
}
