//! The data directory: who may hold it, and where berth keeps what.
//!
//! Everything below it belongs only to the user that berth runs as: directories are 0700, files 0600,
//! and a link is never followed. If something is different, berth does not start, because it may have been read or
//! planted.

mod accepted;
mod access;
mod altered;
pub mod audit;
mod database;
mod error;
mod files;
pub mod jobs;
mod kept;
mod lock;
pub mod outbox;
mod seal;
mod secret;
mod suitable;
pub mod tasks;
mod token;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use accepted::AcceptedText;
pub use access::{
    AccessRecords, App, Approval, Family, Issued, Kind, Login, NewApp, Redemption, Refused, Registered, Room, Secret,
    Verified, Word, passphrase,
};
pub use altered::Altered;
pub use audit::{Audit, Recorder};
pub use error::Error;
pub use jobs::JobIndex;
pub use kept::{Kept, Unkept};
pub use lock::Lock;
pub use outbox::Outbox;
pub use seal::Seal;
pub use tasks::Tasks;
pub use token::{LocalToken, random_token};

/// The longest path that a unix socket can be bound to on every system, in bytes (macOS has the least room).
const SOCKET_PATH_LIMIT: usize = 103;

/// The age of a draft at which nobody is working on it.
const DRAFTS: Duration = Duration::from_hours(1);

/// The operator's data and cache directories, made if need be and found safe.
#[derive(Clone, Debug)]
pub struct DataDirectory {
    data: PathBuf,
    cache: PathBuf,
}

impl DataDirectory {
    /// Makes `path` and `cache` where they are missing, and checks them: both directories, and the data directory's
    /// entries down to the second level, must belong to this user, give no permission to others and must not be links.
    ///
    /// # Errors
    /// Names the path, what is wrong with it, and the command that fixes it.
    pub fn open(path: &Path, cache: &Path) -> Result<Self, Error> {
        let opened = Self {
            data: path.to_owned(),
            cache: cache.to_owned(),
        };
        opened.fits_socket(&opened.socket_path())?;
        for directory in [path, cache] {
            suitable::check(directory)?;
            files::own_directory(directory).map_err(|fault| suitable::advice(directory, fault))?;
        }
        files::check_entries(path, 2)?;
        Ok(opened)
    }

    /// The data directory itself.
    pub fn path(&self) -> &Path {
        &self.data
    }

    /// Where berth keeps things that can be made again, such as compiled plugins.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// Takes the directory for this process until the returned value is dropped or the process ends, however it ends.
    /// Drafts that a process has left there are removed. `purpose` is a word or two, such as "serve", that another
    /// process shows to its user.
    ///
    /// # Errors
    /// [`Error::InUse`] with the holder's process id and purpose if another process has it.
    pub fn lock(&self, purpose: &str) -> Result<Lock, Error> {
        let lock = Lock::take(&self.data.join("lock"), purpose)?;
        // A process that works on a draft has it only for moments.
        for directory in [&self.data, &self.data.join("conf")] {
            files::discard_drafts(directory, DRAFTS);
        }
        Ok(lock)
    }

    /// The token that local callers present, made on first use. Any process of this user gets the same one.
    ///
    /// # Errors
    /// If its file cannot be made, is damaged, or could have been read by others.
    pub fn local_token(&self) -> Result<LocalToken, Error> {
        LocalToken::load_or_create(&self.data.join("token"))
    }

    /// What this installation is called on hosts, where several may have jobs: 16 hexadecimal digits, made on first use. Any
    /// process of this user gets the same ones.
    ///
    /// # Errors
    /// If the file cannot be made, is damaged, or could have been written by others.
    pub fn installation(&self) -> Result<String, Error> {
        let path = self.data.join("installation");
        secret::digits::<8>(&path)?.ok_or(Error::Installation { path })
    }

    /// The records of who may come in. Every process of this user may open them, whoever owns the directory.
    ///
    /// # Errors
    /// If the database or the key for tokens cannot be opened, or did not belong to us alone.
    pub fn access(&self) -> Result<AccessRecords, Error> {
        AccessRecords::open(&self.database_path(), &self.data.join("token.key"))
    }

    /// What seals the forms that clients show to a person, with a key that is made on first use.
    ///
    /// # Errors
    /// If the file of the key cannot be made, is damaged, or could have been read by others.
    pub fn seal(&self) -> Result<Seal, Error> {
        Seal::load_or_create(&self.data.join("forms.key"))
    }

    /// The record of what was done; with `sync` each entry outlives a power cut. Every process of this user may open it.
    ///
    /// # Errors
    /// If its file or its key cannot be opened, or was not ours alone; or if it still stands where an older berth kept it,
    /// and one of those runs; or if it is missing, though there was one.
    pub fn audit(&self, sync: bool) -> Result<Audit, Error> {
        Audit::open(self, sync, None)
    }

    /// The same for who holds the lock of this directory, and so may move the record from where an older berth kept it, or
    /// begin a new one where it is missing. The new one's first entry and the log say so.
    ///
    /// # Errors
    /// If its file or its key cannot be opened, or did not belong to us alone.
    pub fn audit_of_owner(&self, sync: bool, owner: &Lock) -> Result<Audit, Error> {
        Audit::open(self, sync, Some(owner))
    }

