//! berth's own files must not be where a backend's programs may write: whoever can write those files can grant
//! anything.

use std::collections::BTreeMap;
use std::path::Path;

use super::directories::real;
use super::granted::Granted;
use super::hosts::Host;
use super::links;
use super::system;
use crate::config::{At, ConfigError, PluginSource, Server};
use crate::machine::{OwnPlace, trusted_path};

/// Refuses a granted directory or folder that holds the configuration, a plugin, an `env_file`, a file of a host's, data or
/// cache, or lies in the latter two; and data and cache where the system's own files are.
pub(super) fn check(
    server: &Server,
    backends: &BTreeMap<String, Granted>,
    own: &[OwnPlace],
    top: &At,
) -> Result<(), ConfigError> {
    let (data, cache) = (real(&server.data), real(&server.cache));
    for (key, path) in [("data", &data), ("cache", &cache)] {
        if let Some(fault) = system::own_fault(path) {
            return Err(top.key("server").key(key).error(format!(
                "{} {fault}: name a directory of berth's own, such as one that does not exist yet",
                path.display()
            )));
        }
    }
    // What a backend is granted on a host holds nothing of this machine.
    for (name, backend) in backends.iter().filter(|(_, backend)| backend.is_here()) {
        let at = top.key("backends").key(name);
        let (directories, files) = (at.key("directories"), at.key("files"));
        let directories = backend
            .directories
            .iter()
            .enumerate()
            .map(|(index, path)| (directories.item(index), path));
        let files = backend
            .files
            .iter()
            .enumerate()
            .map(|(index, folder)| (files.item(index), &folder.under));
        for (at, directory) in directories.chain(files) {
            if let Some(OwnPlace { what, path, .. }) = own.iter().find(|own| own.path.starts_with(directory)) {
                return Err(at.error(format!(
                    "{} is too wide a grant, since it holds berth's {what}, {}: grant a directory beside it, or move that",
                    directory.display(),
                    path.display(),
                )));
            }
            if let Some(own) = [&data, &cache].into_iter().find(|own| directory.starts_with(own)) {
                return Err(at.error(format!(
                    "{} lies in a place of berth's own, {}: grant a directory elsewhere, or move that in [server]",
                    directory.display(),
                    own.display(),
                )));
            }
        }
    }
    Ok(())
}

/// berth's own places, each with a word for it and without links.
pub(super) fn own(
    file: Option<&Path>,
    server: &Server,
    hosts: &BTreeMap<String, Host>,
    backends: &BTreeMap<String, Granted>,
) -> Vec<OwnPlace> {
    let place = |what, path| OwnPlace {
        what,
        path,
        may_be_missing: false,
        is_on_the_way: false,
    };
    let mut own = vec![place("data", real(&server.data)), place("cache", real(&server.cache))];
    if let Some(file) = file {
        own.extend(links_and_target("configuration", file));
    }
    if !hosts.is_empty() {
        own.extend(files_of_ssh());
    }
    own.extend(hosts.values().flat_map(files_of_host));
    own.extend(backends.values().flat_map(files_of));
    own
}

fn files_of(backend: &Granted) -> Vec<OwnPlace> {
    let mut files = Vec::new();
    if let PluginSource::File { path, .. } = &backend.written.plugin {
        files.extend(links_and_target("plugin", path));
    }
    if let Some(file) = &backend.env_file {
        files.extend(links_and_target("env_file", &file.path));
    }
    files
}

/// The operator's own files of ssh, which count for every host: they say what ssh runs to reach one, and which it trusts.
fn files_of_ssh() -> Vec<OwnPlace> {
    let home = etcetera::home_dir().ok();
    let files = home.map(|home| {
        [
            ("ssh configuration", links::ssh_config(&home)),
            ("known_hosts", links::known_hosts(&home)),
        ]
    });
    let mut files: Vec<_> = files
        .into_iter()
        .flatten()
        .flat_map(|(what, path)| links_and_target(what, &path))
        .collect();
    for file in &mut files {
        file.may_be_missing = true;
    }
    files
}

/// Whoever can write these decides which machine is trusted to be a host, and as whom berth goes there.
fn files_of_host(host: &Host) -> Vec<OwnPlace> {
    let files = [
        ("env_file", &host.written.env_file),
        ("identity_file", &host.written.identity_file),
        ("known_hosts", &host.written.known_hosts),
    ];
    let named = files
        .into_iter()
        .filter_map(|(what, path)| Some((what, path.as_ref()?)));
    let mut files: Vec<_> = named.flat_map(|(what, path)| links_and_target(what, path)).collect();
    for file in &mut files {
        // A key may be on what is not plugged in, and who trusts a host makes the file for that.
        file.may_be_missing = file.what != "env_file";
    }
    files
}

/// Whoever can write a link on the way, or what it leads to, decides what is read.
fn links_and_target(what: &'static str, path: &Path) -> Vec<OwnPlace> {
    let mut places = trusted_path::places(path);
    let target = places.pop();
    let place = |path, is_on_the_way| OwnPlace {
        what,
        path,
        may_be_missing: false,
        is_on_the_way,
    };
    let links = places.into_iter().map(|path| place(path, true));
    links.chain(target.map(|path| place(path, false))).collect()
}
