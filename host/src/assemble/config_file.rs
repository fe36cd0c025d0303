//! The configuration file itself: which one applies, and whether it can be trusted.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::config::ConfigError;
use crate::machine::trusted_path;

/// The largest configuration that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// The file that applies: the one asked for, otherwise the user's own in `folder` if there is one.
pub(super) fn choose(asked: Option<&Path>, folder: &Path) -> Result<Option<PathBuf>, ConfigError> {
    let own = place(asked, folder)?;
    if asked.is_some() {
        return Ok(Some(own));
    }
    // A link to nowhere is a mistake to report, so links are not followed here.
    match own.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => Ok(Some(own)),
    }
}

/// Where the file is, or would be.
pub(super) fn place(asked: Option<&Path>, folder: &Path) -> Result<PathBuf, ConfigError> {
    match asked {
        Some(path) => std::path::absolute(path).map_err(|error| ConfigError::whole(path.display(), error)),
        None => Ok(folder.join("berth/config.toml")),
    }
}

/// Writes a file that does not exist yet, for this user alone.
pub(super) fn write_new(path: &Path, text: &str) -> Result<(), ConfigError> {
    let wrong = |error: io::Error| {
        ConfigError::whole(
            path.display(),
            match error.kind() {
                io::ErrorKind::AlreadyExists => "it exists already, and stays as it is: edit it".to_owned(),
                _ => format!("it cannot be written ({error}): correct the path or its permissions"),
            },
        )
    };
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(wrong)?;
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(wrong)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(wrong)
}

/// Puts `text` into a file that holds `before`, whole or not at all. Its mode stays, and so does a link to it.
pub(super) fn replace(path: &Path, before: &str, text: &str) -> Result<(), ConfigError> {
    let wrong = |message: String| ConfigError::whole(path.display(), message);
    let unwritable = |error: io::Error| {
        wrong(format!(
            "it cannot be written ({error}), and stays as it is: correct its permissions or those of its folder"
        ))
    };
    let real = path.canonicalize().map_err(unwritable)?;
    let draft = real.with_added_extension("draft");
    let written = write_draft(&real, &draft, text);
    let is_as_before = read(path).map(|now| now == before);
    let done = match (written, is_as_before) {
        (Err(error), _) => Err(unwritable(error)),
        (Ok(()), Err(error)) => Err(error),
        (Ok(()), Ok(false)) => Err(wrong(
            "it has just been changed, and stays as it is: try again".to_owned(),
        )),
        (Ok(()), Ok(true)) => std::fs::rename(&draft, &real).map_err(unwritable),
    };
    if done.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    done
}

/// A file of its own beside `real`, with the same mode.
fn write_draft(real: &Path, draft: &Path, text: &str) -> io::Result<()> {
    let permissions = std::fs::metadata(real)?.permissions();
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(draft)?;
    file.set_permissions(permissions)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The text of a file that only this user or root could have written or put there.
pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    let wrong = |message: String| ConfigError::whole(path.display(), message);
    let unreadable = |error: io::Error| {
        wrong(format!(
            "it cannot be read ({error}): correct the path or its permissions"
        ))
    };
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(wrong("it is not a regular file: name one".to_owned()));
    }
    trusted_path::check(path).map_err(wrong)?;
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LARGEST {
        return Err(wrong(format!("it is larger than {LARGEST} bytes: shorten it")));
    }
    Ok(text)
}