    /// The messages that wait for their session. Only the owner of the directory opens them.
    ///
    /// # Errors
    /// If the file cannot be opened, may not be ours alone, or is not as berth makes it.
    pub fn outbox(&self, _owner: &Lock) -> Result<Outbox, Error> {
        Outbox::open(&self.data.join("outbox.db"))
    }

    /// The calls that were answered with a task. Only the owner of the directory opens them.
    ///
    /// # Errors
    /// If the file cannot be opened, may not be ours alone, or is not as berth makes it.
    pub fn tasks(&self, _owner: &Lock) -> Result<Tasks, Error> {
        Tasks::open(&self.data.join("tasks.db"))
    }

    /// Keeps `shipped` as what the operator has accepted of the shipped configuration: [`AcceptedText::read`] reads it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn accept(&self, shipped: &str) -> Result<(), Error> {
        accepted::write(&self.data, shipped)
    }

    fn database_path(&self) -> PathBuf {
        self.data.join("berth.db")
    }

    /// The unix socket on which the owner of the directory listens to `berth stdio` and `berth call`.
    pub fn socket_path(&self) -> PathBuf {
        self.data.join("berth.sock")
    }

    /// What the backend keeps from call to call, in a file that is made on demand.
    ///
    /// # Errors
    /// If `backend` cannot be a file name, or the file may not be ours alone, or is not as berth makes it.
    pub fn kept(&self, backend: &str) -> Result<Kept, Error> {
        let path = self.place("stores", backend)?;
        Kept::open(&path.with_file_name(format!("{backend}.db")))
    }

    /// Where the jobs of `backend` are: its index, and a directory for each job.
    ///
    /// # Errors
    /// If `backend` cannot be a file name, or the directory may not be ours alone.
    pub fn jobs_path(&self, backend: &str) -> Result<PathBuf, Error> {
        let path = self.place("jobs", backend)?;
        files::own_directory(&path)?;
        Ok(path)
    }

    /// The index of the jobs of `backend`, in a file that is made on demand.
    ///
    /// # Errors
    /// If the file may not be ours alone, or is not as berth makes it.
    pub fn job_index(&self, backend: &str) -> Result<JobIndex, Error> {
        JobIndex::open(&self.jobs_path(backend)?)
    }

    /// The backends that have jobs, whether they are still configured or not, in the order of their names.
    pub fn backends_with_jobs(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.data.join("jobs"))
            .into_iter()
            .flatten()
            .flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names
            .filter(|name| {
                files::check_name(name).is_ok() && self.data.join("jobs").join(name).join("index.db").is_file()
            })
            .collect();
        names.sort();
        names
    }

    /// Moves what the plugin of `backend` kept in files of its own, as it did for an older berth, to where it is kept
    /// now. Only the owner of the directory does this.
    ///
    /// # Errors
    /// If the files cannot be read, or what is kept cannot be written.
    pub fn take_over_state(&self, backend: &str) -> Result<(), Error> {
        files::check_name(backend)?;
        let former = self.data.join("state").join(backend);
        match former.try_exists() {
            Ok(true) => {
                files::own_directory(&former)?;
                self.kept(backend)?.take_over(&former)
            }
            _ => Ok(()),
        }
    }

    /// Writes `text` as the configuration file `name` for a granted program and returns its path. A reader in the
    /// meantime sees the old text or the new one, never a part.
    ///
    /// # Errors
    /// If `name` cannot be a file name, or the file cannot be written.
    pub fn write_conf(&self, name: &str, text: &str) -> Result<PathBuf, Error> {
        let path = self.place("conf", name)?;
        files::replace(&path, text)?;
        Ok(path)
    }

    /// Where [`DataDirectory::write_conf`] keeps the file `name`.
    ///
    /// # Errors
    /// If `name` cannot be a file name.
    pub fn conf_path(&self, name: &str) -> Result<PathBuf, Error> {
        self.place("conf", name)
    }

    /// Where a granted program's server has its socket, in a directory that only this user reaches.
    ///
    /// # Errors
    /// If a name cannot be a file name, the directory may not be ours alone, or the path is too long for a socket.
    pub fn program_socket(&self, backend: &str, program: &str) -> Result<PathBuf, Error> {
        files::check_name(program)?;
        let directory = self.place("sockets", backend)?;
        let socket = directory.join(program);
        self.fits_socket(&socket)?;
        files::own_directory(&directory)?;
        Ok(socket)
    }

    fn fits_socket(&self, socket: &Path) -> Result<(), Error> {
        match socket.as_os_str().len().checked_sub(SOCKET_PATH_LIMIT) {
            None | Some(0) => Ok(()),
            Some(excess) => Err(Error::LongPath {
                path: self.data.clone(),
                socket: socket.strip_prefix(&self.data).unwrap_or(socket).to_owned(),
                excess,
            }),
        }
    }

    /// `<data>/<folder>/<name>`, with the folder made and checked.
    fn place(&self, folder: &str, name: &str) -> Result<PathBuf, Error> {
        files::check_name(name)?;
        let folder = self.data.join(folder);
        files::own_directory(&folder)?;
        Ok(folder.join(name))
    }
}

#[cfg(test)]
mod tests;
