//! The directories that a backend is granted, and the folders of which it may read files.

use std::path::{Path, PathBuf};

use super::system;
use crate::capability::files::Folder;
use crate::config::{At, ConfigError};
use crate::shell;

/// The directories of the list at `at` without links, so that what is checked later is what was granted.
pub(super) fn find(written: &[PathBuf], at: &At) -> Result<Vec<PathBuf>, ConfigError> {
    let find = |(index, path): (usize, &PathBuf)| {
        let at = at.item(index);
        let shown = path.display();
        let found = path.canonicalize().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => at.error(format!(
                "{shown} does not exist: make it with `mkdir -p {}`",
                shell::word(path)
            )),
            _ => at.error(format!(
                "{shown} cannot be used ({error}): correct the path or its permissions"
            )),
        })?;
        match system::fault(&found) {
            _ if !found.is_dir() => {
                Err(at.error(format!("{shown} is not a directory: name the directory that holds it")))
            }
            Some(fault) => Err(at.error(format!(
                "{} {fault}: name the directory of your projects",
                found.display()
            ))),
            None => Ok(found),
        }
    };
    written.iter().enumerate().map(find).collect()
}

/// The folders of the list at `at` without links, as far as they exist: a program may make its folder later.
pub(super) fn folders(written: &[Folder], at: &At) -> Result<Vec<Folder>, ConfigError> {
    let find = |(index, folder): (usize, &Folder)| {
        let under = real(&folder.under);
        match system::fault(&under) {
            Some(fault) => Err(at.item(index).key("under").error(format!(
                "{} {fault}: name the folder of the program whose files are meant",
                under.display()
            ))),
            None => Ok(Folder {
                under,
                names: folder.names.clone(),
            }),
        }
    };
    written.iter().enumerate().map(find).collect()
}

/// `path` without links, as far as it exists.
pub(super) fn real(path: &Path) -> PathBuf {
    let found = path
        .ancestors()
        .find_map(|ancestor| Some((ancestor, ancestor.canonicalize().ok()?)));
    match found {
        Some((ancestor, canonical)) => match path.strip_prefix(ancestor) {
            Ok(rest) if !rest.as_os_str().is_empty() => canonical.join(rest),
            _ => canonical,
        },
        None => path.to_owned(),
    }
}
