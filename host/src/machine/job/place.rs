//! The directory of one job, reached by its descriptor: what is made, read and replaced in it.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::ended::{Ended, Process, Processes};
use super::lines::bad;
use super::spec::Spec;
use super::until::Until;
use crate::machine::mounts::reached_by;

/// Bytes of a small file.
const SMALL: u64 = 16 << 10;
/// Bytes of `spec`: its arguments may take 128 KiB, each byte twice.
const SPEC: u64 = 1 << 20;
/// Bytes of a block, as the system counts those of a file.
const BLOCK: u64 = 512;
/// Bytes that a job keeps free until its end, so that this can be told when the disk is full: in `exit`, and in the index.
const RESERVED: usize = 128 << 10;

const SPEC_FILE: &str = "spec";
pub(super) const CLAIM: &str = "claim";
pub(super) const PID: &str = "pid";
pub(super) const EXIT: &str = "exit";
pub(super) const UNTIL: &str = "until";
pub(super) const INPUT: &str = "in";
pub(super) const SENT: &str = "sent";
pub(super) const CANCEL: &str = "cancel";
pub(super) const BELL: &str = "bell";
pub(super) const NEWS: &str = "news";
const DRAFT: &str = "draft";

/// The directory of one job.
#[derive(Debug)]
pub struct Job {
    path: PathBuf,
    directory: OwnedFd,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// No supervisor has taken it.
    Unclaimed,
    /// One has, whether it lives or not.
    Claimed,
    /// It has ended.
    Ended(Ended),
}

impl Job {
    /// Makes the directory `path`, whose parent belongs to berth, for `spec` with `input` as the beginning of its standard
    /// input. If that is not `whole`, it is on the disk when this returns, as is what is added to it; otherwise the
    /// directory can be made again until a supervisor takes it. One that is there already, because its maker was killed,
    /// is filled again.
    ///
    /// # Errors
    /// What the system says, or that a supervisor has taken it.
    pub fn make(path: &Path, spec: &Spec, input: &[u8], whole: bool) -> io::Result<Self> {
        let is_new = match rustix::fs::mkdir(path, Mode::RWXU) {
            Err(error) if error != Errno::EXIST => return Err(error.into()),
            made => made.is_ok(),
        };
        let job = Self::open(path)?;
        if job.stage()? != Stage::Unclaimed {
            return Err(ErrorKind::AlreadyExists.into());
        }
        match job.fill(spec, input, whole) {
            Ok(()) => Ok(job),
            Err(error) => {
                // Another one may have been taken meanwhile.
                if is_new {
                    let _ = job.remove();
                }
                Err(error)
            }
        }
    }

    fn fill(&self, spec: &Spec, input: &[u8], whole: bool) -> io::Result<()> {
        self.fifo(BELL)?;
        self.fifo(NEWS)?;
        self.reserve_end()?;
        let until = Until {
            bytes: input.len() as u64,
            ended: whole,
        };
        for (name, bytes) in [(INPUT, input), (UNTIL, until.text().as_bytes())] {
            match whole {
                true => self.replace_unsynced(name, bytes)?,
                false => self.replace(name, bytes)?,
            }
        }
        self.specify(spec)?;
        if !whole {
            self.sync()?;
        }
        // A claim is only on the disk if its directory is.
        if let Some(parent) = self.path.parent() {
            File::open(parent)?.sync_all()?;
        }
        Ok(())
    }

    /// Says what it is to run. Nobody needs that after a power cut: it is either claimed, or this is called again.
    ///
    /// # Errors
    /// What the system says.
    pub fn specify(&self, spec: &Spec) -> io::Result<()> {
        self.replace_unsynced(SPEC_FILE, spec.text().as_bytes())
    }

