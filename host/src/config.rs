//! The configuration: `config.toml` as checked, plain data. Every error says file, line, key and fix.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::capability::process::grant::{AgentCommand, Grant};
use crate::machine::OwnPlace;

mod agents;
mod audit;
mod backends;
mod env_file;
mod file;
mod oauth;
mod places;
mod programs;
mod server;
mod source;
mod surroundings;
#[cfg(test)]
pub(crate) mod tests;
mod tools;
mod values;

pub use audit::Audit;
pub use env_file::EnvFile;
pub use oauth::parse_redirect;
pub use server::parse_public_url;
pub use source::ConfigError;
pub use surroundings::{Installation, find_program};
pub use values::is_name;

use source::{At, Source};
use surroundings::Surroundings;

/// The configuration that the binary carries: it applies where the operator has none.
pub const SHIPPED: &str = include_str!("../../config.toml");

/// All that the operator chose.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it was read from; none: the shipped one.
    pub file: Option<PathBuf>,
    /// The listener and berth's own places.
    pub server: Server,
    /// Which apps may ask for access.
    pub oauth: OAuth,
    /// What is recorded of calls.
    pub audit: Audit,
    /// What is hidden from clients or added for them.
    pub tools: Tools,
    /// The agents that backends may start, by name.
    pub agents: BTreeMap<String, Agent>,
    /// The backends by name; there is at least one.
    pub backends: BTreeMap<String, Backend>,
    /// The backend that is meant when a call names none; it is one of `backends`.
    pub default_backend: String,
}

/// `[server]`: the listener, its bounds, and where berth keeps its own files.
#[derive(Debug, Clone)]
pub struct Server {
    /// The address to listen on: a loopback one, unless there is a public URL.
    pub listen: SocketAddr,
    /// Where the world reaches this server, as an origin (`https://name` or `https://name:port`), if it does.
    pub public_url: Option<String>,
    /// The certificate that the listener shows; none: it speaks plain HTTP.
    pub tls: Option<Tls>,
    /// Proxies whose word on a client's address counts.
    pub trusted_proxies: Vec<IpAddr>,
    /// Users of this machine whose proxies may be at these addresses, beside root and this one.
    pub proxy_users: Vec<u32>,
    /// The header, in small letters, in which such a proxy names the client's address.
    pub client_address: String,
    /// Where the token, the lock and the backends' state are kept. Absolute; need not exist yet.
    pub data: PathBuf,
    /// Where compiled plugins are kept. Absolute; need not exist yet.
    pub cache: PathBuf,
    /// Whether requests on loopback need no token.
    pub open_on_loopback: bool,
    /// Whether what runs in berth's own sessions may use more than the reading tools.
    pub sessions_may_control: bool,
    /// The most requests that are worked on at once.
    pub max_requests: usize,
    /// The largest request body, in bytes.
    pub max_body: u64,
    /// How often things may be asked for.
    pub rates: Rates,
    /// Hosts that a session's url may name.
    pub url_hosts: Vec<String>,
}

/// `[server.tls]`: files in PEM form. Absolute paths; read when the server starts, and again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, and those that lead from it to a root.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// `[server.rates]`: how often per minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Requests of one caller to MCP.
    pub tools: usize,
    /// Attempts to log in from one address.
    pub login: usize,
    /// Registrations of apps from one address.
    pub register: usize,
    /// Other requests to the authorization server from one address, and for tokens by one app with a secret.
    pub token: usize,
}

/// `[oauth]`: which apps may ask for access besides the well-known ones.
#[derive(Debug, Clone, Default)]
pub struct OAuth {
    /// Further addresses that an app which registers itself may send people back to.
    pub redirects: Vec<String>,
    /// Apps into which a person types an id (the name here) and a secret.
    pub clients: BTreeMap<String, FixedClient>,
}

/// `[oauth.clients.NAME]`: an app with a secret of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedClient {
    /// The SHA-256 of its secret.
    pub secret_sha256: [u8; 32],
    /// Where it sends people back to.
    pub redirects: Vec<String>,
}

