//! Granted directories of the machine on which the backend lives, or of the host of [`ssh::on`]. Paths are absolute;
//! neither `..` nor a link leads out.

pub use crate::contract::files::{Entry, Kind, Slice};
use crate::ssh::{self, Listing, Part};
use crate::{Error, Result, host};

/// The granted directories.
///
/// # Errors
///
/// On a host, that it cannot be reached.
pub fn roots() -> Result<Vec<String>> {
    match ssh::current() {
        None => Ok(host::files::roots()),
        Some(host) => ssh::roots([host]).pop().unwrap_or_else(unanswered),
    }
}

/// Entries of a directory, ordered by name; if there are more than 10,000, the newest.
///
/// # Errors
///
/// `Denied` outside of the granted directories, `NotFound` if it does not exist.
pub fn entries(directory: &str) -> Result<Vec<Entry>> {
    listed(directory, &[])
}

/// The directories in a directory that hold an entry of one of these names, such as `.git`.
///
/// # Errors
///
/// As [`entries`].
pub fn entries_having<T: Into<String>>(directory: &str, having: impl IntoIterator<Item = T>) -> Result<Vec<Entry>> {
    let having: Vec<String> = having.into_iter().map(Into::into).collect();
    if having.is_empty() {
        return Ok(Vec::new());
    }
    listed(directory, &having)
}

/// The first bytes of a regular file, at most `max`.
///
/// # Errors
///
/// `Denied` outside of the granted directories, `NotFound` if it does not exist.
pub fn read(path: impl Into<String>, max: u32) -> Result<Vec<u8>> {
    let path = path.into();
    let missing = format!("the host gave no answer for {path}");
    let mut answers = read_all([Slice { path, start: 0, max }]);
    answers.pop().unwrap_or(Err(Error::Failed(missing)))
}

/// Parts of regular files, in the same order, each with an outcome of its own.
#[must_use]
pub fn read_all(slices: impl IntoIterator<Item = Slice>) -> Vec<Result<Vec<u8>>> {
    let slices: Vec<_> = slices.into_iter().collect();
    match ssh::current() {
        None => host::files::read(&slices),
        Some(host) => {
            let parts = slices.into_iter().map(|slice| Part {
                host: host.clone(),
                slice,
            });
            ssh::read_all(parts)
        }
    }
}

fn listed(directory: &str, having: &[String]) -> Result<Vec<Entry>> {
    match ssh::current() {
        None => host::files::entries(directory, having),
        Some(host) => {
            let listing = Listing {
                host,
                directory: directory.to_owned(),
                having: having.to_vec(),
            };
            ssh::entries([listing]).pop().unwrap_or_else(unanswered)
        }
    }
}

fn unanswered<T>() -> Result<T> {
    Err(Error::Failed("the host gave no answer".to_owned()))
}
