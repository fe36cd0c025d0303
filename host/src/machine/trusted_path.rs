//! Who could change what a path leads to: whoever may write a folder on the way there can put another file in its place.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::shell;

/// In a folder with this bit everybody's files are their own: others can neither rename nor remove them (chmod(1)).
const STICKY: u32 = 0o1000;

/// The most links that are followed, as systems do.
const LINKS: usize = 40;

/// Looks at each folder, each link and the end of the absolute `path`: all must belong to this user or root, and nobody
/// else may write them. For a folder that all users share, such as `/tmp`, the sticky bit is enough.
///
/// # Errors
/// The path that is wrong, what is wrong with it, and the command that fixes it. If something cannot be looked at, that
/// is the error.
pub(crate) fn check(path: &Path) -> Result<(), String> {
    looked_at(path).map_err(|error| error.to_string())
}

/// The same of a file that need not be there yet: then nobody else may make it.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_expected(path: &Path) -> Result<(), String> {
    match looked_at(path) {
        Err(Wrong::Unreadable { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        looked_at => looked_at.map_err(|error| error.to_string()),
    }
}

/// The links through which the absolute `path` leads, each at its own place, and its end, as far as they can be found.
pub(crate) fn places(path: &Path) -> Vec<PathBuf> {
    let (mut steps, mut places) = (Steps::of(path), Vec::new());
    let mut end = PathBuf::from("/");
    while let Some(step) = steps.next() {
        match step {
            Ok((step, found)) if found.is_symlink() => places.push(step),
            Ok((step, _)) => end = step,
            // What comes there, comes below that.
            Err(Wrong::Unreadable { path, .. }) => end = steps.ahead.iter().fold(path, |step, name| step.join(name)),
            Err(_) => {}
        }
    }
    places.push(end);
    places
}

fn looked_at(path: &Path) -> Result<(), Wrong> {
    let user = rustix::process::geteuid().as_raw();
    for step in Steps::of(path) {
        let (path, found) = step?;
        if let Some(told) = refusal(&path, &found, user) {
            return Err(Wrong::Untrusted(told));
        }
    }
    Ok(())
}

/// What is wrong with a path.
#[derive(Debug, thiserror::Error)]
enum Wrong {
    #[error("{0}")]
    Untrusted(String),
    #[error("{} cannot be read ({cause}): correct the path or its permissions", path.display())]
    Unreadable { path: PathBuf, cause: io::Error },
    #[error("{} leads in a circle of links: name the file itself", .0.display())]
    Circle(PathBuf),
}

/// The root directory and each folder, link and file on the way of a path, without links in front of their names.
struct Steps {
    path: PathBuf,
    ahead: VecDeque<OsString>,
    here: PathBuf,
    links: usize,
    has_begun: bool,
    is_over: bool,
}

impl Steps {
    fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            ahead: names(path),
            here: PathBuf::from("/"),
            links: 0,
            has_begun: false,
            is_over: false,
        }
    }

    /// What is at `step`, which is gone to, or to where it leads.
    fn go(&mut self, step: &Path) -> Result<Metadata, Wrong> {
        let unreadable = |cause| Wrong::Unreadable {
            path: step.to_owned(),
            cause,
        };
        let found = step.symlink_metadata().map_err(unreadable)?;
        if !found.is_symlink() {
            step.clone_into(&mut self.here);
            return Ok(found);
        }
        self.links += 1;
        if self.links > LINKS {
            return Err(Wrong::Circle(self.path.clone()));
        }
        let target = std::fs::read_link(step).map_err(unreadable)?;
        if target.is_absolute() {
            self.here = PathBuf::from("/");
        }
        for name in names(&target).into_iter().rev() {
            self.ahead.push_front(name);
        }
        Ok(found)
    }
}

