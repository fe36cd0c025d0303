//! What was opened for a backend: its granted directories and folders, each as it is now.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::grant::Names;
use crate::contract::types::Error;
use crate::machine::{Directory, Failure, OwnPlace, Place, Root, is_own};
use crate::text;

/// Characters of a path from a guest that an error shows.
const NAMED: usize = 4_096;

/// A folder of which the files with names of one form may be read, at any depth. No program starts in it.
#[derive(Debug, Clone)]
pub struct Folder {
    /// Its path, which has no links in it. It need not exist yet.
    pub under: PathBuf,
    /// The files' names.
    pub names: Names,
}

/// The granted directories of one backend, and its folders. Each call uses them as they are then.
#[derive(Debug)]
pub struct Directories {
    backend: String,
    roots: Vec<Root>,
    folders: Vec<(Root, Names)>,
}

/// What of a place is granted.
#[derive(Debug, Clone)]
pub(super) enum Shown {
    All,
    /// Only files with a name of one of these forms.
    Files(Vec<Names>),
}

impl Shown {
    pub(super) fn shows(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Files(forms) => forms.iter().any(|names| names.allows(name)),
        }
    }
}

impl Directories {
    /// Opens `paths`, which have no links in them, for `backend` on this machine. A directory that replaces one of them
    /// later is used as well, unless a link leads there, or it holds a place of `own` or lies in one. The same is true of
    /// `folders`, which are looked for each time. An error names the directory that cannot be used, and why.
    pub fn open(backend: &str, paths: &[PathBuf], folders: &[Folder], own: Arc<[OwnPlace]>) -> io::Result<Self> {
        let open = |path: &PathBuf| {
            let root = Directory::open(path, own.clone())
                .map_err(|why| io::Error::other(format!("the granted directory {}: {why}", path.display())))?;
            Ok(Root::Here(Arc::new(root)))
        };
        let folder = |folder: &Folder| {
            let root = Directory::expected(&folder.under, own.clone());
            (Root::Here(Arc::new(root)), folder.names.clone())
        };
        Ok(Self {
            backend: backend.to_owned(),
            roots: paths.iter().map(open).collect::<io::Result<_>>()?,
            folders: folders.iter().map(folder).collect(),
        })
    }

    /// The same on a host, where `paths` were found.
    pub fn there(backend: &str, paths: &[PathBuf], folders: &[Folder]) -> Self {
        let folder = |folder: &Folder| (Root::There(folder.under.clone()), folder.names.clone());
        Self {
            backend: backend.to_owned(),
            roots: paths.iter().cloned().map(Root::There).collect(),
            folders: folders.iter().map(folder).collect(),
        }
    }

    /// The paths of the directories.
    pub(crate) fn paths(&self) -> Vec<String> {
        let path = |root: &Root| root.path().to_string_lossy().into_owned();
        self.roots.iter().map(path).collect()
    }

    /// The place of `path` in a granted directory.
    pub(crate) fn directory(&self, path: &str) -> Result<Place, Error> {
        let mut places = self.roots.iter().filter_map(|root| root.place(path));
        places.next().ok_or_else(|| self.outside(path))
    }

    /// The place of `path` in a granted directory or folder, and what is granted there.
    pub(super) fn place(&self, path: &str) -> Result<(Place, Shown), Error> {
        match self.directory(path) {
            Ok(place) => Ok((place, Shown::All)),
            Err(outside) => self.folder(path).ok_or(outside),
        }
    }

    /// The place of `path` in a granted folder. One folder may be written several times, with other names.
    fn folder(&self, path: &str) -> Option<(Place, Shown)> {
        // A step back could lead from one folder to another one, of which other names are granted.
        if Path::new(path).components().any(|step| step == Component::ParentDir) {
            return None;
        }
        let around = self.folders.iter().filter_map(|(root, _)| root.place(path));
        let place = around.max_by_key(|place| place.root.path().components().count())?;
        let same = self
            .folders
            .iter()
            .filter(|(other, _)| other.path() == place.root.path());
        let names = same.map(|(_, names)| names.clone()).collect();
        Some((place, Shown::Files(names)))
    }

    /// What a guest learns where the machine did not do something in a granted directory.
    pub(crate) fn failed(&self, failure: Failure) -> Error {
        self.failed_in(&Shown::All, failure)
    }

    /// The same in a place of which `shown` is granted.
    pub(super) fn failed_in(&self, shown: &Shown, failure: Failure) -> Error {
        let backend = &self.backend;
        match (failure, shown) {
            (Failure::Root { path, why, .. }, Shown::All) => Error::Denied(format!(
                "the granted directory `{}`, of `directories` in [backends.{backend}], is not used: {why}",
                path.display()
            )),
            (Failure::Root { path, is_missing, .. }, Shown::Files(_)) if is_missing => {
                Error::NotFound(format!("`{}` does not exist", path.display()))
            }
            (Failure::Root { path, why, .. }, Shown::Files(_)) => Error::Denied(format!(
                "the folder `{}`, of `files` in [backends.{backend}], is not used: {why}",
                path.display()
            )),
            (Failure::Place { path, why }, _) => unreadable(&path, &why),
            (Failure::Unreached(why), _) => Error::Unavailable(why),
            (failure @ (Failure::TimedOut(_) | Failure::Late), _) => Error::TimedOut(failure.to_string()),
            (failure, _) => Error::Failed(failure.to_string()),
        }
    }

    fn outside(&self, path: &str) -> Error {
        Error::Denied(format!(
            "`{}` lies outside the granted directories; `directories` in [backends.{}] would grant it",
            text::escaped(path, NAMED),
            self.backend
        ))
    }
}

/// What a guest learns about a path that could not be read. A path out of the grant is reported as a denial, as is one
/// into files of the system or of berth.
fn unreadable(path: &str, error: &io::Error) -> Error {
    let path = text::escaped(path, NAMED);
    match error.kind() {
        io::ErrorKind::NotFound => Error::NotFound(format!("`{path}` does not exist")),
        _ if is_own(error) => Error::Denied(format!("`{path}` {error}")),
        io::ErrorKind::PermissionDenied => Error::Denied(format!(
            "`{path}` leads out of the granted directory or may not be read"
        )),
        _ => Error::Failed(format!("`{path}`: {error}")),
    }
}
