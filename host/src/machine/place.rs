//! A place in a granted directory, on whichever machine.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::sh::Within;
use super::{job, root};

/// A granted directory or folder.
#[derive(Debug, Clone)]
pub(crate) enum Root {
    /// On this machine.
    Here(Arc<root::Root>),
    /// On a host, by its path without links as it was found there.
    There(PathBuf),
}

/// What lies in a granted directory or folder, which need not exist.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) root: Root,
    /// The rest of its path.
    pub(crate) below: PathBuf,
    /// Its whole path, for people.
    pub(crate) path: String,
}

impl Root {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Here(root) => &root.path,
            Self::There(path) => path,
        }
    }

    /// What is at `path`, if that lies in it.
    pub(crate) fn place(&self, path: &str) -> Option<Place> {
        let below = Path::new(path).strip_prefix(self.path()).ok()?;
        Some(Place {
            root: self.clone(),
            below: match below.as_os_str().is_empty() {
                true => PathBuf::from("."),
                false => below.to_owned(),
            },
            path: path.to_owned(),
        })
    }
}

impl Place {
    /// The granted directory on this machine in which it lies, as that is now.
    pub(super) fn opened(&self) -> Result<root::Opened, Failure> {
        let Root::Here(root) = &self.root else {
            return Err(Failure::Unknown("it is on another machine".into()));
        };
        root.current().map_err(|why| Failure::Root {
            path: root.path.clone(),
            is_missing: matches!(why, root::Unusable::Missing),
            why: why.to_string(),
        })
    }

    /// The same place as a host takes it.
    pub(super) fn within(&self) -> Within {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        Within {
            root: text(self.root.path()),
            below: text(&self.below),
        }
    }

    /// The same place as a job on a host takes it; none on this machine.
    pub(crate) fn of_job(&self) -> Option<job::sh::Within> {
        let Within { root, below } = self.within();
        matches!(self.root, Root::There(_)).then_some(job::sh::Within { root, below })
    }

    pub(super) fn failed(&self, why: io::Error) -> Failure {
        Failure::Place {
            path: self.path.clone(),
            why,
        }
    }
}

/// Why a machine did not do something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The granted directory or folder is not used now, and nothing was done.
    #[error("{path:?}: {why}")]
    Root {
        path: PathBuf,
        is_missing: bool,
        why: String,
    },
    /// What was asked for in it cannot be used, and nothing was done.
    #[error("{path:?}: {why}")]
    Place { path: String, why: io::Error },
    /// The program could not be started.
    #[error("{0}")]
    Program(io::Error),
    /// The server that the program asks still lives on the host, but the file of its socket is gone. Nothing was done.
    #[error("on the host {host} its socket was removed, but its server still lives and has the sessions")]
    SocketLost { host: String },
    /// Its turn did not come in time, and nothing was done.
    #[error("its turn did not come in time")]
    Late,
    /// The machine cannot be reached, and nothing was done.
    #[error("{0}")]
    Unreached(String),
    /// It took too long, and was ended.
    #[error("it took longer than {0:.1?}")]
    TimedOut(Duration),
    /// It was asked for, and how it went is not known.
    #[error("{0}")]
    Unknown(String),
}

impl Failure {
    /// Whether certainly nothing was started.
    pub(crate) fn is_before(&self) -> bool {
        !matches!(self, Self::TimedOut(_) | Self::Unknown(_))
    }
}
