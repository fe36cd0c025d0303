//! Where a program's socket was in an earlier berth: whether its server still lives there, and the link by which that
//! server is still used.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};
use std::path::Path;

use super::Socket;
use crate::peer;

/// What is done with a server whose socket is still at the former place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Former {
    /// There is none.
    Absent,
    /// It is the one that is used.
    Used,
    /// It has sessions, and is not used for this reason.
    Apart(&'static str),
}

impl Socket {
    /// Where it was before, if the operator configured that.
    pub fn former_path(&self) -> Option<&Path> {
        self.terms.former.as_deref()
    }

    /// What is at the former place, checked without changing anything.
    ///
    /// # Errors
    /// If the system does not tell which sockets there are.
    pub async fn former(&self) -> io::Result<Former> {
        let this = self.clone();
        join(tokio::task::spawn_blocking(move || this.judge_former()).await)
    }

    /// Makes this socket lead to a server at the former place, or stop doing so. Only for the owner of the data
    /// directory, before any run.
    ///
    /// # Errors
    /// If the link cannot be made or removed, or as [`Socket::former`].
    pub async fn follow_former(&self) -> io::Result<Former> {
        let this = self.clone();
        let followed = tokio::task::spawn_blocking(move || {
            let found = this.judge_former()?;
            match (&found, &this.terms.former) {
                (Former::Used, Some(former)) => {
                    let draft = this.path.with_added_extension("link");
                    remove(&draft)?;
                    symlink(former, &draft)?;
                    fs::rename(&draft, &this.path)?;
                }
                _ if this.is_link() => remove(&this.path)?,
                _ => {}
            }
            Ok(found)
        });
        join(followed.await)
    }

    fn judge_former(&self) -> io::Result<Former> {
        let Some(former) = &self.terms.former else {
            return Ok(Former::Absent);
        };
        if peer::listeners(former)?.is_empty() {
            return Ok(Former::Absent);
        }
        // A link here, and a socket that nobody listens at, may be replaced.
        let replaceable = match fs::symlink_metadata(&self.path) {
            Ok(found) => self.is_link() || found.file_type().is_socket(),
            Err(error) => error.kind() == ErrorKind::NotFound,
        };
        Ok(match () {
            () if !is_safe(former) => Former::Apart("since another user could replace its socket"),
            () if !peer::listeners(&self.path)?.is_empty() => {
                Former::Apart("since another server runs at the socket of berth's own")
            }
            () if !replaceable => Former::Apart("since something is in the place of the socket of berth's own"),
            () => Former::Used,
        })
    }

    /// Whether there is a link to the former place here.
    pub(super) fn is_link(&self) -> bool {
        let target = fs::read_link(&self.path).ok();
        target.is_some() && target == self.terms.former
    }
}

/// Whether only this user, or root, can replace what is at `path`.
pub(super) fn is_safe(path: &Path) -> bool {
    const OTHERS_WRITE: u32 = 0o022;
    const STICKY: u32 = 0o1000;
    let us = rustix::process::geteuid().as_raw();
    let Some(directory) = path.parent() else {
        return false;
    };
    let ours = fs::symlink_metadata(directory)
        .is_ok_and(|found| found.is_dir() && found.uid() == us && found.mode() & OTHERS_WRITE == 0);
    let above = directory.parent().and_then(|above| fs::metadata(above).ok());
    let held = above.is_some_and(|found| {
        [0, us].contains(&found.uid()) && (found.mode() & OTHERS_WRITE == 0 || found.mode() & STICKY != 0)
    });
    ours && held
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn join<T>(outcome: Result<io::Result<T>, tokio::task::JoinError>) -> io::Result<T> {
    outcome.unwrap_or_else(|error| Err(io::Error::other(error)))
}
