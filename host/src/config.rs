//! The configuration: the operator's `config.toml` over the shipped one, checked as texts, plain data. Nothing here
//! reads the disk or the environment; `assemble` finds what is named. Every error says file, line, key and fix.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::admission::Rates;
use crate::capability::files::Folder;
use crate::capability::process::grant::AgentCommand;

mod accepted;
mod added;
mod agents;
mod audit;
mod backends;
mod difference;
mod hosts;
mod layers;
mod merge;
mod oauth;
mod programs;
mod prompts;
mod secrets;
mod server;
mod sought;
mod source;
mod surroundings;
#[cfg(test)]
pub(crate) mod tests;
mod tools;
mod values;

pub use added::NewHost;
pub use agents::Protocol;
pub use audit::Audit;
pub(crate) use backends::marked;
pub use difference::{Change, between, summary};
pub use hosts::destination_fault;
pub use layers::{Accepted, Layers, Written};
pub use oauth::parse_redirect;
pub use programs::Program;
pub use prompts::{Confirm, Prompts};
pub use server::{User, listen_fault, parse_public_url};
pub use sought::Sought;
pub use source::{At, ConfigError};
pub use surroundings::{Installation, Surroundings};
pub use values::is_name;
pub(crate) use values::is_variable;

/// The configuration that the binary carries. The operator's own is laid over it.
pub const SHIPPED: &str = include_str!("../../config.toml");

/// Everything that the operator chose.
#[derive(Debug, Clone)]
pub struct Config {
    /// The operator's file; without it there is only the shipped configuration.
    pub file: Option<PathBuf>,
    /// Where everything is written, for errors about what is found later.
    pub top: At,
    /// The listener and berth's own places.
    pub server: Server,
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
    pub backends: BTreeMap<String, BackendTable>,
    /// The backend that is used when a call does not name one; it is one of `backends`.
    pub default_backend: String,
}

