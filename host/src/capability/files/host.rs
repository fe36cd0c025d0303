//! The contract's side: what a guest may ask of files.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Instant, UNIX_EPOCH};

use cap_std::fs::{Metadata, OpenOptions, OpenOptionsExt};

use super::power::Shown;
use crate::capability::Call;
use crate::contract::files::{Entry, Host, Kind, Slice};
use crate::contract::types::Error;
use crate::machine::Opened;

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
        let deadline = self.allowance.deadline;
        let listed = self.powers.directories.within(&directory, move |root, below, shown| {
            entries(root, below, shown, &having, deadline)
        });
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
            let read = move |root: &Opened, below: &Path, shown: &Shown| read(root, below, shown, &slice);
            contents.push(self.powers.directories.within(&path, read).await);
        }
        Ok(contents)
    }
}

/// What is in a directory and granted, by name; if there are too many, those that were changed last.
fn entries(root: &Opened, below: &Path, shown: &Shown, having: &[String], deadline: Instant) -> io::Result<Vec<Entry>> {
    let directory = root.directory(below)?;
    let mut entries = Vec::new();
    for entry in directory.entries()? {
        // The call that asked may be over, and then nobody would end this.
        if Instant::now() > deadline {
            return Err(io::Error::from(io::ErrorKind::TimedOut));
        }
        let entry = entry?;
        // A name that is not text cannot be named again by a guest.
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if !shown.shows(&name) {
            continue;
        }
        let wanted = having.is_empty() || having.iter().any(|inner| directory.holds(&name, inner));
        if wanted
            && let Ok(metadata) = entry.metadata()
            && (matches!(shown, Shown::All) || metadata.is_file())
        {
            entries.push(describe(name, &metadata));
        }
        if entries.len() == 2 * ENTRIES {
            keep_newest(&mut entries);
        }
    }
    keep_newest(&mut entries);
    entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(entries)
}

fn keep_newest(entries: &mut Vec<Entry>) {
    if entries.len() > ENTRIES {
        entries.select_nth_unstable_by_key(ENTRIES, |entry| Reverse(entry.modified));
        entries.truncate(ENTRIES);
    }
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

fn read(root: &Opened, below: &Path, shown: &Shown, slice: &Slice) -> io::Result<Vec<u8>> {
    // Opening a FIFO would wait for a writer, and a terminal could become ours: no path may cause either.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags.bits().cast_signed());
    let (mut file, found) = match shown {
        Shown::All => root.file(below, &options)?,
        Shown::Files(_) => {
            let name = below.file_name().and_then(OsStr::to_str);
            if !name.is_some_and(|name| shown.shows(name)) {
                let why = "is not among the names of `files`";
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
            }
            root.file_itself(below, &options)?
        }
    };
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    file.seek(SeekFrom::Start(slice.start))?;
    let mut bytes = Vec::new();
    file.take(slice.max.into()).read_to_end(&mut bytes)?;
    Ok(bytes)
}
