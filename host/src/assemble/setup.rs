//! A configuration together with what it names, as found on this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::granted::Granted;
use super::hosts::Host;
use super::programs::SearchPath;
use super::texts::Texts;
use super::{own_places, surroundings, users};
use crate::capability::process::grant::AgentCommand;
use crate::config::{
    self, Agent, Audit, Change, Config, ConfigError, Installation, Layers, OAuth, PluginSource, Prompts, Server, Tools,
};
use crate::machine::OwnPlace;
use crate::principal::Meaning;

/// Everything that berth runs with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The operator's file; without it there is only the shipped configuration.
    pub file: Option<PathBuf>,
    /// What is shipped but does not count before the operator accepts it.
    pub waiting: Vec<Change>,
    /// Whether the whole shipped configuration counts because nothing was accepted and there was no file before.
    pub is_first_start: bool,
    /// The listener and berth's own places.
    pub server: Server,
    /// `proxy_users` of `server`, by number.
    pub proxy_users: Vec<u32>,
    /// Which apps may ask for access.
    pub oauth: OAuth,
    /// What is recorded of calls.
    pub audit: Audit,
    /// Who approves what sessions ask for.
    pub prompts: Prompts,
    /// What is hidden from clients or added for them.
    pub tools: Tools,
    /// The agents that backends may start, by name.
    pub agents: BTreeMap<String, Agent>,
    /// The other machines on which backends may be, by name.
    pub hosts: BTreeMap<String, Host>,
    /// The backends by name; there is at least one.
    pub backends: BTreeMap<String, Granted>,
    /// The backend that is used when a call does not name one; it is one of `backends`.
    pub default_backend: String,
    /// The whole as it is written.
    written: toml::Table,
    /// The digest of what is granted.
    grants: [u8; 32],
    /// Where it was read, unless it is of a single text.
    read_from: Option<ReadFrom>,
}

/// Where a configuration was read.
#[derive(Debug, Clone)]
struct ReadFrom {
    /// The file that was asked for.
    path: Option<PathBuf>,
    berth: PathBuf,
    plugins: Vec<String>,
}

impl Setup {
    /// Reads the configuration, and finds what it names: what was accepted of the shipped one, and over it `path`, or
    /// `berth/config.toml` in the user's configuration directory (`$XDG_CONFIG_HOME` or `~/.config`) if that exists.
    /// The current directory is never looked at.
    ///
    /// # Errors
    /// The first thing that is wrong, with file, line, key and fix. A file that others could have written, or that
    /// lies in a directory which a backend may write, is refused too. Everything is refused if it cannot be known what
    /// was accepted.
    pub fn load(path: Option<&Path>, installation: &Installation<'_>) -> Result<Self, ConfigError> {
        Self::load_beside(None, path, installation)
    }

    /// The same; of `running`, the listener and berth's own places stay as they are.
    fn load_beside(
        running: Option<&Server>,
        path: Option<&Path>,
        installation: &Installation<'_>,
    ) -> Result<Self, ConfigError> {
        let texts = Texts::find(path, *installation)?;
        let config = texts.config()?;
        Ok(Self {
            waiting: texts.layers().waiting()?,
            is_first_start: texts.is_first_start(),
            written: texts.layers().table()?,
            grants: texts.layers().grants()?,
            read_from: Some(ReadFrom {
                path: path.map(Path::to_owned),
                berth: installation.berth.to_owned(),
                plugins: installation.plugins.iter().map(|name| (*name).to_owned()).collect(),
            }),
            ..Self::find_beside(running, config, &SearchPath::of_process())?
        })
    }

