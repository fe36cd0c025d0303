//! berth's own files must not lie where a backend's programs may write: who can write those can grant anything.

use std::path::{Path, PathBuf};

use super::source::At;
use super::{Backend, Config, ConfigError, PluginSource};
use crate::capability::files::OwnPlace;

/// Refuses a granted directory that holds the configuration, a plugin, an `env_file`, data or cache.
pub(super) fn check(config: &Config, top: &At<'_>) -> Result<(), ConfigError> {
    let own = own(config);
    for backend in config.backends.values() {
        let at = top.key("backends").key(&backend.name).key("directories");
        for (index, directory) in backend.directories.iter().enumerate() {
            if let Some((what, path)) = own.iter().find(|(_, path)| path.starts_with(directory)) {
                return Err(at.item(index).error(format!(
                    "{} is too wide a grant, since it holds berth's {what}, {}: grant a directory beside it, or move that",
                    directory.display(),
                    path.display(),
                )));
            }
        }
    }
    Ok(())
}

/// berth's own places, each with a word for it and without links.
pub(super) fn own(config: &Config) -> Vec<OwnPlace> {
    let mut own = vec![
        ("data", real(&config.server.data)),
        ("cache", real(&config.server.cache)),
    ];
    if let Some(file) = &config.file {
        own.extend(link_and_target("configuration", file));
    }
    for backend in config.backends.values() {
        own.extend(files_of(backend));
    }
    own
}

fn files_of(backend: &Backend) -> Vec<OwnPlace> {
    let mut files = Vec::new();
    if let PluginSource::File { path, .. } = &backend.plugin {
        files.extend(link_and_target("plugin", path));
    }
    if let Some(file) = &backend.env_file {
        files.extend(link_and_target("env_file", &file.path));
    }
    files
}

/// Who can write either a link or what it leads to decides what is read.
fn link_and_target(what: &'static str, path: &Path) -> [OwnPlace; 2] {
    let beside = match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => real(parent).join(name),
        _ => path.to_owned(),
    };
    [(what, beside), (what, real(path))]
}

/// `path` without links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let found = path
        .ancestors()
        .find_map(|ancestor| Some((ancestor, ancestor.canonicalize().ok()?)));
    match found {
        Some((ancestor, canonical)) => match path.strip_prefix(ancestor) {
            Ok(rest) if !rest.as_os_str().is_empty() => canonical.join(rest),
            _ => canonical,
        },
        None => path.to_owned(),
    }
}
