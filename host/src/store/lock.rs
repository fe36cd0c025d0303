//! One owner: the lock on the data directory.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{Error, files};

/// How long to wait before trying again.
const AGAIN: Duration = Duration::from_millis(5);

/// The data directory is this process's own while this lives. The system releases it if the process dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Locks `path` without waiting and writes into it who holds it.
    pub(super) fn take(path: &Path, purpose: &str) -> Result<Self, Error> {
        let mut file = files::open(
            path,
            OpenOptions::new().read(true).write(true).create(true).truncate(false),
        )?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(Error::InUse {
                    path: path.to_owned(),
                    holder: holder(&mut file),
                });
            }
            Err(refused) => return Err(Error::io("lock", path)(refused.into())),
        }
        let owner = format!("{} {purpose}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.write_all(owner.as_bytes()))
            .map_err(Error::io("write", path))?;
        Ok(Self { _file: file })
    }

    /// The same, waiting for its holder for at most `patience`.
    pub(super) fn take_within(path: &Path, purpose: &str, patience: Duration) -> Result<Self, Error> {
        let deadline = Instant::now() + patience;
        loop {
            match Self::take(path, purpose) {
                Err(Error::InUse { .. }) if Instant::now() < deadline => thread::sleep(AGAIN),
                taken => return taken,
            }
        }
    }

    /// Whether somebody holds `path` now. To see that, this holds it for a moment together with others who look, so
    /// only [`Lock::take_within`] may be used to take it.
    pub(super) fn is_held(path: &Path) -> Result<bool, Error> {
        let file = files::open(
            path,
            OpenOptions::new().read(true).write(true).create(true).truncate(false),
        )?;
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(Errno::WOULDBLOCK) => Ok(true),
            Err(refused) => Err(Error::io("lock", path)(refused.into())),
        }
    }
}

/// Who holds the lock, as far as its file tells: its holder may be just about to write it.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(200).read_to_string(&mut text);
    match text.trim().split_once(' ') {
        Some((pid, purpose)) if read.is_ok() => format!("process {pid} (berth {purpose})"),
        _ => "another berth process".to_owned(),
    }
}
