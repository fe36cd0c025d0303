//! Files of a backend, on its machine: what is in a directory, parts of files, and directories that programs are told of.

use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Instant, UNIX_EPOCH};

use cap_std::fs::{Metadata, OpenOptions, OpenOptionsExt as _};

use super::entry::{Entry, Kind, keep_newest};
use super::place::{Failure, Place};
use super::root::Opened;
use super::{Machine, sh};

/// At most `max` bytes of the file `at`, from the byte `start` on.
#[derive(Debug, Clone)]
pub(crate) struct Slice {
    pub(crate) at: Place,
    pub(crate) start: u64,
    pub(crate) max: u32,
    /// A link at the file's own place is not followed.
    pub(crate) no_links: bool,
}

impl Machine {
    /// What is in the directory `at` and `counts`, by name; of more than `most` those that were changed last. A `having`
    /// that is not empty keeps only directories that hold something with one of these names. Names that are not text are
    /// left out.
    pub(crate) async fn entries(
        &self,
        at: &Place,
        having: Vec<String>,
        most: usize,
        counts: impl Fn(&str, Kind) -> bool + Send + 'static,
        until: Instant,
    ) -> Result<Vec<Entry>, Failure> {
        match self {
            Self::This => {
                at.work(move |root, below| entries(root, below, &having, most, &counts, until))
                    .await
            }
            Self::Host(host) => host.entries(at, &having, most, counts, until).await,
        }
    }

    /// Reads all of them, in one round trip where they are on a host.
    pub(crate) async fn read(&self, slices: Vec<Slice>, until: Instant) -> Vec<Result<Vec<u8>, Failure>> {
        match self {
            Self::This => {
                let mut contents = Vec::with_capacity(slices.len());
                for slice in slices {
                    let at = slice.at.clone();
                    contents.push(at.work(move |root, below| read(root, below, &slice)).await);
                }
                contents
            }
            Self::Host(host) => host.read(&slices, until).await,
        }
    }

    /// Whether a program may be told of `place`: no link leads out of the granted directory. What is not there yet is to be
    /// made there; then the directory above it counts.
    pub(crate) async fn hold(&self, place: &Place) -> Result<(), Failure> {
        match self {
            Self::This => place.hold().await,
            Self::Host(host) => host.hold(place).await,
        }
    }
}

impl Place {
    /// As [`Machine::hold`], on this machine.
    pub(super) async fn hold(&self) -> Result<(), Failure> {
        self.work(|root, below| root.hold(below)).await
    }

    /// Opens the directory on this machine for a program to start in, without following a link out of the grant.
    pub(crate) async fn open(&self) -> Result<OwnedFd, Failure> {
        self.work(|root, below| root.directory(below)?.into_descriptor()).await
    }

    /// File systems can be slow, so this work runs outside the host's own threads.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Opened, &Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let place = self.clone();
        let worked = tokio::task::spawn_blocking(move || {
            let root = place.opened()?;
            work(&root, &place.below).map_err(|why| place.failed(why))
        });
        worked
            .await
            .unwrap_or_else(|fault| Err(Failure::Unknown(fault.to_string())))
    }
}

impl Slice {
    /// The same for a host.
    pub(super) fn there(&self) -> sh::Slice {
        sh::Slice {
            at: self.at.within(),
            start: self.start,
            max: self.max,
            no_links: self.no_links,
        }
    }
}

fn entries(
    root: &Opened,
    below: &Path,
    having: &[String],
    most: usize,
    counts: &impl Fn(&str, Kind) -> bool,
    until: Instant,
) -> io::Result<Vec<Entry>> {
    let directory = root.directory(below)?;
    let mut entries = Vec::new();
    for entry in directory.entries()? {
        // The call that asked may be over, and then nobody would end this.
        if Instant::now() > until {
            return Err(io::Error::from(ErrorKind::TimedOut));
        }
        let entry = entry?;
        // A name that is not text cannot be named again by a guest.
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let wanted = having.is_empty() || having.iter().any(|inner| directory.holds(&name, inner));
        if wanted && let Ok(metadata) = entry.metadata() {
            let entry = describe(name, &metadata);
            if counts(&entry.name, entry.kind) {
                entries.push(entry);
            }
        }
        if entries.len() == 2 * most {
            keep_newest(&mut entries, most);
        }
    }
    keep_newest(&mut entries, most);
    entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
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
    // Opening a FIFO would wait for a writer, and a terminal could become ours: no path may cause either.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags.bits().cast_signed());
    let (mut file, found) = match slice.no_links {
        false => root.file(below, &options)?,
        true => root.file_itself(below, &options)?,
    };
    if !found.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file"));
    }
    file.seek(SeekFrom::Start(slice.start))?;
    let mut bytes = Vec::new();
    file.take(slice.max.into()).read_to_end(&mut bytes)?;
    Ok(bytes)
}