/// `[tools]`: changes to the list of tools that clients see.
#[derive(Debug, Clone, Default)]
pub struct Tools {
    /// Names of tools that no client sees.
    pub hide: Vec<String>,
    /// Further tools by name.
    pub alias: BTreeMap<String, Alias>,
}

/// A further name for a tool, with some of its arguments set.
#[derive(Debug, Clone)]
pub struct Alias {
    /// The tool that it calls.
    pub tool: String,
    /// Arguments that are set, and so dropped from the alias's schema.
    pub arguments: serde_json::Map<String, serde_json::Value>,
}

/// `[agents.NAME]`: a coding agent that a backend may start.
#[derive(Debug, Clone)]
pub struct Agent {
    /// Its command, at least two words; `@berth` has been replaced by this binary's path.
    pub command: Vec<String>,
    /// A program that it needs on `PATH`.
    pub requires: Option<String>,
    /// Whether `requires` was found when the configuration was loaded; true where it needs none.
    pub installed: bool,
    /// Regular expressions by the names that `options` use.
    pub words: BTreeMap<String, String>,
    /// The groups of arguments that may follow `command`, by name.
    pub options: BTreeMap<String, Vec<String>>,
    /// The plugin's built-in knowledge of this agent to use, where it is not the one of the agent's name.
    pub profile: Option<String>,
    /// Changes to that knowledge; only the plugin understands them.
    pub signs: Option<serde_json::Value>,
    /// Commands that tell how it is, such as its version and whether it is logged in, for `berth doctor`.
    pub doctor: Vec<Question>,
    /// What `@agent` takes for this agent: `command` and `options`, compiled.
    pub granted: AgentCommand,
}

/// A command that `berth doctor` runs.
#[derive(Debug, Clone)]
pub struct Question {
    /// The whole command, at least one word; `@berth` has been replaced.
    pub command: Vec<String>,
    /// Where its program was found when the configuration was loaded.
    pub program: Option<PathBuf>,
}

/// `[backends.NAME]`: a plugin with a name, settings and grants.
#[derive(Debug, Clone)]
pub struct Backend {
    /// Its name.
    pub name: String,
    /// The component that it runs.
    pub plugin: PluginSource,
    /// The agents that it may start, the preferred one first; each is in `Config::agents`.
    pub agents: Vec<String>,
    /// The only directories in which its programs start and its files lie. Absolute, without links, existing.
    pub directories: Vec<PathBuf>,
    /// The variables that its programs inherit: names, or a beginning followed by `*`.
    pub env: Vec<String>,
    /// Further variables that its programs get, such as secrets.
    pub env_file: Option<EnvFile>,
    /// The variables that its plugin may set for a program.
    pub guest_env: Vec<String>,
    /// The programs that it may run, by the name that its plugin uses.
    pub programs: BTreeMap<String, Grant>,
    /// Own tools of the plugin that only read, though every own tool else counts as control.
    pub read_tools: Vec<String>,
    /// Whether a prompt that asks to trust a directory may be answered by a client.
    pub remote_trust: bool,
    /// The plugin's own settings, a JSON object; only the plugin understands them.
    pub settings: serde_json::Value,
    /// What bounds each of its calls.
    pub limits: Limits,
}

/// Where a backend's component comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginSource {
    /// One that the binary carries, by name.
    Bundled(String),
    /// A component file.
    File {
        /// Its absolute path.
        path: PathBuf,
        /// The SHA-256 that its bytes must have.
        sha256: Option<[u8; 32]>,
    },
}

/// `[backends.NAME.limits]`: what bounds the calls of one backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The linear memory of one call, in bytes.
    pub memory: u64,
    /// The most calls at once.
    pub calls: usize,
    /// The most programs that run at once, over all calls.
    pub processes: usize,
    /// How long one call may take, unless its verb says otherwise.
    pub deadline: Duration,
}

