//! Programs as they are named, before they are found.

use std::path::{Path, PathBuf};

use super::surroundings::Surroundings;

/// A program that is to be found.
#[derive(Debug, Clone)]
pub struct Sought {
    /// As it is written: a name, or a path.
    pub written: String,
    /// The only place where it can be; without it, it is looked for on `PATH`. Absolute, or on a host as it is written.
    pub path: Option<PathBuf>,
}

impl Sought {
    /// It is a path if it contains a `/`; a relative one starts at `folder`.
    pub(super) fn new(written: String, around: &Surroundings<'_>, folder: &Path) -> Self {
        let path = written.contains('/').then(|| around.resolve(&written, folder));
        Self { written, path }
    }
}