impl Iterator for Steps {
    type Item = Result<(PathBuf, Metadata), Wrong>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let mut step = self.here.clone();
        if std::mem::replace(&mut self.has_begun, true) {
            loop {
                let name = self.ahead.pop_front()?;
                if name != ".." {
                    step = self.here.join(name);
                    break;
                }
                self.here.pop();
            }
        }
        let found = self.go(&step);
        self.is_over = found.is_err();
        Some(found.map(|found| (step, found)))
    }
}

fn names(path: &Path) -> VecDeque<OsString> {
    let name = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().filter_map(name).collect()
}

/// What is wrong with `path`, and how `user` fixes it.
fn refusal(path: &Path, found: &Metadata, user: u32) -> Option<String> {
    let (shown, word) = (path.display(), shell::word(path));
    let told = match fault(found, user)? {
        Fault::Owner => {
            let link = if found.is_symlink() { "-h " } else { "" };
            let owner = found.uid();
            format!(
                "{shown} belongs to user {owner}, who could change what is read there: `sudo chown {link}{user} {word}`, \
                 or name a file elsewhere"
            )
        }
        Fault::Writers => {
            let mode = found.mode() & 0o7777;
            format!("{shown} can be written by others (its mode is {mode:04o}): `chmod go-w {word}`")
        }
    };
    Some(told)
}

#[derive(Debug, PartialEq, Eq)]
enum Fault {
    Owner,
    Writers,
}

