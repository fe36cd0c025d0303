//! Files of the backend's own that are put in place whole: written beside, then renamed.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

/// What the name of a draft begins with; no session's id has it.
const SIGN: &str = "~";
/// The same as an earlier version wrote it.
const FORMER_SIGN: &str = "new-";
/// A draft of that age was left by a call that was cut off.
const LEFT: Duration = Duration::from_secs(3600);

/// Puts a file `name` with `bytes` into `directory`, in one step. With `sync` it also outlives a power cut.
pub(crate) fn put(directory: &Path, name: &str, bytes: &[u8], sync: bool) -> io::Result<()> {
    let draft = directory.join(format!("{SIGN}{name}"));
    let mut file = File::create(&draft)?;
    file.write_all(bytes)?;
    if sync {
        file.sync_all()?;
    }
    fs::rename(draft, directory.join(name))
}

/// Removes drafts that were left.
pub(crate) fn tidy(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_draft = name.starts_with(SIGN) || name.starts_with(FORMER_SIGN);
        let age = entry.metadata().and_then(|metadata| metadata.modified());
        let age = age.ok().and_then(|modified| modified.elapsed().ok());
        if is_draft && age.is_some_and(|age| age >= LEFT) {
            // One that stays behind is removed by the next upkeep.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn drafts_that_were_left_go_and_others_stay() {
        let directory = std::env::temp_dir().join(format!("berth-drafts-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        put(&directory, "answers-a", b"{}", true).unwrap();
        let old = SystemTime::now() - 2 * LEFT;
        for (name, modified) in [
            ("~answers-b", Some(old)),
            ("new-c", Some(old)),
            ("~typing-d", None),
            ("answers-e", Some(old)),
        ] {
            let file = File::create(directory.join(name)).unwrap();
            if let Some(modified) = modified {
                file.set_modified(modified).unwrap();
            }
        }
        tidy(&directory).unwrap();
        let mut left: Vec<String> = fs::read_dir(&directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["answers-a", "answers-e", "~typing-d"]);
        fs::remove_dir_all(directory).unwrap();
    }
}
