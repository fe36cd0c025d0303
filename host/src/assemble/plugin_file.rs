//! A backend's plugin, if that is a file: it exists, and nobody else can replace it.

use std::fs::Metadata;

use super::writers::foreign_writers;
use crate::config::{At, ConfigError, PluginSource};

/// Checks the plugin of the backend at `at`.
pub(super) fn check(plugin: &PluginSource, at: &At) -> Result<(), ConfigError> {
    let PluginSource::File { path, sha256 } = plugin else {
        return Ok(());
    };
    let at = at.key("plugin");
    let shown = path.display();
    let Some(found) = path.metadata().ok().filter(Metadata::is_file) else {
        return Err(at.error(format!("there is no file {shown}: build it or correct the path")));
    };
    // A digest says what the file must contain, whoever writes it.
    match foreign_writers(path, &found).filter(|_| sha256.is_none()) {
        Some(fault) => Err(at.error(format!("{shown} {fault}, or give the sha256 that it must have"))),
        None => Ok(()),
    }
}