/// What is wrong with something on the way, for the user with this number.
fn fault(found: &Metadata, user: u32) -> Option<Fault> {
    if found.uid() != 0 && found.uid() != user {
        return Some(Fault::Owner);
    }
    // The mode of a link means nothing: whoever may write its folder may replace it.
    let shared = found.is_dir() && found.mode() & STICKY != 0;
    (!found.is_symlink() && !shared && found.mode() & 0o022 != 0).then_some(Fault::Writers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tempfile::TempDir;

    use super::*;

    /// `conf/deep/config.toml`, private, and its folder without links.
    fn place() -> (TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().canonicalize().unwrap();
        for folder in ["conf", "conf/deep", "open", "other"] {
            fs::create_dir(path.join(folder)).unwrap();
            set(&path.join(folder), 0o755);
        }
        fs::write(path.join("conf/deep/config.toml"), "").unwrap();
        set(&path.join("conf/deep/config.toml"), 0o644);
        (root, path)
    }

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_file_and_every_folder_above_it_are_looked_at() {
        for which in ["conf/deep/config.toml", "conf/deep", "conf", ""] {
            for (mode, right) in [
                (0o755, true),
                (0o700, true),
                (0o775, false),
                (0o757, false),
                (0o777, false),
            ] {
                let (_root, path) = place();
                set(&path.join(which), mode);
                let checked = check(&path.join("conf/deep/config.toml"));
                set(&path.join(which), 0o755);
                assert_eq!(checked.is_ok(), right, "{which:?} {mode:o}: {checked:?}");
                if let Err(told) = checked {
                    let named = path.join(which).components().collect::<PathBuf>();
                    let fix = format!("`chmod go-w {}`", shell::word(&named));
                    assert!(told.starts_with(&format!("{} can be", named.display())), "{told}");
                    assert!(told.ends_with(&fix) && told.contains(&format!("{mode:04o}")), "{told}");
                }
            }
        }
    }

    #[test]
    fn a_shared_folder_is_taken_where_its_entries_are_their_owners() {
        let (_root, path) = place();
        set(&path.join("conf"), 0o1777);
        assert_eq!(check(&path.join("conf/deep/config.toml")), Ok(()));
        // The bit means nothing on a file.
        set(&path.join("conf/deep/config.toml"), 0o1666);
        assert!(check(&path.join("conf/deep/config.toml")).is_err());
    }

    #[test]
    fn links_count_with_the_folders_that_they_stand_in_and_lead_through() {
        let (_root, path) = place();
        let file = path.join("conf/deep/config.toml");
        symlink(&file, path.join("open/absolute.toml")).unwrap();
        symlink("../conf/deep/config.toml", path.join("open/relative.toml")).unwrap();
        symlink("../open/relative.toml", path.join("other/chained.toml")).unwrap();
        symlink("../conf", path.join("other/folder")).unwrap();
        symlink("loop.toml", path.join("other/loop.toml")).unwrap();
        let links = ["open/absolute.toml", "open/relative.toml", "other/chained.toml"];
        for link in links
            .iter()
            .chain(&["other/folder/deep/config.toml", "conf/../conf/deep/config.toml"])
        {
            assert_eq!(check(&path.join(link)), Ok(()), "{link}");
        }
        set(&path.join("open"), 0o777);
        for link in links {
            let told = check(&path.join(link)).unwrap_err();
            assert!(
                told.starts_with(&format!("{} can be", path.join("open").display())),
                "{told}"
            );
        }
        set(&path.join("open"), 0o755);
        set(&path.join("conf/deep"), 0o777);
        for link in links.iter().chain(&["other/folder/deep/config.toml"]) {
            assert!(check(&path.join(link)).is_err(), "{link}");
        }
        assert!(check(&path.join("other/loop.toml")).unwrap_err().contains("circle"));
        assert!(
            check(&path.join("other/nowhere"))
                .unwrap_err()
                .contains("correct the path")
        );
    }

    #[test]
    fn a_file_that_may_come_is_refused_where_others_could_make_it() {
        let (_root, path) = place();
        for name in ["conf/deep/later", "conf/later/still", "conf/deep/config.toml"] {
            assert_eq!(check_expected(&path.join(name)), Ok(()), "{name}");
        }
        assert!(check(&path.join("conf/deep/later")).is_err());
        set(&path.join("conf"), 0o777);
        for name in ["conf/deep/later", "conf/later/still"] {
            let told = check_expected(&path.join(name)).unwrap_err();
            assert!(
                told.starts_with(&format!("{} can be", path.join("conf").display())),
                "{told}"
            );
        }
    }

    #[test]
    fn the_places_of_a_path_are_the_links_that_it_leads_through_and_its_end() {
        let (_root, path) = place();
        symlink("../conf/deep", path.join("open/folder")).unwrap();
        symlink("../open/folder/config.toml", path.join("other/first")).unwrap();
        symlink(path.join("other/first"), path.join("other/second")).unwrap();
        symlink("nowhere/at/all", path.join("other/dangling")).unwrap();
        let all = |names: &[&str]| names.iter().map(|name| path.join(name)).collect::<Vec<_>>();
        for (of, expected) in [
            ("conf/deep/config.toml", &["conf/deep/config.toml"][..]),
            (
                "other/second",
                &["other/second", "other/first", "open/folder", "conf/deep/config.toml"],
            ),
            ("open/folder/later/still", &["open/folder", "conf/deep/later/still"]),
            ("other/dangling", &["other/dangling", "other/nowhere/at/all"]),
        ] {
            assert_eq!(places(&path.join(of)), all(expected), "{of}");
        }
    }

    #[test]
    fn what_belongs_to_neither_this_user_nor_root_is_refused() {
        let (_root, path) = place();
        let folder = path.join("conf");
        let own = folder.metadata().unwrap().uid();
        // Only root can give a folder away; for other users of this test, their own folder takes the place of another
        // user's.
        let user = match own {
            0 => std::os::unix::fs::chown(&folder, Some(4711), None).map(|()| 0).unwrap(),
            own => own + 1,
        };
        let found = folder.metadata().unwrap();
        assert_eq!(fault(&found, user), Some(Fault::Owner));
        assert_eq!(fault(&found, found.uid()), None);
        assert_eq!(
            fault(&Path::new("/").metadata().unwrap(), user),
            None,
            "root's are right for all"
        );
        let told = refusal(&folder, &found, user).unwrap();
        let fix = format!("`sudo chown {user} {}`", shell::word(&folder));
        assert!(
            told.contains(&format!("belongs to user {}", found.uid())) && told.contains(&fix),
            "{told}"
        );
    }
}
