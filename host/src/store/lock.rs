//! One owner: the lock on the data directory.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{Error, files};

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
