//! What was opened for a backend: its granted directories, each as it is now.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::contract::types::Error;
use crate::machine::{Opened, OwnPlace, Root, is_own};
use crate::text;

/// Characters of a path from a guest that an error shows.
const NAMED: usize = 4_096;

/// The granted directories of one backend. Each call uses them as they are then.
#[derive(Debug)]
pub struct Directories {
    backend: String,
    roots: Vec<Arc<Root>>,
}

impl Directories {
    /// Opens `paths`, which have no links in them, for `backend`. A directory that replaces one of them later is used
    /// as well, unless a link leads there, or it holds a place of `own` or lies in one. An error names the directory
    /// that cannot be used, and why.
    pub fn open(backend: &str, paths: &[PathBuf], own: Arc<[OwnPlace]>) -> io::Result<Self> {
        let open = |path: &PathBuf| {
            let root = Root::open(path, own.clone())
                .map_err(|why| io::Error::other(format!("the granted directory {}: {why}", path.display())))?;
            Ok(Arc::new(root))
        };
        Ok(Self {
            backend: backend.to_owned(),
            roots: paths.iter().map(open).collect::<io::Result<_>>()?,
        })
    }

    /// Their paths.
    pub(crate) fn paths(&self) -> Vec<String> {
        let path = |root: &Arc<Root>| root.path.to_string_lossy().into_owned();
        self.roots.iter().map(path).collect()
    }

    /// Opens a directory for a program to start in, without following a link out of the grant.
    pub(crate) async fn open_start(&self, path: &str) -> Result<OwnedFd, Error> {
        self.within(path, |root, below| root.directory(below)?.into_descriptor())
            .await
    }

    /// What `work` makes of the granted directory that `path` lies in and of the rest of the path. File systems can be
    /// slow, so this work runs outside the host's own threads.
    pub(super) async fn within<T: Send + 'static>(
        &self,
        path: &str,
        work: impl FnOnce(&Opened, &Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (root, below) = self.find(path)?;
        let (path, below, backend) = (path.to_owned(), below.to_owned(), self.backend.clone());
        let worked = tokio::task::spawn_blocking(move || {
            let directory = root.current().map_err(|why| {
                Error::Denied(format!(
                    "the granted directory `{}`, of `directories` in [backends.{backend}], is not used: {why}",
                    root.path.display()
                ))
            })?;
            work(&directory, &below).map_err(|error| unreadable(&path, &error))
        });
        worked
            .await
            .unwrap_or_else(|error| Err(Error::Failed(error.to_string())))
    }

    /// The root that `path` lies under and the rest of the path.
    fn find<'a>(&self, path: &'a str) -> Result<(Arc<Root>, &'a Path), Error> {
        let wanted = Path::new(path);
        self.roots
            .iter()
            .find_map(|root| {
                let below = wanted.strip_prefix(&root.path).ok()?;
                let below = if below.as_os_str().is_empty() {
                    Path::new(".")
                } else {
                    below
                };
                Some((root.clone(), below))
            })
            .ok_or_else(|| {
                Error::Denied(format!(
                    "`{}` lies outside the granted directories; `directories` in [backends.{}] would grant it",
                    text::escaped(path, NAMED),
                    self.backend
                ))
            })
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
