//! What a guest sees of the files on one machine: what is in directories, and parts of files.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Instant;

use super::power::Shown;
use crate::capability::Site;
use crate::contract::files::{Entry, Kind, Slice};
use crate::contract::types::Error;
use crate::machine::{self, Failure, Place};

/// Entries of one directory in an answer.
pub(in crate::capability) const ENTRIES: usize = 10_000;

impl Site {
    /// What is in a directory and granted, by name; if there are too many, those that were changed last.
    pub(in crate::capability) async fn listed(
        &self,
        directory: &str,
        having: Vec<String>,
        until: Instant,
    ) -> Result<Vec<Entry>, Error> {
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
