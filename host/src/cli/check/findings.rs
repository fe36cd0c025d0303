//! What `berth check` finds: everything that each backend is granted, as one tree for people and for programs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use berth::assemble::{Granted, Host, Setup};
use berth::capability::files::Folder;
use berth::capability::process::grant::{Grant, Pattern};
use berth::catalog::{Catalog, Tool};
use berth::config::{Agent, Headless, Limits, PluginSource, Prompts};
use berth::desk::Member;
use berth::plugin::Backend;
use serde::Serialize;

use crate::cli::doctor::finding::Finding;

/// A valid configuration.
#[derive(Serialize)]
pub(super) struct Findings<'a> {
    /// The file; without it, the shipped one.
    pub(super) file: Option<String>,
    pub(super) backends: Vec<BackendFindings<'a>>,
    /// What clients see.
    pub(super) tools: Vec<&'a str>,
    /// Who approves what sessions ask for.
    pub(super) prompts: &'a Prompts,
    /// What would fail at a start, or is not as it appears.
    pub(super) start: &'a [Finding],
}

#[derive(Serialize)]
pub(super) struct BackendFindings<'a> {
    pub(super) name: &'a str,
    pub(super) plugin: &'a str,
    pub(super) sha256: &'a str,
    /// Whether another file would be refused.
    pub(super) pinned: bool,
    /// What its plugin asks for and is not granted.
    pub(super) asks_for_more: &'a [String],
    pub(super) about: &'a str,
    pub(super) own_tools: Vec<&'a str>,
    pub(super) read_tools: &'a [String],
    pub(super) remote_trust: bool,
    /// The machine on which its programs and directories are; left out where that is this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<String>,
    /// The machines on each of which they are instead.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) hosts: Vec<String>,
    /// How deep its runs go that start others; left out where they start none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nested: Option<u32>,
    pub(super) directories: Vec<String>,
    /// Folders of which it may read files, as `FOLDER/**/NAMES`.
    pub(super) files: Vec<String>,
    /// Variables that its programs inherit.
    pub(super) environment: &'a [String],
    /// Names of the variables in its `env_file`.
    pub(super) secrets: Vec<&'a str>,
    pub(super) guest_env: &'a [String],
    pub(super) limits: LimitFindings,
    pub(super) agents: Vec<AgentFindings<'a>>,
    pub(super) programs: Vec<ProgramFindings<'a>>,
}

#[derive(Serialize)]
pub(super) struct LimitFindings {
    /// Bytes.
    pub(super) memory: u64,
    pub(super) calls: usize,
    pub(super) processes: usize,
    pub(super) deadline: String,
    pub(super) jobs: usize,
    pub(super) interactive_jobs: usize,
    pub(super) keep_jobs: String,
    /// Bytes.
    pub(super) jobs_size: u64,
}

#[derive(Serialize)]
pub(super) struct AgentFindings<'a> {
    pub(super) name: &'a str,
    /// Not known of a backend with several hosts.
    pub(super) installed: Option<bool>,
    pub(super) requires: Option<&'a str>,
    pub(super) command: &'a [String],
    /// The arguments that may follow the command.
    pub(super) options: &'a BTreeMap<String, Vec<String>>,
    /// How it runs as a job; left out where it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) headless: Option<HeadlessFindings<'a>>,
    /// Options that let it do more without asking, each with the values that do not; left out where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) widens_unless: Option<&'a BTreeMap<String, Vec<String>>>,
    pub(super) words: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
pub(super) struct HeadlessFindings<'a> {
    pub(super) command: &'a [String],
    /// The arguments that may follow it, beside those of the agent.
    pub(super) options: &'a BTreeMap<String, Vec<String>>,
}

#[derive(Serialize)]
pub(super) struct ProgramFindings<'a> {
    pub(super) name: &'a str,
    pub(super) path: String,
    pub(super) fixed: &'a [String],
    pub(super) conf: Option<&'a str>,
    pub(super) separator: Option<&'a str>,
    pub(super) read: Vec<&'a [String]>,
    pub(super) control: Vec<&'a [String]>,
    pub(super) job: Vec<&'a [String]>,
    pub(super) job_timeout: String,
    /// Bytes of each output.
    pub(super) job_output: u64,
    pub(super) attach: Option<&'a [String]>,
    pub(super) words: &'a BTreeMap<String, String>,
    pub(super) timeout: String,
    /// Bytes.
    pub(super) output: u64,
    /// Whether what it leaves running continues.
    pub(super) lingers: bool,
}

