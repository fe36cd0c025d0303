//! One granted directory, as it is now: if it was replaced, the new one is opened if it may be granted too.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, Metadata, MetadataExt as _, OpenOptions, ReadDir};

use super::mounts::{Location, MountId, Mounts, reached_by};
use super::system::{self, Identity, RUNNING, SYSTEM};

/// The most bytes of a path that the system opens.
const LONGEST: usize = 4096;

/// A place of berth's own that no granted directory may hold.
#[derive(Debug, Clone)]
pub struct OwnPlace {
    /// A word for it.
    pub what: &'static str,
    /// Its path without links.
    pub path: PathBuf,
    /// Whether it is only a file that is read each time at its path, and need not be there.
    pub may_be_missing: bool,
    /// Whether it is a link on the way to another one: what it leads to is a place of its own, or no place of berth's.
    pub is_on_the_way: bool,
}

/// A granted directory by its path and as it was opened.
#[derive(Debug)]
pub(crate) struct Root {
    /// The path without links, as the configuration was checked.
    pub(crate) path: PathBuf,
    own: Arc<[OwnPlace]>,
    /// Nothing while none was there.
    opened: RwLock<Option<Opened>>,
}

/// A directory as it was opened. It is not one of the system's own, holds no place of berth's, and lies in none. The
/// same is checked for what is opened below it, because a mount there may lead anywhere.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    directory: Arc<Dir>,
    identity: Identity,
    mount: MountId,
    own: Arc<[OwnPlace]>,
}

/// Why a granted directory is not used now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("it no longer exists: make it again")]
    Missing,
    #[error("a symbolic link on its path leads elsewhere now: put the directory back, or grant the one that is meant")]
    Elsewhere,
    #[error("what is there {0}")]
    Own(io::Error),
    #[error("what is there now cannot be opened as a directory ({0}): put the directory back")]
    Unreadable(io::Error),
    #[error("it is being replaced: try again")]
    Changing,
}

impl Root {
    /// Opens `path`, which may never hold a place of `own` or lie in one.
    pub(crate) fn open(path: &Path, own: Arc<[OwnPlace]>) -> Result<Self, Unusable> {
        Ok(Self {
            opened: RwLock::new(Some(open(path, &own)?)),
            path: path.to_owned(),
            own,
        })
    }

    /// The same for one that need not be there yet. It is opened when it is used.
    pub(crate) fn expected(path: &Path, own: Arc<[OwnPlace]>) -> Self {
        Self {
            opened: RwLock::default(),
            path: path.to_owned(),
            own,
        }
    }

    /// The directory that is at the path now. It may block, because it asks the file system each time.
    pub(crate) fn current(&self) -> Result<Opened, Unusable> {
        let there = fs::symlink_metadata(&self.path).map_err(Unusable::of)?;
        let known = self.opened.read().unwrap_or_else(PoisonError::into_inner).clone();
        let was_known = known.is_some();
        if let Some(opened) = known.filter(|opened| opened.identity == identity(&there)) {
            return Ok(opened);
        }
        let opened = open(&self.path, &self.own)?;
        if was_known {
            tracing::info!(
                "the granted directory {} was replaced, and is used as it is now",
                self.path.display()
            );
        }
        *self.opened.write().unwrap_or_else(PoisonError::into_inner) = Some(opened.clone());
        Ok(opened)
    }
}

/// Opens what is at `path` now. It is looked at after it was opened, so that what was looked at is what is used.
fn open(path: &Path, own: &Arc<[OwnPlace]>) -> Result<Opened, Unusable> {
    let directory = Dir::open_ambient_dir(path, ambient_authority());
    if fs::canonicalize(path).map_err(Unusable::of_path(path))? != path {
        return Err(Unusable::Elsewhere);
    }
    let directory = directory.map_err(Unusable::of)?;
    let opened = Opened::of(directory, own.clone()).map_err(Unusable::of)?;
    system::check(&opened.directory, opened.identity).map_err(Unusable::of)?;
    let there = fs::symlink_metadata(path).map_err(Unusable::of)?;
    if opened.identity != identity(&there) {
        return Err(Unusable::Changing);
    }
    let mounts = Mounts::now().map_err(Unusable::of)?;
    let place = mounts.locate(opened.mount, path).map_err(Unusable::of)?;
    opened.check_place(&mounts, &place).map_err(Unusable::of)?;
    Ok(opened)
}