/// `[server]`: the listener, its bounds, and where berth keeps its own files.
#[derive(Debug, Clone)]
pub struct Server {
    /// The address to listen on: a loopback one, unless there is a public URL.
    pub listen: SocketAddr,
    /// Where the world reaches this server, as an origin (`https://name` or `https://name:port`), if it does.
    pub public_url: Option<String>,
    /// The certificate that the listener shows; without one it speaks plain HTTP.
    pub tls: Option<Tls>,
    /// Proxies that are believed about a client's address.
    pub trusted_proxies: Vec<IpAddr>,
    /// Users of this machine whose proxies may be at these addresses, beside root and this one.
    pub proxy_users: Vec<User>,
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

/// A further name for a tool, with some of its arguments set or renamed.
#[derive(Debug, Clone)]
pub struct Alias {
    /// The tool that it calls.
    pub tool: String,
    /// Arguments that are set, and so dropped from the alias's schema.
    pub arguments: serde_json::Map<String, serde_json::Value>,
    /// Further names of arguments, with the names that its tool has for them.
    pub names: BTreeMap<String, String>,
}

/// `[agents.NAME]`: a coding agent that a backend may start.
#[derive(Debug, Clone)]
pub struct Agent {
    /// Its command, at least two words; `@berth` has been replaced by this binary's path.
    pub command: Vec<String>,
    /// A program that it needs on `PATH`.
    pub requires: Option<Sought>,
    /// Regular expressions by the names that `options` use.
    pub words: BTreeMap<String, String>,
    /// The groups of arguments that may follow `command`, by name.
    pub options: BTreeMap<String, Vec<String>>,
    /// How it runs without a terminal, as a job; none if it cannot.
    pub headless: Option<Headless>,
    /// Options that let it do more without asking, each with the values that do not.
    pub widens_unless: BTreeMap<String, Vec<String>>,
    /// The plugin's built-in knowledge to use for this agent, if its name is not the agent's name.
    pub profile: Option<String>,
    /// Changes to that knowledge; only the plugin understands them.
    pub signs: Option<serde_json::Value>,
    /// Commands for `berth doctor`, which show its version and whether it is logged in, for example.
    pub doctor: Vec<Question>,
    /// Names of variables that it reads, for `berth doctor`, which names those that it does not get.
    pub variables: Vec<String>,
    /// Where it notes which folders it trusts, for `berth doctor`.
    pub trust: Option<Trust>,
    /// What `@agent` takes for this agent in `read` and `control` lists: `command` and `options`, compiled.
    pub granted: AgentCommand,
}

/// How an agent runs without a terminal, as a job.
#[derive(Debug, Clone)]
pub struct Headless {
    /// Its command, at least two words; `@berth` has been replaced by this binary's path.
    pub command: Vec<String>,
    /// How it is spoken with.
    pub protocol: Protocol,
    /// The groups of arguments that may follow it, by name, beside those of the agent.
    pub options: BTreeMap<String, Vec<String>>,
    /// What `@agent` takes for this agent in `job` lists: both, compiled.
    pub granted: AgentCommand,
}

/// Where an agent notes which folders it trusts: in a file of JSON, in which the object `folders` has each by its path.
#[derive(Debug, Clone)]
pub struct Trust {
    /// The file.
    pub file: PathBuf,
    /// The name of that object.
    pub folders: String,
    /// What is true of a folder that it trusts, and of all below it.
    pub sign: String,
}

/// A command that `berth doctor` runs.
#[derive(Debug, Clone)]
pub struct Question {
    /// The whole command, at least one word; `@berth` has been replaced.
    pub command: Vec<String>,
    /// Its program.
    pub program: Sought,
}

/// `[hosts.NAME]`: another machine, which is reached over SSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name here. Nothing else of this table reaches a client or a plugin.
    pub name: String,
    /// Where ssh goes: a host, a user and a host, or a name of the operator's own ssh configuration.
    pub destination: String,
    /// The port there; without it, what ssh finds.
    pub port: Option<u16>,
    /// The key with which this user shows who they are; without it, those that ssh finds. Absolute.
    pub identity_file: Option<PathBuf>,
    /// The file with the keys of hosts that are trusted; without it, those that ssh finds. Absolute; need not exist yet.
    pub known_hosts: Option<PathBuf>,
    /// How long a connection may take to come about, in whole seconds.
    pub connect_timeout: Duration,
    /// After what time of silence the host is asked whether it is there, in whole seconds; without it, what the operator's
    /// own ssh configuration says.
    pub keepalive: Option<Duration>,
    /// The most sessions at once on its one connection.
    pub sessions: usize,
    /// Folders that are put before its `PATH`, as they are written: absolute, or below `~` of the user there.
    pub path: Vec<String>,
    /// A file with variables for programs on it, and the passphrase of the key. Absolute.
    pub env_file: Option<PathBuf>,
}

/// `[backends.NAME]`: a plugin with a name, settings and grants.
#[derive(Debug, Clone)]
pub struct BackendTable {
    /// Its name.
    pub name: String,
    /// The component that it runs.
    pub plugin: PluginSource,
    /// The machine on which its programs, directories and files are: one of `Config::hosts`; without it, this one.
    pub host: Option<String>,
    /// The machines on each of which they are instead, and nothing on this one: of `Config::hosts`, at most 16. Never with
    /// `host`.
    pub hosts: Vec<String>,
    /// The agents that it may start, the preferred one first; each is in `Config::agents`.
    pub agents: Vec<String>,
    /// The only directories in which its programs start and its files lie. Absolute; on a host as they are written, which
    /// is absolute or below `~` of the user there.
    pub directories: Vec<PathBuf>,
    /// Folders of which its plugin may read files with certain names, and nothing more. As the directories.
    pub files: Vec<Folder>,
    /// The variables that its programs inherit: names, or a beginning followed by `*`.
    pub env: Vec<String>,
    /// A file of further variables that its programs get, such as secrets. Absolute.
    pub env_file: Option<PathBuf>,
    /// The variables that its plugin may set for a program.
    pub guest_env: Vec<String>,
    /// The programs that it may run, by the name that its plugin uses.
    pub programs: BTreeMap<String, Program>,
    /// Own tools of the plugin that only read. Every other own tool counts as control.
    pub read_tools: Vec<String>,
    /// Whether a prompt that asks to trust a directory may be answered by a client.
    pub remote_trust: bool,
    /// Whether its runs may start others.
    pub nested: bool,
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
    /// The most jobs that run at once, those apart that take input while they run.
    pub jobs: usize,
    /// The most of those.
    pub interactive_jobs: usize,
    /// How deep its runs go that start others, if that is written.
    pub depth: Option<u32>,
    /// How long a job is kept that has ended.
    pub keep_jobs: Duration,
    /// Bytes that those may take together; then the oldest go.
    pub jobs_size: u64,
}

