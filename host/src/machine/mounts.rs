//! Where something lies, whatever path leads to it: a mount shows a directory at a second path, so a path is not
//! enough.
//!
//! Linux says for each mount which part of which file system it shows. On other systems a mount never shows a directory
//! a second time: there a directory is known by its identity and lies in the directories above it.

#[cfg(target_os = "linux")]
pub(super) use self::linux::{Location, Mounts, reached_by};
#[cfg(not(target_os = "linux"))]
pub(super) use self::other::{Location, Mounts, reached_by};

/// The mount by which something was reached.
pub(super) type MountId = u64;

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::HashMap;
    use std::ffi::OsString;
    use std::fs::{self, OpenOptions};
    use std::io;
    use std::os::fd::{AsFd, AsRawFd as _};
    use std::os::unix::ffi::OsStringExt as _;
    use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
    use std::path::{Path, PathBuf};

    use rustix::fs::{AtFlags, OFlags, StatxFlags, statx};

    use super::MountId;

    /// The mount by which `opened`, which is on `device`, was reached. If the kernel does not list mounts (gVisor's),
    /// there is only the device, which differs only for another file system.
    pub(in crate::machine) fn reached_by(opened: impl AsFd, device: u64) -> MountId {
        let opened = opened.as_fd();
        let found = statx(opened, c"", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok();
        let told = found.filter(|found| StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::MNT_ID));
        // Linux before 5.8 says it only there.
        let before = || {
            let told = fs::read_to_string(format!("/proc/self/fdinfo/{}", opened.as_raw_fd())).ok()?;
            told.lines()
                .find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok())
        };
        told.map(|found| found.stx_mnt_id).or_else(before).unwrap_or(device)
    }

    /// A file system and a path in it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(in crate::machine) struct Location {
        file_system: OsString,
        path: PathBuf,
    }

    impl Location {
        /// Whether `other` is this, or lies in it.
        pub(in crate::machine) fn holds(&self, other: &Self) -> bool {
            self.file_system == other.file_system && other.path.starts_with(&self.path)
        }
    }

    /// What is mounted, as this process sees it.
    pub(in crate::machine) struct Mounts(HashMap<MountId, Mount>);

    struct Mount {
        /// The one that it is mounted on.
        parent: MountId,
        at: PathBuf,
        shows: Location,
    }

    impl Mounts {
        pub(in crate::machine) fn now() -> io::Result<Self> {
            let table = fs::read("/proc/self/mountinfo")?;
            Ok(Self(table.split(|byte| *byte == b'\n').filter_map(parse).collect()))
        }

        /// Where `path` lies, which has no links in it and was reached by `mount`.
        pub(in crate::machine) fn locate(&self, mount: MountId, path: &Path) -> io::Result<Location> {
            let found = self.0.get(&mount).ok_or_else(unknown)?;
            let below = path.strip_prefix(&found.at).map_err(|_| unknown())?;
            Ok(Location {
                path: found.shows.path.join(below),
                ..found.shows.clone()
            })
        }

        /// Where what is at `path` lies; a link there is not followed.
        pub(in crate::machine) fn find(&self, path: &Path) -> io::Result<Location> {
            let path = match (path.parent(), path.file_name()) {
                (Some(parent), Some(name)) => parent.canonicalize()?.join(name),
                _ => path.to_owned(),
            };
            let flags = (OFlags::PATH | OFlags::NOFOLLOW).bits().cast_signed();
            let opened = OpenOptions::new().read(true).custom_flags(flags).open(&path)?;
            self.locate(reached_by(&opened, opened.metadata()?.dev()), &path)
        }

        /// What the mounts show on the way down from what `above` reached to what `below` reached.
        pub(in crate::machine) fn crossed(&self, above: MountId, below: MountId) -> io::Result<Vec<&Location>> {
            let (mut shown, mut at) = (Vec::new(), below);
            while at != above {
                let mount = self.0.get(&at).filter(|mount| mount.parent != at);
                let mount = mount.ok_or_else(unknown)?;
                shown.push(&mount.shows);
                at = mount.parent;
            }
            Ok(shown)
        }
    }

    fn unknown() -> io::Error {
        io::Error::other("the system does not tell what is mounted there")
    }

    /// A line of proc_pid_mountinfo(5).
    fn parse(line: &[u8]) -> Option<(MountId, Mount)> {
        let mut fields = line.split(|byte| *byte == b' ');
        let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse().ok();
        let (id, parent) = (number()?, number()?);
        let mut text = || fields.next().map(unescaped);
        let file_system = text()?;
        let (path, at) = (text()?.into(), text()?.into());
        let shows = Location { file_system, path };
        Some((id, Mount { parent, at, shows }))
    }

    /// `\040` for a space, and so on.
    fn unescaped(field: &[u8]) -> OsString {
        let mut text = Vec::with_capacity(field.len());
        let mut rest = field;
        while let Some((first, others)) = rest.split_first() {
            let digits = others.get(..3).filter(|_| *first == b'\\');
            let byte = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
            text.push(byte.unwrap_or(*first));
            rest = if byte.is_some() { &others[3..] } else { others };
        }
        OsString::from_vec(text)
    }

    #[cfg(test)]
    mod tests {
        #![allow(clippy::unwrap_used)]

        use super::*;

        #[test]
        fn a_path_lies_where_its_mount_shows_it() {
            let table = [
                "20 1 8:1 / / rw - ext4 /dev/sda1 rw",
                r"31 20 8:1 /home/me\040too /srv/a\134b rw,noatime shared:1 - ext4 /dev/sda1 rw",
                "32 31 0:40 / /srv/a\\134b/memory rw - tmpfs none rw",
                "",
            ];
            let mounts = Mounts(table.iter().filter_map(|line| parse(line.as_bytes())).collect());
            let at = |mount, path| mounts.locate(mount, Path::new(path)).unwrap();
            let home = at(20, "/home");
            assert!(home.holds(&at(31, r"/srv/a\b")) && !at(31, r"/srv/a\b").holds(&home));
            assert_eq!(at(31, r"/srv/a\b/x"), at(20, "/home/me too/x"));
            assert!(!at(20, "/").holds(&at(32, r"/srv/a\b/memory")), "another file system");
            assert!(!home.holds(&at(20, "/homes")));
            assert_eq!(mounts.crossed(20, 32).unwrap().len(), 2);
            assert!(mounts.crossed(31, 31).unwrap().is_empty());
            for (above, below) in [(32, 20), (20, 33)] {
                mounts.crossed(above, below).unwrap_err();
            }
            mounts.locate(32, Path::new("/elsewhere")).unwrap_err();
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use std::fs;
    use std::io;
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

    use super::MountId;
    use crate::machine::system::Identity;

    /// The mount by which `opened`, which is on `device`, was reached: each file system is mounted once.
    pub(in crate::machine) fn reached_by(_: impl AsFd, device: u64) -> MountId {
        device
    }

    /// A file or directory and all above it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(in crate::machine) struct Location(Vec<Identity>);

    impl Location {
        /// Whether `other` is this, or lies in it.
        pub(in crate::machine) fn holds(&self, other: &Self) -> bool {
            self.0.first().is_some_and(|this| other.0.contains(this))
        }
    }

    /// What is mounted.
    pub(in crate::machine) struct Mounts;

    impl Mounts {
        #[allow(clippy::unnecessary_wraps, reason = "Linux may not tell")]
        pub(in crate::machine) fn now() -> io::Result<Self> {
            Ok(Self)
        }

        /// Where `path` lies, which has no links in it.
        pub(in crate::machine) fn locate(&self, _: MountId, path: &Path) -> io::Result<Location> {
            let identity = |path: &Path| fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()));
            path.ancestors().map(identity).collect::<io::Result<_>>().map(Location)
        }

        /// Where what is at `path` lies; a link there is not followed.
        pub(in crate::machine) fn find(&self, path: &Path) -> io::Result<Location> {
            let path = match (path.parent(), path.file_name()) {
                (Some(parent), Some(name)) => parent.canonicalize()?.join(name),
                _ => path.to_owned(),
            };
            self.locate(0, &path)
        }

        /// What the mounts show on the way down from what `above` reached to what `below` reached: no directory that
        /// has another path.
        #[allow(clippy::unnecessary_wraps, reason = "Linux may not tell")]
        pub(in crate::machine) fn crossed(&self, _above: MountId, _below: MountId) -> io::Result<Vec<&Location>> {
            Ok(Vec::new())
        }
    }
}