    /// Opens the directory `path` of a job.
    ///
    /// # Errors
    /// If it is not a directory of this user alone, or a link, or if something is mounted there.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = match rustix::fs::open(path, flags, Mode::empty()) {
            Err(Errno::LOOP) => return Err(bad("a link is in its place")),
            Err(Errno::ACCESS) => return Err(bad("its mode keeps this user out")),
            directory => directory?,
        };
        let found = rustix::fs::fstat(&directory)?;
        let is_ours = found.st_uid == rustix::process::geteuid().as_raw();
        if !is_ours || Mode::from_raw_mode(found.st_mode).intersects(Mode::RWXG | Mode::RWXO) {
            return Err(bad("it does not belong to this user alone"));
        }
        if let Some(parent) = path.parent() {
            let above = File::open(parent)?;
            if reached_by(&directory, found.st_dev) != reached_by(&above, rustix::fs::fstat(&above)?.st_dev) {
                return Err(bad("something is mounted in its place"));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            directory,
        })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How far it is. An `exit` that nobody can read counts as none.
    ///
    /// # Errors
    /// What the system says.
    pub fn stage(&self) -> io::Result<Stage> {
        match self.read(EXIT, SMALL) {
            Ok(Some(bytes)) => {
                if let Ok(ended) = Ended::parse(bytes) {
                    return Ok(Stage::Ended(ended));
                }
            }
            Ok(None) => {}
            Err(error) if error.kind() == ErrorKind::InvalidData => {}
            Err(error) => return Err(error),
        }
        match rustix::fs::statat(&self.directory, CLAIM, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(Stage::Claimed),
            Err(Errno::NOENT) => Ok(Stage::Unclaimed),
            Err(error) => Err(error.into()),
        }
    }

    /// What it is to run.
    pub(super) fn spec(&self) -> io::Result<Spec> {
        Spec::parse(self.needed(SPEC_FILE, SPEC)?)
    }

    /// Its processes, where they are known.
    pub(super) fn processes(&self) -> io::Result<Option<Processes>> {
        self.read(PID, SMALL)?.map(Processes::parse).transpose()
    }

    /// Whether a process is its supervisor, or leads the group of its program.
    pub fn has_process(&self, pid: i32, started: u64) -> bool {
        let process = Process { pid, started };
        let had = self.processes().ok().flatten();
        had.is_some_and(|had| had.supervisor == process || had.program == Some(process))
    }

    /// When its program was started, in milliseconds since 1970; none before.
    pub fn started(&self) -> Option<u64> {
        self.processes().ok().flatten().map(|processes| processes.at)
    }

    pub(super) fn until(&self) -> io::Result<Until> {
        Until::parse(self.needed(UNTIL, SMALL)?)
    }

    /// Asks for its end: TERM to its group, and KILL after 5 seconds.
    ///
    /// # Errors
    /// What the system says.
    pub fn cancel(&self) -> io::Result<()> {
        self.create_new(CANCEL)?;
        self.ring();
        Ok(())
    }

    pub(super) fn is_cancelled(&self) -> bool {
        rustix::fs::statat(&self.directory, CANCEL, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Lets the supervisor look. If there is none, it will look when it comes.
    pub fn ring(&self) {
        if let Ok(bell) = self.open_fifo(BELL, OFlags::WRONLY) {
            // If the bell is full, it is about to look.
            let _ = rustix::io::write(bell, b"!");
        }
    }

    /// Says that it has ended, on the disk when this returns. Its first end stays.
    ///
    /// # Errors
    /// What the system says.
    pub fn end(&self, ended: &Ended) -> io::Result<()> {
        if let Stage::Ended(_) = self.stage()? {
            return Ok(());
        }
        let mut file = File::from(self.open_at(&draft(EXIT), OFlags::WRONLY | OFlags::CREATE)?);
        let text = ended.text();
        // What was reserved is written over, and then given back.
        file.write_all(text.as_bytes())?;
        file.set_len(text.len() as u64)?;
        file.sync_all()?;
        rustix::fs::renameat(&self.directory, draft(EXIT), &self.directory, EXIT)?;
        self.sync()
    }

    /// Keeps room on the disk for the end.
    fn reserve_end(&self) -> io::Result<()> {
        File::from(self.open_at(&draft(EXIT), OFlags::WRONLY | OFlags::CREATE)?).write_all(&[b'\n'; RESERVED])
    }

    /// Keeps a file of berth's own beside those of the job, for this user alone.
    ///
    /// # Errors
    /// What the system says.
    pub fn keep(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.replace_unsynced(name, bytes)
    }

    /// Makes the empty file `name`, on the disk when this returns; false if there is one.
    pub(super) fn create_new(&self, name: &str) -> io::Result<bool> {
        match self.open_at(name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL) {
            Ok(_) => {
                self.sync()?;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Puts a file with these bytes in place of `name`, in one step. They are on the disk, its name need not be.
    pub(super) fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.replace_after(name, bytes, File::sync_data)
    }

    /// The same for what nobody needs after a power cut.
    pub(super) fn replace_unsynced(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.replace_after(name, bytes, |_| Ok(()))
    }

    fn replace_after(&self, name: &str, bytes: &[u8], sync: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
        let draft = draft(name);
        let mut file = File::from(self.open_at(&draft, OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC)?);
        file.write_all(bytes)?;
        sync(&file)?;
        Ok(rustix::fs::renameat(&self.directory, &draft, &self.directory, name)?)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.directory)?)
    }

    /// The file `name`; none if there is none, an error if it has more than `most` bytes.
    fn read(&self, name: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match self.open_at(name, OFlags::RDONLY) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => File::from(file?),
        };
        let mut bytes = Vec::new();
        file.take(most + 1).read_to_end(&mut bytes)?;
        match bytes.len() as u64 > most {
            true => Err(bad("it is too long")),
            false => Ok(Some(bytes)),
        }
    }

    fn needed(&self, name: &str, most: u64) -> io::Result<Vec<u8>> {
        self.read(name, most)?
            .ok_or_else(|| bad(&format!("there is no file `{name}`")))
    }

    /// A regular file of the directory, which is never a link.
    pub(super) fn open_at(&self, name: &str, flags: OFlags) -> io::Result<OwnedFd> {
        self.open_kind(name, flags, Mode::RUSR | Mode::WUSR, FileType::RegularFile)
    }

    pub(super) fn open_fifo(&self, name: &str, flags: OFlags) -> io::Result<OwnedFd> {
        self.open_kind(name, flags, Mode::empty(), FileType::Fifo)
    }

    /// What is called `name`, if it is of this kind. What the job put there instead is told as such, and never as a failure
    /// that passes.
    fn open_kind(&self, name: &str, flags: OFlags, mode: Mode, kind: FileType) -> io::Result<OwnedFd> {
        // Without NONBLOCK, a FIFO in a file's place would be waited for.
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = match rustix::fs::openat(&self.directory, name, flags, mode) {
            Err(Errno::LOOP) => return Err(bad("a link is in its place")),
            Err(Errno::ACCESS) => return Err(bad("its mode keeps this user out")),
            Err(Errno::ISDIR) => return Err(bad("a directory is in its place")),
            opened => opened?,
        };
        match FileType::from_raw_mode(rustix::fs::fstat(&opened)?.st_mode) == kind {
            true => Ok(opened),
            false => Err(bad("something else is in its place")),
        }
    }

    #[cfg(not(target_os = "macos"))]
    fn fifo(&self, name: &str) -> io::Result<()> {
        match rustix::fs::mkfifoat(&self.directory, name, Mode::RUSR | Mode::WUSR) {
            Err(error) if error != Errno::EXIST => Err(error.into()),
            _ => Ok(()),
        }
    }

    #[cfg(target_os = "macos")]
    fn fifo(&self, name: &str) -> io::Result<()> {
        use nix::sys::stat::Mode;
        match nix::unistd::mkfifo(&self.path.join(name), Mode::S_IRUSR | Mode::S_IWUSR) {
            Err(error) if error != nix::errno::Errno::EEXIST => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The names of its entries.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let entries = Dir::read_from(&self.directory)?;
        let name =
            |entry: rustix::io::Result<rustix::fs::DirEntry>| Some(entry.ok()?.file_name().to_str().ok()?.to_owned());
        Ok(entries.filter_map(name).collect())
    }

    /// The length of the regular file `name`.
    pub(super) fn length(&self, name: &str) -> io::Result<u64> {
        let found = rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
        u64::try_from(found.st_size).map_err(|_| bad("it has no length"))
    }

    /// Bytes that all its files take on the disk.
    ///
    /// # Errors
    /// What the system says.
    pub fn size(&self) -> io::Result<u64> {
        let names = self.names()?;
        let taken = names.iter().filter_map(|name| self.taken(name).ok());
        Ok(taken.fold(0, u64::saturating_add).min((1 << 53) - 1))
    }

    /// Bytes of the file `name` that are on the disk: it may have holes, and look as long as it likes.
    fn taken(&self, name: &str) -> io::Result<u64> {
        let found = rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let (Ok(length), Ok(blocks)) = (u64::try_from(found.st_size), u64::try_from(found.st_blocks)) else {
            return Err(bad("it has no length"));
        };
        Ok(length.min(blocks.saturating_mul(BLOCK)))
    }

    /// Removes the file `name`, if it is there.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove_file(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.directory, name, AtFlags::empty()) {
            Err(error) if error != Errno::NOENT => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Removes the directory with the files in it. A directory in it, or what is mounted there, is not entered: then an
    /// error says so, and the rest is gone.
    ///
    /// # Errors
    /// What could not be removed.
    pub fn remove(self) -> io::Result<()> {
        for name in self.names()?.iter().filter(|name| !matches!(name.as_str(), "." | "..")) {
            match rustix::fs::unlinkat(&self.directory, name.as_str(), AtFlags::empty()) {
                Err(error) if error != Errno::NOENT => {
                    tracing::debug!("{}: {name:?} stays: {error}", self.path.display())
                }
                _ => {}
            }
        }
        std::fs::remove_dir(&self.path)
    }
}

fn draft(name: &str) -> String {
    format!("{name}.{DRAFT}")
}