impl Config {
    /// Reads and checks what `layers` make together. Relative paths start at the folder of the operator's file, or at
    /// the home directory if there is no file.
    ///
    /// # Errors
    /// The first thing that is wrong, with the file or "the shipped config.toml", line, key and fix.
    pub fn parse(layers: &Layers<'_>, around: &Surroundings<'_>) -> Result<Config, ConfigError> {
        Self::check(layers, around).map_err(|error| Self::hint(error, layers, around))
    }

    fn check(layers: &Layers<'_>, around: &Surroundings<'_>) -> Result<Config, ConfigError> {
        let (sections, top): (Sections, At) = layers.read()?;
        let file = layers.yours.map(|yours| yours.path);
        sections.check(top, file, around, layers.folder(around))
    }

    /// `error` with a hint if the configuration is valid only with what waits to be accepted.
    fn hint(error: ConfigError, layers: &Layers<'_>, around: &Surroundings<'_>) -> ConfigError {
        let waits = !matches!(layers.accepted, Accepted::Whole);
        if !waits || Self::check(&layers.when_accepted(), around).is_err() {
            return error;
        }
        ConfigError {
            message: format!(
                "{}; or accept what is shipped, which makes it valid: see `berth config diff`, then run \
                 `berth config accept`",
                error.message
            ),
            ..error
        }
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
    prompts: Prompts,
    #[serde(default)]
    tools: tools::Section,
    #[serde(default)]
    agents: BTreeMap<String, agents::Section>,
    #[serde(default)]
    hosts: BTreeMap<String, hosts::Section>,
    #[serde(default)]
    backends: BTreeMap<String, backends::Section>,
}

impl Sections {
    fn check(
        self,
        top: At,
        origin: Option<&Path>,
        around: &Surroundings<'_>,
        folder: &Path,
    ) -> Result<Config, ConfigError> {
        let mut agents = BTreeMap::new();
        for (name, section) in self.agents {
            let agent = section.check(&name, &top.key("agents").key(&name), around, folder)?;
            agents.insert(name, agent);
        }
        let mut hosts = BTreeMap::new();
        for (name, section) in self.hosts {
            let host = section.check(&name, &top.key("hosts").key(&name), around, folder)?;
            hosts.insert(name, host);
        }
        let mut backends = BTreeMap::new();
        for (name, section) in self.backends {
            let backend = section.check(&name, &top.key("backends").key(&name), &agents, &hosts, around, folder)?;
            backends.insert(name, backend);
        }
        own_files(&top, &backends)?;
        Ok(Config {
            file: origin.map(Path::to_owned),
            server: self.server.check(&top.key("server"), around, folder)?,
            oauth: self.oauth.check(&top.key("oauth"))?,
            audit: self.audit,
            prompts: self.prompts,
            tools: self.tools.check(&top.key("tools"))?,
            default_backend: default_backend(&top, self.default_backend, &backends)?,
            agents,
            hosts,
            backends,
            top,
        })
    }
}

/// Makes sure that no two programs share the file that berth writes for each, which has the names of both of them: backend
/// and program, with a `-` between.
fn own_files(top: &At, backends: &BTreeMap<String, BackendTable>) -> Result<(), ConfigError> {
    let mut known: BTreeMap<String, (&str, &str)> = BTreeMap::new();
    let all = backends
        .iter()
        .flat_map(|(backend, table)| table.programs.keys().map(move |program| (&**backend, &**program)));
    for (backend, program) in all {
        if let Some((other, its)) = known.insert(format!("{backend}-{program}"), (backend, program)) {
            let at = top.key("backends").key(backend).key("programs").key(program);
            return Err(at.error(format!(
                "its name and its backend's make {backend}-{program}, as those of program {its:?} of backend {other:?} do: rename one"
            )));
        }
    }
    Ok(())
}

fn default_backend(
    top: &At,
    written: Option<String>,
    backends: &BTreeMap<String, BackendTable>,
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
