//! A configuration together with what it names, as found on this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::granted::Granted;
use super::programs::SearchPath;
use super::texts::Texts;
use super::{own_places, programs, surroundings, users};
use crate::capability::process::grant::AgentCommand;
use crate::config::{Agent, Audit, Change, Config, ConfigError, Installation, Layers, OAuth, Server, Tools};
use crate::machine::OwnPlace;

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
    /// What is hidden from clients or added for them.
    pub tools: Tools,
    /// The agents that backends may start, by name.
    pub agents: BTreeMap<String, Agent>,
    /// The backends by name; there is at least one.
    pub backends: BTreeMap<String, Granted>,
    /// The backend that is used when a call does not name one; it is one of `backends`.
    pub default_backend: String,
    /// The agents whose program was found, or that do not need one.
    installed: BTreeSet<String>,
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
        let texts = Texts::find(path, *installation)?;
        if let Some(damage) = texts.damage() {
            return Err(ConfigError::whole(
                "what is accepted of the shipped configuration",
                damage,
            ));
        }
        let config = Config::parse(&texts.layers(), texts.around())?;
        Ok(Self {
            waiting: texts.layers().waiting()?,
            is_first_start: texts.is_first_start(),
            ..Self::find(config, &SearchPath::of_process())?
        })
    }

    /// The same for `text` alone, as if it were the file `path`.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn of_text(text: &str, path: &Path, installation: &Installation<'_>) -> Result<Self, ConfigError> {
        let around = surroundings::of_process(*installation)?;
        let config = Config::parse(&Layers::yours(path, text), &around)?;
        Self::find(config, &SearchPath::of_process())
    }

    /// Finds what `config` names.
    pub(super) fn find(config: Config, search: &SearchPath) -> Result<Self, ConfigError> {
        let top = config.top;
        let mut backends = BTreeMap::new();
        for (name, written) in config.backends {
            let found = Granted::find(written, &top.key("backends").key(&name), search)?;
            backends.insert(name, found);
        }
        let installed = |(_, agent): &(&String, &Agent)| programs::is_installed(agent, search);
        let installed = config.agents.iter().filter(installed);
        let setup = Self {
            proxy_users: users::find(&config.server.proxy_users, &top.key("server").key("proxy_users"))?,
            installed: installed.map(|(name, _)| name.clone()).collect(),
            file: config.file,
            waiting: Vec::new(),
            is_first_start: false,
            server: config.server,
            oauth: config.oauth,
            audit: config.audit,
            tools: config.tools,
            agents: config.agents,
            backends,
            default_backend: config.default_backend,
        };
        own_places::check(&setup.server, &setup.backends, &setup.own_places(), &top)?;
        Ok(setup)
    }

    /// What no granted directory may hold: data, cache, and everything that decides what is granted.
    pub fn own_places(&self) -> Vec<OwnPlace> {
        own_places::own(self.file.as_deref(), &self.server, &self.backends)
    }

    /// The agents that `backend` may start, the preferred one first, whether they are installed or not.
    pub fn agents_of<'a>(&'a self, backend: &'a Granted) -> impl Iterator<Item = (&'a String, &'a Agent)> {
        let names = backend.written.agents.iter();
        names.filter_map(|name| self.agents.get_key_value(name))
    }

    /// Whether the program that the agent `name` needs was found.
    pub fn is_installed(&self, name: &str) -> bool {
        self.installed.contains(name)
    }

    /// The commands that `@agent` stands for in the grants of `backend`: those of its agents that are installed.
    pub fn agent_commands(&self, backend: &Granted) -> Vec<AgentCommand> {
        let installed = self.agents_of(backend).filter(|(name, _)| self.is_installed(name));
        installed.map(|(_, agent)| agent.granted.clone()).collect()
    }
}
