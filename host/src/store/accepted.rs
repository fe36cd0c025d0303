//! What the operator accepted of the shipped configuration: its text at that time, kept as `accepted.toml` in the data
//! directory.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{Error, files};

/// The name of the file.
pub(super) const NAME: &str = "accepted.toml";

/// The largest file that is read, in bytes.
const LARGEST: u64 = 4 << 20;

/// The first line, up to the digest of all that follows it.
const HEAD: &str =
    "# What is accepted of the shipped configuration, written by berth config accept. SHA-256 of the rest: ";

/// What was accepted.
#[derive(Debug, Clone)]
pub struct AcceptedText {
    /// Where it is kept.
    pub path: PathBuf,
    /// The whole file: a comment, and the configuration.
    pub text: String,
}

impl AcceptedText {
    /// Reads it in the data directory `data`, which need not exist; nothing if nothing was accepted.
    ///
    /// # Errors
    /// If the file is not as berth wrote it, or did not belong to this user alone: then nobody knows what was accepted.
    pub fn read(data: &Path) -> Result<Option<Self>, Error> {
        let path = data.join(NAME);
        match path.symlink_metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            found => found.map_err(Error::io("look at", &path))?,
        };
        let file = files::open(&path, OpenOptions::new().read(true))?;
        let mut bytes = Vec::new();
        file.take(LARGEST)
            .read_to_end(&mut bytes)
            .map_err(Error::io("read", &path))?;
        match String::from_utf8(bytes).ok().filter(|text| is_whole(text)) {
            Some(text) => Ok(Some(Self { path, text })),
            None => Err(Error::Accepted { path }),
        }
    }
}

/// Replaces what was accepted in `data` with `text`, in one step.
pub(super) fn write(data: &Path, text: &str) -> Result<(), Error> {
    files::replace(&data.join(NAME), &format!("{HEAD}{}\n{text}", digest(text)))
}

fn is_whole(text: &str) -> bool {
    let parts = text.strip_prefix(HEAD).and_then(|rest| rest.split_once('\n'));
    parts.is_some_and(|(written, rest)| written == digest(rest))
}

fn digest(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use tempfile::TempDir;

    use super::*;

    fn kept(text: &str) -> (TempDir, PathBuf) {
        let root = TempDir::new().unwrap();
        write(root.path(), text).unwrap();
        let path = root.path().join(NAME);
        (root, path)
    }

    #[test]
    fn what_was_accepted_is_read_as_it_was_written_and_is_this_users_alone() {
        let root = TempDir::new().unwrap();
        assert!(AcceptedText::read(root.path()).unwrap().is_none());
        assert!(AcceptedText::read(&root.path().join("nowhere")).unwrap().is_none());
        for text in ["a = 1\n", "", "a = 'ü'\n# b"] {
            write(root.path(), text).unwrap();
            let read = AcceptedText::read(root.path()).unwrap().unwrap();
            assert_eq!(read.text.split_once('\n').unwrap().1, text);
            assert_eq!(read.path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_damaged_file_is_an_error_and_never_nothing_or_all() {
        let (_root, path) = kept("[server]\nmax_requests = 64\n");
        let whole = fs::read(&path).unwrap();
        let cut = |length: usize| whole[..length].to_vec();
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        let damages = [
            cut(0),
            cut(10),
            cut(HEAD.len() + 64),
            cut(whole.len() - 1),
            flipped,
            [&whole[..], b"x = 1\n"].concat(),
            b"[server]\nmax_requests = 64\n".to_vec(),
            vec![0xff; 9],
        ];
        for damaged in damages {
            fs::write(&path, &damaged).unwrap();
            let told = AcceptedText::read(path.parent().unwrap()).unwrap_err().to_string();
            assert!(
                told.contains("accepted.toml") && told.contains("berth config accept"),
                "{told}"
            );
        }
    }

    #[test]
    fn a_file_that_others_may_reach_or_a_link_is_refused() {
        let (root, path) = kept("a = 1\n");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let told = AcceptedText::read(root.path()).unwrap_err().to_string();
        assert!(told.contains("chmod 600"), "{told}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(&path, root.path().join("elsewhere")).unwrap();
        symlink("elsewhere", &path).unwrap();
        assert!(matches!(AcceptedText::read(root.path()), Err(Error::Link { .. })));
        symlink("nowhere", root.path().join("draft")).unwrap();
        fs::rename(root.path().join("draft"), &path).unwrap();
        assert!(
            AcceptedText::read(root.path()).is_err(),
            "a link to nowhere is not nothing"
        );
    }
}