impl Opened {
    fn of(directory: Dir, own: Arc<[OwnPlace]>) -> io::Result<Self> {
        let found = directory.dir_metadata()?;
        Ok(Self {
            identity: (found.dev(), found.ino()),
            mount: reached_by(&directory, found.dev()),
            directory: Arc::new(directory),
            own,
        })
    }

    /// The directory `below` it, without following a link out of it.
    pub(crate) fn directory(&self, below: &Path) -> io::Result<Self> {
        self.enter(below).map_err(self.of_last_shown(below))
    }

    fn enter(&self, below: &Path) -> io::Result<Self> {
        let opened = Self::of(self.directory.open_dir(below)?, self.own.clone())?;
        self.check(&opened.directory, opened.mount, opened.identity)?;
        Ok(opened)
    }

    /// Whether there is such a directory `below` it, or nothing, in a directory that is one.
    pub(crate) fn hold(&self, below: &Path) -> io::Result<()> {
        if below.as_os_str().len() > LONGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is too long for a path"));
        }
        let mut missing = None;
        for step in below.ancestors().filter(|step| !step.as_os_str().is_empty()) {
            match self.enter(step) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => missing = Some(step),
                entered => {
                    entered?;
                    return missing.map_or(Ok(()), |missing| self.is_free(missing));
                }
            }
        }
        missing.map_or(Ok(()), |missing| self.is_free(missing))
    }

    /// Whether nothing is at that place, also no link that leads nowhere yet.
    fn is_free(&self, below: &Path) -> io::Result<()> {
        match self.directory.symlink_metadata(below) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "a link leads to a place where nothing is",
            )),
        }
    }

    /// The file `below` it, opened with `options`, in the same way.
    pub(crate) fn file(&self, below: &Path, options: &OpenOptions) -> io::Result<(File, Metadata)> {
        let file = self.directory.open_with(below, options);
        let file = file.map_err(self.of_last_shown(below))?;
        let found = file.metadata()?;
        self.check(&file, reached_by(&file, found.dev()), (found.dev(), found.ino()))?;
        Ok((file, found))
    }

    /// The same, but a link at its own place is not followed: what is read has this name.
    pub(crate) fn file_itself(&self, below: &Path, options: &OpenOptions) -> io::Result<(File, Metadata)> {
        let (file, found) = self.file(below, options)?;
        let there = self.directory.symlink_metadata(below)?;
        if (there.dev(), there.ino()) != (found.dev(), found.ino()) {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "a link leads elsewhere",
            ));
        }
        Ok((file, found))
    }

    /// For `map_err`: an error of what is not there does not tell whether a directory above it is refused.
    fn of_last_shown(&self, below: &Path) -> impl FnOnce(io::Error) -> io::Error {
        move |error| {
            let is_path = below.as_os_str().len() <= LONGEST;
            let above = below
                .ancestors()
                .skip(1)
                .take_while(|_| is_path && !system::is_own(&error));
            // The nearest one that exists decides.
            let mut entered = above.map(|above| self.enter(above));
            let last = entered.find(|entered| entered.as_ref().map_or_else(system::is_own, |_| true));
            last.and_then(Result::err).unwrap_or(error)
        }
    }

    /// Whether there is something called `name` in the directory called `below`.
    pub(crate) fn holds(&self, below: &str, name: &str) -> bool {
        let path = Path::new(below).join(name);
        let is_shown = || path.parent().is_some_and(|parent| self.directory(parent).is_ok());
        self.directory.symlink_metadata(&path).is_ok() && is_shown()
    }

    pub(crate) fn entries(&self) -> io::Result<ReadDir> {
        self.directory.entries()
    }

    /// For a caller that keeps it open for a program.
    pub(crate) fn into_descriptor(self) -> io::Result<OwnedFd> {
        Ok(OwnedFd::from(self.directory.try_clone()?.into_std_file()))
    }

    /// Whether what was opened below this, by `mount`, may be used. What was not reached by another mount lies in this
    /// directory.
    fn check(&self, opened: impl AsFd, mount: MountId, identity: Identity) -> io::Result<()> {
        if mount == self.mount {
            return Ok(());
        }
        system::check(opened, identity)?;
        let mounts = Mounts::now()?;
        let crossed = mounts.crossed(self.mount, mount);
        for shown in crossed.map_err(|error| system::own(format!("was reached by a mount, and {error}: try again")))? {
            self.check_place(&mounts, shown)?;
        }
        Ok(())
    }

    /// Checks that what lies there is not a place of berth or the system, does not hold one, and does not lie in one.
    fn check_place(&self, mounts: &Mounts, place: &Location) -> io::Result<()> {
        for system in SYSTEM.into_iter().chain([RUNNING]) {
            if mounts.find(Path::new(system)).is_ok_and(|system| system.holds(place)) {
                return Err(system::lies_in(&format!("`{system}`")));
            }
        }
        if place.holds(&mounts.find(Path::new("/"))?) {
            return Err(system::own(
                "is, or was reached by, a mount of the root directory, which holds everything: unmount that".into(),
            ));
        }
        for own in self.own.iter() {
            let (what, path, above) = (own.what, &own.path, own.above_missing());
            let found = || match above {
                Some(above) => Ok(vec![mounts.find(above)?]),
                None if own.is_on_the_way => Ok(vec![mounts.find(path)?]),
                None => Ok(vec![mounts.find(path)?, mounts.find(&canonical(path)?)?]),
            };
            let own = found().map_err(|error: io::Error| {
                system::own(format!(
                    "cannot be told from berth's {what}, {path:?}, since that cannot be found ({error}): put that back, \
                     or restart berth"
                ))
            })?;
            if own
                .iter()
                .any(|own| place.holds(own) || above.is_none() && own.holds(place))
            {
                return Err(system::own(format!(
                    "is, or was reached by, what holds berth's {what}, {path:?}, or lies in it: unmount that, or move it away"
                )));
            }
        }
        Ok(())
    }
}

