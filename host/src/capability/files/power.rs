//! What was opened for a backend: its granted directories and folders, each as it is now.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::grant::Names;
use crate::contract::types::Error;
use crate::machine::{Opened, OwnPlace, Root, Unusable, is_own};
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
    roots: Vec<Arc<Root>>,
    folders: Vec<(Arc<Root>, Names)>,
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

/// A place as it was found among what is granted.
struct Place<'a> {
    root: Arc<Root>,
    below: &'a Path,
    shown: Shown,
}

impl Directories {
    /// Opens `paths`, which have no links in them, for `backend`. A directory that replaces one of them later is used
    /// as well, unless a link leads there, or it holds a place of `own` or lies in one. The same is true of `folders`,
    /// which are looked for each time. An error names the directory that cannot be used, and why.
    pub fn open(backend: &str, paths: &[PathBuf], folders: &[Folder], own: Arc<[OwnPlace]>) -> io::Result<Self> {
        let open = |path: &PathBuf| {
            let root = Root::open(path, own.clone())
                .map_err(|why| io::Error::other(format!("the granted directory {}: {why}", path.display())))?;
            Ok(Arc::new(root))
        };
        let folder = |folder: &Folder| {
            let root = Root::expected(&folder.under, own.clone());
            (Arc::new(root), folder.names.clone())
        };
        Ok(Self {
            backend: backend.to_owned(),
            roots: paths.iter().map(open).collect::<io::Result<_>>()?,
            folders: folders.iter().map(folder).collect(),
        })
    }

    /// The paths of the directories.
    pub(crate) fn paths(&self) -> Vec<String> {
        let path = |root: &Arc<Root>| root.path.to_string_lossy().into_owned();
        self.roots.iter().map(path).collect()
    }

    /// Opens a directory for a program to start in, without following a link out of the grant.
    pub(crate) async fn open_start(&self, path: &str) -> Result<OwnedFd, Error> {
        let place = self.directory(path).ok_or_else(|| self.outside(path))?;
        let open = |root: &Opened, below: &Path, _: &Shown| root.directory(below)?.into_descriptor();
        self.work(path, place, open).await
    }

    /// Whether a program may be told of the directory `path`: it lies in a granted directory, and no link leads out. What
    /// is not there yet is to be made there; then the directory above it counts.
    pub(crate) async fn hold(&self, path: &str) -> Result<(), Error> {
        let place = self.directory(path).ok_or_else(|| self.outside(path))?;
        self.work(path, place, |root, below, _| root.hold(below)).await
    }

    /// What `work` makes of the granted directory or folder that `path` lies in, of the rest of the path, and of what is
    /// granted there.
    pub(super) async fn within<T: Send + 'static>(
        &self,
        path: &str,
        work: impl FnOnce(&Opened, &Path, &Shown) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let place = self.directory(path).or_else(|| self.folder(path));
        self.work(path, place.ok_or_else(|| self.outside(path))?, work).await
    }

    /// File systems can be slow, so this work runs outside the host's own threads.
    async fn work<T: Send + 'static>(
        &self,
        path: &str,
        place: Place<'_>,
        work: impl FnOnce(&Opened, &Path, &Shown) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let Place { root, below, shown } = place;
        let (path, below, backend) = (path.to_owned(), below.to_owned(), self.backend.clone());
        let worked = tokio::task::spawn_blocking(move || {
            let directory = root.current().map_err(|why| match (why, &shown) {
                (why, Shown::All) => Error::Denied(format!(
                    "the granted directory `{}`, of `directories` in [backends.{backend}], is not used: {why}",
                    root.path.display()
                )),
                (Unusable::Missing, Shown::Files(_)) => {
                    Error::NotFound(format!("`{}` does not exist", root.path.display()))
                }
                (why, Shown::Files(_)) => Error::Denied(format!(
                    "the folder `{}`, of `files` in [backends.{backend}], is not used: {why}",
                    root.path.display()
                )),
            })?;
            work(&directory, &below, &shown).map_err(|error| unreadable(&path, &error))
        });
        worked
            .await
            .unwrap_or_else(|error| Err(Error::Failed(error.to_string())))
    }

    /// The granted directory that `path` lies in.
    fn directory<'a>(&self, path: &'a str) -> Option<Place<'a>> {
        self.roots.iter().find_map(|root| {
            Some(Place {
                root: root.clone(),
                below: below(root, path)?,
                shown: Shown::All,
            })
        })
    }

    /// The granted folder that `path` lies in. One folder may be written several times, with other names.
    fn folder<'a>(&self, path: &'a str) -> Option<Place<'a>> {
        // A step back could lead from one folder to another one, of which other names are granted.
        if Path::new(path).components().any(|step| step == Component::ParentDir) {
            return None;
        }
        let around = self.folders.iter().filter(|(root, _)| below(root, path).is_some());
        let (root, _) = around.max_by_key(|(root, _)| root.path.components().count())?;
        let same = self.folders.iter().filter(|(other, _)| other.path == root.path);
        Some(Place {
            root: root.clone(),
            below: below(root, path)?,
            shown: Shown::Files(same.map(|(_, names)| names.clone()).collect()),
        })
    }

    fn outside(&self, path: &str) -> Error {
        Error::Denied(format!(
            "`{}` lies outside the granted directories; `directories` in [backends.{}] would grant it",
            text::escaped(path, NAMED),
            self.backend
        ))
    }
}

/// The rest of `path`, if it lies in `root`.
fn below<'a>(root: &Root, path: &'a str) -> Option<&'a Path> {
    let below = Path::new(path).strip_prefix(&root.path).ok()?;
    match below.as_os_str().is_empty() {
        true => Some(Path::new(".")),
        false => Some(below),
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
