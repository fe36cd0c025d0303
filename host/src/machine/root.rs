//! One granted directory, as it is now: what was put in its place since is opened again if it may be granted as well.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, Metadata, MetadataExt as _, OpenOptions, ReadDir};

use super::system::{self, Identity};

/// A place of berth's own that no granted directory may hold: what it is, in a word, and its path without links.
pub type OwnPlace = (&'static str, PathBuf);

/// A granted directory by its path and as it was opened.
#[derive(Debug)]
pub(crate) struct Root {
    /// The path without links, as the configuration was checked.
    pub(crate) path: PathBuf,
    own: Arc<[OwnPlace]>,
    opened: RwLock<Opened>,
}

/// A directory as it was opened, which is none of the system's own. What is opened below it is none either: a mount
/// there may lead anywhere.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    directory: Arc<Dir>,
    identity: Identity,
}

/// Why a granted directory is not used now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("it is not there any more: make it again")]
    Missing,
    #[error("a symbolic link on its path leads elsewhere now: put the directory back, or grant the one that is meant")]
    Elsewhere,
    #[error("another directory was put there, which holds berth's {0}, {1:?}: take that directory away")]
    HoldsOwn(&'static str, PathBuf),
    #[error(
        "another directory was put there, and berth's {0}, {1:?}, cannot be found to see that it lies elsewhere \
         ({2}): put that back, or restart berth"
    )]
    OwnNotFound(&'static str, PathBuf, io::Error),
    #[error("what was put there {0}")]
    System(io::Error),
    #[error("what is there now cannot be opened as a directory ({0}): put the directory back")]
    Unreadable(io::Error),
    #[error("it is being replaced: try again")]
    Changing,
}

impl Root {
    /// Opens `path`, which must never come to hold a place of `own`.
    pub(crate) fn open(path: &Path, own: Arc<[OwnPlace]>) -> io::Result<Self> {
        let directory = Dir::open_ambient_dir(path, ambient_authority())?;
        Ok(Self {
            path: path.to_owned(),
            own,
            opened: RwLock::new(Opened::of(directory)?),
        })
    }

    /// The directory that is at the path now. It may block: the file system is asked each time.
    pub(crate) fn current(&self) -> Result<Opened, Unusable> {
        let there = fs::symlink_metadata(&self.path).map_err(Unusable::of)?;
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner).clone();
        if opened.identity == identity(&there) {
            return Ok(opened);
        }
        let opened = self.open_again()?;
        tracing::info!(
            "the granted directory {} was replaced, and is used as it is now",
            self.path.display()
        );
        *self.opened.write().unwrap_or_else(PoisonError::into_inner) = opened.clone();
        Ok(opened)
    }

    /// Opens what is at the path now, by the rules that held when it was granted. It is looked at after it was opened,
    /// so that what was looked at is what is used.
    fn open_again(&self) -> Result<Opened, Unusable> {
        let directory = Dir::open_ambient_dir(&self.path, ambient_authority());
        if fs::canonicalize(&self.path).map_err(Unusable::of_path(&self.path))? != self.path {
            return Err(Unusable::Elsewhere);
        }
        let opened = Opened::of(directory.map_err(Unusable::of)?).map_err(Unusable::of)?;
        let there = fs::symlink_metadata(&self.path).map_err(Unusable::of)?;
        if opened.identity != identity(&there) {
            return Err(Unusable::Changing);
        }
        for (what, place) in self.own.iter() {
            let held = lies_in(place, opened.identity);
            if held.map_err(|error| Unusable::OwnNotFound(what, place.clone(), error))? {
                return Err(Unusable::HoldsOwn(what, place.clone()));
            }
        }
        Ok(opened)
    }
}

impl Opened {
    fn of(directory: Dir) -> io::Result<Self> {
        let found = directory.dir_metadata()?;
        let identity = (found.dev(), found.ino());
        system::check(&directory, identity)?;
        Ok(Self {
            directory: Arc::new(directory),
            identity,
        })
    }

    /// The directory `below` it, without following a link out of it.
    pub(crate) fn directory(&self, below: &Path) -> io::Result<Self> {
        let directory = self.directory.open_dir(below)?;
        let found = directory.dir_metadata()?;
        self.check(&directory, &found)?;
        Ok(Self {
            identity: (found.dev(), found.ino()),
            directory: Arc::new(directory),
        })
    }

    /// The file `below` it, opened by `options`, likewise.
    pub(crate) fn file(&self, below: &Path, options: &OpenOptions) -> io::Result<(File, Metadata)> {
        let file = self.directory.open_with(below, options)?;
        let found = file.metadata()?;
        self.check(&file, &found)?;
        Ok((file, found))
    }

    /// Whether there is something called `name` in the directory called `below`.
    pub(crate) fn holds(&self, below: &str, name: &str) -> bool {
        let found = self.directory.symlink_metadata(Path::new(below).join(name));
        found.is_ok_and(|found| found.dev() == self.identity.0 || self.directory(Path::new(below)).is_ok())
    }

    pub(crate) fn entries(&self) -> io::Result<ReadDir> {
        self.directory.entries()
    }

    /// For who keeps it open for a program.
    pub(crate) fn into_descriptor(self) -> io::Result<OwnedFd> {
        Ok(OwnedFd::from(self.directory.try_clone()?.into_std_file()))
    }

    /// What is on the same file system needs no further look.
    fn check(&self, opened: impl AsFd, found: &Metadata) -> io::Result<()> {
        match found.dev() == self.identity.0 {
            true => Ok(()),
            false => system::check(opened, (found.dev(), found.ino())),
        }
    }
}

impl Unusable {
    fn of(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            _ if system::is_own(&error) => Self::System(error),
            _ => Self::Unreadable(error),
        }
    }

    /// Of a link that leads nowhere the system says the same as of nothing.
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

/// Whether `place` is, or lies in, the directory with this identity. A mount shows one directory at two paths, so paths
/// alone do not tell.
fn lies_in(place: &Path, directory: Identity) -> io::Result<bool> {
    for ancestor in fs::canonicalize(place)?.ancestors() {
        if identity(&fs::metadata(ancestor)?) == directory {
            return Ok(true);
        }
    }
    Ok(false)
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

    impl Scene {
        fn new() -> Self {
            let folder = TempDir::new().unwrap();
            let at = folder.path().canonicalize().unwrap();
            fs::create_dir_all(at.join("own/data")).unwrap();
            fs::create_dir_all(at.join("granted/old")).unwrap();
            let own = Arc::from([("data", at.join("own/data"))]);
            let root = Root::open(&at.join("granted"), own).unwrap();
            Self { folder, root }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().canonicalize().unwrap().join(name)
        }

        /// The names in the directory that is used now, or why none is.
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
        // Without a trace of the data nobody can tell that it lies elsewhere.
        fs::remove_file(scene.path("own")).unwrap();
        assert!(scene.refusal().contains("cannot be found"));
    }
}
