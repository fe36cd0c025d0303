//! Who can write a file that decides what is granted or run.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::shell;

/// Who else could have written the file, and how to fix that. Whoever writes it could grant or run anything.
pub(super) fn foreign_writers(path: &Path, found: &Metadata) -> Option<String> {
    if found.uid() != 0 && found.uid() != rustix::process::geteuid().as_raw() {
        return Some("belongs to another user, who could write anything there: name a copy of your own".to_owned());
    }
    (found.mode() & 0o022 != 0).then(|| format!("can be written by others: `chmod go-w {}`", shell::word(path)))
}
