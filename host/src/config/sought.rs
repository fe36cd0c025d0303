//! Programs as they are named, before they are found.

use std::path::{Path, PathBuf};

use super::surroundings::Surroundings;

/// A program that is to be found.
#[derive(Debug, Clone)]
pub struct Sought {
    /// As it is written: a name, or a path.
    pub written: String,
    /// The only place where it can be, absolute; none: it is looked for on `PATH`.
    pub path: Option<PathBuf>,
}

impl Sought {
    /// A path where there is a `/` in it, which starts at `folder` if it is relative.
    pub(super) fn new(written: String, around: &Surroundings<'_>, folder: &Path) -> Self {
        let path = written.contains('/').then(|| around.resolve(&written, folder));
        Self { written, path }
    }
}
