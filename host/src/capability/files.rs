//! The `files` capability: granted directories by cap-std, with no way out by `..` or links.
//!
//! It also opens the directories that programs start in, so that the path is looked at once and entered by descriptor.

mod root;
mod system;

use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, UNIX_EPOCH};

use cap_std::fs::{Metadata, OpenOptions, OpenOptionsExt};

pub use self::root::OwnPlace;
use self::root::{Opened, Root};
pub use self::system::{RUNNING, SYSTEM};
use super::Call;
use crate::contract::Error;
use crate::contract::files::{Entry, Host, Kind, Slice};

/// Entries of one directory that are looked at.
const ENTRIES: usize = 10_000;
/// Names that `having` may hold.
const HAVING: usize = 16;
/// Slices of one `read`.
const SLICES: usize = 1_024;
/// Bytes of one `read` in all.
const READ_BYTES: u64 = 4 << 20;

/// The granted directories of one backend. Each call uses them as they are then.
#[derive(Debug)]
pub struct Directories {
    backend: String,
    roots: Vec<Arc<Root>>,
}

impl Directories {
    /// Opens `paths`, which have no links in them, for `backend`. What is put in their place later is used as well,
    /// unless a link led there or it held a place of `own`. An error names the directory that cannot be opened.
    pub fn open(backend: &str, paths: &[PathBuf], own: Arc<[OwnPlace]>) -> io::Result<Self> {
        let open = |path: &PathBuf| {
            let root = Root::open(path, own.clone())
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
            Ok(Arc::new(root))
        };
        Ok(Self {
            backend: backend.to_owned(),
            roots: paths.iter().map(open).collect::<io::Result<_>>()?,
        })
    }

    /// Opens a directory for a program to start in, without following a link out of the grant.
    pub(crate) async fn open_start(&self, path: &str) -> Result<OwnedFd, Error> {
        self.within(path, |root, below| root.directory(below)?.into_descriptor())
            .await
    }

    /// What `work` makes of the granted directory that `path` lies in and of the rest of the path. File systems can be
    /// slow, so their work never holds up the host's own threads.
    async fn within<T: Send + 'static>(
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
                    path.escape_debug(),
                    self.backend
                ))
            })
    }
}

impl Host for Call {
    async fn roots(&mut self) -> wasmtime::Result<Vec<String>> {
        let roots = &self.powers.directories.roots;
        Ok(roots
            .iter()
            .map(|root| root.path.to_string_lossy().into_owned())
            .collect())
    }

    async fn list(&mut self, directory: String, having: Vec<String>) -> wasmtime::Result<Result<Vec<Entry>, Error>> {
        if having.len() > HAVING {
            return Ok(Err(Error::Invalid(format!(
                "`having` takes {HAVING} names, not {}",
                having.len()
            ))));
        }
        let deadline = self.allowance.deadline;
        let listed = self
            .powers
            .directories
            .within(&directory, move |root, below| list(root, below, &having, deadline));
        Ok(listed.await)
    }

    async fn read(&mut self, slices: Vec<Slice>) -> wasmtime::Result<Vec<Result<Vec<u8>, Error>>> {
        let wanted: u64 = slices.iter().map(|slice| u64::from(slice.max)).sum();
        if slices.len() > SLICES || wanted > READ_BYTES {
            let refusal = Error::Invalid(format!("one read takes {SLICES} slices and {READ_BYTES} bytes in all"));
            return Ok(slices.iter().map(|_| Err(refusal.clone())).collect());
        }
        let mut contents = Vec::with_capacity(slices.len());
        for slice in slices {
            let path = slice.path.clone();
            let read = move |root: &Opened, below: &Path| read(root, below, &slice);
            contents.push(self.powers.directories.within(&path, read).await);
        }
        Ok(contents)
    }
}

fn list(root: &Opened, below: &Path, having: &[String], deadline: Instant) -> io::Result<Vec<Entry>> {
    let directory = root.directory(below)?;
    let mut entries = Vec::new();
    for (seen, entry) in directory.entries()?.enumerate() {
        if seen == ENTRIES {
            return Err(io::Error::other(format!("more than {ENTRIES} entries")));
        }
        // The call that asked may be over, and nobody else would end this.
        if Instant::now() > deadline {
            return Err(io::Error::from(io::ErrorKind::TimedOut));
        }
        let entry = entry?;
        // A name that is no text cannot be named again by a guest.
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let wanted = having.is_empty() || having.iter().any(|inner| directory.holds(&name, inner));
        if wanted && let Ok(metadata) = entry.metadata() {
            entries.push(describe(name, &metadata));
        }
    }
    Ok(entries)
}

fn describe(name: String, metadata: &Metadata) -> Entry {
    let modified = metadata
        .modified()
        .ok()
        .and_then(|time| time.into_std().duration_since(UNIX_EPOCH).ok());
    Entry {
        name,
        kind: match metadata {
            metadata if metadata.is_dir() => Kind::Directory,
            metadata if metadata.is_file() => Kind::File,
            _ => Kind::Other,
        },
        size: metadata.len(),
        modified: modified.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
    }
}

fn read(root: &Opened, below: &Path, slice: &Slice) -> io::Result<Vec<u8>> {
    // Opening a FIFO would wait for a writer, and a terminal could become ours: neither may happen by a path.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags.bits().cast_signed());
    let (mut file, found) = root.file(below, &options)?;
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    file.seek(SeekFrom::Start(slice.from))?;
    let mut bytes = Vec::new();
    file.take(slice.max.into()).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a guest learns of a path that could not be read. A way out of the grant reads as a denial, as does one into what
/// is the system's own.
fn unreadable(path: &str, error: &io::Error) -> Error {
    let path = path.escape_debug();
    match error.kind() {
        io::ErrorKind::NotFound => Error::NotFound(format!("`{path}` does not exist")),
        _ if system::is_own(error) => Error::Denied(format!("`{path}` {error}")),
        io::ErrorKind::PermissionDenied => Error::Denied(format!(
            "`{path}` leads out of the granted directory or may not be read"
        )),
        _ => Error::Failed(format!("`{path}`: {error}")),
    }
}
