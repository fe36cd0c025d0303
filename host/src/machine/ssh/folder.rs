//! A folder for the sockets of one link. What a berth left that was killed is removed when another link is made.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Bytes of a path to a socket, which is the least of all systems (macOS), without the 17 that ssh puts behind it while it
/// makes one, and the NUL.
const SOCKET: usize = 104 - 17 - 1;
/// The most that a number behind the path of a socket takes.
const NUMBER: usize = 6;
/// Random bytes of its name, which are written in hexadecimal digits.
const NAME: usize = 4;

/// It is removed when this is dropped.
pub(super) struct Folder {
    path: PathBuf,
    /// Locked as long as it is used.
    _held: File,
}

impl Folder {
    /// Makes one in `parent`, and removes those there that nobody uses any more.
    pub(super) fn new(parent: &Path) -> io::Result<Self> {
        let mut name = [0; NAME];
        getrandom::fill(&mut name).map_err(io::Error::other)?;
        let name = hex::encode(name);
        let path = parent.join(&name);
        let longest = path.as_os_str().len() + "/m".len() + NUMBER;
        if longest > SOCKET {
            let most = parent.as_os_str().len() + SOCKET - longest;
            return Err(io::Error::other(format!(
                "its path is too long for a socket: it may have {most} bytes"
            )));
        }
        remove_unused(parent);
        // It has its name only when it is locked, so that nobody takes it for one that is left.
        let unnamed = parent.join(format!(".{name}"));
        DirBuilder::new().mode(0o700).create(&unnamed)?;
        let held = File::open(&unnamed)?;
        // Where nothing can be locked, nothing is removed either.
        let _ = held.try_lock();
        fs::rename(&unnamed, &path)?;
        Ok(Self { path, _held: held })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a new file.
    pub(super) fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let mut file = fs::OpenOptions::new();
        file.write(true).create_new(true).mode(0o600);
        io::Write::write_all(&mut file.open(self.path(name))?, text.as_bytes())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes what is left in `parent`. If that is not possible, it is in nobody's way.
pub fn remove_unused(parent: &Path) {
    let is_name = |name: &[u8]| name.len() == 2 * NAME && name.iter().all(u8::is_ascii_hexdigit);
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_folder || !is_name(entry.file_name().as_encoded_bytes()) {
            continue;
        }
        if File::open(entry.path()).is_ok_and(|folder| folder.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_a_killed_berth_left_is_removed_and_what_another_one_uses_stays() {
        let parent = tempfile::tempdir().unwrap();
        let left = parent.path().join("01abcdef");
        for folder in ["01abcdef", "of-others", "0123"] {
            fs::create_dir(parent.path().join(folder)).unwrap();
            fs::write(parent.path().join(folder).join("config"), "x").unwrap();
        }
        let used = Folder::new(parent.path()).unwrap();
        used.write("config", "x").unwrap();
        assert!(!left.exists());
        let other = Folder::new(parent.path()).unwrap();
        assert!(used.path("config").exists());
        drop((used, other));
        let mut names: Vec<_> = fs::read_dir(parent.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["0123", "of-others"]);
    }
}