impl<'a> Findings<'a> {
    /// What `setup` comes to, once its backends are started and merged. `asked` is what the plugin of each backend asks for
    /// beyond that, and `start` what is wrong with what a start tries.
    pub(super) fn of(
        setup: &'a Setup,
        members: &'a [Arc<Member>],
        catalog: &'a Catalog,
        asked: &'a BTreeMap<String, Vec<String>>,
        start: &'a [Finding],
    ) -> Self {
        let known = |backend: &'a Backend| Some((backend, setup.backends.get(&backend.name)?));
        Self {
            file: setup.file.as_deref().map(shown),
            backends: members
                .iter()
                .map(|member| &member.watched.backend)
                .filter_map(known)
                .map(|(backend, granted)| {
                    let asked = asked.get(&backend.name).map_or(&[][..], Vec::as_slice);
                    BackendFindings::of(setup, backend, granted, asked)
                })
                .collect(),
            prompts: &setup.prompts,
            start,
            tools: catalog.tools().iter().map(|Tool { name, .. }| name.as_str()).collect(),
        }
    }
}

impl<'a> BackendFindings<'a> {
    fn of(setup: &'a Setup, backend: &'a Backend, granted: &'a Granted, asked: &'a [String]) -> Self {
        let settings = &granted.written;
        let secrets = granted.env_file.iter().flat_map(|file| &file.variables);
        let (agents, installed) = (setup.agents_of(granted), backend.agents());
        let is_installed = |name| settings.hosts.is_empty().then(|| installed.contains(name));
        Self {
            name: &backend.name,
            plugin: &backend.plugin.origin,
            sha256: &backend.plugin.digest,
            pinned: !matches!(settings.plugin, PluginSource::File { sha256: None, .. }),
            asks_for_more: asked,
            about: &backend.description.about,
            own_tools: backend
                .description
                .tools
                .iter()
                .map(|tool| tool.name.as_str())
                .collect(),
            read_tools: &settings.read_tools,
            remote_trust: settings.remote_trust,
            host: settings
                .host
                .as_ref()
                .and_then(|host| setup.hosts.get(host))
                .map(machine),
            hosts: settings
                .hosts
                .iter()
                .filter_map(|host| setup.hosts.get(host))
                .map(machine)
                .collect(),
            nested: settings.nested.then(|| granted.depth()),
            directories: granted.directories.iter().map(|directory| shown(directory)).collect(),
            files: granted.files.iter().map(files).collect(),
            environment: &settings.env,
            secrets: secrets.map(|(name, _)| name.as_str()).collect(),
            guest_env: &settings.guest_env,
            limits: LimitFindings::of(&settings.limits),
            agents: agents
                .map(|(name, agent)| AgentFindings::of(name, agent, is_installed(name)))
                .collect(),
            programs: granted.programs.values().map(ProgramFindings::of).collect(),
        }
    }
}

/// A host and where it is, as `mac (me@mac.local)`.
fn machine(host: &Host) -> String {
    format!("{} ({})", host.written.name, host.written.machine())
}

impl LimitFindings {
    fn of(limits: &Limits) -> Self {
        Self {
            memory: limits.memory,
            calls: limits.calls,
            processes: limits.processes,
            deadline: lasting(limits.deadline),
            jobs: limits.jobs,
            interactive_jobs: limits.interactive_jobs,
            keep_jobs: lasting(limits.keep_jobs),
            jobs_size: limits.jobs_size,
        }
    }
}

impl<'a> AgentFindings<'a> {
    fn of(name: &'a str, agent: &'a Agent, installed: Option<bool>) -> Self {
        Self {
            name,
            installed,
            requires: agent.requires.as_ref().map(|program| program.written.as_str()),
            command: &agent.command,
            options: &agent.options,
            headless: agent.headless.as_ref().map(HeadlessFindings::of),
            widens_unless: Some(&agent.widens_unless).filter(|options| !options.is_empty()),
            words: &agent.words,
        }
    }
}

impl<'a> HeadlessFindings<'a> {
    fn of(headless: &'a Headless) -> Self {
        Self {
            command: &headless.command,
            options: &headless.options,
        }
    }
}

impl<'a> ProgramFindings<'a> {
    fn of(grant: &'a Grant) -> Self {
        Self {
            name: &grant.program,
            path: shown(&grant.path),
            fixed: &grant.fixed,
            conf: grant.conf.as_deref(),
            separator: grant.separator.as_deref(),
            read: grant.read.iter().map(Pattern::written).collect(),
            control: grant.control.iter().map(Pattern::written).collect(),
            job: grant.job.iter().map(Pattern::written).collect(),
            job_timeout: lasting(grant.job_timeout),
            job_output: grant.job_output,
            attach: grant.attach.as_ref().map(Pattern::written),
            words: &grant.words,
            timeout: lasting(grant.timeout),
            output: grant.output,
            lingers: grant.lingers,
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn files(folder: &Folder) -> String {
    format!("{}/**/{}", folder.under.display(), folder.names)
}

/// As the configuration writes it: `10s`.
fn lasting(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}
