//! The contract's side: what a guest may ask of files.

use std::io::{self, ErrorKind};
use std::path::Path;

use super::power::Shown;
use crate::capability::Call;
use crate::contract::files::{Entry, Host, Kind, Slice};
use crate::contract::types::Error;
use crate::machine::{self, Failure, Place};

/// Entries of one directory in an answer.
const ENTRIES: usize = 10_000;
/// Names that `having` may hold.
const HAVING: usize = 16;
/// Slices of one `read`.
const SLICES: usize = 1_024;
/// Bytes of one `read` in total.
const READ_BYTES: u64 = 4 << 20;

impl Host for Call {
    async fn roots(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.powers.directories.paths())
    }

    async fn entries(&mut self, directory: String, having: Vec<String>) -> wasmtime::Result<Result<Vec<Entry>, Error>> {
        if having.len() > HAVING {
            return Ok(Err(Error::Invalid(format!(
                "`having` takes {HAVING} names, not {}",
                having.len()
            ))));
        }
        Ok(self.listed(&directory, having).await)
    }

    async fn read(&mut self, slices: Vec<Slice>) -> wasmtime::Result<Vec<Result<Vec<u8>, Error>>> {
        let wanted: u64 = slices.iter().map(|slice| u64::from(slice.max)).sum();
        if slices.len() > SLICES || wanted > READ_BYTES {
            let refusal = Error::Invalid(format!("one read takes {SLICES} slices and {READ_BYTES} bytes in all"));
            return Ok(slices.iter().map(|_| Err(refusal.clone())).collect());
        }
        Ok(self.contents(slices).await)
    }
}

impl Call {
    /// What is in a directory and granted, by name; if there are too many, those that were changed last.
    async fn listed(&self, directory: &str, having: Vec<String>) -> Result<Vec<Entry>, Error> {
        let directories = &self.powers.directories;
        let (place, shown) = directories.place(directory)?;
        let granted = shown.clone();
        let counts = move |name: &str, kind| match &granted {
            Shown::All => true,
            Shown::Files(_) => kind == machine::Kind::File && granted.shows(name),
        };
        let machine = &self.powers.machine;
        let listed = machine.entries(&place, having, ENTRIES, counts, self.allowance.deadline);
        match listed.await {
            Ok(entries) => Ok(entries.into_iter().map(Entry::from).collect()),
            Err(failure) => Err(directories.failed_in(&shown, failure)),
        }
    }

    /// Those that may be read, in one go, each with what is granted where it lies.
    async fn contents(&self, slices: Vec<Slice>) -> Vec<Result<Vec<u8>, Error>> {
        let directories = &self.powers.directories;
        let granted: Vec<_> = slices.iter().map(|slice| self.granted(slice)).collect();
        let wanted = granted.iter().flatten().map(|(slice, _)| slice.clone()).collect();
        let machine = &self.powers.machine;
        let mut read = machine.read(wanted, self.allowance.deadline).await.into_iter();
        let contents = granted.into_iter().map(|granted| {
            let (_, shown) = granted?;
            let missing = || Err(Failure::Unknown("it was not read".into()));
            let bytes = read.next().unwrap_or_else(missing);
            bytes.map_err(|failure| directories.failed_in(&shown, failure))
        });
        contents.collect()
    }

    fn granted(&self, slice: &Slice) -> Result<(machine::Slice, Shown), Error> {
        let directories = &self.powers.directories;
        let (at, shown) = directories.place(&slice.path)?;
        let name = Path::new(&slice.path).file_name().and_then(|name| name.to_str());
        if matches!(shown, Shown::Files(_)) && !name.is_some_and(|name| shown.shows(name)) {
            return Err(directories.failed_in(&shown, unshown(&at)));
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
