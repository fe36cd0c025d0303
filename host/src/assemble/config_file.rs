//! The configuration file itself: which one applies, and whether it can be trusted.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::trusted_path;
use crate::config::ConfigError;

/// The largest configuration that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// The file that applies: the one asked for, else the user's own in `folder` where there is one.
pub(super) fn choose(asked: Option<&Path>, folder: &Path) -> Result<Option<PathBuf>, ConfigError> {
    if let Some(path) = asked {
        let absolute = std::path::absolute(path);
        return absolute
            .map(Some)
            .map_err(|error| ConfigError::whole(path.display(), error));
    }
    let own = folder.join("berth/config.toml");
    // A link to nowhere is a mistake to be told, so links are not followed here.
    match own.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => Ok(Some(own)),
    }
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
        return Err(wrong("it is no regular file: name one".to_owned()));
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
