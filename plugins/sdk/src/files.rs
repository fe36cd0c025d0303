//! Granted directories of the machine on which the backend lives. Paths are absolute; neither `..` nor a link leads out.

pub use crate::contract::files::{Entry, Kind, Slice};
use crate::{Error, Result, host};

/// The granted directories.
#[must_use]
pub fn roots() -> Vec<String> {
    host::files::roots()
}

/// Entries of a directory, ordered by name; if there are more than 10,000, the newest.
///
/// # Errors
///
/// `Denied` outside of the granted directories, `NotFound` if it does not exist.
pub fn entries(directory: &str) -> Result<Vec<Entry>> {
    host::files::entries(directory, &[])
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
    host::files::entries(directory, &having)
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
    host::files::read(&slices)
}
