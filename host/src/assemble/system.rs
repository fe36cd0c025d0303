//! Places of the system, which cannot be meant: what it shows of itself as files is nobody's place to work in.

use std::path::Path;

use crate::machine::{RUNNING, SYSTEM};

/// In [`RUNNING`], where people's disks are.
const DISKS: &str = "/run/media";

/// What is wrong with `path`, without links, as a place for work, to stand after it.
pub(super) fn fault(path: &Path) -> Option<&'static str> {
    let disk = path.starts_with(DISKS) && path != Path::new(DISKS);
    let running = path.starts_with(RUNNING) && !disk;
    own_fault(path).or_else(|| running.then_some("is the system's own, where no projects lie"))
}

/// What is wrong with `path`, without links, as a file or directory of berth's operator, to stand after it. In `/run`
/// other programs put secrets for this user.
pub(super) fn own_fault(path: &Path) -> Option<&'static str> {
    if path.parent().is_none() {
        return Some("is the root directory, which holds everything");
    }
    let system = SYSTEM.iter().any(|system| path.starts_with(system));
    system.then_some("is where the system shows itself as files")
}
