//! `[backends.NAME]`: a plugin with a name, settings and grants.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::hosts::{self, Machine};
use super::source::At;
use super::surroundings::Surroundings;
use super::{Agent, BackendTable, ConfigError, Host, Limits, PluginSource, Program, programs, values};
use crate::capability::files::Folder;
use crate::capability::files::grant::BadNames;
use crate::peer::MARK;

const MIB: u64 = 1 << 20;

/// Variables that decide what a program runs or whom it talks to. A plugin must never set them.
const HOST_VARIABLES: [&str; 16] = [
    "BERTH_*",
    "PATH",
    "HOME",
    "LD_*",
    "DYLD_*",
    "*_OPTIONS",
    "BASH_ENV",
    "ENV",
    "GIT_*",
    "SSH_*",
    "TMUX*",
    "LC_*",
    "LANG",
    "LOCPATH",
    "ANTHROPIC_*",
    "CLAUDE_*",
];

/// The table as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    /// If it is false, the table is not read at all: see [`super::merge`].
    #[serde(default, rename = "enabled")]
    _enabled: Option<bool>,
    /// Another backend whose keys count where this table has none: see [`super::merge`]. What stands here is left over.
    like: Option<String>,
    plugin: Option<String>,
    sha256: Option<String>,
    host: Option<String>,
    hosts: Option<Vec<String>>,
    #[serde(default)]
    agents: Vec<String>,
    #[serde(default)]
    directories: Vec<String>,
    #[serde(default)]
    files: Vec<FilesSection>,
    #[serde(default)]
    env: Vec<String>,
    env_file: Option<String>,
    #[serde(default)]
    guest_env: Vec<String>,
    #[serde(default)]
    programs: BTreeMap<String, programs::Section>,
    #[serde(default)]
    read_tools: Vec<String>,
    #[serde(default)]
    remote_trust: bool,
    #[serde(default)]
    nested: bool,
    #[serde(default)]
    settings: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    limits: LimitsSection,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FilesSection {
    under: String,
    names: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsSection {
    memory: Option<String>,
    calls: Option<u64>,
    processes: Option<u64>,
    deadline: Option<String>,
    jobs: Option<u64>,
    interactive_jobs: Option<u64>,
    depth: Option<u64>,
    keep_jobs: Option<String>,
    jobs_size: Option<String>,
}

impl Section {
    /// Checks the backend `name`, whose table is at `at`; relative paths start at `folder`.
    pub(super) fn check(
        self,
        name: &str,
        at: &At,
        agents: &BTreeMap<String, Agent>,
        hosts: &BTreeMap<String, Host>,
        around: &Surroundings<'_>,
        folder: &Path,
    ) -> Result<BackendTable, ConfigError> {
        values::name(at, name)?;
        if let Some(like) = self.like {
            return Err(unlike(&at.key("like"), &like));
        }
        let Some(written_plugin) = self.plugin else {
            return Err(at.error("missing field `plugin`: add it, or `like` with the name of another backend"));
        };
        if self.host.is_some() && self.hosts.is_some() {
            return Err(at
                .key("hosts")
                .error("a backend is on one machine, or on each of several: remove `host`, or `hosts`"));
        }
        let several = self.hosts.map(|labels| hosts::several(&at.key("hosts"), labels, hosts));
        let several = several.transpose()?.unwrap_or_default();
        let host = hosts::named(&at.key("host"), self.host, hosts)?;
        let machine = match host.is_none() && several.is_empty() {
            true => Machine::This(around, folder),
            false => Machine::Host,
        };
        known_agents(&at.key("agents"), &self.agents, agents)?;
        inherited(&at.key("env"), &self.env)?;
        settable(&at.key("guest_env"), &self.guest_env)?;
        for (index, tool) in self.read_tools.iter().enumerate() {
            values::tool_name(&at.key("read_tools").item(index), tool)?;
        }
        Ok(BackendTable {
            name: name.to_owned(),
            plugin: plugin(at, &written_plugin, self.sha256.as_deref(), around, folder)?,
            agents: self.agents,
            directories: directories(&at.key("directories"), &self.directories, machine)?,
            files: files(&at.key("files"), &self.files, machine)?,
            env: self.env,
            env_file: self.env_file.map(|written| around.resolve(&written, folder)),
            guest_env: self.guest_env,
            programs: programs(name, &at.key("programs"), self.programs, machine, (around, folder))?,
            read_tools: self.read_tools,
            remote_trust: self.remote_trust,
            nested: self.nested,
            settings: self.settings.into(),
            limits: self.limits.check(&at.key("limits"))?,
            host,
            hosts: several,
        })
    }
}

impl LimitsSection {
    fn check(self, at: &At) -> Result<Limits, ConfigError> {
        const SECOND: Duration = Duration::from_secs(1);
        const DAY: Duration = Duration::from_hours(24);
        Ok(Limits {
            memory: values::size(&at.key("memory"), self.memory.as_deref(), 64 * MIB, MIB..=1024 * MIB)?,
            calls: values::count(&at.key("calls"), self.calls, 16, 1..=256)?,
            processes: values::count(&at.key("processes"), self.processes, 16, 1..=256)?,
            deadline: values::duration(
                &at.key("deadline"),
                self.deadline.as_deref(),
                30 * SECOND,
                SECOND..=300 * SECOND,
            )?,
            jobs: values::count(&at.key("jobs"), self.jobs, 2, 1..=64)?,
            interactive_jobs: values::count(&at.key("interactive_jobs"), self.interactive_jobs, 8, 1..=64)?,
            depth: self
                .depth
                .map(|depth| values::count(&at.key("depth"), Some(depth), 1, 1..=8))
                .transpose()?
                .map(|depth| depth as u32),
            keep_jobs: values::duration(
                &at.key("keep_jobs"),
                self.keep_jobs.as_deref(),
                30 * DAY,
                DAY / 24..=3650 * DAY,
            )?,
            jobs_size: values::size(
                &at.key("jobs_size"),
                self.jobs_size.as_deref(),
                2048 * MIB,
                MIB..=1024 * 1024 * MIB,
            )?,
        })
    }
}

/// What is wrong with being like a backend that is not there.
fn unlike(at: &At, like: &str) -> ConfigError {
    at.error(format!(
        "there is no backend {like:?} that is not like another one itself: name another, or write all keys here"
    ))
}

fn directories(at: &At, written: &[String], machine: Machine<'_>) -> Result<Vec<PathBuf>, ConfigError> {
    let directory = |(index, written): (usize, &String)| machine.path(&at.item(index), written);
    written.iter().enumerate().map(directory).collect()
}

fn files(at: &At, written: &[FilesSection], machine: Machine<'_>) -> Result<Vec<Folder>, ConfigError> {
    let folder = |(index, files): (usize, &FilesSection)| {
        let (at, names) = (at.item(index), files.names.parse());
        Ok(Folder {
            under: machine.path(&at.key("under"), &files.under)?,
            names: names.map_err(|bad: BadNames| at.key("names").error(bad.to_string()))?,
        })
    };
    written.iter().enumerate().map(folder).collect()
}

fn plugin(
    at: &At,
    written: &str,
    sha256: Option<&str>,
    around: &Surroundings<'_>,
    folder: &Path,
) -> Result<PluginSource, ConfigError> {
    if written.contains('/') || Path::new(written).extension().is_some_and(|end| end == "wasm") {
        return Ok(PluginSource::File {
            path: around.resolve(written, folder),
            sha256: sha256
                .map(|digest| values::sha256(&at.key("sha256"), digest))
                .transpose()?,
        });
    }
    let bundled = around.installation.plugins;
    if !bundled.contains(&written) {
        let known = bundled.join(", ");
        return Err(at.key("plugin").error(format!(
            "there is no plugin {written:?} in this binary: use one of {known}, or a file like \"./mine.wasm\""
        )));
    }
    match sha256 {
        None => Ok(PluginSource::Bundled(written.to_owned())),
        Some(_) => Err(at
            .key("sha256")
            .error("a bundled plugin is part of this binary: remove sha256")),
    }
}

fn known_agents(at: &At, names: &[String], agents: &BTreeMap<String, Agent>) -> Result<(), ConfigError> {
    for (index, name) in names.iter().enumerate() {
        if !agents.contains_key(name) {
            let known = agents.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(at.item(index).error(format!(
                "there is no agent {name:?} (there are: {known}): add [agents.NAME] or correct it"
            )));
        }
    }
    Ok(())
}

fn inherited(at: &At, written: &[String]) -> Result<(), ConfigError> {
    let usable = |name: &String| values::is_variable(name.strip_suffix('*').unwrap_or(name));
    if let Some(index) = written.iter().position(|name| name == MARK) {
        return Err(at.item(index).error(marked()));
    }
    match written.iter().position(|name| !usable(name)) {
        None => Ok(()),
        Some(index) => Err(at.item(index).error(format!(
            "{:?} names no variables: write a name like \"TERM\", or a beginning like \"LC_*\"",
            written[index]
        ))),
    }
}

fn settable(at: &At, written: &[String]) -> Result<(), ConfigError> {
    for (index, name) in written.iter().enumerate() {
        let at = at.item(index);
        if !values::is_variable(name) {
            return Err(at.error(format!(
                "{name:?} is not a variable: write a whole name like \"NO_COLOR\""
            )));
        }
        if let Some(pattern) = HOST_VARIABLES.iter().find(|pattern| covers(pattern, name)) {
            return Err(at.error(format!(
                "a plugin must not set {name} ({pattern} is the host's): remove it, or set it in env_file"
            )));
        }
    }
    Ok(())
}

fn covers(pattern: &str, name: &str) -> bool {
    match (pattern.strip_suffix('*'), pattern.strip_prefix('*')) {
        (Some(beginning), _) => name.starts_with(beginning),
        (_, Some(end)) => name.ends_with(end),
        _ => name == pattern,
    }
}

/// What is wrong with setting the mark.
pub(crate) fn marked() -> String {
    format!("berth itself sets {MARK}, by which it knows what runs in its sessions: remove it")
}

fn programs(
    backend: &str,
    at: &At,
    programs: BTreeMap<String, programs::Section>,
    machine: Machine<'_>,
    (around, folder): (&Surroundings<'_>, &Path),
) -> Result<BTreeMap<String, Program>, ConfigError> {
    let check = |(name, section): (String, programs::Section)| {
        let program = section.check(backend, &name, &at.key(&name), machine, (around, folder))?;
        Ok((name, program))
    };
    programs.into_iter().map(check).collect()
}
