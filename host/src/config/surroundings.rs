//! What a configuration is read against: this binary, and the user's directories and `PATH`.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use super::ConfigError;

/// What this binary is and brings along.
#[derive(Debug, Clone, Copy)]
pub struct Installation<'a> {
    /// The absolute path of this binary, which `@berth` in an agent's command stands for.
    pub berth: &'a Path,
    /// The names of the plugins that it carries.
    pub plugins: &'a [&'a str],
}

/// The installation, its user's directories, and the folder that relative paths start at.
pub(super) struct Surroundings<'a> {
    pub(super) installation: Installation<'a>,
    pub(super) home: PathBuf,
    /// `$XDG_CONFIG_HOME` or `~/.config`, on every system.
    pub(super) config: PathBuf,
    /// The system's place for a user's data, such as `~/.local/share`.
    pub(super) data: PathBuf,
    /// The system's place for what can be made again, such as `~/.cache`.
    pub(super) cache: PathBuf,
    pub(super) search_path: OsString,
}

impl<'a> Surroundings<'a> {
    /// Those of this process.
    pub(super) fn of_process(installation: Installation<'a>) -> Result<Surroundings<'a>, ConfigError> {
        let homeless = |_| ConfigError::whole("environment", "there is no home directory: set HOME");
        let xdg = etcetera::base_strategy::Xdg::new().map_err(homeless)?;
        let native = native().map_err(homeless)?;
        Ok(Surroundings {
            installation,
            home: xdg.home_dir().to_owned(),
            config: xdg.config_dir(),
            data: native.data_dir(),
            cache: native.cache_dir(),
            search_path: std::env::var_os("PATH").unwrap_or_default(),
        })
    }

    /// `written` as an absolute path: `~` is the home directory, and what is relative starts at `folder`.
    pub(super) fn resolve(&self, written: &str, folder: &Path) -> PathBuf {
        match written.strip_prefix('~') {
            Some("") => self.home.clone(),
            Some(rest) if rest.starts_with('/') => self.home.join(rest.trim_start_matches('/')),
            // By its components, so that "./mine.wasm" is shown without the dot.
            _ => folder.join(written).components().collect(),
        }
    }

    /// The absolute path of a program: `written` itself where it has a `/`, else the first one on `PATH`. Entries of
    /// `PATH` that depend on the current directory are passed over.
    pub(super) fn find_program(&self, written: &str, folder: &Path) -> Option<PathBuf> {
        if written.contains('/') {
            return Some(self.resolve(written, folder)).filter(|path| is_program(path));
        }
        first_on(&self.search_path, written)
    }
}

/// The absolute path of the first program of this name on this process's `PATH`, but for entries that depend on the
/// current directory.
pub fn find_program(name: &str) -> Option<PathBuf> {
    first_on(&std::env::var_os("PATH")?, name)
}

fn first_on(search_path: &OsStr, name: &str) -> Option<PathBuf> {
    std::env::split_paths(search_path)
        .filter(|entry| entry.is_absolute())
        .map(|entry| entry.join(name))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(target_os = "macos")]
fn native() -> Result<etcetera::base_strategy::Apple, etcetera::HomeDirError> {
    etcetera::base_strategy::Apple::new()
}

#[cfg(not(target_os = "macos"))]
fn native() -> Result<etcetera::base_strategy::Xdg, etcetera::HomeDirError> {
    etcetera::base_strategy::Xdg::new()
}
