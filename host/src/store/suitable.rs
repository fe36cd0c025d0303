//! Whether a directory can be berth's own, and what advice is safe about one that others may reach.
//!
//! A command to paste changes modes or owners only of what berth has made: a wrong path in the configuration, such as
//! the root directory, must not damage the system.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{Error, accepted, files};

/// What only berth makes: one of these is enough to recognise a directory of berth.
const MARKS: [&str; 5] = ["berth.db", "berth.sock", "audit.db", "token.key", "audit.key"];

/// What else berth makes there. Others use such names too, so the directory must contain nothing else.
const FURTHER: [&str; 12] = [
    accepted::NAME,
    "installation",
    "lock",
    "token",
    "state",
    "stores",
    "jobs",
    "conf",
    "sockets",
    "cache",
    "compiled",
    "ssh",
];

/// Refuses `path` if it exists and belongs to something else.
pub(super) fn check(path: &Path) -> Result<(), Error> {
    let unsuitable = |why: String| Error::Unsuitable {
        path: path.to_owned(),
        why,
    };
    match Contents::of(path) {
        Ok(None | Some(Contents::Ours | Contents::Nothing)) => Ok(()),
        Ok(Some(Contents::Foreign(name))) => Err(unsuitable(match place(path) {
            Some(what) => what.to_owned(),
            None => format!("it holds {name:?}, which is not berth's"),
        })),
        // The checks of owner and mode report what is wrong.
        Err(_) => Ok(()),
    }
}

/// What to report of `fault`, which was found at `path` itself.
pub(super) fn advice(path: &Path, fault: Error) -> Error {
    let unsuitable = |why: &str| Error::Unsuitable {
        path: path.to_owned(),
        why: why.to_owned(),
    };
    let (wrong, open) = match &fault {
        Error::Mode { .. } => ("other users may reach it", true),
        Error::Owner { .. } => ("it belongs to another user", false),
        _ => return fault,
    };
    match (Contents::of(path), place(path)) {
        (Ok(Some(Contents::Ours)), _) => fault,
        (_, Some(what)) => unsuitable(what),
        (Ok(Some(Contents::Nothing)), None) if open => Error::Empty { path: path.to_owned() },
        _ => unsuitable(wrong),
    }
}

/// What lies in a directory.
enum Contents {
    Nothing,
    /// What berth has made.
    Ours,
    /// Something else, such as the entry with this name.
    Foreign(String),
}

impl Contents {
    /// Nothing: there is no such directory.
    fn of(path: &Path) -> io::Result<Option<Self>> {
        // Whatever it holds, it belongs to everybody.
        let everything = path.parent().is_none();
        let entries = match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            entries => entries?,
        };
        let mut contents = Self::Nothing;
        for entry in entries {
            let name = entry?.file_name();
            if is_one_of(&name, &MARKS) && !everything {
                return Ok(Some(Self::Ours));
            }
            contents = match contents {
                Self::Foreign(_) => contents,
                _ if is_one_of(&name, &FURTHER) || files::is_draft(&name) => Self::Ours,
                _ => Self::Foreign(name.to_string_lossy().into_owned()),
            };
        }
        Ok(Some(contents))
    }
}

fn is_one_of(name: &OsStr, names: &[&str]) -> bool {
    names.iter().any(|known| name == *known)
}

/// What `path` is for the system or its user, if it is more than a directory.
fn place(path: &Path) -> Option<&'static str> {
    let Some(parent) = path.parent() else {
        return Some("it is the root directory");
    };
    if std::env::home_dir().is_some_and(|home| home.starts_with(path)) {
        return Some("your home directory is there");
    }
    if parent.parent().is_none() {
        return Some("it is one of the system's directories");
    }
    let (here, above) = (fs::metadata(path).ok()?, fs::metadata(parent).ok()?);
    (here.dev() != above.dev()).then_some("a disk is mounted there")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;
    use crate::store::DataDirectory;

    fn refused(path: &Path) -> String {
        let root = TempDir::new().unwrap();
        let cache = root.path().join("cache");
        let as_data = DataDirectory::open(path, &cache).unwrap_err().to_string();
        let as_cache = DataDirectory::open(&root.path().join("data"), path).unwrap_err();
        assert_eq!(as_cache.to_string(), as_data);
        as_data
    }

    /// A directory of this mode with these files.
    fn holding(files: &[&str], mode: u32) -> (TempDir, PathBuf) {
        let root = TempDir::new().unwrap();
        let path = root.path().join("place");
        fs::create_dir(&path).unwrap();
        for file in files {
            fs::write(path.join(file), "").unwrap();
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (root, path)
    }

    #[test]
    fn what_is_the_systems_or_the_users_is_never_to_be_changed() {
        let home = std::env::home_dir().unwrap();
        for path in [
            "/",
            "/tmp",
            "/home",
            "/etc",
            "/usr",
            "/usr/bin",
            "/dev",
            home.to_str().unwrap(),
        ] {
            let told = refused(Path::new(path));
            assert!(told.contains("name another in [server]"), "{told}");
            for command in ["chmod", "chown", "rmdir"] {
                assert!(!told.contains(command), "{path}: {told}");
            }
        }
    }

    #[test]
    fn what_holds_other_files_is_not_taken_whatever_its_mode() {
        for mode in [0o755, 0o700] {
            for files in [&["thesis.tex"][..], &["lock", "thesis.tex"], &["state", ".profile"]] {
                let (_root, path) = holding(files, mode);
                let told = refused(&path);
                assert!(
                    told.contains("which is not berth's") && !told.contains("chmod"),
                    "{told}"
                );
            }
        }
    }

    #[test]
    fn an_empty_one_is_made_again_if_others_may_reach_it() {
        let (_root, path) = holding(&[], 0o755);
        let told = refused(&path);
        assert!(told.ends_with(&format!("rmdir {}", path.display())), "{told}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        // Data and cache may be in one directory.
        for _ in 0..2 {
            let opened = DataDirectory::open(&path, &path.join("cache")).unwrap();
            opened.local_token().unwrap();
        }
    }

    #[test]
    fn what_berth_has_made_is_closed_again_by_a_command() {
        for files in [
            &["lock", "token", "conf"][..],
            &["berth.db"],
            &["berth.db", ".DS_Store"],
            &["compiled"],
        ] {
            let (_root, path) = holding(files, 0o755);
            assert!(refused(&path).ends_with(&format!("chmod 700 {}", path.display())));
        }
    }
}
