//! What reading a configuration depends on: this binary, and the user's directories.

use std::path::{Path, PathBuf};

/// What this binary is and carries.
#[derive(Debug, Clone, Copy)]
pub struct Installation<'a> {
    /// The absolute path of this binary, which `@berth` in an agent's command stands for.
    pub berth: &'a Path,
    /// The names of the plugins that it carries.
    pub plugins: &'a [&'a str],
}

/// The installation, and its user.
#[derive(Debug, Clone)]
pub struct Surroundings<'a> {
    /// The binary that reads the configuration.
    pub installation: Installation<'a>,
    /// The user's number, which `<uid>` stands for.
    pub user: u32,
    /// What `~` stands for.
    pub home: PathBuf,
    /// `$XDG_CONFIG_HOME` or `~/.config`, on every system.
    pub config: PathBuf,
    /// The system's place for a user's data, such as `~/.local/share`.
    pub data: PathBuf,
    /// The system's place for what can be made again, such as `~/.cache`.
    pub cache: PathBuf,
}

impl Surroundings<'_> {
    /// A place of berth's own: as it is written, or its folder in `default`.
    pub(super) fn place(&self, written: Option<&str>, default: &Path, folder: &Path) -> PathBuf {
        match written {
            Some(written) => self.resolve(written, folder),
            None => default.join("berth"),
        }
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
}
