//! One granted directory, which is removed after its test.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use tempfile::TempDir;

use crate::files::{Entry, Kind, Listing, Slice};
use crate::{Error, Result, time};

/// The most entries that are listed.
const ENTRIES: usize = 10_000;

/// A directory, and its path without links.
pub(super) struct Directory {
    path: PathBuf,
    _made: TempDir,
}

impl Directory {
    pub(super) fn new() -> Self {
        let made = TempDir::with_prefix("berth-plugin-");
        match made.and_then(|made| Ok((made.path().canonicalize()?, made))) {
            Ok((path, made)) => Self { path, _made: made },
            Err(error) => panic!("no directory for the test's files: {error}"),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn entries(&self, asked: &Listing) -> Result<Vec<Entry>> {
        let (directory, having) = (self.within(&asked.directory)?, &asked.having);
        let mut entries = Vec::new();
        for entry in fs::read_dir(&directory).map_err(|error| told(&directory, &error))? {
            let listed = entry.and_then(|entry| Ok((entry.path(), entry.file_name(), entry.metadata()?)));
            let (path, name, metadata) = listed.map_err(|error| told(&directory, &error))?;
            if having.is_empty() || (metadata.is_dir() && having.iter().any(|name| path.join(name).exists())) {
                entries.push(listing(name.to_string_lossy().into_owned(), &metadata));
            }
        }
        if entries.len() > ENTRIES {
            entries.sort_by_key(|entry| std::cmp::Reverse(entry.modified));
            entries.truncate(ENTRIES);
        }
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    pub(super) fn read(&self, slice: &Slice) -> Result<Vec<u8>> {
        let path = self.within(&slice.path)?;
        if !path.is_file() {
            return Err(Error::Invalid(format!("{} is not a regular file", slice.path)));
        }
        part(&path, slice).map_err(|error| told(&path, &error))
    }

    /// This path without links, where it is granted.
    fn within(&self, path: &str) -> Result<PathBuf> {
        let denied = || Error::Denied(format!("{path} is not below one of `directories` in [backends.NAME]"));
        let given = Path::new(path);
        if !given.is_absolute() || given.components().any(|part| part == Component::ParentDir) {
            return Err(denied());
        }
        let whole = match given.canonicalize() {
            Ok(whole) => whole,
            Err(error) if given.starts_with(&self.path) => return Err(told(given, &error)),
            Err(_) => return Err(denied()),
        };
        if whole.starts_with(&self.path) {
            Ok(whole)
        } else {
            Err(denied())
        }
    }
}

fn listing(name: String, metadata: &Metadata) -> Entry {
    let kind = match metadata.file_type() {
        kind if kind.is_file() => Kind::File,
        kind if kind.is_dir() => Kind::Directory,
        _ => Kind::Other,
    };
    Entry {
        name,
        kind,
        size: metadata.len(),
        modified: metadata.modified().map_or(0, time::from),
    }
}

fn part(path: &Path, slice: &Slice) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(slice.start))?;
    let mut bytes = Vec::new();
    file.take(slice.max.into()).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn told(path: &Path, error: &io::Error) -> Error {
    let words = format!("{}: {error}", path.display());
    match error.kind() {
        ErrorKind::NotFound => Error::NotFound(words),
        _ => Error::Failed(words),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::files;
    use crate::testing::Host;

    fn names(entries: Result<Vec<Entry>>) -> Vec<String> {
        entries.unwrap().into_iter().map(|entry| entry.name).collect()
    }

    #[test]
    fn a_directory_is_listed_by_name_and_by_what_it_holds() {
        let host = Host::new();
        for file in ["b/.git/HEAD", "a/x", "c"] {
            host.file(file, "x");
        }
        let root = files::roots().unwrap().remove(0);
        assert_eq!(names(files::entries(&root)), ["a", "b", "c"]);
        assert_eq!(names(files::entries_having(&root, [".git"])), ["b"]);
        assert_eq!(names(files::entries_having(&root, [""; 0])), [""; 0]);
        let both = ["a", "none", "b"].map(|name| Listing::new(format!("{root}/{name}")));
        let [a, none, b] = files::entries_all(both).try_into().unwrap();
        assert_eq!((names(a), names(b)), (vec!["x".to_owned()], vec![".git".to_owned()]));
        assert!(matches!(none, Err(Error::NotFound(_))));
        assert!(matches!(
            files::entries(&format!("{root}/none")),
            Err(Error::NotFound(_))
        ));
    }

    #[test]
    fn parts_of_files_are_read_and_nothing_past_their_end() {
        let host = Host::new();
        let path = host.file("log", "0123456789");
        let slice = |start, max| Slice {
            path: path.clone(),
            start,
            max,
        };
        let parts = files::read_all([slice(0, 3), slice(8, 9), slice(50, 9)]);
        assert_eq!(parts, [Ok(b"012".to_vec()), Ok(b"89".to_vec()), Ok(Vec::new())]);
        assert_eq!(files::read(path, 4), Ok(b"0123".to_vec()));
    }

    #[test]
    fn no_path_leads_out() {
        let host = Host::new();
        let root = host.directory().display().to_string();
        symlink("/etc", host.directory().join("link")).unwrap();
        for path in [
            "/etc",
            "/etc/none",
            "etc",
            "",
            &format!("{root}/../.."),
            &format!("{root}/link"),
        ] {
            assert!(matches!(files::entries(path), Err(Error::Denied(_))), "{path}");
        }
        assert!(matches!(
            files::read(format!("{root}/link/passwd"), 9),
            Err(Error::Denied(_))
        ));
    }
}
