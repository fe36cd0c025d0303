//! The files by which the system shows itself: not a place for work, on any path. Whoever may mount can make them
//! appear anywhere, so the opened file itself is checked.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;

use rustix::fs::StatFs;

/// Where the system shows itself. A program that writes there changes the system and not a project.
pub const SYSTEM: [&str; 3] = ["/proc", "/sys", "/dev"];

/// Sockets and the like of running programs.
pub const RUNNING: &str = "/run";

/// What was opened belongs to the system or to berth, or leads to such a place.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Own(String);

/// Device and inode: which file or directory it is, whatever its path.
pub(crate) type Identity = (u64, u64);

/// Checks that what was opened, which has this identity, is not one of the system's own.
///
/// # Errors
/// One for which [`is_own`] is true, or that the system does not tell.
pub(crate) fn check(opened: impl AsFd, identity: Identity) -> io::Result<()> {
    match kind(&rustix::fs::fstatfs(opened)?) {
        Some(kind) => Err(lies_in(&format!("a file system of the kind `{kind}`"))),
        None => match place(identity) {
            Some(place) => Err(lies_in(&format!("`{place}`"))),
            None => Ok(()),
        },
    }
}

/// The error that something lies in `place`, which is the system's own.
pub(super) fn lies_in(place: &str) -> io::Error {
    own(format!(
        "lies in {place}, where the system shows itself as files and no project is: unmount that"
    ))
}

/// The error that something must not be used. `why` is the reason, as words after its name.
pub(super) fn own(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, Own(why))
}

/// Whether `error` is of [`own`].
pub(crate) fn is_own(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|cause| cause.is::<Own>())
}

/// The place that this is, or on whose file system it is, if that place has its own: by their kind some are memory or a
/// disk, as others are.
fn place((device, inode): Identity) -> Option<&'static str> {
    let root = fs::metadata("/").ok()?.dev();
    let is_in = |place: &&str| {
        fs::metadata(place).is_ok_and(|found| found.dev() == device && (device != root || found.ino() == inode))
    };
    SYSTEM.into_iter().chain([RUNNING]).find(is_in)
}

/// The name of a kind of file system that only shows the system, if it is one.
#[cfg(target_os = "linux")]
fn kind(found: &StatFs) -> Option<&'static str> {
    /// By the numbers of `statfs(2)` and the kernel's `magic.h`.
    const KINDS: [(rustix::fs::FsWord, &str); 22] = [
        (0x9fa0, "proc"),
        (0x6265_6572, "sysfs"),
        (0x1cd1, "devpts"),
        (0x6462_6720, "debugfs"),
        (0x7472_6163, "tracefs"),
        (0x0027_e0eb, "cgroup"),
        (0x6367_7270, "cgroup2"),
        (0x7363_6673, "securityfs"),
        (0x6265_6570, "configfs"),
        (0xcafe_4a11, "bpf"),
        (0xf97c_ff8c, "selinuxfs"),
        (0x4341_5d53, "smackfs"),
        (0x5a3c_69f0, "apparmorfs"),
        (0xde5e_81e4, "efivarfs"),
        (0x6165_676c, "pstore"),
        (0x4249_4e4d, "binfmt_misc"),
        (0x6573_5543, "fusectl"),
        (0x1980_0202, "mqueue"),
        (0x6e73_6673, "nsfs"),
        (0x6759_6969, "rpc_pipefs"),
        (0x6c6f_6f70, "binder"),
        (0x0765_5821, "resctrl"),
    ];
    let known = KINDS.into_iter().find(|(number, _)| *number == found.f_type);
    known.map(|(_, name)| name)
}

/// The same.
#[cfg(target_os = "macos")]
fn kind(found: &StatFs) -> Option<&'static str> {
    const DEVICES: &str = "devfs";
    let name = found.f_fstypename.iter().map(|byte| byte.cast_unsigned());
    name.take_while(|byte| *byte != 0)
        .eq(DEVICES.bytes())
        .then_some(DEVICES)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs::File;
    use std::path::Path;

    use super::*;

    fn checked(path: impl AsRef<Path>) -> io::Result<()> {
        let opened = File::open(path).unwrap();
        let found = opened.metadata().unwrap();
        check(&opened, (found.dev(), found.ino()))
    }

    #[test]
    fn what_the_system_shows_of_itself_is_known_by_what_was_opened() {
        let mut places = vec!["/dev", "/dev/null"];
        if cfg!(target_os = "linux") {
            places.extend([
                "/proc",
                "/proc/self",
                "/proc/self/environ",
                "/sys",
                "/sys/kernel",
                RUNNING,
            ]);
        }
        for path in places {
            let refused = checked(path).expect_err(path);
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
            assert!(is_own(&refused), "{path}: {refused}");
        }
    }

    #[test]
    fn what_people_work_in_is_none_of_it() {
        let folder = tempfile::TempDir::new().unwrap();
        for path in [
            folder.path(),
            Path::new("/"),
            Path::new("/etc"),
            Path::new("/etc/passwd"),
        ] {
            checked(path).unwrap();
        }
    }
}
