//! Places of the system that cannot be what the operator means: nobody works where the system shows itself as files.

use std::path::Path;

use crate::machine::{RUNNING, SYSTEM};

/// The part of [`RUNNING`] where people's disks are.
const DISKS: &str = "/run/media";

/// What is wrong with `path`, without links, as a place for work, as words after it.
pub(super) fn fault(path: &Path) -> Option<&'static str> {
    let disk = path.starts_with(DISKS) && path != Path::new(DISKS);
    let running = path.starts_with(RUNNING) && !disk;
    own_fault(path).or_else(|| running.then_some("belongs to the system, where no projects are"))
}

/// What is wrong with `path`, without links, as a file or directory of berth's operator, as words after it. In `/run`
/// other programs put secrets for this user.
pub(super) fn own_fault(path: &Path) -> Option<&'static str> {
    if path.parent().is_none() {
        return Some("is the root directory, which holds everything");
    }
    let system = SYSTEM.iter().any(|system| path.starts_with(system));
    system.then_some("is where the system shows itself as files")
}