impl OwnPlace {
    /// What of its path is there, if it is missing and may be: it would lie in that.
    fn above_missing(&self) -> Option<&Path> {
        let above = self.path.ancestors().find(|path| path.symlink_metadata().is_ok())?;
        (self.may_be_missing && above != self.path).then_some(above)
    }
}

/// `path` without links, as far as it exists: where a link leads may come later.
fn canonical(path: &Path) -> io::Result<PathBuf> {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Err(error), Some(parent), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
            Ok(parent.canonicalize()?.join(name))
        }
        (found, ..) => found,
    }
}

impl Unusable {
    fn of(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            _ if system::is_own(&error) => Self::Own(error),
            _ => Self::Unreadable(error),
        }
    }

    /// The system reports a link that leads nowhere like a path where nothing is.
    fn of_path(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
        move |error| match is_link {
            true => Self::Elsewhere,
            false => Self::of(error),
        }
    }
}

fn identity(found: &fs::Metadata) -> Identity {
    (found.dev(), found.ino())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    /// A folder with the granted directory `granted`, which holds `old`, and berth's own `own/data`.
    struct Scene {
        folder: TempDir,
        root: Root,
    }

    /// A place of berth's own; a key need not be there.
    fn own(what: &'static str, path: &Path) -> Arc<[OwnPlace]> {
        Arc::from([OwnPlace {
            what,
            path: path.to_owned(),
            may_be_missing: what != "data",
            is_on_the_way: what == "link",
        }])
    }

    impl Scene {
        fn new() -> Self {
            let folder = TempDir::new().unwrap();
            let at = folder.path().canonicalize().unwrap();
            fs::create_dir_all(at.join("own/data")).unwrap();
            fs::create_dir_all(at.join("granted/old")).unwrap();
            let root = Root::open(&at.join("granted"), own("data", &at.join("own/data"))).unwrap();
            Self { folder, root }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().canonicalize().unwrap().join(name)
        }

        /// The names in the directory that is used now, or why no directory is.
        fn names(&self) -> Result<Vec<String>, String> {
            let directory = self.root.current().map_err(|error| error.to_string())?;
            let names = directory.entries().unwrap();
            Ok(names
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect())
        }

        fn refusal(&self) -> String {
            self.names().expect_err("it is used")
        }

        fn move_away(&self) {
            fs::rename(self.path("granted"), self.path("away")).unwrap();
        }
    }

    #[test]
    fn a_new_directory_in_its_place_is_the_one_that_is_used() {
        let scene = Scene::new();
        assert_eq!(scene.names().unwrap(), ["old"]);
        scene.move_away();
        assert!(scene.refusal().contains("make it again"));
        fs::create_dir_all(scene.path("granted/new")).unwrap();
        assert_eq!(scene.names().unwrap(), ["new"]);
        fs::remove_dir_all(scene.path("granted")).unwrap();
        fs::rename(scene.path("away"), scene.path("granted")).unwrap();
        assert_eq!(scene.names().unwrap(), ["old"], "it came back");
    }

    #[test]
    fn a_link_in_its_place_is_refused_wherever_it_leads() {
        let scene = Scene::new();
        scene.move_away();
        for target in ["away", "own", "nowhere"] {
            symlink(scene.path(target), scene.path("granted")).unwrap();
            assert!(scene.refusal().contains("symbolic link"), "{target}");
            fs::remove_file(scene.path("granted")).unwrap();
        }
    }

    #[test]
    fn a_link_above_it_is_refused() {
        let scene = Scene::new();
        fs::create_dir_all(scene.path("above/granted")).unwrap();
        let root = Root::open(&scene.path("above/granted"), Arc::from([])).unwrap();
        fs::rename(scene.path("above"), scene.path("beside")).unwrap();
        fs::create_dir_all(scene.path("other/granted")).unwrap();
        symlink(scene.path("other"), scene.path("above")).unwrap();
        assert!(matches!(root.current(), Err(Unusable::Elsewhere)));
    }

    #[test]
    fn a_file_in_its_place_is_refused() {
        let scene = Scene::new();
        scene.move_away();
        fs::write(scene.path("granted"), "").unwrap();
        assert!(scene.refusal().contains("cannot be opened as a directory"));
    }

    #[test]
    fn a_directory_that_holds_what_is_berths_own_is_refused() {
        let scene = Scene::new();
        scene.move_away();
        // As a mount does, this has what holds the data at the granted path; the data's own path leads there too.
        fs::rename(scene.path("own"), scene.path("granted")).unwrap();
        symlink(scene.path("granted"), scene.path("own")).unwrap();
        assert!(scene.refusal().contains("holds berth's data"));
        // If the data cannot be found, nobody can tell that it lies elsewhere.
        fs::remove_file(scene.path("own")).unwrap();
        assert!(scene.refusal().contains("cannot be found"));
    }
    #[test]
    fn a_key_that_is_not_there_is_in_the_way_only_of_a_directory_that_would_hold_it() {
        let scene = Scene::new();
        let opened = |key: &str| Root::open(&scene.path("granted"), own("identity_file", &scene.path(key)));
        for key in ["no-key", "no/such/key", "own/data/key"] {
            assert!(opened(key).is_ok(), "{key}");
        }
        fs::write(scene.path("granted/key"), "").unwrap();
        for key in ["granted/key", "granted/no-key", "granted/no/such/key"] {
            let why = opened(key).expect_err(key).to_string();
            assert!(why.contains("holds berth's identity_file"), "{why}");
        }
    }
}
