//! `[hosts.NAME]`: other machines, which are reached over SSH, and how paths on them are written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::source::At;
use super::surroundings::Surroundings;
use super::{ConfigError, Host, Sought, values};

const SECOND: Duration = Duration::from_secs(1);
/// The most hosts of one backend.
const SEVERAL: usize = 16;
/// Characters of a destination. No name of a user and a host is longer.
const DESTINATION: usize = 320;
/// What a shell would read as more than a name. ssh hands the parts of a destination to commands of its own configuration.
const SHELL: &[char] = &[
    '\'', '"', '`', '$', ';', '&', '<', '>', '|', '(', ')', '{', '}', '\\', '*', '?', '!', '#',
];

/// The table as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    destination: String,
    port: Option<u64>,
    identity_file: Option<String>,
    known_hosts: Option<String>,
    connect_timeout: Option<String>,
    keepalive: Option<String>,
    sessions: Option<u64>,
    #[serde(default)]
    path: Vec<String>,
    env_file: Option<String>,
}

impl Section {
    /// Checks the table of the host `name` at `at`; relative paths start at `folder`.
    pub(super) fn check(
        self,
        name: &str,
        at: &At,
        around: &Surroundings<'_>,
        folder: &Path,
    ) -> Result<Host, ConfigError> {
        values::name(at, name)?;
        destination(&at.key("destination"), &self.destination)?;
        let port = |port| values::count(&at.key("port"), Some(port), 22, 1..=usize::from(u16::MAX));
        let keepalive = |written: &str| seconds(&at.key("keepalive"), Some(written), SECOND, 600 * SECOND);
        let resolved = |written: &String| around.resolve(written, folder);
        for (index, folder) in self.path.iter().enumerate() {
            search_folder(&at.key("path").item(index), folder)?;
        }
        Ok(Host {
            name: name.to_owned(),
            port: self.port.map(port).transpose()?.map(|port| port as u16),
            identity_file: self.identity_file.as_ref().map(resolved),
            known_hosts: self.known_hosts.as_ref().map(resolved),
            connect_timeout: seconds(
                &at.key("connect_timeout"),
                self.connect_timeout.as_deref(),
                10 * SECOND,
                120 * SECOND,
            )?,
            keepalive: self.keepalive.as_deref().map(keepalive).transpose()?,
            sessions: values::count(&at.key("sessions"), self.sessions, 8, 2..=64)?,
            path: self.path,
            env_file: self.env_file.as_ref().map(resolved),
            destination: self.destination,
        })
    }
}

impl Host {
    /// Which machine it is, for people: the destination, and the port if one is written.
    pub fn machine(&self) -> String {
        match self.port {
            Some(port) => format!("{}, port {port}", self.destination),
            None => self.destination.clone(),
        }
    }
}

/// Where ssh goes. Nothing in it can be an option or a second word.
fn destination(at: &At, written: &str) -> Result<(), ConfigError> {
    match destination_fault(written) {
        None => Ok(()),
        Some(fault) => Err(at.error(format!(
            "{written:?} {fault}: write it as for ssh, like \"me@mac.local\", or a name of ~/.ssh/config"
        ))),
    }
}

/// What is wrong with `written` as where ssh goes, as words after it.
pub fn destination_fault(written: &str) -> Option<&'static str> {
    let is_option = |part: &str| part.starts_with('-');
    match written {
        "" => Some("is empty"),
        _ if written.chars().any(char::is_whitespace) => Some("holds white space"),
        _ if written.chars().any(char::is_control) => Some("holds a control character"),
        _ if written.contains(SHELL) => Some("holds a character that a shell reads as more than a name"),
        _ if written.split(['@', '/']).any(is_option) => Some("begins with \"-\", so that ssh takes it for an option"),
        _ if written.chars().count() > DESTINATION => Some("is longer than any user and host"),
        _ => None,
    }
}

/// A duration that ssh can count, which is in whole seconds.
fn seconds(at: &At, written: Option<&str>, default: Duration, most: Duration) -> Result<Duration, ConfigError> {
    let duration = values::duration(at, written, default, SECOND..=most)?;
    match duration.subsec_nanos() {
        0 => Ok(duration),
        _ => Err(at.error("ssh counts whole seconds: write it like \"10s\"")),
    }
}

/// A folder that is put before the `PATH` of the host.
fn search_folder(at: &At, written: &str) -> Result<(), ConfigError> {
    remote(at, written)?;
    if written.contains(':') || written.chars().any(char::is_control) {
        return Err(at.error(format!(
            "{written:?} holds \":\" or a control character, which no entry of PATH can hold: write one folder in each item"
        )));
    }
    Ok(())
}

/// Checks a path on a host, which is known only there: it stays as it is written.
fn remote(at: &At, written: &str) -> Result<PathBuf, ConfigError> {
    if written.contains('\0') {
        return Err(at.error("it holds a NUL, which no path can hold: remove it"));
    }
    if written == "~" || written.starts_with("~/") || written.starts_with('/') {
        return Ok(written.into());
    }
    Err(at.error(format!(
        "{written:?} starts nowhere on a host: there, write ~/... or an absolute path"
    )))
}

/// The host of a backend, if it names one.
pub(super) fn named(
    at: &At,
    name: Option<String>,
    hosts: &BTreeMap<String, Host>,
) -> Result<Option<String>, ConfigError> {
    let Some(name) = name.as_ref().filter(|name| !hosts.contains_key(*name)) else {
        return Ok(name);
    };
    let known = hosts.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let known = match known.as_str() {
        "" => "there is none",
        known => &format!("there are: {known}"),
    };
    Err(at.error(format!(
        "there is no host {name:?} ({known}): add a table [hosts.NAME], or correct it"
    )))
}

/// The hosts of a backend that is on each of several.
pub(super) fn several(
    at: &At,
    labels: Vec<String>,
    hosts: &BTreeMap<String, Host>,
) -> Result<Vec<String>, ConfigError> {
    if !(1..=SEVERAL).contains(&labels.len()) {
        return Err(at.error(format!(
            "a backend has 1 to {SEVERAL} hosts, not {}: name them, or remove `hosts`, and the backend is on this machine",
            labels.len()
        )));
    }
    for (index, label) in labels.iter().enumerate() {
        named(&at.item(index), Some(label.clone()), hosts)?;
        if labels[..index].contains(label) {
            return Err(at
                .item(index)
                .error(format!("the host {label:?} is there twice: remove one of the two")));
        }
    }
    Ok(labels)
}

/// The machine on which a backend's directories, files and programs are.
#[derive(Clone, Copy)]
pub(super) enum Machine<'a> {
    /// This one. Relative paths start at the folder.
    This(&'a Surroundings<'a>, &'a Path),
    /// A host. Only there it is known what a path leads to.
    Host,
}

impl Machine<'_> {
    /// The path that `written` at `at` means.
    pub(super) fn path(&self, at: &At, written: &str) -> Result<PathBuf, ConfigError> {
        match self {
            Self::This(around, folder) => Ok(around.resolve(written, folder)),
            Self::Host => remote(at, written),
        }
    }

    /// The program that `written` at `at` means: it is a path if it contains a `/`.
    pub(super) fn program(&self, at: &At, written: String) -> Result<Sought, ConfigError> {
        match self {
            Self::This(around, folder) => Ok(Sought::new(written, around, folder)),
            Self::Host if written.contains('\0') => Err(at.error("it holds a NUL, which no name can hold: remove it")),
            Self::Host => {
                let path = written.contains('/').then(|| remote(at, &written)).transpose()?;
                Ok(Sought { written, path })
            }
        }
    }
}

#[cfg(test)]
mod tests;
