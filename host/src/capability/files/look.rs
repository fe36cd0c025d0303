//! What a guest sees of the files on one machine: what is in directories, and parts of files.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures::stream::{self, StreamExt as _};

use super::power::Shown;
use crate::capability::Site;
use crate::contract::files::{Entry, Kind, Listing, Slice};
use crate::contract::types::Error;
use crate::machine::{self, Failure, Place};

/// Entries of one directory in an answer.
const ENTRIES: usize = 10_000;
/// Entries in one answer, in all directories together.
const ALL_ENTRIES: usize = 40_000;
/// Directories that are listed at the same time.
const AT_ONCE: usize = 4;

impl Site {
    /// What is in these directories and granted, each by name; if there are too many in one, those that were changed last.
    /// `listed` counts what is in all directories of one answer.
    pub(in crate::capability) async fn listed(
        &self,
        listings: Vec<Listing>,
        listed: &AtomicUsize,
        until: Instant,
    ) -> Vec<Result<Vec<Entry>, Error>> {
        let each = listings.into_iter().map(|listing| self.entries(listing, listed, until));
        stream::iter(each).buffered(AT_ONCE).collect().await
    }

    async fn entries(&self, listing: Listing, listed: &AtomicUsize, until: Instant) -> Result<Vec<Entry>, Error> {
        let full = || {
            Error::Limited((
                format!("one answer has {ALL_ENTRIES} entries of directories: list fewer directories at once"),
                None,
            ))
        };
        if listed.load(Ordering::Relaxed) >= ALL_ENTRIES {
            return Err(full());
        }
        let entries = self.entries_of(&listing.directory, listing.having, until).await?;
        match listed.fetch_add(entries.len(), Ordering::Relaxed) + entries.len() > ALL_ENTRIES {
            true => Err(full()),
            false => Ok(entries),
        }
    }

    async fn entries_of(&self, directory: &str, having: Vec<String>, until: Instant) -> Result<Vec<Entry>, Error> {
        let (place, shown) = self.directories.place(directory)?;
        let granted = shown.clone();
        let counts = move |name: &str, kind| match &granted {
            Shown::All => true,
            Shown::Files(_) => kind == machine::Kind::File && granted.shows(name),
        };
        match self.machine.entries(&place, having, ENTRIES, counts, until).await {
            Ok(entries) => Ok(entries.into_iter().map(Entry::from).collect()),
            Err(failure) => Err(self.directories.failed_in(&shown, failure)),
        }
    }

    /// Those that may be read, in one go, each with what is granted where it lies.
    pub(in crate::capability) async fn contents(
        &self,
        slices: Vec<Slice>,
        until: Instant,
    ) -> Vec<Result<Vec<u8>, Error>> {
        let granted: Vec<_> = slices.iter().map(|slice| self.granted(slice)).collect();
        let wanted = granted.iter().flatten().map(|(slice, _)| slice.clone()).collect();
        let mut read = self.machine.read(wanted, until).await.into_iter();
        let contents = granted.into_iter().map(|granted| {
            let (_, shown) = granted?;
            let missing = || Err(Failure::Unknown("it was not read".into()));
            let bytes = read.next().unwrap_or_else(missing);
            bytes.map_err(|failure| self.directories.failed_in(&shown, failure))
        });
        contents.collect()
    }

    fn granted(&self, slice: &Slice) -> Result<(machine::Slice, Shown), Error> {
        let (at, shown) = self.directories.place(&slice.path)?;
        let name = Path::new(&slice.path).file_name().and_then(|name| name.to_str());
        if matches!(shown, Shown::Files(_)) && !name.is_some_and(|name| shown.shows(name)) {
            return Err(self.directories.failed_in(&shown, unshown(&at)));
        }
        let slice = machine::Slice {
            at,
            start: slice.start,
            max: slice.max,
            no_links: matches!(shown, Shown::Files(_)),
        };
        Ok((slice, shown))
    }
}

/// Why a file that is there is not read.
fn unshown(at: &Place) -> Failure {
    let why = io::Error::new(ErrorKind::PermissionDenied, "is not among the names of `files`");
    Failure::Place {
        path: at.path.clone(),
        why,
    }
}

impl From<machine::Entry> for Entry {
    fn from(entry: machine::Entry) -> Self {
        Self {
            name: entry.name,
            kind: match entry.kind {
                machine::Kind::File => Kind::File,
                machine::Kind::Directory => Kind::Directory,
                machine::Kind::Other => Kind::Other,
            },
            size: entry.size,
            modified: entry.modified,
        }
    }
}