    /// Reads it again from where this one was read. What is fixed when berth starts stays as it is here: of `server`, only
    /// the rates are new.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn again(&self) -> Result<Self, ConfigError> {
        let Some(from) = &self.read_from else {
            return Ok(self.clone());
        };
        let plugins: Vec<&str> = from.plugins.iter().map(String::as_str).collect();
        let installation = Installation {
            berth: &from.berth,
            plugins: &plugins,
        };
        let again = Self::load_beside(Some(&self.server), from.path.as_deref(), &installation)?;
        match (&self.file, &again.file) {
            // Without it the whole shipped configuration could count, which nobody has accepted.
            (Some(file), None) => Err(ConfigError::whole(
                file.display(),
                "it is not there any more: put it back, or end berth and start it again",
            )),
            _ => Ok(again),
        }
    }

    /// What the name of each backend means, as an approval binds it: the plugin, and the machine.
    pub fn meanings(&self) -> BTreeMap<String, Meaning> {
        let meaning = |(name, backend): (&String, &Granted)| (name.clone(), backend.meaning());
        self.backends.iter().map(meaning).collect()
    }

    /// The same with only those backends whose names `before` does not have.
    pub fn new_since(&self, before: &Self) -> Self {
        let mut new = self.clone();
        new.backends.retain(|name, _| !before.backends.contains_key(name));
        new
    }

    /// The same where plugin files without a digest must have the bytes that run: `running` knows the digest of those, in
    /// hex, by the file. Answers the backends with such a file as well.
    pub fn pinned<'r>(&self, running: impl Fn(&str) -> Option<&'r str>) -> (Self, BTreeSet<String>) {
        let (mut pinned, mut names) = (self.clone(), BTreeSet::new());
        for (name, backend) in &mut pinned.backends {
            let PluginSource::File {
                path,
                sha256: sha256 @ None,
            } = &mut backend.written.plugin
            else {
                continue;
            };
            let mut digest = [0; 32];
            let known = running(&path.display().to_string());
            if known.is_some_and(|known| hex::decode_to_slice(known, &mut digest).is_ok()) {
                *sha256 = Some(digest);
                names.insert(name.clone());
            }
        }
        (pinned, names)
    }

    /// What `next` adds and removes, by keys such as `server.listen`.
    pub fn changes(&self, next: &Self) -> Vec<Change> {
        config::between(&self.written, &next.written)
    }

    /// The digest of what is granted: of the tables for backends, agents, hosts and tools.
    pub fn grants(&self) -> [u8; 32] {
        self.grants
    }

    /// The same for `text` alone, as if it were the file `path`.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn of_text(text: &str, path: &Path, installation: &Installation<'_>) -> Result<Self, ConfigError> {
        let around = surroundings::of_process(*installation)?;
        let layers = Layers::yours(path, text);
        let config = Config::parse(&layers, &around)?;
        Ok(Self {
            written: layers.table()?,
            grants: layers.grants()?,
            ..Self::find(config, &SearchPath::of_process())?
        })
    }

    /// Finds what `config` names, which is not in force.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn of(config: Config) -> Result<Self, ConfigError> {
        Self::find(config, &SearchPath::of_process())
    }

    /// The same, with programs looked for by `search`.
    pub(super) fn find(config: Config, search: &SearchPath) -> Result<Self, ConfigError> {
        Self::find_beside(None, config, search)
    }

    fn find_beside(running: Option<&Server>, config: Config, search: &SearchPath) -> Result<Self, ConfigError> {
        let top = config.top;
        let mut backends = BTreeMap::new();
        for (name, written) in config.backends {
            let named = written.host.iter().chain(&written.hosts);
            let hosts: Vec<_> = named.filter_map(|host| config.hosts.get(host)).collect();
            let at = top.key("backends").key(&name);
            let found = Granted::find(written, &hosts, &config.agents, &at, search)?;
            backends.insert(name, found);
        }
        let setup = Self {
            proxy_users: users::find(&config.server.proxy_users, &top.key("server").key("proxy_users"))?,
            file: config.file,
            waiting: Vec::new(),
            is_first_start: false,
            server: match running {
                Some(running) => Server {
                    rates: config.server.rates,
                    ..running.clone()
                },
                None => config.server,
            },
            oauth: config.oauth,
            audit: config.audit,
            prompts: config.prompts,
            tools: config.tools,
            agents: config.agents,
            hosts: Host::find(config.hosts, &top.key("hosts"))?,
            backends,
            default_backend: config.default_backend,
            written: toml::Table::new(),
            grants: [0; 32],
            read_from: None,
        };
        own_places::check(&setup.server, &setup.backends, &setup.own_places(), &top)?;
        Ok(setup)
    }

    /// What no granted directory may hold: data, cache, and everything that decides what is granted.
    pub fn own_places(&self) -> Vec<OwnPlace> {
        own_places::own(self.file.as_deref(), &self.server, &self.hosts, &self.backends)
    }

    /// The backends on the host called `host`.
    pub fn on<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a Granted> {
        let backends = self.backends.values();
        backends.filter(move |backend| backend.is_on(host))
    }

    /// The agents that `backend` may start, the preferred one first, whether they are installed or not.
    pub fn agents_of<'a>(&'a self, backend: &'a Granted) -> impl Iterator<Item = (&'a String, &'a Agent)> {
        let names = backend.written.agents.iter();
        names.filter_map(|name| self.agents.get_key_value(name))
    }

    /// The commands that `@agent` stands for in the `read` and `control` lists of `backend`: those of its agents that are
    /// `installed` on its machine.
    pub fn agent_commands(&self, backend: &Granted, installed: &BTreeSet<String>) -> Vec<AgentCommand> {
        let agents = self.agents_of(backend).filter(|(name, _)| installed.contains(*name));
        agents.map(|(_, agent)| agent.granted.clone()).collect()
    }

    /// The same for its `job` lists: those that run without a terminal.
    pub fn headless_commands(&self, backend: &Granted, installed: &BTreeSet<String>) -> Vec<AgentCommand> {
        let agents = self.agents_of(backend).filter(|(name, _)| installed.contains(*name));
        let headless = agents.filter_map(|(_, agent)| agent.headless.as_ref());
        headless.map(|headless| headless.granted.clone()).collect()
    }
}
