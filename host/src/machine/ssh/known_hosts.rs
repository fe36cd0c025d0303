//! The files with the keys of hosts that are trusted. ssh itself does not look who may write them.

use std::path::{Path, PathBuf};

use super::trouble::What;
use super::ways::{OpenSsh, Ways};
use crate::machine::trusted_path;

/// Those that count for a connection: for a host that is jumped over too.
pub(super) fn of(ssh: &OpenSsh, ways: &Ways) -> Vec<PathBuf> {
    ways.known_hosts.iter().chain([&ssh.known_hosts]).cloned().collect()
}

/// Makes sure that nobody but this user and root may write them, or put others in their place.
pub(super) fn check<P: AsRef<Path>>(files: &[P]) -> Result<(), What> {
    let check = |file: &P| trusted_path::check_expected(file.as_ref()).map_err(What::KnownHosts);
    files.iter().try_for_each(check)
}
