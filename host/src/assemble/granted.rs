//! What one backend is granted, as found on this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;

use super::env_file::EnvFile;
use super::programs::{self, SearchPath};
use super::{directories, plugin_file};
use crate::capability::files::Folder;
use crate::capability::process::grant::Grant;
use crate::config::{Agent, At, BackendTable, ConfigError, Host, PluginSource};
use crate::principal::Meaning;

/// A backend: what is written about it, and what was found of that.
#[derive(Debug, Clone)]
pub struct Granted {
    /// Its table.
    pub written: BackendTable,
    /// The only directories in which its programs start and its files are. Absolute, without links, existing; on a host as
    /// they are written.
    pub directories: Vec<PathBuf>,
    /// The folders of which its plugin may read files with certain names. Absolute, without links; they need not exist. On a
    /// host they are as they are written.
    pub files: Vec<Folder>,
    /// Further variables that its programs get, such as secrets.
    pub env_file: Option<EnvFile>,
    /// The plugin that its name means, and the machines on which that is.
    meant: (String, String),
    /// The programs that it may run, by the name that its plugin uses. On a host their paths are as they are written.
    pub programs: BTreeMap<String, Grant>,
    /// Those of its agents whose program was found, or that do not need one. On a host nobody has looked yet.
    pub installed: BTreeSet<String>,
}

impl Granted {
    /// Finds what the table at `at` names: all of it for a backend on this machine. `hosts` are the machines that it names, if
    /// it does; what it names there is looked for when it starts, or there is first asked for.
    pub(super) fn find(
        written: BackendTable,
        hosts: &[&Host],
        agents: &BTreeMap<String, Agent>,
        at: &At,
        search: &SearchPath,
    ) -> Result<Self, ConfigError> {
        plugin_file::check(&written.plugin, at)?;
        let env_file = written.env_file.as_ref();
        let env_file = env_file.map(|path| EnvFile::find(path, &at.key("env_file")));
        let meant = (plugin(&written.plugin), place(hosts));
        let env_file = env_file.transpose()?;
        if !hosts.is_empty() {
            return Ok(Self {
                meant,
                directories: written.directories.clone(),
                files: written.files.clone(),
                env_file,
                programs: programs::unsought(&written.programs),
                installed: BTreeSet::new(),
                written,
            });
        }
        let installed = |name: &&String| {
            let agent = agents.get(*name);
            agent.is_some_and(|agent| programs::is_installed(agent, search))
        };
        Ok(Self {
            meant,
            directories: directories::find(&written.directories, &at.key("directories"))?,
            files: directories::folders(&written.files, &at.key("files"))?,
            env_file,
            programs: programs::grants(&written.programs, &at.key("programs"), search)?,
            installed: written.agents.iter().filter(installed).cloned().collect(),
            written,
        })
    }

    /// Whether it is on this machine.
    pub fn is_here(&self) -> bool {
        self.written.host.is_none() && self.written.hosts.is_empty()
    }

    /// Whether it is on the host called `host`.
    pub fn is_on(&self, host: &str) -> bool {
        self.written
            .host
            .iter()
            .chain(&self.written.hosts)
            .any(|name| name == host)
    }

    /// Where it is, as words of a sentence.
    pub fn machines(&self) -> String {
        match (&self.written.host, &*self.written.hosts) {
            (Some(host), _) => format!("the host {host}"),
            (None, []) => "this machine".to_owned(),
            (None, hosts) => format!("the hosts {}", hosts.join(", ")),
        }
    }

    /// What its name means, by what the operator wrote.
    pub fn meaning(&self) -> Meaning {
        let (plugin, place) = &self.meant;
        format!("{plugin}, {place}")
    }

    /// The parts of that: the plugin, and on which machines it is.
    pub fn meaning_parts(&self) -> (&str, &str) {
        (&self.meant.0, &self.meant.1)
    }

    /// What its programs get: the host's own variables that the operator granted, and those of the `env_file`.
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        let granted = |name: &str| {
            self.written.env.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(beginning) => name.starts_with(beginning),
                None => name == pattern,
            })
        };
        let own = std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(granted));
        let secret = self.env_file.iter().flat_map(|file| file.variables.iter());
        own.chain(secret.map(|(name, value)| (name.into(), value.into())))
            .collect()
    }
}

/// What a name means that stands for this plugin. A file of which the operator wrote the digest is known by that, whatever
/// it is called.
fn plugin(source: &PluginSource) -> String {
    match source {
        PluginSource::Bundled(name) => format!("bundled plugin {name}"),
        PluginSource::File {
            sha256: Some(digest), ..
        } => format!("plugin with the SHA-256 {}", hex::encode(digest)),
        PluginSource::File { path, sha256: None } => format!("plugin {}", path.display()),
    }
}

/// On which machines it is, if it names these hosts.
fn place(hosts: &[&Host]) -> String {
    let named: Vec<_> = hosts
        .iter()
        .map(|host| format!("{} ({})", host.name, host.machine()))
        .collect();
    match named.as_slice() {
        [] => "on this machine".to_owned(),
        [host] => format!("on the host {host}"),
        hosts => format!("on the hosts {}", hosts.join(" and ")),
    }
}
