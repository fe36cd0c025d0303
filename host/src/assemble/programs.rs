//! Programs of this machine: where to find each one that a configuration names.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::capability::process::grant::Grant;
use crate::config::{Agent, At, ConfigError, Program, Sought};

/// Where programs are looked for by their names: the folders of `PATH`.
#[derive(Debug, Clone)]
pub struct SearchPath(pub(super) OsString);

impl SearchPath {
    /// That of this process.
    pub fn of_process() -> Self {
        Self(std::env::var_os("PATH").unwrap_or_default())
    }

    /// The absolute path of a program.
    pub fn find(&self, sought: &Sought) -> Option<PathBuf> {
        match &sought.path {
            Some(path) => Some(path.clone()).filter(|path| is_program(path)),
            None => self.first(&sought.written),
        }
    }

    /// The absolute path of the first program of this name. Folders that depend on the current directory are ignored.
    pub fn first(&self, name: &str) -> Option<PathBuf> {
        std::env::split_paths(&self.0)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(name))
            .find(|path| is_program(path))
    }
}

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The grants of the programs in the table at `at`.
pub(super) fn grants(
    programs: &BTreeMap<String, Program>,
    at: &At,
    search: &SearchPath,
) -> Result<BTreeMap<String, Grant>, ConfigError> {
    let grant = |(name, program): (&String, &Program)| {
        let path = search
            .find(&program.sought)
            .ok_or_else(|| missing(&program.sought, &at.key(name).key("path")))?;
        Ok((name.clone(), program.at(path)))
    };
    programs.iter().map(grant).collect()
}

/// The same for a host, where nobody has looked yet: by what is written.
pub(super) fn unsought(programs: &BTreeMap<String, Program>) -> BTreeMap<String, Grant> {
    let grant = |(name, program): (&String, &Program)| {
        let path = program.sought.path.clone();
        let path = path.unwrap_or_else(|| PathBuf::from(&program.sought.written));
        (name.clone(), program.at(path))
    };
    programs.iter().map(grant).collect()
}

fn missing(sought: &Sought, at: &At) -> ConfigError {
    let place = match sought.path {
        Some(_) => "there is no such program",
        None => "it is not on PATH",
    };
    at.error(format!(
        "{:?} cannot be run: {place}; install it, or write its absolute path",
        sought.written
    ))
}

/// Whether the program that `agent` needs exists.
pub(super) fn is_installed(agent: &Agent, search: &SearchPath) -> bool {
    agent
        .requires
        .as_ref()
        .is_none_or(|program| search.find(program).is_some())
}