impl Config {
    /// Reads and checks the configuration: `path`, else `berth/config.toml` in the user's configuration directory
    /// (`$XDG_CONFIG_HOME` or `~/.config`), else the shipped one. The current directory is never looked at.
    ///
    /// # Errors
    /// The first thing that is wrong, with file, line, key and fix. A file that others could have written, or that
    /// lies in a directory which a backend may write, is refused too.
    pub fn load(path: Option<&Path>, installation: &Installation<'_>) -> Result<Config, ConfigError> {
        let around = Surroundings::of_process(*installation)?;
        match file::choose(path, &around)? {
            Some(own) => check(&file::read(&own)?, Some(&own), &around),
            None => check(SHIPPED, None, &around),
        }
    }

    /// Checks the configuration `text`; `origin` is the absolute path of its file, for errors and relative paths.
    /// `None` stands for the shipped text, whose relative paths start at the home directory.
    ///
    /// # Errors
    /// As [`Config::load`], but for the file itself.
    pub fn parse(text: &str, origin: Option<&Path>, installation: &Installation<'_>) -> Result<Config, ConfigError> {
        check(text, origin, &Surroundings::of_process(*installation)?)
    }

    /// What no granted directory may hold: data, cache, and whatever decides what is granted.
    pub fn own_places(&self) -> Vec<OwnPlace> {
        places::own(self)
    }

    /// The commands that `@agent` stands for in the grants of `backend`: those of its agents that are installed.
    pub fn agent_commands(&self, backend: &Backend) -> Vec<AgentCommand> {
        let agents = backend.agents.iter().filter_map(|name| self.agents.get(name));
        agents
            .filter(|agent| agent.installed)
            .map(|agent| agent.granted.clone())
            .collect()
    }
}

/// The file as it is written.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Sections {
    default_backend: Option<String>,
    #[serde(default)]
    server: server::Section,
    #[serde(default)]
    oauth: oauth::Section,
    #[serde(default)]
    audit: Audit,
    #[serde(default)]
    tools: tools::Section,
    #[serde(default)]
    agents: BTreeMap<String, agents::Section>,
    #[serde(default)]
    backends: BTreeMap<String, backends::Section>,
}

fn check(text: &str, origin: Option<&Path>, around: &Surroundings<'_>) -> Result<Config, ConfigError> {
    let name = origin.map_or("the shipped config.toml".into(), |file| file.display().to_string());
    let source = Source::parse(&name, text)?;
    let sections: Sections = source.read()?;
    let folder = origin.and_then(Path::parent).unwrap_or(&around.home);
    let top = source.top();

    let mut agents = BTreeMap::new();
    for (name, section) in sections.agents {
        let agent = section.check(&name, &top.key("agents").key(&name), around, folder)?;
        agents.insert(name, agent);
    }
    let mut backends = BTreeMap::new();
    for (name, section) in sections.backends {
        let backend = section.check(&name, &top.key("backends").key(&name), &agents, around, folder)?;
        backends.insert(name, backend);
    }
    let config = Config {
        file: origin.map(Path::to_owned),
        server: sections.server.check(&top.key("server"), around, folder)?,
        oauth: sections.oauth.check(&top.key("oauth"))?,
        audit: sections.audit,
        tools: sections.tools.check(&top.key("tools"))?,
        default_backend: default_backend(&top, sections.default_backend, &backends)?,
        agents,
        backends,
    };
    places::check(&config, &top)?;
    Ok(config)
}

fn default_backend(
    top: &At<'_>,
    written: Option<String>,
    backends: &BTreeMap<String, Backend>,
) -> Result<String, ConfigError> {
    let at = top.key("default_backend");
    let names = || backends.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    match (written, backends.keys().next()) {
        (_, None) => Err(top
            .key("backends")
            .error("there is no backend: add a table [backends.NAME]")),
        (Some(name), _) if backends.contains_key(&name) => Ok(name),
        (Some(name), _) => Err(at.error(format!(
            "there is no backend {name:?} (there are: {}): name one of them",
            names()
        ))),
        (None, Some(only)) if backends.len() == 1 => Ok(only.clone()),
        (None, Some(first)) => Err(at.error(format!(
            "of several backends ({}) one must be the default: write default_backend = {first:?} at the top",
            names()
        ))),
    }
}
