//! Files and directories that only berth's own user may reach: making, checking, replacing.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::Error;

/// The permission bits of group and others.
const FOREIGN_BITS: u32 = 0o077;

/// The end of the name of a file that is not complete yet.
const DRAFT: &str = "draft";

/// Makes `path` as a directory of mode 0700 if it is missing, and checks it in either case.
pub(super) fn own_directory(path: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|cause| match cause.kind() {
            ErrorKind::AlreadyExists => Error::Kind {
                path: path.to_owned(),
                expected: "a directory",
            },
            _ => Error::Io {
                action: "make the directory",
                path: path.to_owned(),
                cause,
            },
        })?;
    let metadata = fs::symlink_metadata(path).map_err(Error::io("look at", path))?;
    check(path, &metadata)?;
    if metadata.is_dir() {
        Ok(())
    } else {
        Err(Error::Kind {
            path: path.to_owned(),
            expected: "a directory",
        })
    }
}

/// Checks what lies in `directory`, `depth` levels down.
pub(super) fn check_entries(directory: &Path, depth: u32) -> Result<(), Error> {
    if depth == 0 {
        return Ok(());
    }
    for entry in fs::read_dir(directory).map_err(Error::io("list", directory))? {
        let path = entry.map_err(Error::io("list", directory))?.path();
        let metadata = match fs::symlink_metadata(&path) {
            // Another berth process may have renamed its finished file just now.
            Err(gone) if gone.kind() == ErrorKind::NotFound => continue,
            found => found.map_err(Error::io("look at", &path))?,
        };
        check(&path, &metadata)?;
        if metadata.is_dir() {
            check_entries(&path, depth - 1)?;
        }
    }
    Ok(())
}

/// Opens a file of ours with `options`, refusing a link in its place, another owner, and permissions for others.
pub(super) fn open(path: &Path, options: &mut OpenOptions) -> Result<File, Error> {
    // Without NONBLOCK, opening a FIFO in the file's place would wait for its other end.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = options.mode(0o600).custom_flags(flags).open(path).map_err(|cause| {
        if cause.raw_os_error() == Some(Errno::LOOP.raw_os_error()) {
            Error::Link { path: path.to_owned() }
        } else {
            Error::Io {
                action: "open",
                path: path.to_owned(),
                cause,
            }
        }
    })?;
    let metadata = file.metadata().map_err(Error::io("look at", path))?;
    check(path, &metadata)?;
    if metadata.is_file() {
        Ok(file)
    } else {
        Err(Error::Kind {
            path: path.to_owned(),
            expected: "a file",
        })
    }
}

/// Makes sure that there is a file of ours at `path`, an empty one if there was none, refusing what [`open`] refuses.
/// An existing file is not opened: with the first descriptor that is closed, a process loses every lock that it has on
/// the file (fcntl(2)), and SQLite has some.
pub(super) fn present(path: &Path) -> Result<(), Error> {
    let look = || fs::symlink_metadata(path);
    let found = match look() {
        Err(missing) if missing.kind() == ErrorKind::NotFound => create(path, "").map(|_| look())?,
        found => found,
    };
    let metadata = found.map_err(Error::io("look at", path))?;
    check(path, &metadata)?;
    if metadata.is_file() {
        Ok(())
    } else {
        Err(Error::Kind {
            path: path.to_owned(),
            expected: "a file",
        })
    }
}

/// Which file is at `path`: its device and inode.
pub(super) fn identity(path: &Path) -> Result<(u64, u64), Error> {
    let found = fs::symlink_metadata(path).map_err(Error::io("look at", path))?;
    Ok((found.dev(), found.ino()))
}

/// Puts a file with this text at `path`, in one step and whether or not there is one.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), Error> {
    let draft = write_draft(path, text)?;
    let renamed = fs::rename(&draft, path).map_err(Error::io("replace", path));
    finish(path, &draft, renamed)
}

/// Puts a file with this text at `path`, in one step. `Ok(false)` if there was one already, which then stays.
pub(super) fn create(path: &Path, text: &str) -> Result<bool, Error> {
    let draft = write_draft(path, text)?;
    // Unlike a rename, a link never replaces what another process has just made.
    let created = match fs::hard_link(&draft, path) {
        Err(there) if there.kind() == ErrorKind::AlreadyExists => Ok(false),
        linked => linked.map(|()| true).map_err(Error::io("make", path)),
    };
    finish(path, &draft, created)
}

/// Whether a file of this name is not complete yet.
pub(super) fn is_draft(name: &OsStr) -> bool {
    Path::new(name).extension().is_some_and(|end| end == DRAFT)
}

/// Removes the drafts in `directory` that nobody has written to for `age`. One that stays does no harm.
pub(super) fn discard_drafts(directory: &Path, age: Duration) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| is_draft(&entry.file_name())) {
        let written = entry.metadata().ok().filter(Metadata::is_file);
        let written = written.and_then(|found| found.modified().ok());
        if written.is_some_and(|written| written.elapsed().is_ok_and(|since| since >= age)) {
            discard(&entry.path());
        }
    }
}

/// Refuses whatever could lead out of a directory or hide in it.
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    let begins_well = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    if plain && begins_well && name.len() <= 64 {
        Ok(())
    } else {
        Err(Error::Name { name: name.to_owned() })
    }
}

/// As many random bytes as asked for, in hexadecimal digits.
pub(super) fn random_hex<const BYTES: usize>() -> Result<String, Error> {
    random::<BYTES>().map(hex::encode)
}

/// As many random bytes as asked for.
pub(super) fn random<const BYTES: usize>() -> Result<[u8; BYTES], Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    Ok(bytes)
}

/// Checks owner and mode, and that it is not a link: every file and directory of ours must satisfy this.
fn check(path: &Path, metadata: &Metadata) -> Result<(), Error> {
    let us = rustix::process::geteuid().as_raw();
    let mode = metadata.mode() & 0o7777;
    if metadata.is_symlink() {
        return Err(Error::Link { path: path.to_owned() });
    }
    if metadata.uid() != us {
        return Err(Error::Owner {
            path: path.to_owned(),
            owner: metadata.uid(),
            us,
        });
    }
    if mode & FOREIGN_BITS != 0 {
        let wanted = if metadata.is_dir() { "700" } else { "600" };
        return Err(Error::Mode {
            path: path.to_owned(),
            mode,
            wanted,
        });
    }
    Ok(())
}

/// A new file beside `path`, complete and on the disk. Its name is random, so a leftover is never in the way.
fn write_draft(path: &Path, text: &str) -> Result<PathBuf, Error> {
    let draft = path.with_added_extension(format!("{}.{DRAFT}", random_hex::<8>()?));
    let mut file = open(&draft, OpenOptions::new().write(true).create_new(true))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        discard(&draft);
    }
    written.map_err(Error::io("write", &draft)).map(|()| draft)
}

/// Removes the draft and makes the new name survive a power cut.
fn finish<T>(path: &Path, draft: &Path, outcome: Result<T, Error>) -> Result<T, Error> {
    discard(draft);
    let value = outcome?;
    let parent = path.parent().unwrap_or(Path::new("."));
    File::open(parent)
        .and_then(|directory| directory.sync_all())
        .map_err(Error::io("write", parent))?;
    Ok(value)
}

/// A draft that cannot be removed, or is gone already, does no harm.
fn discard(draft: &Path) {
    let _ = fs::remove_file(draft);
}
